//! Trees as keyspaces.

// Helpers of tests fail like tests.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::time::Duration;
use strongroom_core::{Durability, ErrorKind, Scan, StorageBackend, WriteBatch};
use support::{keyspace, open, reopen_patiently, rows};
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
