//! Recorded histories: the checker finds nothing in those of the store, and the anomalies in those of a weakened
//! store.

#![allow(clippy::unwrap_used, clippy::panic)] // Tests fail by panicking.

use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::path::Path;
use strongroom_core::{Backend, Durability, MemoryBackend, Undo};
use strongroom_store::{Store, StoreOptions};
use strongroom_testkit::PretendEngine;
use strongroom_testkit::fault::{Faults, FaultyEngine, FaultyOptions, How};
use strongroom_testkit::isolation::checker::{Anomaly, CycleKind, assert_serializable, check};
use strongroom_testkit::isolation::history::{self, HistoryOptions, Operation, Outcome};
use strongroom_testkit::isolation::{Isolation, Weakened};

/// A backend on disk with undo snapshots, as for engines without snapshots.
type OnDisk = Backend<Undo<FaultyEngine<PretendEngine>>>;

fn options() -> StoreOptions {
    StoreOptions::new().durability(Durability::Buffered)
}

fn store() -> Store {
    Store::new(MemoryBackend::in_memory(), options()).unwrap()
}

fn on_disk(directory: &Path, switch: &Faults) -> Store {
    let engine = FaultyOptions::new(switch.clone());
    Store::new(OnDisk::open(directory.join("store"), engine).unwrap(), options()).unwrap()
}

#[test]
fn histories_of_the_store_are_strictly_serializable() {
    let directory = tempfile::tempdir().unwrap();
    for store in [store(), on_disk(directory.path(), &Faults::new())] {
        let history = history::record(&store, &HistoryOptions::new());
        assert_serializable(&history);
        let count = |outcome| history.transactions.iter().filter(|each| each.outcome == outcome).count();
        let (committed, aborted) = (count(Outcome::Committed), count(Outcome::Aborted));
        assert!(
            committed > 300 && aborted > 100,
            "{committed} committed and {aborted} aborted: too few to test conflicts"
        );
        assert!(store.stats().unwrap().conflicts > 0);
    }
}

/// Records histories of a weakened store until all `wanted` anomalies are found; returns all that were found.
fn found_at(isolation: Isolation, wanted: &[&'static str]) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    for seed in 0..30 {
        let weakened = Weakened::new(store(), isolation);
        let history = history::record(&weakened, &HistoryOptions::new().seed(seed).transactions(600));
        found.extend(check(&history).iter().map(name));
        if seed > 0 && wanted.iter().all(|name| found.contains(name)) {
            return found;
        }
    }
    panic!("{isolation:?}: expected {wanted:?}, found {found:?}");
}

fn name(anomaly: &Anomaly) -> &'static str {
    match anomaly {
        Anomaly::AbortedRead(_) => "aborted",
        Anomaly::IntermediateRead(_) => "intermediate",
        Anomaly::Lost(_) => "lost",
        Anomaly::Duplicate(_) | Anomaly::Garbage(_) => "elements",
        Anomaly::IncompatibleOrders { .. } => "orders",
        Anomaly::Internal { .. } => "internal",
        Anomaly::Cycle(CycleKind::RealTime, _) => "real time",
        Anomaly::Cycle(CycleKind::G2, _) => "skew",
        Anomaly::Cycle(_, _) => "cycle",
    }
}

#[test]
fn histories_of_commits_that_share_a_sync_are_strictly_serializable() {
    let directory = tempfile::tempdir().unwrap();
    let engine = FaultyOptions::new(Faults::new());
    let backend = OnDisk::open(directory.path().join("store"), engine).unwrap();
    let store = Store::new(backend, StoreOptions::new().durability(Durability::PowerSafe)).unwrap();
    let history = history::record(&store, &HistoryOptions::new().threads(12).transactions(600));
    assert_serializable(&history);
    // Concurrent commits form groups, in which each one is validated after the earlier ones of its group.
    let stats = store.stats().unwrap();
    assert!(stats.group_commits > stats.groups, "{} in {} groups", stats.group_commits, stats.groups);
}

#[test]
fn histories_with_weaker_isolation_have_the_expected_anomalies() {
    assert_eq!(found_at(Isolation::Serializable, &[]), BTreeSet::new());
    // Only write skew, which may show only through the real-time order.
    let found = found_at(Isolation::Snapshot, &["skew"]);
    assert!(found.is_subset(&BTreeSet::from(["skew", "real time"])), "{found:?}");
    found_at(Isolation::ReadCommitted, &["cycle", "internal", "lost", "orders"]);
    found_at(Isolation::ReadUncommitted, &["aborted", "intermediate"]);
}

#[test]
fn a_transaction_that_fails_is_committed_completely_or_not_at_all() {
    let mut unknown = 0;
    for (operation, number, how) in [
        ("apply", 40, How::Error),
        ("apply", 150, How::ErrorAfterwards),
        ("get", 700, How::Error),
        ("advance", 300, How::Error),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let switch = Faults::new();
        let store = on_disk(directory.path(), &switch);
        // Creates the keyspaces first, so that the fault does not hit their creation.
        for keyspace in ["lists", "more_lists"] {
            store.create_keyspace(keyspace).unwrap();
        }
        switch.fail_at_operation(operation, number, how);
        let mut history = history::record(&store, &HistoryOptions::new().transactions(400));
        assert_eq!(switch.injected(), Some(operation), "the fault never struck");
        unknown += history.transactions.iter().filter(|each| each.outcome == Outcome::Unknown).count();
        drop(store);
        switch.disarm();
        history::final_look(&mut history, &on_disk(directory.path(), &switch));
        assert_serializable(&history);
    }
    assert!(unknown > 0);
}

#[test]
fn the_report_of_an_anomaly_names_its_transactions() {
    let mut history = history::record(&store(), &HistoryOptions::new().transactions(50));
    let committed = history.transactions.iter().position(|each| {
        each.outcome == Outcome::Committed
            && each.operations.iter().any(|operation| matches!(operation, Operation::Append(..)))
    });
    // Marks a committed transaction as refused, although its writes are there.
    history.transactions[committed.unwrap()].outcome = Outcome::Aborted;
    let panic = catch_unwind(|| assert_serializable(&history)).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(
        text.contains("aborted read (G1a)") && text.contains(&format!("transaction {},", committed.unwrap())),
        "{text}"
    );
}
