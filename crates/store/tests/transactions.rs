//! Transactions on the memory backend: what they see, refuse and write. The conformance suite shows that they are
//! serializable on every engine.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Tests fail by panicking.

mod support;

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use strongroom_core::{
    Direction, Durability, Error, ErrorKind, KeyRange, MemoryOptions, Options, Scan, TypedOptions as _,
};
use strongroom_store::{Keyspace, Store, StoreOptions, Transaction, TransactionOptions};
use strongroom_testkit::PretendBackend;
use support::{kind, store, value};

type Pairs = Vec<(String, String)>;

fn scanned(transaction: &Transaction, rows: &Keyspace, scan: Scan) -> Pairs {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let scanned = transaction.scan(rows, scan).unwrap();
    scanned.map(|row| row.map(|(key, value)| (text(&key), text(&value))).unwrap()).collect()
}

#[test]
fn a_transaction_sees_its_own_writes_and_others_do_not() {
    let (store, rows) = store();
    rows.set("a", "1").unwrap();
    rows.set("b", "1").unwrap();
    let mut transaction = store.begin().unwrap();
    transaction.set(&rows, "a", "2").unwrap();
    transaction.delete(&rows, "b").unwrap();
    transaction.set(&rows, "c", "").unwrap();
    assert_eq!(transaction.get(&rows, "a").unwrap().as_deref(), Some(&b"2"[..]));
    assert!(!transaction.has(&rows, "b").unwrap());
    assert_eq!(transaction.get(&rows, "c").unwrap().as_deref(), Some(&b""[..]));
    assert_eq!(
        (value(&rows, "a"), value(&rows, "b"), value(&rows, "c")),
        (Some("1".into()), Some("1".into()), None)
    );
    let commit = transaction.commit().unwrap().unwrap();
    assert_eq!(
        (value(&rows, "a"), value(&rows, "b"), value(&rows, "c")),
        (Some("2".into()), None, Some(String::new()))
    );
    assert_eq!(rows.get_row("a").unwrap().unwrap().version, commit.sequence);
}

#[test]
fn a_transaction_that_is_dropped_or_rolled_back_writes_nothing() {
    let (store, rows) = store();
    let mut transaction = store.begin().unwrap();
    transaction.set(&rows, "a", "1").unwrap();
    drop(transaction);
    let mut transaction = store.begin().unwrap();
    transaction.set(&rows, "a", "1").unwrap();
    transaction.rollback();
    assert_eq!(transaction.commit().unwrap(), None);
    let failed: Result<(), Error> = store.transaction(|transaction| {
        transaction.set(&rows, "a", "1")?;
        Err(Error::new(ErrorKind::QuotaExceeded, "enough"))
    });
    assert_eq!(kind(failed), ErrorKind::QuotaExceeded);
    assert_eq!(value(&rows, "a"), None);
}

/// Compares every scan of a transaction with a map.
#[test]
fn scans_merge_stored_rows_with_own_writes() {
    let (store, rows) = store();
    let mut model = BTreeMap::new();
    for number in (0..40).step_by(2) {
        let key = format!("k{number:02}");
        rows.set(&key, "stored").unwrap();
        model.insert(key, "stored".to_owned());
    }
    let mut transaction = store.begin().unwrap();
    for number in (0..40).step_by(3) {
        let key = format!("k{number:02}");
        if number % 2 == 0 && number % 4 == 0 {
            transaction.delete(&rows, &key).unwrap();
            model.remove(&key);
        } else {
            transaction.set(&rows, &key, "own").unwrap();
            model.insert(key, "own".to_owned());
        }
    }
    let ranges = [
        KeyRange::all(),
        KeyRange::prefix(b"k1"),
        KeyRange::between("k05", "k06"),
        KeyRange::between("k12", "k30"),
        KeyRange::between("k30", "k12"),
        KeyRange::from("k39"),
        KeyRange::prefix(b"z"),
    ];
    for range in ranges {
        let expected: Pairs = model
            .iter()
            .filter(|(key, _)| range.contains(key.as_bytes()))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        let backwards: Pairs = expected.iter().rev().cloned().collect();
        assert_eq!(scanned(&transaction, &rows, Scan::new(range.clone())), expected, "{range:?}");
        assert_eq!(scanned(&transaction, &rows, Scan::new(range.clone()).reverse()), backwards, "{range:?}");
        let keys: Vec<_> = expected.iter().map(|(key, _)| (key.clone(), String::new())).collect();
        assert_eq!(scanned(&transaction, &rows, Scan::new(range.clone()).keys_only()), keys, "{range:?}");
        for (direction, seek) in
            [(Direction::Forward, "k17"), (Direction::Reverse, "k17"), (Direction::Forward, "a")]
        {
            let mut scan = Scan::new(range.clone());
            scan.direction = direction;
            let mut walked = transaction.scan(&rows, scan).unwrap();
            while walked.advance().unwrap() {}
            walked.seek(seek).unwrap();
            let found = walked.advance().unwrap().then(|| walked.key().to_vec());
            let expected = match direction {
                Direction::Forward => expected.iter().find(|(key, _)| key.as_str() >= seek),
                Direction::Reverse => backwards.iter().find(|(key, _)| key.as_str() <= seek),
            };
            assert_eq!(
                found.as_deref(),
                expected.map(|(key, _)| key.as_bytes()),
                "{range:?} {direction:?} {seek}"
            );
        }
    }
}

#[test]
fn rows_that_a_scan_did_not_reach_may_change() {
    let (store, rows) = store();
    for key in ["a", "b", "c", "d", "e"] {
        rows.set(key, "1").unwrap();
    }
    let first_two = |scan: Scan, then: &str| {
        let mut transaction = store.begin().unwrap();
        {
            let mut scanned = transaction.scan(&rows, scan).unwrap();
            assert!(scanned.advance().unwrap() && scanned.advance().unwrap());
        }
        transaction.set(&rows, "result", "1").unwrap();
        rows.set(then, "2").unwrap();
        transaction.commit().is_ok()
    };
    // "result" is outside all of these ranges, so the transaction's own write does not conflict with its read.
    assert!(first_two(Scan::new(KeyRange::between("a", "f")), "c"));
    assert!(!first_two(Scan::new(KeyRange::between("a", "f")), "b"));
    assert!(!first_two(Scan::new(KeyRange::between("a", "f")), "ab"), "a phantom in a gap");
    assert!(first_two(Scan::new(KeyRange::between("a", "f")).reverse(), "c"));
    assert!(!first_two(Scan::new(KeyRange::between("a", "f")).reverse(), "d"));
    assert!(!first_two(Scan::new(KeyRange::between("a", "f")).reverse(), "ee"), "a phantom before the first");
    // A scan that ends has read its whole range, even where there are no rows.
    let mut transaction = store.begin().unwrap();
    assert_eq!(scanned(&transaction, &rows, Scan::prefix(b"x")), []);
    transaction.set(&rows, "result", "2").unwrap();
    rows.set("xx", "").unwrap();
    assert_eq!(kind(transaction.commit()), ErrorKind::Conflict);
    // The whole range of a scan that is never dropped counts as read.
    let mut transaction = store.begin().unwrap();
    std::mem::forget(transaction.prefix(&rows, "").unwrap());
    transaction.set(&rows, "result", "3").unwrap();
    rows.set("zz", "").unwrap();
    assert_eq!(kind(transaction.commit()), ErrorKind::Conflict);
}

#[test]
fn a_seek_leaves_a_gap_that_was_not_read() {
    let (store, rows) = store();
    for key in ["a", "b", "m", "x", "y"] {
        rows.set(key, "1").unwrap();
    }
    let conflicts = |written: &str| {
        let mut transaction = store.begin().unwrap();
        {
            let mut scanned = transaction.prefix(&rows, "").unwrap();
            assert!(scanned.advance().unwrap());
            scanned.seek("x").unwrap();
            assert!(scanned.advance().unwrap());
            assert_eq!(scanned.key(), b"x");
        }
        transaction.set(&rows, "result", "1").unwrap();
        rows.set(written, "2").unwrap();
        transaction.commit().is_err()
    };
    assert!(conflicts("a") && conflicts("x"));
    assert!(!conflicts("b") && !conflicts("m") && !conflicts("y"));
    assert!(conflicts("0"), "before the first row");
}

/// A commit between the transaction's start and its snapshot must not be missed.
#[test]
fn a_commit_during_the_beginning_counts_as_later() {
    let (backend, hooks) = support::hooked::hooked();
    let store = Store::new(backend, StoreOptions::new().durability(Durability::Buffered)).unwrap();
    let rows = store.create_keyspace("rows").unwrap();
    rows.set("a", "1").unwrap();
    let other = rows.clone();
    hooks.after_snapshot.set(move || other.set("a", "2").unwrap());
    let mut transaction = store.begin().unwrap();
    assert!(transaction.has(&rows, "a").unwrap());
    transaction.set(&rows, "b", "1").unwrap();
    assert_eq!(kind(transaction.commit()), ErrorKind::Conflict);
}

#[test]
fn a_read_only_transaction_never_conflicts() {
    let (store, rows) = store();
    rows.set("a", "1").unwrap();
    let reading = store.begin_with(&TransactionOptions::new().read_only(true)).unwrap();
    let mut writing = store.begin().unwrap();
    assert!(reading.has(&rows, "a").unwrap() && writing.has(&rows, "a").unwrap());
    rows.set("a", "2").unwrap();
    assert_eq!(reading.get(&rows, "a").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(reading.commit().unwrap(), None);
    // Nor does a transaction that could write and does not.
    assert_eq!(store.begin().unwrap().commit().unwrap(), None);
    writing.set(&rows, "b", "1").unwrap();
    assert_eq!(kind(writing.commit()), ErrorKind::Conflict);
    let mut reading = store.begin_with(&TransactionOptions::new().read_only(true)).unwrap();
    assert_eq!(kind(reading.set(&rows, "a", "3")), ErrorKind::InvalidInput);
    assert_eq!(kind(reading.delete(&rows, "a")), ErrorKind::InvalidInput);
}

/// An engine without snapshots of its own keeps a bounded number of old values for them.
#[test]
fn a_transaction_that_outlives_its_snapshot_fails_and_writes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut kept = Options::new();
    kept.undo_bytes_max = Some(4_096);
    let backend = PretendBackend::open(&directory, MemoryOptions::from_options(&kept).unwrap()).unwrap();
    let store = Store::new(backend, StoreOptions::new()).unwrap();
    let rows = store.create_keyspace("rows").unwrap();
    rows.set("a", "1").unwrap();
    let mut transaction = store.begin().unwrap();
    transaction.set(&rows, "b", "1").unwrap();
    for number in 0..50 {
        rows.set(format!("{number}"), vec![0; 1_000]).unwrap();
        rows.set(format!("{number}"), "").unwrap();
    }
    assert_eq!(kind(transaction.get(&rows, "a")), ErrorKind::SnapshotExpired);
    assert_eq!(
        kind(transaction.prefix(&rows, "").and_then(|mut walk| walk.advance())),
        ErrorKind::SnapshotExpired
    );
    drop(transaction);
    // The closure is not run again: it would outlive the next snapshot too.
    let mut runs = 0;
    let ended = store.transaction(|transaction| {
        runs += 1;
        transaction.set(&rows, "b", "1")?;
        for number in 0..50 {
            rows.set(format!("{number}"), vec![0; 1_000])?;
            rows.set(format!("{number}"), "")?;
        }
        transaction.has(&rows, "a")
    });
    assert_eq!((kind(ended), runs), (ErrorKind::SnapshotExpired, 1));
    assert_eq!(value(&rows, "b"), None);
}

#[test]
fn blind_writes_do_not_conflict() {
    let (store, rows) = store();
    let mut transaction = store.begin().unwrap();
    transaction.set(&rows, "a", "1").unwrap();
    rows.set("a", "2").unwrap();
    transaction.commit().unwrap();
    assert_eq!(value(&rows, "a").as_deref(), Some("1"));
}

#[test]
fn a_closure_runs_again_until_no_other_commit_comes_first() {
    let (store, rows) = store();
    rows.set("a", "0").unwrap();
    let attempts = AtomicU32::new(0);
    let seen = store
        .transaction(|transaction| {
            let seen = transaction.get(&rows, "a")?;
            if attempts.fetch_add(1, Ordering::Relaxed) < 3 {
                // The transaction takes this for another writer.
                rows.set("a", attempts.load(Ordering::Relaxed).to_string())?;
            }
            transaction.set(&rows, "b", "done")?;
            Ok(seen)
        })
        .unwrap();
    assert_eq!((seen.as_deref(), attempts.into_inner()), (Some(&b"3"[..]), 4));
    assert_eq!(store.stats().unwrap().conflicts, 3);
    let options = TransactionOptions::new().attempts_max(2);
    let mut attempts = 0;
    let given_up = store.transaction_with(&options, |transaction| {
        attempts += 1;
        transaction.has(&rows, "a")?;
        rows.set("a", "again")?;
        transaction.set(&rows, "b", "never")
    });
    assert_eq!((kind(given_up), attempts), (ErrorKind::Conflict, 2));
    assert_eq!(value(&rows, "b").as_deref(), Some("done"));
}

#[test]
fn a_conflict_that_the_closure_returns_ends_the_transaction() {
    let (store, rows) = store();
    let mut runs = 0;
    let ended: Result<(), Error> = store.transaction(|transaction| {
        runs += 1;
        transaction.set(&rows, "a", "1")?;
        Err(Error::new(ErrorKind::Conflict, "mine"))
    });
    assert_eq!((ended.unwrap_err().message(), runs), ("mine", 1));
    assert_eq!(value(&rows, "a"), None);
}

#[test]
fn two_closures_run_at_the_same_time() {
    let (store, rows) = store();
    let both = Barrier::new(2);
    thread::scope(|scope| {
        for key in ["a", "b"] {
            let (store, rows, both) = (&store, &rows, &both);
            scope.spawn(move || {
                store.transaction(|transaction| {
                    transaction.get(rows, key)?;
                    // Neither passes the barrier before both are inside.
                    both.wait();
                    transaction.set(rows, key, "1")
                })
            });
        }
    });
    assert!(rows.has("a").unwrap() && rows.has("b").unwrap());
    assert_eq!(store.stats().unwrap().conflicts, 0, "their keys are disjoint");
}

#[test]
fn an_open_transaction_blocks_no_reader_and_no_writer() {
    let (store, rows) = store();
    let mut transaction = store.begin().unwrap();
    transaction.prefix(&rows, "").unwrap().for_each(drop);
    transaction.set(&rows, "a", "1").unwrap();
    thread::scope(|scope| {
        scope.spawn(|| rows.set("b", "2").unwrap()).join().unwrap();
        scope.spawn(|| assert_eq!(value(&rows, "b").as_deref(), Some("2"))).join().unwrap();
    });
    assert_eq!(kind(transaction.commit()), ErrorKind::Conflict);
}

#[test]
fn a_transaction_inside_another_is_refused() {
    let (store, rows) = store();
    let (other, others) = support::store();
    store
        .transaction(|outer| {
            assert_eq!(kind(store.transaction(|_| Ok(()))), ErrorKind::InvalidInput);
            assert_eq!(kind(store.begin()), ErrorKind::InvalidInput);
            // Transactions of another store may be nested.
            other.transaction(|inner| inner.set(&others, "a", "1"))?;
            outer.set(&rows, "a", "1")
        })
        .unwrap();
    assert!(rows.has("a").unwrap() && others.has("a").unwrap());
    // A transaction that panicked has ended.
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        store.transaction(|_| -> Result<(), Error> { panic!("on purpose") })
    }));
    assert!(panicked.is_err());
    assert!(store.begin().is_ok());
}

#[test]
fn bad_input_is_refused_at_once_and_changes_nothing() {
    let (store, rows) = store();
    let (_other, foreign) = support::store();
    let mut transaction = store.begin().unwrap();
    assert_eq!(kind(transaction.set(&rows, "", "1")), ErrorKind::InvalidInput);
    assert_eq!(kind(transaction.set(&rows, [0; 1_025], "1")), ErrorKind::InvalidInput);
    assert_eq!(kind(transaction.get(&rows, "")), ErrorKind::InvalidInput);
    assert_eq!(kind(transaction.set(&foreign, "a", "1")), ErrorKind::InvalidInput);
    assert_eq!(kind(transaction.get(&foreign, "a")), ErrorKind::InvalidInput);
    assert_eq!(kind(transaction.prefix(&foreign, "").map(drop)), ErrorKind::InvalidInput);
    let too_large = vec![0; 16 * 1_024 * 1_024 + 1];
    assert_eq!(kind(transaction.set(&rows, "a", too_large)), ErrorKind::InvalidInput);
    assert_eq!(transaction.commit().unwrap(), None);
    let power_safe = TransactionOptions::new().durability(Durability::PowerSafe);
    assert_eq!(kind(store.begin_with(&power_safe)), ErrorKind::Unsupported);
}

#[test]
fn a_transaction_fails_if_its_keyspace_is_dropped_meanwhile() {
    let (store, rows) = store();
    let gone = store.create_keyspace("gone").unwrap();
    let mut reading = store.begin().unwrap();
    assert!(!reading.has(&gone, "a").unwrap());
    reading.set(&rows, "a", "1").unwrap();
    let mut writing = store.begin().unwrap();
    writing.set(&gone, "a", "1").unwrap();
    store.drop_keyspace("gone").unwrap();
    assert_eq!(kind(reading.commit()), ErrorKind::NotFound);
    assert_eq!(kind(writing.commit()), ErrorKind::NotFound);
    assert_eq!(value(&rows, "a"), None);
}

/// Invariant 13: no addition is lost between validation and commit.
#[test]
fn a_refused_transaction_does_not_fail_the_others_in_its_group() {
    let (store, rows) = store();
    rows.set("counter", "0").unwrap();
    // Many at once, so that groups have several members that have read the same key.
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    store
                        .transaction_with(&TransactionOptions::new().attempts_max(u32::MAX), |transaction| {
                            let count = transaction.get(&rows, "counter")?.unwrap();
                            let count: u32 = std::str::from_utf8(&count).unwrap().parse().unwrap();
                            transaction.set(&rows, "counter", (count + 1).to_string())
                        })
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(value(&rows, "counter").as_deref(), Some("400"));
}
