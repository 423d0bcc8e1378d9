//! sled without the layer.

use super::Raw;
use crate::measure::{read, read_row};
use crate::workload::Op;
use sled::{Batch, Db, Tree};
use std::path::Path;

pub struct Sled {
    tree: Tree,
    db: Db,
}

impl Raw for Sled {
    fn open(directory: &Path, cache_bytes: u64) -> Self {
        // 500 ms is the default of sled and of the adapter.
        let config = sled::Config::new().cache_capacity(cache_bytes).flush_every_ms(Some(500));
        let db = config.path(directory).open().unwrap();
        Self { tree: db.open_tree("bench").unwrap(), db }
    }

    fn get(&self, key: &[u8]) -> usize {
        self.tree.get(key).unwrap().map_or(0, |value| read(&value))
    }

    fn scan(&self) -> (u64, u64) {
        let (mut rows, mut bytes) = (0, 0);
        for row in &self.tree {
            let (key, value) = row.unwrap();
            rows += 1;
            bytes += read_row(&key, &value);
        }
        (rows, bytes)
    }

    fn apply(&self, ops: &[Op]) {
        let mut batch = Batch::default();
        for op in ops {
            match op {
                Op::Put(key, value) => batch.insert(&key[..], &value[..]),
                Op::Delete(key) => batch.remove(&key[..]),
            }
        }
        self.tree.apply_batch(batch).unwrap();
    }

    /// Commits as durably as sled can, which is not power-safe.
    fn put_durably(&self, key: &[u8], value: &[u8]) {
        self.tree.insert(key, value).unwrap();
        self.db.flush().unwrap();
    }

    fn flush(&self) {
        self.db.flush().unwrap();
    }
}
