//! Helpers of this adapter's tests.

// Helpers of tests fail like tests.
#![allow(clippy::unwrap_used, clippy::panic)]
// Each test file uses only a part.
#![allow(dead_code, unreachable_pub)]

use std::path::Path;
use std::time::Instant;
use strongroom_core::{Durability, ErrorKind, KeyspaceHints, KeyspaceId, Scan, StorageBackend, WriteBatch};
use strongroom_sled::SledBackend;

pub fn open(directory: &Path) -> SledBackend {
    SledBackend::new(directory).unwrap()
}

pub fn keyspace(backend: &SledBackend, name: &str) -> KeyspaceId {
    backend.create_keyspace(name, KeyspaceHints::default()).unwrap()
}

pub fn put(backend: &SledBackend, keyspace: KeyspaceId, key: &[u8], value: &[u8]) {
    let mut batch = WriteBatch::new();
    backend.commit(batch.put(keyspace, key, value), Durability::Buffered).unwrap();
}

pub fn rows(backend: &SledBackend, keyspace: KeyspaceId, scan: Scan) -> Vec<Vec<u8>> {
    let mut cursor = backend.snapshot().unwrap().cursor(keyspace, scan).unwrap();
    let mut keys = Vec::new();
    while cursor.advance().unwrap() {
        keys.push(cursor.key().to_vec());
    }
    keys
}

/// Raw sled may hold its lock briefly after it was dropped.
pub fn reopen_patiently(directory: &Path) -> SledBackend {
    let begun = Instant::now();
    loop {
        match SledBackend::new(directory) {
            Ok(backend) => return backend,
            Err(error) if error.kind() == ErrorKind::Locked && begun.elapsed().as_secs() < 5 => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}
