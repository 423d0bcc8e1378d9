//! Random histories against a model: a `BTreeMap` for each keyspace, which cannot be wrong.
//!
//! A history is data: [`generate`] makes its steps out of a seed, [`replay`] runs them on a backend and on
//! the model and compares after each. A failure tells the seed, the step and the way to run it again:
//! `STRONGROOM_TESTKIT_SEEDS=17,4711` runs these seeds in place of the usual ones.

mod run;
mod steps;

pub use run::replay;
pub use steps::{Step, generate};

use crate::Fixture;

/// The seeds to run: those in the variable `STRONGROOM_TESTKIT_SEEDS`, or a few fixed ones.
///
/// # Panics
/// If the variable holds something other than numbers.
pub fn seeds() -> Vec<u64> {
    match std::env::var("STRONGROOM_TESTKIT_SEEDS") {
        Ok(list) => list
            .split(',')
            .map(|seed| match seed.trim().parse() {
                Ok(seed) => seed,
                Err(error) => panic!("STRONGROOM_TESTKIT_SEEDS is a list of numbers, not {list:?}: {error}"),
            })
            .collect(),
        Err(_) => vec![1, 2, 3],
    }
}

/// Runs a random history of `steps` steps, reopenings included where the backend is persistent.
///
/// # Panics
/// At the first difference between backend and model.
pub fn check(seed: u64, steps: usize, fixture: &Fixture) {
    replay(seed, &generate(seed, steps), fixture);
}

/// As [`check`], with one handle from the first step to the last.
///
/// # Panics
/// At the first difference between backend and model.
pub fn check_without_reopening(seed: u64, steps: usize, fixture: &Fixture) {
    let mut history = generate(seed, steps);
    history.retain(|step| !matches!(step, Step::Reopen));
    replay(seed, &history, fixture);
}
