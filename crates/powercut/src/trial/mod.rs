//! Runs one trial: fills a store, interrupts it, inspects the remains and checks them.

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

/// Runs one trial of any kind. `limit` is the time limit of a process that inspects a store.
///
/// Trials that share a recording or a prepared store run faster through [`Recorded::trial`] and [`Prepared::trial`].
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
