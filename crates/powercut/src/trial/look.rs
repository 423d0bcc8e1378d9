//! What all trials share, and what a look at the store after a cut finds.

use crate::child::{Look, Outcome};
use crate::judge::{Finding, Found, History};
use crate::marks::Mark;
use crate::name::Name;
use crate::subject::Role;
use std::io;
use std::time::Duration;

/// Commits of a script on the simulated disk, and elsewhere.
pub const COMMITS: usize = 48;

/// How long a writing child may take. Far more than any takes that works, on a machine that does other things too.
pub(super) const WRITE_LIMIT: Duration = Duration::from_secs(120);

/// The directory of the store, below the directory of a trial.
pub(super) const STORE: &str = "store";

/// What a look after a cut finds.
pub(super) fn judge_look(history: &History, marks: &[Mark], look: Look, role: Role) -> Vec<Found> {
    let cut_short = cut_short(&look.ended);
    let Some(seen) = look.seen else { return cut_short.into_iter().collect() };
    if let Some(cut_short) = cut_short {
        // What it saw before stands, if that was all of it.
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
        // What it served before is judged all the same.
        found.extend(seen.differs.map(|text| (Finding::Wrong, text)));
        found.extend(history.judge_part(&seen.state));
        return found;
    }
    found.extend(seen.differs.map(|text| (Finding::Wrong, text)));
    found.extend(history.judge(marks, &seen.state));
    found.extend(seen.condition.map(|text| (Finding::Condition, text)));
    found.extend(seen.unusable.map(|text| (Finding::Unusable, text)));
    if role != Role::Raw {
        // Nothing was damaged, so that verifying has nothing to find.
        found.extend(seen.verify.map(|failure| (Finding::Unusable, format!("verify: {failure}"))));
    }
    found.extend(history.judge_checkpoints(marks, &seen.checkpoints));
    found
}

/// What is found when a child that looks comes to no end of its own.
pub(super) fn cut_short(ended: &Outcome<()>) -> Option<Found> {
    match ended {
        Outcome::Done(()) => None,
        Outcome::Hung => Some((Finding::Hung, "looking at it took too long".to_owned())),
        Outcome::Failed(why) | Outcome::Died(why) => Some((Finding::Crashed, why.clone())),
    }
}

/// A seed of its own for each name: what two trials do at random has nothing in common.
pub(super) fn seed_of(name: &Name) -> u64 {
    xxhash_rust::xxh3::xxh3_64(name.to_string().as_bytes())
}

/// The harness itself could not go on.
pub(super) fn broken(what: &str, why: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("{what}: {why}"))
}
