//! LMDB itself, through heed.

use super::Raw;
use crate::measure::read;
use crate::workload::Op;
use heed::types::Bytes;
use heed::{Database, Env, EnvOpenOptions, WithoutTls};
use std::path::Path;

/// Address space, not memory.
const MAP_BYTES: usize = 64 << 30;

pub struct Lmdb {
    environment: Env<WithoutTls>,
    rows: Database<Bytes, Bytes>,
}

impl Raw for Lmdb {
    fn open(directory: &Path) -> Self {
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options.map_size(MAP_BYTES).max_dbs(8);
        // SAFETY: nobody else opens or changes the files of this benchmark.
        #[allow(unsafe_code)]
        let environment = unsafe { options.open(directory) }.unwrap();
        let mut transaction = environment.write_txn().unwrap();
        let rows = environment.create_database(&mut transaction, Some("bench")).unwrap();
        transaction.commit().unwrap();
        Self { environment, rows }
    }

    fn get(&self, key: &[u8]) -> usize {
        let transaction = self.environment.read_txn().unwrap();
        self.rows.get(&transaction, key).unwrap().map_or(0, read)
    }

    fn scan(&self) -> (u64, u64) {
        let transaction = self.environment.read_txn().unwrap();
        let (mut rows, mut bytes) = (0, 0);
        for row in self.rows.iter(&transaction).unwrap() {
            let (key, value) = row.unwrap();
            rows += 1;
            bytes += (key.len() + value.len()) as u64;
        }
        (rows, bytes)
    }

    fn apply(&self, batch: &[Op]) {
        let mut transaction = self.environment.write_txn().unwrap();
        for op in batch {
            match op {
                Op::Put(key, value) => self.rows.put(&mut transaction, key, value).unwrap(),
                Op::Delete(key) => drop(self.rows.delete(&mut transaction, key).unwrap()),
            }
        }
        transaction.commit().unwrap();
    }

    fn flush(&self) {
        self.environment.force_sync().unwrap();
    }
}
