//! Helpers of several of these tests.

use super::fresh::FreshEngine;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use strongroom_core::{
    Backend, Cursor, Durability, KeyRange, KeyspaceHints, KeyspaceId, MemoryBackend, MemoryOptions, Options,
    Scan, Snapshot, StorageBackend, TypedOptions, Undo, WriteBatch,
};

/// A directory of its own, removed at the end.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("strongroom-undo-{}-{number}", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs `test` on both engines, with a bound on the kept values.
pub fn on_both(undo_bytes_max: u64, test: impl Fn(&dyn StorageBackend)) {
    let options = Options::new().undo_bytes_max(undo_bytes_max);
    test(&MemoryBackend::in_memory_with(&options));
    let scratch = Scratch::new();
    let options = MemoryOptions::from_options(&options).unwrap();
    test(&Backend::<Undo<FreshEngine>>::open(&scratch.0, options).unwrap());
}

pub const PLENTY: u64 = 1 << 30;

pub fn keyspace(backend: &dyn StorageBackend, name: &str) -> KeyspaceId {
    backend.create_keyspace(name, KeyspaceHints::default()).unwrap()
}

pub fn put(backend: &dyn StorageBackend, keyspace: KeyspaceId, rows: &[(&str, &str)]) {
    let mut batch = WriteBatch::new();
    for (key, value) in rows {
        batch.put(keyspace, key.as_bytes(), value.as_bytes());
    }
    backend.commit(&batch, Durability::Buffered).unwrap();
}

pub fn delete(backend: &dyn StorageBackend, keyspace: KeyspaceId, keys: &[&str]) {
    let mut batch = WriteBatch::new();
    for key in keys {
        batch.delete(keyspace, key.as_bytes());
    }
    backend.commit(&batch, Durability::Buffered).unwrap();
}

pub type Row = (Vec<u8>, Vec<u8>);

pub fn row(cursor: &dyn Cursor) -> Row {
    (cursor.key().to_vec(), cursor.value().to_vec())
}

pub fn rest(cursor: &mut dyn Cursor) -> Vec<Row> {
    let mut rows = Vec::new();
    while cursor.advance().unwrap() {
        rows.push(row(cursor));
    }
    rows
}

pub fn scan(snapshot: &dyn Snapshot, keyspace: KeyspaceId, scan: Scan) -> Vec<Row> {
    rest(&mut *snapshot.cursor(keyspace, scan).unwrap())
}

pub fn text(rows: &[Row]) -> String {
    let shown = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    rows.iter().map(|(key, value)| format!("{}={}", shown(key), shown(value))).collect::<Vec<_>>().join(" ")
}

pub fn undo_bytes(backend: &dyn StorageBackend) -> u64 {
    backend.stats().unwrap().undo_bytes
}

pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % end
    }

    pub fn key(&mut self) -> Vec<u8> {
        (0..=self.below(3)).map(|_| [0, b'a', b'b', 0xff][self.below(4)]).collect()
    }

    pub fn scan(&mut self) -> Scan {
        let range = match self.below(4) {
            0 => KeyRange::all(),
            1 => KeyRange::prefix(&self.key()),
            2 => KeyRange::from(self.key()),
            _ => KeyRange::between(self.key(), self.key()),
        };
        let scan = Scan::new(range);
        if self.below(2) == 0 { scan } else { scan.reverse() }
    }
}
