//! Histories of transactions that append to lists, with their operations, results and times.
//!
//! One read of an append-only list with unique elements shows all writes to it and their order. This is the idea of
//! Elle (Kingsbury and Alvaro, "Elle: Inferring Isolation Anomalies from Experimental Observations", VLDB 2020): from
//! such reads the [`checker`](super::checker) infers the order of transactions, without any knowledge of the store.

mod recorded;
mod recorder;

pub use recorded::{Element, History, HistoryOptions, Key, Operation, Outcome, Recorded};
pub use recorder::final_look;

use super::Sessions;
use recorder::Recorder;

/// Runs transactions on the store and records them, followed by a final read of all lists. Uses the keyspaces `lists`
/// and `more_lists`, which it empties first.
///
/// A failed commit ([`CommitUnknown`](strongroom_core::ErrorKind::CommitUnknown)) ends the history: reopen the store
/// then, and add the final read with [`final_look`].
pub fn record(sessions: &impl Sessions, options: &HistoryOptions) -> History {
    Recorder::new(sessions, options).run()
}
