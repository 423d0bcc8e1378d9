//! Histories of transactions that append to lists: what was asked, what was seen, and when.
//!
//! A list that is only ever appended to, with no element twice, tells in one read everything that was written to it and
//! in which order. That is the idea of Elle (Kingsbury and Alvaro, "Elle: Inferring Isolation Anomalies from
//! Experimental Observations", VLDB 2020): from such reads [`checker`](super::checker) infers what must have come
//! before what, without knowing anything of the store.

mod recorded;
mod recorder;

pub use recorded::{Element, History, HistoryOptions, Key, Operation, Outcome, Recorded};
pub use recorder::final_look;

use super::Sessions;
use recorder::Recorder;

/// Runs transactions on the store and records them, with a last look at all lists. Uses the keyspaces `lists`
/// and `more_lists`, emptied first.
///
/// A store that fails a commit on the way ([`CommitUnknown`](strongroom_core::ErrorKind::CommitUnknown)) ends the
/// history there: reopen it, and add a last look with [`final_look`].
pub fn record(sessions: &impl Sessions, options: &HistoryOptions) -> History {
    Recorder::new(sessions, options).run()
}
