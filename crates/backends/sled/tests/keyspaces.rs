//! Trees as keyspaces.

// Helpers of tests fail like tests.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::time::Duration;
use strongroom_core::{Durability, ErrorKind, KeyspaceHints, Scan, StorageBackend, WriteBatch};
use strongroom_sled::{SledBackend, SledOptions};
use support::{keyspace, open, put, reopen_patiently, rows};
use tempfile::TempDir;

#[test]
fn sleds_own_trees_are_not_keyspaces() {
    let directory = TempDir::new().unwrap();
    let backend = open(directory.path());
    keyspace(&backend, "data");
    assert_eq!(backend.keyspaces().unwrap(), ["data"]);
    drop(backend);

    let raw = sled::open(directory.path()).unwrap();
    raw.insert("foreign", "row").unwrap();
    drop(raw);
    let backend = reopen_patiently(directory.path());
    assert_eq!(backend.keyspaces().unwrap(), ["__sled__default", "data"], "it is not empty");
    let default = backend.keyspace("__sled__default").unwrap();
    assert_eq!(rows(&backend, default, Scan::all()), [b"foreign"]);
    backend.drop_keyspace(default).unwrap();
    assert_eq!(backend.keyspaces().unwrap(), ["data"]);
    drop(backend);
    assert_eq!(open(directory.path()).keyspaces().unwrap(), ["data"]);
}

/// Reads of every kind on two threads, while keyspaces are created and dropped.
#[test]
fn readers_of_a_dropped_keyspace_get_not_found() {
    let directory = TempDir::new().unwrap();
    let backend = open(directory.path());
    for _ in 0..5 {
        let data = keyspace(&backend, "data");
        let mut batch = WriteBatch::new();
        for number in 0..5_000_u32 {
            batch.put(data, &number.to_be_bytes(), &[0; 100]);
        }
        backend.commit(&batch, Durability::Buffered).unwrap();
        let read = || -> strongroom_core::Result<()> {
            loop {
                let mut cursor = backend.snapshot()?.cursor(data, Scan::all().reverse())?;
                while cursor.advance()? {}
                backend.get(data, &17_u32.to_be_bytes())?;
            }
        };
        std::thread::scope(|scope| {
            let readers = [scope.spawn(read), scope.spawn(read)];
            std::thread::sleep(Duration::from_millis(20));
            backend.drop_keyspace(data).unwrap();
            for reader in readers {
                assert_eq!(reader.join().unwrap().unwrap_err().kind(), ErrorKind::NotFound);
            }
        });
    }
}

/// Handles of released trees are dropped by the hundred, each with a flush of sled's that ends when nobody writes.
#[test]
fn dropped_keyspaces_are_released_beside_a_writer() {
    let directory = TempDir::new().unwrap();
    let backend = SledBackend::open(directory.path(), SledOptions::new().flush_every_ms(Some(1))).unwrap();
    let data = keyspace(&backend, "data");
    std::thread::scope(|scope| {
        let passing = scope.spawn(|| {
            for number in 0..200 {
                let name = format!("passing_{number}");
                let passing = backend.create_keyspace(&name, KeyspaceHints::dedicated()).unwrap();
                put(&backend, passing, b"k", b"v");
                backend.drop_keyspace(passing).unwrap();
            }
            backend.flush().unwrap();
        });
        let mut written = 0_u32;
        while !passing.is_finished() {
            put(&backend, data, &written.to_be_bytes(), b"v");
            written += 1;
        }
        assert_eq!(rows(&backend, data, Scan::all()).len(), written as usize);
    });
}
