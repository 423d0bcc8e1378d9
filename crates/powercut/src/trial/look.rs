//! Code shared by all trials, and the findings of an inspection after an interruption.

use crate::child::{Look, Outcome};
use crate::judge::{Finding, Found, History};
use crate::marks::Mark;
use crate::name::Name;
use crate::subject::Role;
use std::io;
use std::time::Duration;

/// Commits of a script, except in kill trials.
pub const COMMITS: usize = 48;

/// Time limit of a writing child. Far more than a working one takes, even on a busy machine.
pub(super) const WRITE_LIMIT: Duration = Duration::from_secs(120);

/// The directory of the store, within the directory of a trial.
pub(super) const STORE: &str = "store";

/// Returns the findings of an inspection after an interruption.
pub(super) fn judge_look(history: &History, marks: &[Mark], look: Look, role: Role) -> Vec<Found> {
    let cut_short = cut_short(&look.ended);
    let Some(seen) = look.seen else { return cut_short.into_iter().collect() };
    if let Some(cut_short) = cut_short {
        // Rows reported before the child died count in full only if all rows were read.
        let judged = match seen.unread {
            None => history.judge(marks, &seen.state),
            Some(_) => history.judge_part(&seen.state),
        };
        let differs = seen.differs.map(|text| (Finding::Wrong, text));
        return [cut_short].into_iter().chain(differs).chain(judged).collect();
    }
    let mut found = history.conditions(marks);
    if let Some(failure) = seen.refused.as_ref().or(seen.unread.as_ref()) {
        found.push((Finding::Unopenable, failure.message.clone()));
        // Rows returned before the error are checked too.
        found.extend(seen.differs.map(|text| (Finding::Wrong, text)));
        found.extend(history.judge_part(&seen.state));
        return found;
    }
    found.extend(seen.differs.map(|text| (Finding::Wrong, text)));
    found.extend(history.judge(marks, &seen.state));
    found.extend(seen.condition.map(|text| (Finding::Condition, text)));
    found.extend(seen.unusable.map(|text| (Finding::Unusable, text)));
    if role != Role::Raw {
        // Nothing was damaged, so verification must pass.
        found.extend(seen.verify.map(|failure| (Finding::Unusable, format!("verify: {failure}"))));
    }
    found.extend(history.judge_checkpoints(marks, &seen.checkpoints));
    found
}

/// The finding if an inspecting child hung or died.
pub(super) fn cut_short(ended: &Outcome<()>) -> Option<Found> {
    match ended {
        Outcome::Done(()) => None,
        Outcome::Hung => Some((Finding::Hung, "the inspection exceeded its time limit".to_owned())),
        Outcome::Failed(why) | Outcome::Died(why) => Some((Finding::Crashed, why.clone())),
    }
}

/// A seed derived from the name, so that random choices of different trials are independent.
pub(super) fn seed_of(name: &Name) -> u64 {
    xxhash_rust::xxh3::xxh3_64(name.to_string().as_bytes())
}

/// An error of the harness itself.
pub(super) fn broken(what: &str, why: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("{what}: {why}"))
}
