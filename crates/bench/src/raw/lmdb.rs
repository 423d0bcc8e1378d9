//! LMDB without the layer, through heed.

use super::{MAP_BYTES, Raw};
use crate::measure::{read, read_row};
use crate::workload::Op;
use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvOpenOptions, WithoutTls};
use self_cell::self_cell;
use std::path::Path;

type Rows<'e> = Database<'e, Bytes, Bytes>;

self_cell!(
    pub struct Lmdb {
        owner: Env<WithoutTls>,
        #[covariant]
        dependent: Rows,
    }
);

impl Raw for Lmdb {
    fn open(directory: &Path, _cache_bytes: u64) -> Self {
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options.map_size(usize::try_from(MAP_BYTES).unwrap()).max_dbs(8);
        // SAFETY: no other process or thread opens or changes the files of this benchmark.
        #[allow(unsafe_code)]
        let environment = unsafe { options.open(directory) }.unwrap();
        Self::new(environment, |environment| {
            let transaction = environment.write_txn().unwrap();
            let create = environment.create_databases_and_commit(transaction, |opener, transaction| {
                opener.create_database(transaction, Some("bench")).map(CommitOrAbort::<_, ()>::Commit)
            });
            create.unwrap().unwrap_commit()
        })
    }

    fn get(&self, key: &[u8]) -> usize {
        let transaction = self.borrow_owner().read_txn().unwrap();
        self.borrow_dependent().get(&transaction, key).unwrap().map_or(0, read)
    }

    fn scan(&self) -> (u64, u64) {
        let transaction = self.borrow_owner().read_txn().unwrap();
        let (mut rows, mut bytes) = (0, 0);
        for row in self.borrow_dependent().iter(&transaction).unwrap() {
            let (key, value) = row.unwrap();
            rows += 1;
            bytes += read_row(key, value);
        }
        (rows, bytes)
    }

    fn apply(&self, batch: &[Op]) {
        let mut transaction = self.borrow_owner().write_txn().unwrap();
        for op in batch {
            match op {
                Op::Put(key, value) => self.borrow_dependent().put(&mut transaction, key, value).unwrap(),
                Op::Delete(key) => drop(self.borrow_dependent().delete(&mut transaction, key).unwrap()),
            }
        }
        transaction.commit().unwrap();
    }

    fn put_durably(&self, key: &[u8], value: &[u8]) {
        let mut transaction = self.borrow_owner().write_txn().unwrap();
        self.borrow_dependent().put(&mut transaction, key, value).unwrap();
        transaction.commit().unwrap();
    }

    fn flush(&self) {
        self.borrow_owner().force_sync().unwrap();
    }
}
