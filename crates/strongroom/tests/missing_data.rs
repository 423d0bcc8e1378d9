//! What is missing, on every engine that keeps files: tallies, the high-water mark, and looking for both.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Tests fail by panicking.

mod support;

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use strongroom::core::WriteBatch;
use strongroom::{
    Durability, ErrorKind, HIGH_WATER_LAG_MS, Integrity, KeyRange, Marked, Options, Registry, Store, Verified,
};
use support::{config, on_disk, open};

fn full(engine: &str, path: &Path) -> Store {
    Registry::builtin().open_config(&config(engine, path).integrity(Integrity::Full)).unwrap()
}

fn verify(store: &Store) -> strongroom::Result<Verified> {
    store.verify(&mut |_| ControlFlow::Continue(()))
}

/// Changes what is in the engine beneath a store that is closed.
fn tamper(engine: &str, path: &Path, change: impl FnOnce(&dyn strongroom::StorageBackend) -> WriteBatch) {
    let options = Options::new().marked(Marked::Writable);
    let registry = Registry::builtin();
    let backend = registry.driver(engine).unwrap().open_backend(path, &options).unwrap();
    let batch = change(&*backend);
    backend.commit(&batch, Durability::Buffered).unwrap();
    backend.flush().unwrap();
}

#[test]
fn tallies_hold_through_a_life_and_a_reopening() {
    for engine in on_disk() {
        let directory = tempfile::tempdir().unwrap();
        let store = full(engine, directory.path());
        let events = store.create_keyspace("events").unwrap();
        let mut batch = store.batch();
        for number in 0..3_000_u32 {
            batch.set(&events, number.to_be_bytes(), vec![b'x'; number as usize % 300]);
        }
        store.commit(&batch).unwrap();
        events.delete_range(KeyRange::between(7_u32.to_be_bytes(), 1_500_u32.to_be_bytes())).unwrap();
        events.set(1_u32.to_be_bytes(), "other").unwrap();
        store.create_keyspace("passing").unwrap().set("k", "v").unwrap();
        store.drop_keyspace("passing").unwrap();
        assert_eq!(verify(&store).unwrap().rows, 1_507, "{engine}");
        drop((store, events));

        let store = open(engine, directory.path());
        let verified = verify(&store).unwrap();
        assert_eq!((verified.rows, verified.keyspaces), (1_507, 2), "{engine}");
        assert_eq!(verified.integrity, Integrity::Full, "{engine}");
        drop(store);
        let copy = directory.path().with_extension("copy");
        let store = open(engine, directory.path());
        store.checkpoint(&copy).unwrap();
        drop(store);
        assert_eq!(verify(&open(engine, &copy)).unwrap().rows, 1_507, "{engine}");
        fs::remove_dir_all(copy).unwrap();
    }
}

#[test]
fn a_missing_row_is_detected_only_with_full_integrity() {
    for engine in on_disk() {
        for integrity in [Integrity::Rows, Integrity::Full] {
            let directory = tempfile::tempdir().unwrap();
            let config = config(engine, directory.path()).integrity(integrity);
            let store = Registry::builtin().open_config(&config).unwrap();
            let rows = store.default_keyspace().unwrap();
            rows.set("a", "1").unwrap();
            rows.set("b", "2").unwrap();
            drop((store, rows));
            tamper(engine, directory.path(), |backend| {
                let mut batch = WriteBatch::new();
                batch.delete(backend.keyspace("default").unwrap(), b"a");
                batch
            });
            let store = open(engine, directory.path());
            match integrity {
                Integrity::Full => {
                    let error = verify(&store).unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Corruption, "{engine}");
                    assert_eq!(error.engine(), Some(engine));
                    assert_eq!(error.operation(), Some("verify"));
                }
                _ => assert_eq!(verify(&store).unwrap().rows, 1, "{engine}: it cannot know"),
            }
        }
    }
}

#[test]
fn an_engine_put_back_from_an_earlier_time_is_a_lost_tail() {
    for engine in on_disk() {
        let directory = tempfile::tempdir().unwrap();
        let (path, earlier) = (directory.path().join("store"), directory.path().join("earlier"));
        let store = open(engine, &path);
        store.default_keyspace().unwrap().set("early", "1").unwrap();
        store.checkpoint(&earlier).unwrap();
        store.default_keyspace().unwrap().set("late", "1").unwrap();
        drop(store);
        // The copy is a whole store; with the mark of the later one it is one that has lost its tail.
        let mark = "STRONGROOM.highwater";
        let of_the_copy = fs::read(earlier.join(mark)).unwrap();
        fs::copy(path.join(mark), earlier.join(mark)).unwrap();
        let refused = Registry::builtin().open_config(&config(engine, &earlier)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Corruption, "{engine}: {refused}");
        assert!(refused.to_string().contains("accept_lost_tail=true"), "{refused}");
        fs::write(earlier.join(mark), of_the_copy).unwrap();
        verify(&open(engine, &earlier)).unwrap();
        fs::copy(path.join(mark), earlier.join(mark)).unwrap();
        let accepting = config(engine, &earlier).accept_lost_tail(true);
        drop(Registry::builtin().open_config(&accepting).unwrap());
        let store = open(engine, &earlier);
        assert!(store.default_keyspace().unwrap().has("early").unwrap(), "{engine}");
        verify(&store).unwrap();
    }
}

/// Says to the child what to read.
const READ: &str = "STRONGROOM_TEST_READ";

#[test]
fn a_concurrent_reader_process_reports_no_false_loss() {
    for engine in on_disk() {
        if !Registry::builtin().driver(engine).unwrap().info().capabilities.shared_reads {
            continue;
        }
        let directory = tempfile::tempdir().unwrap();
        let store = full(engine, directory.path());
        let rows = store.default_keyspace().unwrap();
        rows.set("k", "v").unwrap();
        let mut reader = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "a_reader_in_a_process_of_its_own"])
            .env(READ, format!("{engine}:{}?read_only=true", directory.path().display()))
            .spawn()
            .unwrap();
        let status = loop {
            rows.set("k", "w").unwrap();
            store.create_keyspace("passing").unwrap().set("k", "v").unwrap();
            store.drop_keyspace("passing").unwrap();
            if let Some(status) = reader.try_wait().unwrap() {
                break status;
            }
        };
        assert!(status.success(), "{engine}");
        assert!(store.stats().unwrap().high_water.unwrap() > 0, "the mark moved meanwhile");
    }
}

#[test]
#[ignore = "the test of a concurrent reader runs it, in a process of its own"]
fn a_reader_in_a_process_of_its_own() {
    let url = std::env::var(READ).unwrap();
    // Twice the lag of a mark and more, so that it moves meanwhile.
    let until = Instant::now() + Duration::from_millis(5 * HIGH_WATER_LAG_MS / 2);
    while Instant::now() < until {
        let reader = strongroom::open(&url).unwrap();
        assert!(verify(&reader).unwrap().rows >= 1);
    }
}

#[cfg(feature = "storage-redb")]
#[test]
fn integrity_is_set_in_a_url_and_cannot_change() {
    let directory = tempfile::tempdir().unwrap();
    let url = |query: &str| format!("redb:{}?{query}", directory.path().join("store").display());
    let store = strongroom::open(&url("integrity=full")).unwrap();
    assert_eq!(store.integrity(), Integrity::Full);
    drop(store);
    let error = strongroom::open(&url("integrity=rows")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("integrity=full"), "{error}");
    assert_eq!(strongroom::open(&url("create=false")).unwrap().integrity(), Integrity::Full);
    let store = strongroom::open("memory:?durability=buffered&integrity=full").unwrap();
    assert_eq!(store.integrity(), Integrity::Full);
}
