//! A snapshot and a scan that are forgotten, on every engine that keeps files: with a limit of age they expire, and the
//! space that they pinned is used again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Tests fail by panicking.

mod support;

use std::path::Path;
use std::time::{Duration, Instant};
use strongroom::{ErrorKind, Keyspace, Registry, Scan, Snapshot, Store};
use support::{config, on_disk};

/// These keep whole pages for a reader, and reuse them once there is none.
const KEEPS_PAGES: [&str; 3] = ["redb", "sqlite", "lmdb"];
const ROWS: u32 = 1_000;
const ROUNDS: u8 = 40;

fn open(engine: &str, path: &Path, snapshot_age_max_ms: Option<u64>) -> (Store, Keyspace) {
    let mut config = config(engine, path);
    config.snapshot_age_max_ms = snapshot_age_max_ms;
    let store = Registry::builtin().open_config(&config).unwrap();
    let rows = store.create_keyspace("rows").unwrap();
    write(&store, &rows, 0);
    (store, rows)
}

/// Writes 1 MiB of rows.
fn write(store: &Store, rows: &Keyspace, round: u8) {
    let mut batch = store.batch();
    for number in 0..ROWS {
        batch.set(rows, number.to_be_bytes(), [round; 1_024]);
    }
    store.commit(&batch).unwrap();
}

fn wait_until_expired(store: &Store, engine: &str) {
    let begun = Instant::now();
    while store.stats().unwrap().readers_expired < 2 {
        assert!(begun.elapsed() < Duration::from_secs(60), "{engine}: the readers did not expire");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Returns the size of the files in MiB after many rewrites of all rows.
fn mib_after_churn(store: &Store, rows: &Keyspace) -> u64 {
    (1..=ROUNDS).for_each(|round| write(store, rows, round));
    store.stats().unwrap().backend.disk_bytes.unwrap() >> 20
}

fn assert_expired(engine: &str, snapshot: &Snapshot, rows: &Keyspace) {
    let error = snapshot.get(rows, 0_u32.to_be_bytes()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SnapshotExpired, "{engine}: {error}");
    assert!(error.one_line().contains("snapshot_age_max"), "{engine}: {error}");
}

#[test]
fn forgotten_readers_expire_and_pin_nothing() {
    for engine in on_disk() {
        let directory = tempfile::tempdir().unwrap();
        let (store, rows) = open(engine, directory.path(), Some(20));
        let snapshot = store.snapshot().unwrap();
        let mut scan = rows.scan(Scan::all()).unwrap();
        wait_until_expired(&store, engine);
        let mib = mib_after_churn(&store, &rows);
        if KEEPS_PAGES.contains(&engine) {
            assert!(mib <= 16, "{engine}: {mib} MiB for 1 MiB of rows");
        }
        assert_expired(engine, &snapshot, &rows);
        assert_eq!(scan.advance().unwrap_err().kind(), ErrorKind::SnapshotExpired, "{engine}");
        assert_eq!(rows.get(7_u32.to_be_bytes()).unwrap().unwrap()[0], ROUNDS, "{engine}");
    }
}

#[test]
fn without_a_limit_a_forgotten_reader_keeps_what_it_may_still_see() {
    for engine in on_disk() {
        let directory = tempfile::tempdir().unwrap();
        let (store, rows) = open(engine, directory.path(), None);
        let snapshot = store.snapshot().unwrap();
        let mib = mib_after_churn(&store, &rows);
        if KEEPS_PAGES.contains(&engine) {
            assert!(mib > 16, "{engine}: {mib} MiB, so the other test shows nothing");
        }
        assert_eq!(store.stats().unwrap().readers_open, 1, "{engine}");
        assert_eq!(snapshot.get(&rows, 7_u32.to_be_bytes()).unwrap().unwrap()[0], 0, "{engine}");
    }
}
