//! Helpers of the tests.

#![allow(dead_code)] // Each test file uses only a part.

use std::path::Path;
use strongroom_core::{Durability, ErrorKind, KeyspaceHints, KeyspaceId, Scan, StorageBackend, WriteBatch};
use strongroom_rocksdb::RocksDbBackend;

/// Commits one row.
pub fn put(backend: &RocksDbBackend, keyspace: KeyspaceId, key: &[u8], value: &[u8], durability: Durability) {
    let mut batch = WriteBatch::new();
    batch.put(keyspace, key, value);
    backend.commit(&batch, durability).unwrap();
}

/// Creates or opens the keyspace that most tests use.
pub fn keyspace(backend: &RocksDbBackend) -> KeyspaceId {
    backend.create_keyspace("rows", KeyspaceHints::default()).unwrap()
}

/// Commits `rows` rows.
pub fn fill(backend: &RocksDbBackend, keyspace: KeyspaceId, rows: u32, value: &[u8]) {
    let mut batch = WriteBatch::new();
    for number in 0..rows {
        batch.put(keyspace, &number.to_be_bytes(), value);
    }
    backend.commit(&batch, Durability::PowerSafe).unwrap();
}

/// Returns the keys in the order of the scan.
pub fn keys(backend: &RocksDbBackend, keyspace: KeyspaceId, scan: Scan) -> Vec<Vec<u8>> {
    let mut cursor = backend.snapshot().unwrap().cursor(keyspace, scan).unwrap();
    let mut keys = Vec::new();
    while cursor.advance().unwrap() {
        keys.push(cursor.key().to_vec());
    }
    keys
}

/// Returns the kind of error from opening a directory.
pub fn open_error(directory: &Path) -> ErrorKind {
    let error = RocksDbBackend::new(directory).err().unwrap();
    println!("{}", error.one_line());
    assert!(!error.one_line().contains('\n'));
    error.kind()
}

/// Returns incompressible bytes.
pub fn noise(len: usize) -> Vec<u8> {
    let mut random = 1_u64;
    let mut next = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        random.to_be_bytes()[0]
    };
    (0..len).map(|_| next()).collect()
}

/// Returns the names in a directory.
pub fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Returns the size of the tables.
pub fn tables_bytes(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory.join("rocksdb")).unwrap().flatten();
    let tables = entries.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "sst"));
    tables.map(|entry| entry.metadata().map_or(0, |metadata| metadata.len())).sum()
}
