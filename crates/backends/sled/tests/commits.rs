//! Batches and their guarantees.

// Helpers of tests fail like tests.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use strongroom_core::{Durability, ErrorKind, Options, Scan, StorageBackend, WriteBatch};
use strongroom_sled::{SledBackend, SledOptions};
use support::{keyspace, open, put, rows};
use tempfile::TempDir;

/// Does not test which file systems can, only that nothing is claimed without reason.
#[test]
fn power_safe_is_claimed_where_files_are_written_through() {
    let directory = TempDir::new().unwrap();
    let backend = open(directory.path());
    let data = keyspace(&backend, "data");
    let mut batch = WriteBatch::new();
    batch.put(data, b"k", b"v");
    let info = *backend.engine();
    assert_eq!(info.capabilities.power_safe, info.unclaimed.is_empty());
    match backend.commit(&batch, Durability::PowerSafe) {
        Ok(()) => {
            assert!(info.capabilities.power_safe);
            assert_eq!(backend.get(data, b"k").unwrap().as_deref(), Some(&b"v"[..]));
        }
        Err(error) => {
            assert!(!info.capabilities.power_safe);
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains(info.unclaimed), "{error}");
        }
    }
}

#[test]
fn nothing_is_claimed_where_files_are_not_written_through() {
    let directory = TempDir::new().unwrap();
    drop(open(directory.path()));
    let backend = SledBackend::open(directory.path(), SledOptions::new().write_through(false)).unwrap();
    let data = keyspace(&backend, "data");
    let mut batch = WriteBatch::new();
    batch.put(data, b"k", b"v");
    assert!(!backend.engine().capabilities.power_safe);
    let error = backend.commit(&batch, Durability::PowerSafe).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("write_through=false"), "{error}");
    assert_eq!(backend.get(data, b"k").unwrap(), None);
    backend.commit(&batch, Durability::Buffered).unwrap();
    backend.flush().unwrap();
    drop(backend);
    // Cached data is synced once when the store is written through again.
    let backend = open(directory.path());
    assert!(backend.get(keyspace(&backend, "data"), b"k").unwrap().is_some());
}

#[test]
fn large_values_and_batches_larger_than_the_cache_work() {
    let directory = TempDir::new().unwrap();
    let options = SledOptions::new().common(Options::new().cache_bytes(1 << 20)).segment_size(65_536);
    let backend = SledBackend::open(directory.path(), options.clone()).unwrap();
    let [left, right] = ["left", "right"].map(|name| keyspace(&backend, name));
    let large = vec![3; strongroom_core::limits::VALUE_BYTES_MAX];
    let mut batch = WriteBatch::new();
    for number in 0..20_000_u32 {
        batch.put(left, &number.to_be_bytes(), &[1; 200]);
        batch.put(right, &number.to_be_bytes(), &[2; 200]);
    }
    batch.put(left, b"large", &large);
    backend.commit(&batch, Durability::Buffered).unwrap();
    backend.flush().unwrap();
    assert!(std::fs::read_dir(directory.path().join("blobs")).unwrap().count() > 0);
    drop(backend);
    let backend = SledBackend::open(directory.path(), options).unwrap();
    let [left, right] = ["left", "right"].map(|name| keyspace(&backend, name));
    assert_eq!(backend.get(left, b"large").unwrap().unwrap(), large);
    assert_eq!(rows(&backend, right, Scan::all()).len(), 20_000);
    assert!(backend.stats().unwrap().disk_bytes.unwrap() > 16 << 20);
}

#[test]
fn concurrent_writers_and_flushes_end() {
    let directory = TempDir::new().unwrap();
    let backend = open(directory.path());
    let [left, right] = ["left", "right"].map(|name| keyspace(&backend, name));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                backend.flush().unwrap();
            }
        });
        let large = vec![2; 200_000];
        let mut batch = WriteBatch::new();
        for round in 0..200_u32 {
            batch.clear();
            batch.put(left, &round.to_be_bytes(), &[1; 3_000]).put(right, &round.to_be_bytes(), &large);
            backend.commit(&batch, Durability::Buffered).unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(rows(&backend, right, Scan::all()).len(), 200);
}

/// The pages of the batch do not fit into the cache, and sled splits a leaf while it reads what the batch replaces. The
/// batch must not wait for a page in a buffer that is written after it.
#[test]
fn a_batch_ends_although_pages_that_it_has_split_leave_the_cache() {
    const ROWS: u32 = 4_000;
    let directory = TempDir::new().unwrap();
    let options = SledOptions::new()
        .segment_size(65_536)
        .flush_every_ms(None)
        .common(Options::new().cache_bytes(1 << 20));
    let backend = SledBackend::open(directory.path(), options).unwrap();
    let keyspaces = [keyspace(&backend, "one"), keyspace(&backend, "two")];
    let (sender, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        // A leaf is split at the next visit after its 17th row. One of these numbers of rows leaves such a leaf.
        for rows in ROWS..ROWS + 18 {
            let mut batch = WriteBatch::new();
            for number in 0..rows {
                for of in keyspaces {
                    batch.put(of, &number.to_be_bytes(), &[7; 500]);
                }
            }
            backend.commit(&batch, Durability::Buffered).unwrap();
            put(&backend, keyspaces[0], &rows.to_be_bytes(), &[7; 500]);
            backend.flush().unwrap();
        }
        sender.send(rows(&backend, keyspaces[1], Scan::all()).len()).unwrap();
    });
    let found = ended.recv_timeout(Duration::from_secs(120)).expect("the batches end");
    assert_eq!(found, ROWS as usize + 17);
}

/// A flush that takes its place in the log inside a batch would wait without end.
#[test]
fn flushes_from_time_to_time_end_beside_large_batches() {
    let directory = TempDir::new().unwrap();
    let options = SledOptions::new().segment_size(16_384).flush_every_ms(Some(1));
    let backend = SledBackend::open(directory.path(), options).unwrap();
    let data = keyspace(&backend, "data");
    let (sender, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut batch = WriteBatch::new();
        for round in 0..100_u32 {
            batch.clear();
            for number in 0..300 {
                batch.put(data, &(1_000 * round + number).to_be_bytes(), &[1; 100]);
            }
            backend.commit(&batch, Durability::Buffered).unwrap();
            if round % 10 == 0 {
                backend.flush().unwrap();
            }
        }
        sender.send(rows(&backend, data, Scan::all()).len()).unwrap();
    });
    assert_eq!(ended.recv_timeout(Duration::from_secs(60)).expect("the flushes end"), 30_000);
}

#[test]
fn a_batch_beyond_the_limits_is_refused_before_anything_changes() {
    let directory = TempDir::new().unwrap();
    let backend = open(directory.path());
    let data = keyspace(&backend, "data");
    let limits = backend.engine().batch;
    assert!(limits.ops_max <= 100_000 && limits.bytes_max <= 64 << 20, "{limits:?}");
    let mut many = WriteBatch::new();
    for number in 0..=limits.ops_max {
        many.put(data, &number.to_be_bytes(), b"");
    }
    let mut large = WriteBatch::new();
    let value = vec![7; strongroom_core::limits::VALUE_BYTES_MAX];
    for number in 0..=limits.bytes_max / value.len() {
        large.put(data, &number.to_be_bytes(), &value);
    }
    for (batch, limit) in [(&many, limits.ops_max), (&large, limits.bytes_max)] {
        let error = backend.commit(batch, Durability::Buffered).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(&limit.to_string()), "{error}");
    }
    assert_eq!(rows(&backend, data, Scan::all()).len(), 0);
    // The handle still works.
    put(&backend, data, b"k", b"v");
}

#[test]
fn buffered_commits_are_flushed_by_themselves() {
    const MARKER: &[u8] = b"a value that is easy to find in a file";
    for write_through in [true, false] {
        let directory = TempDir::new().unwrap();
        let options = SledOptions::new().flush_every_ms(Some(5)).write_through(write_through);
        let backend = SledBackend::open(directory.path(), options).unwrap();
        put(&backend, keyspace(&backend, "data"), b"k", MARKER);
        let is_written = || {
            let log = std::fs::read(directory.path().join("db")).unwrap();
            log.windows(MARKER.len()).any(|window| window == MARKER)
        };
        let begun = Instant::now();
        while !is_written() {
            assert!(begun.elapsed() < Duration::from_secs(60), "the commit is not in the log");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Copies a store as a killed process would leave it: this one keeps its files open.
fn copy(from: &Path, to: &Path) {
    for name in ["db", "conf"] {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

/// The file of a large value cannot be written, after sled has already written other rows of the batch to its log.
#[test]
fn a_batch_that_fails_halfway_is_not_recovered() {
    const ROUNDS: usize = 10;
    let options = || SledOptions::new().segment_size(16_384).close_wait_ms(100);
    let directories: Vec<TempDir> = (0..ROUNDS).map(|_| TempDir::new().unwrap()).collect();
    for (round, directory) in directories.iter().enumerate() {
        let backend = SledBackend::open(directory.path(), options()).unwrap();
        let keyspaces = [keyspace(&backend, "one"), keyspace(&backend, "two")];
        put(&backend, keyspaces[0], b"before", b"v");
        backend.flush().unwrap();
        if round % 4 < 2 {
            // Then sled's buffer is not empty when the batch begins.
            put(&backend, keyspaces[0], b"buffered", b"v");
        }
        std::fs::remove_dir_all(directory.path().join("blobs")).unwrap();
        let mut batch = WriteBatch::new();
        for number in 0..1_000_u32 {
            // In one keyspace or in both, which sled writes in different ways.
            let of = keyspaces[number as usize % (1 + round % 2)];
            batch.put(of, &number.to_be_bytes(), &[7; 100]);
        }
        batch.put(keyspaces[0], b"large", &[7; 10_000]);
        let error = backend.commit(&batch, Durability::Buffered).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CommitUnknown, "{error:?}");
    }
    // sled's threads write the rest of its buffers.
    std::thread::sleep(Duration::from_millis(300));
    for directory in &directories {
        let copied = TempDir::new().unwrap();
        copy(directory.path(), copied.path());
        let backend = SledBackend::open(copied.path(), options()).unwrap();
        let [one, two] = [keyspace(&backend, "one"), keyspace(&backend, "two")];
        let of_batch = |key: &Vec<u8>| key != b"before" && key != b"buffered";
        let found = rows(&backend, one, Scan::all());
        assert!(found.contains(&b"before".to_vec()) && !found.iter().any(of_batch), "{found:?}");
        assert!(rows(&backend, two, Scan::all()).is_empty());
    }
}
