//! Isolation: known anomalies, a bank, and random histories with a checker.

use super::StoreFixture;
use crate::isolation::{bank, checker, hermitage, history};

pub(super) fn no_known_anomaly_occurs(fixture: &StoreFixture) {
    hermitage::all(&fixture.open());
}

pub(super) fn a_bank_with_eight_threads_keeps_its_money(fixture: &StoreFixture) {
    bank::run(&fixture.open(), &bank::BankOptions::new().threads(8).transfers(1_000));
}

pub(super) fn random_histories_are_strictly_serializable(fixture: &StoreFixture) {
    for seed in 1..=2 {
        let options = history::HistoryOptions::new().transactions(600).seed(seed);
        checker::assert_serializable(&history::record(&fixture.open(), &options));
    }
}
