//! Known anomalies and the bank on the memory backend: the store passes, and a weakened store fails.

#![allow(clippy::unwrap_used, clippy::panic)] // Tests fail by panicking.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use strongroom_core::{Backend, Durability, MemoryBackend, MemoryEngine, Undo};
use strongroom_store::{Store, StoreOptions};
use strongroom_testkit::fault::{Faults, FaultyEngine, FaultyOptions};
use strongroom_testkit::isolation::bank::{self, BankOptions, Broken};
use strongroom_testkit::isolation::{Isolation, Weakened, hermitage};
use tempfile::TempDir;

fn options() -> StoreOptions {
    StoreOptions::new().durability(Durability::Buffered)
}

fn store() -> Store {
    Store::new(MemoryBackend::in_memory(), options()).unwrap()
}

/// A store with undo snapshots, as for engines without snapshots.
fn undoing() -> (Store, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let options = FaultyOptions::new(Faults::new());
    let backend = Backend::<Undo<FaultyEngine<MemoryEngine>>>::open(directory.path(), options).unwrap();
    (Store::new(backend, self::options()).unwrap(), directory)
}

#[test]
fn no_anomaly_shows_in_the_store() {
    hermitage::all(&store());
    let (undoing, _directory) = undoing();
    hermitage::all(&undoing);
}

/// The anomalies that show in a store weakened to `isolation`.
fn anomalies_at(isolation: Isolation) -> BTreeSet<&'static str> {
    let weakened = Weakened::new(store(), isolation);
    let found = hermitage::anomalies()
        .into_iter()
        .filter(|(_, anomaly)| catch_unwind(AssertUnwindSafe(|| anomaly(&weakened))).is_err());
    found.map(|(name, _)| name).collect()
}

#[test]
fn each_anomaly_shows_under_weaker_isolation() {
    let all: BTreeSet<&str> = hermitage::anomalies::<Store>().into_iter().map(|(name, _)| name).collect();
    // By definition, snapshot isolation allows exactly write skew. g1c ends in a write skew.
    let skews = BTreeSet::from(["g1c", "g2", "g2_item", "g2_two_edges"]);
    assert_eq!(anomalies_at(Isolation::Serializable), BTreeSet::new());
    assert_eq!(anomalies_at(Isolation::Snapshot), skews);
    let committed = anomalies_at(Isolation::ReadCommitted);
    let expected: BTreeSet<&str> = all.difference(&BTreeSet::from(["g0", "g1a", "g1b"])).copied().collect();
    assert_eq!(committed, expected);
    assert!(
        anomalies_at(Isolation::ReadUncommitted)
            .is_superset(&BTreeSet::from(["g0", "g1a", "g1b", "g1c", "otv"]))
    );
}

#[test]
fn the_bank_keeps_all_its_money() {
    let (undoing, _directory) = undoing();
    for store in [store(), undoing] {
        let report = bank::run(&store, &BankOptions::new());
        assert!(report.moved > 100 && report.looks > 10, "{report:?}");
    }
}

/// The rules broken in a store weakened to `isolation`; tries up to 20 seeds, and stops after two broken runs.
fn broken_at(isolation: Isolation) -> BTreeSet<&'static str> {
    let weakened = Weakened::new(store(), isolation);
    let broken = (0..20).filter_map(|seed| {
        let options = BankOptions::new().seed(seed).transfers(1_000);
        Some(match bank::observe(&weakened, &options).broken? {
            Broken::Total(_) => "total",
            Broken::Account(_) => "account",
            Broken::Owner(..) => "owner",
        })
    });
    broken.take(2).collect()
}

#[test]
fn a_bank_with_less_isolation_loses_money_or_lets_owners_overdraw() {
    // Snapshot isolation loses no update, so only write skew breaks a rule.
    assert_eq!(broken_at(Isolation::Snapshot), BTreeSet::from(["owner"]));
    assert!(broken_at(Isolation::ReadCommitted).contains("total"));
}
