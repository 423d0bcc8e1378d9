//! One trial at a time: make the store, cut it off, look at what is left, judge.

mod damage;
mod fault;
mod files;
mod kill;
mod look;
mod power;

pub use damage::Prepared;
pub use look::COMMITS;
pub use power::Recorded;

use crate::name::Name;
use crate::results::Trial;
use crate::subject::Subject;
use std::io;
use std::time::Duration;

/// Makes one trial, whatever its kind. Trials that share a recording or a prepared store are made faster by
/// [`Recorded::trial`] and [`Prepared::trial`].
/// `limit` is how long a process that looks at a store may take.
pub fn run(subject: &dyn Subject, name: &Name, limit: Duration) -> io::Result<Trial> {
    match name {
        Name::Kill { workload, seed, .. } => kill::trial(subject, *workload, *seed, name, limit),
        Name::Power { file_system, workload, seed, .. } => {
            Recorded::new(subject, *file_system, *workload, *seed)?.trial(subject, name, limit)
        }
        Name::Fault { .. } => fault::trial(subject, name, limit),
        Name::Damage { closed, seed, .. } => {
            Prepared::new(subject, *closed, *seed)?.trial(subject, name, limit)
        }
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
