//! redb without the layer.

use super::Raw;
use crate::measure::{read, read_row};
use crate::workload::Op;
use redb::{Database, Durability, ReadableDatabase, TableDefinition};
use std::path::Path;

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("bench");

pub struct Redb(Database);

impl Raw for Redb {
    fn open(directory: &Path, cache_bytes: u64) -> Self {
        let cache = usize::try_from(cache_bytes).unwrap();
        let database = Database::builder().set_cache_size(cache).create(directory.join("data.redb")).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(TABLE).unwrap();
        transaction.commit().unwrap();
        Self(database)
    }

    fn get(&self, key: &[u8]) -> usize {
        let table = self.0.begin_read().unwrap().open_table(TABLE).unwrap();
        table.get(key).unwrap().map_or(0, |value| read(value.value()))
    }

    fn scan(&self) -> (u64, u64) {
        let table = self.0.begin_read().unwrap().open_table(TABLE).unwrap();
        let (mut rows, mut bytes) = (0, 0);
        for row in table.range::<&[u8]>(..).unwrap() {
            let (key, value) = row.unwrap();
            rows += 1;
            bytes += read_row(key.value(), value.value());
        }
        (rows, bytes)
    }

    fn apply(&self, batch: &[Op]) {
        let mut transaction = self.0.begin_write().unwrap();
        transaction.set_durability(Durability::None).unwrap();
        {
            let mut table = transaction.open_table(TABLE).unwrap();
            for op in batch {
                match op {
                    Op::Put(key, value) => drop(table.insert(&key[..], &value[..]).unwrap()),
                    Op::Delete(key) => drop(table.remove(&key[..]).unwrap()),
                }
            }
        }
        transaction.commit().unwrap();
    }

    fn put_durably(&self, key: &[u8], value: &[u8]) {
        let transaction = self.0.begin_write().unwrap();
        transaction.open_table(TABLE).unwrap().insert(key, value).unwrap();
        transaction.commit().unwrap();
    }

    fn flush(&self) {
        self.0.begin_write().unwrap().commit().unwrap();
    }
}
