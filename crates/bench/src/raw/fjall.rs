//! fjall without the layer.

use super::Raw;
use crate::measure::{read, read_row};
use crate::workload::Op;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable as _};
use std::path::Path;

pub struct Fjall {
    keyspace: Keyspace,
    database: Database,
}

impl Raw for Fjall {
    fn open(directory: &Path, cache_bytes: u64) -> Self {
        let database = Database::builder(directory).cache_size(cache_bytes).open().unwrap();
        Self { keyspace: database.keyspace("bench", KeyspaceCreateOptions::default).unwrap(), database }
    }

    fn get(&self, key: &[u8]) -> usize {
        // In a snapshot, as the layer reads: `keyspace.get` sees half of a batch that is being applied.
        self.database.snapshot().get(&self.keyspace, key).unwrap().map_or(0, |value| read(&value))
    }

    fn scan(&self) -> (u64, u64) {
        let (mut rows, mut bytes) = (0, 0);
        for row in self.database.snapshot().iter(&self.keyspace) {
            let (key, value) = row.into_inner().unwrap();
            rows += 1;
            bytes += read_row(&key, &value);
        }
        (rows, bytes)
    }

    fn apply(&self, batch: &[Op]) {
        let mut entry = self.database.batch().durability(Some(PersistMode::Buffer));
        for op in batch {
            match op {
                Op::Put(key, value) => entry.insert(&self.keyspace, &key[..], &value[..]),
                Op::Delete(key) => entry.remove(&self.keyspace, &key[..]),
            }
        }
        entry.commit().unwrap();
    }

    fn put_durably(&self, key: &[u8], value: &[u8]) {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncAll));
        batch.insert(&self.keyspace, key, value);
        batch.commit().unwrap();
    }

    fn flush(&self) {
        self.database.persist(PersistMode::SyncAll).unwrap();
    }
}
