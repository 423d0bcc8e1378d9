//! Random histories, compared with a model: a `BTreeMap` for each keyspace.
//!
//! A history is data: [`generate`] creates its steps from a seed, and [`replay`] runs them on a backend and on the
//! model, and compares each result. A failure reports the seed, the step and how to repeat it:
//! `STRONGROOM_TESTKIT_SEEDS=17,4711` runs these seeds instead of the default ones.

mod run;
mod steps;

pub use run::replay;
pub use steps::{Step, generate};

use crate::Fixture;

/// Returns the seeds to run: those in the variable `STRONGROOM_TESTKIT_SEEDS`, or a few fixed ones.
///
/// # Panics
/// If the variable is not a list of numbers.
pub fn seeds() -> Vec<u64> {
    match std::env::var("STRONGROOM_TESTKIT_SEEDS") {
        Ok(list) => list
            .split(',')
            .map(|seed| match seed.trim().parse() {
                Ok(seed) => seed,
                Err(error) => {
                    panic!("STRONGROOM_TESTKIT_SEEDS must be a list of numbers, not {list:?}: {error}")
                }
            })
            .collect(),
        Err(_) => vec![1, 2, 3],
    }
}

/// Runs a random history of `steps` steps, which reopens a persistent backend now and then.
///
/// # Panics
/// At the first difference between backend and model.
pub fn check(seed: u64, steps: usize, fixture: &Fixture) {
    replay(seed, &generate(seed, steps), fixture);
}

/// As [`check`], but without reopening the backend.
///
/// # Panics
/// At the first difference between backend and model.
pub fn check_without_reopening(seed: u64, steps: usize, fixture: &Fixture) {
    let mut history = generate(seed, steps);
    history.retain(|step| !matches!(step, Step::Reopen));
    replay(seed, &history, fixture);
}
