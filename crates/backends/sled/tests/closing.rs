//! Closing: when the lock is released, and what outlives the store.

// Helpers of tests fail like tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use strongroom_core::{Durability, ErrorKind, Scan, StorageBackend, WriteBatch, is_left_behind, left_behind};
use strongroom_sled::{SledBackend, SledOptions};
use support::{keyspace, open, put, rows};
use tempfile::TempDir;

#[test]
fn a_second_open_finds_the_store_locked() {
    let directory = TempDir::new().unwrap();
    let backend = open(directory.path());
    let error = SledBackend::new(directory.path()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Locked, "{error:?}");
    let data = keyspace(&backend, "data");
    put(&backend, data, b"k", b"v");
}

#[test]
fn a_store_can_be_reopened_as_soon_as_it_was_dropped() {
    let directory = TempDir::new().unwrap();
    for round in 0..50_u32 {
        let backend = open(directory.path());
        let data = keyspace(&backend, "data");
        assert_eq!(rows(&backend, data, Scan::all()).len(), round as usize);
        put(&backend, data, &round.to_be_bytes(), &[7; 1_000]);
        if round % 2 == 0 {
            // The keyspaces, a snapshot and a cursor are dropped after the engine's own handle.
            let snapshot = backend.snapshot().unwrap();
            let mut cursor = snapshot.cursor(data, Scan::all()).unwrap();
            assert!(cursor.advance().unwrap());
            drop(backend);
            drop(snapshot);
            assert_eq!(SledBackend::new(directory.path()).err().unwrap().kind(), ErrorKind::Locked);
            drop(cursor);
        }
    }
}

#[test]
fn a_value_outlives_the_store_without_keeping_it_open() {
    let directory = TempDir::new().unwrap();
    let backend = open(directory.path());
    let data = keyspace(&backend, "data");
    put(&backend, data, b"k", &[7; 1_000]);
    let value = backend.get(data, b"k").unwrap().unwrap();
    assert_eq!(backend.stats().unwrap().values_pinned, 0);
    drop(backend);
    drop(open(directory.path()));
    assert_eq!(&value[..], [7; 1_000]);
}

/// Closes on another thread, and fails if that does not end.
fn close(backend: SledBackend) {
    let (ended, has_ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        drop(backend);
        ended.send(()).unwrap();
    });
    has_ended.recv_timeout(Duration::from_secs(60)).expect("closing ends");
}

/// A value whose file cannot be written still has a place in the log, and sled waits for it without end.
fn with_a_value_that_cannot_be_written(directory: &Path) -> SledBackend {
    let options = SledOptions::new().close_wait_ms(300);
    let backend = SledBackend::open(directory, options).unwrap();
    fail_to_write(directory, &backend);
    backend
}

fn fail_to_write(directory: &Path, backend: &SledBackend) {
    let data = keyspace(backend, "data");
    put(backend, data, b"k", b"v");
    backend.flush().unwrap();
    std::fs::remove_dir(directory.join("blobs")).unwrap();
    let mut batch = WriteBatch::new();
    batch.put(data, b"large", &vec![7; 1_000_000]);
    let error = backend.commit(&batch, Durability::Buffered).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CommitUnknown, "{error:?}");
}

#[test]
fn closing_ends_although_sled_hangs() {
    let directory = TempDir::new().unwrap();
    close(with_a_value_that_cannot_be_written(directory.path()));
    let left = left_behind().into_iter().find(|left| left.directory == directory.path()).unwrap();
    assert_eq!(left.engine, "sled");
    // It still has the files, and a second handle cannot open them.
    std::fs::create_dir(directory.path().join("blobs")).unwrap();
    let error = SledBackend::new(directory.path()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Locked, "{error:?}");
    assert!(error.to_string().contains("end this process"), "{error}");
}

#[test]
fn closing_ends_although_a_dropped_keyspace_is_released_last() {
    let directory = TempDir::new().unwrap();
    let backend = SledBackend::open(directory.path(), SledOptions::new().close_wait_ms(300)).unwrap();
    let dropped = keyspace(&backend, "dropped");
    put(&backend, dropped, b"k", b"v");
    let snapshot = backend.snapshot().unwrap();
    let cursor = snapshot.cursor(dropped, Scan::all()).unwrap();
    backend.drop_keyspace(dropped).unwrap();
    let data = keyspace(&backend, "data");
    std::fs::remove_dir(directory.path().join("blobs")).unwrap();
    let mut batch = WriteBatch::new();
    batch.put(data, b"large", &vec![7; 1_000_000]);
    backend.commit(&batch, Durability::Buffered).unwrap_err();
    drop((cursor, snapshot));
    close(backend);
    assert!(is_left_behind(directory.path()));
}

#[test]
fn a_sled_that_would_hang_is_left_behind_at_once() {
    let directory = TempDir::new().unwrap();
    let backend = SledBackend::open(directory.path(), SledOptions::new().close_wait_ms(3_600_000)).unwrap();
    fail_to_write(directory.path(), &backend);
    close(backend);
    assert!(is_left_behind(directory.path()));
    // Batches of all stores in a process need one lock of sled's: closing must not have kept it.
    let elsewhere = TempDir::new().unwrap();
    let other = open(elsewhere.path());
    let (a, b) = (keyspace(&other, "a"), keyspace(&other, "b"));
    let mut batch = WriteBatch::new();
    batch.put(a, b"k", b"v").put(b, b"k", b"v");
    other.commit(&batch, Durability::Buffered).unwrap();
}

#[test]
fn a_sync_of_ours_that_fails_does_not_keep_sled_from_closing() {
    let directory = TempDir::new().unwrap();
    let options = SledOptions::new().write_through(false);
    let backend = SledBackend::open(directory.path(), options.clone()).unwrap();
    put(&backend, keyspace(&backend, "data"), b"k", b"v");
    // The adapter lists the files of large values, and sled has none to write.
    std::fs::remove_dir(directory.path().join("blobs")).unwrap();
    backend.flush().unwrap_err();
    close(backend);
    assert!(!is_left_behind(directory.path()));
    std::fs::create_dir(directory.path().join("blobs")).unwrap();
    SledBackend::open(directory.path(), options).unwrap();
}

#[test]
fn a_flush_concurrent_with_a_failing_write_ends() {
    for _ in 0..20 {
        let directory = TempDir::new().unwrap();
        let backend =
            Arc::new(SledBackend::open(directory.path(), SledOptions::new().close_wait_ms(1)).unwrap());
        let (ended, has_ended) = std::sync::mpsc::channel();
        let (begun, has_begun) = std::sync::mpsc::channel();
        let flushing = Arc::clone(&backend);
        std::thread::spawn(move || {
            while flushing.flush().is_ok() {
                let _ = begun.send(());
            }
            ended.send(()).unwrap();
        });
        has_begun.recv().unwrap();
        fail_to_write(directory.path(), &backend);
        has_ended.recv_timeout(Duration::from_secs(60)).expect("the flush ends");
    }
}

#[test]
fn a_store_that_is_closed_in_time_is_not_left_behind() {
    let directory = TempDir::new().unwrap();
    let backend = open(directory.path());
    put(&backend, keyspace(&backend, "data"), b"k", b"v");
    close(backend);
    assert!(!is_left_behind(directory.path()));
    open(directory.path());
}
