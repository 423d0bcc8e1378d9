//! Open readers are counted, aged and named, and release what they pin at the age limit.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Tests fail by panicking.

mod support;

use std::time::Duration;
use strongroom_core::{Durability, ErrorKind, MemoryBackend, Scan};
use strongroom_store::{Keyspace, ReaderKind, Store, StoreOptions};
use support::{kind, wait_until};

fn limited(age_max: Option<Duration>) -> (Store, Keyspace) {
    let options = StoreOptions::new().durability(Durability::Buffered).snapshot_age_max(age_max);
    let store = Store::new(MemoryBackend::in_memory(), options).unwrap();
    let rows = store.create_keyspace("rows").unwrap();
    for key in ["a", "b", "c"] {
        rows.set(key, "1").unwrap();
    }
    (store, rows)
}

#[test]
fn the_oldest_reader_is_reported_with_the_line_that_opened_it() {
    let (store, rows) = limited(None);
    assert_eq!((store.stats().unwrap().readers_open, store.stats().unwrap().oldest_reader), (0, None));
    let opened_at = |line: u32| format!("readers.rs:{line}:");
    let line = line!() + 1;
    let transaction = store.begin().unwrap();
    let snapshot = store.snapshot().unwrap();
    let clone = snapshot.clone();
    let walking = snapshot.prefix(&rows, "").unwrap();
    let stats = store.stats().unwrap();
    assert_eq!(stats.readers_open, 2, "clones and scans of a snapshot are one reader with it");
    let oldest = stats.oldest_reader.unwrap();
    assert_eq!(oldest.kind, ReaderKind::Transaction);
    assert!(oldest.opened_at.contains(&opened_at(line)), "{}", oldest.opened_at);
    drop((transaction, snapshot, clone));
    assert_eq!(
        store.stats().unwrap().oldest_reader.unwrap().kind,
        ReaderKind::Snapshot,
        "its scan is still open"
    );
    drop(walking);
    let line = line!() + 1;
    let scan = rows.range(strongroom_core::KeyRange::all()).unwrap();
    let oldest = store.stats().unwrap().oldest_reader.unwrap();
    assert_eq!(oldest.kind, ReaderKind::Scan);
    assert!(oldest.opened_at.contains(&opened_at(line)), "{}", oldest.opened_at);
    drop(scan);
    assert_eq!(rows.count("").unwrap(), 3);
    assert_eq!(store.stats().unwrap().readers_open, 0);
}

#[test]
fn a_reader_beyond_the_limit_returns_that_it_has_expired_and_pins_nothing() {
    let (store, rows) = limited(Some(Duration::from_millis(40)));
    let snapshot = store.snapshot().unwrap();
    let mut of_snapshot = snapshot.prefix(&rows, "").unwrap();
    let mut scan = rows.prefix("").unwrap();
    let transaction = store.begin().unwrap();
    // They read until the limit. On a slow machine they may have reached it already.
    for rows in [&mut of_snapshot, &mut scan] {
        match rows.advance() {
            Ok(advanced) => assert!(advanced && rows.row() == (&b"a"[..], &b"1"[..])),
            Err(error) => assert_eq!(error.kind(), ErrorKind::SnapshotExpired),
        }
    }
    wait_until("three readers have expired", || store.stats().unwrap().readers_expired == 3);
    assert_eq!(store.stats().unwrap().backend.snapshots_open, 0, "the engine keeps nothing for them");
    let expired = ErrorKind::SnapshotExpired;
    assert_eq!(kind(snapshot.get(&rows, "a")), expired);
    assert_eq!(kind(snapshot.scan(&rows, Scan::all()).map(drop)), expired);
    assert_eq!((kind(of_snapshot.advance()), kind(scan.advance())), (expired, expired));
    assert_eq!(kind(scan.advance()), expired, "an error is never taken for the end");
    assert_eq!(kind(scan.seek("b")), expired);
    assert_eq!(kind(transaction.get(&rows, "a")), expired);
    // New readers work, and the handle is not poisoned.
    rows.set("d", "1").unwrap();
    assert_eq!(
        store.transaction(|transaction| transaction.get(&rows, "d")).unwrap().as_deref(),
        Some(&b"1"[..])
    );
    let error = snapshot.get(&rows, "a").unwrap_err();
    assert!(error.one_line().contains("snapshot_age_max"), "{error}");
}

#[test]
fn a_store_with_a_limit_reads_like_one_without() {
    let (_store, rows) = limited(Some(Duration::from_secs(3_600)));
    let walked = |scan: Scan| -> Vec<String> {
        rows.scan(scan).unwrap().map(|row| String::from_utf8(row.unwrap().0).unwrap()).collect()
    };
    assert_eq!(walked(Scan::all()), ["a", "b", "c"]);
    assert_eq!(walked(Scan::all().reverse()), ["c", "b", "a"]);
    assert_eq!(walked(Scan::all().keys_only()), ["a", "b", "c"]);
    let mut rows = rows.prefix("").unwrap();
    rows.seek("b").unwrap();
    assert!(rows.advance().unwrap());
    assert_eq!(rows.row(), (&b"b"[..], &b"1"[..]));
}
