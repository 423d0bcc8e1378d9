//! LMDB without the layer, through heed: a named database for each keyspace.

use super::raw::{Raw, conditions_hold, lock, no_keyspace};
use crate::script::Batch;
use crate::subject::{Done, Failure, Opened, Promise, Verdict};
use heed::types::Bytes;
use heed::{CommitOrAbort, Database, DatabaseOpener, Env, EnvOpenOptions, RoTxn, RwTxn, WithoutTls};
use std::convert::Infallible;
use std::path::Path;
use std::sync::Mutex;

/// LMDB with its default flags.
pub(super) const SAFE: Raw = Raw {
    name: "lmdb",
    engine: "lmdb",
    promise: Promise::PowerSafe,
    note: "default flags",
    open: |directory| Ok(Box::new(Lmdb::open(directory)?)),
};

/// Address space, not memory; as in the store's options.
const MAP_BYTES: usize = 256 * 1_024 * 1_024;
const KEYSPACES_MAX: u32 = 128;

/// Locked, because each transaction opens databases by name, which LMDB does not allow concurrently.
struct Lmdb(Mutex<Env<WithoutTls>>);

type Map<'e> = Database<'e, Bytes, Bytes>;
type Opener<'e> = DatabaseOpener<'e, WithoutTls>;

impl Lmdb {
    fn open(directory: &Path) -> Result<Self, Failure> {
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options.map_size(MAP_BYTES).max_dbs(KEYSPACES_MAX);
        // SAFETY: no other process changes the mapped files: the directory belongs to this trial, whose processes run
        // one after another. A damaged file may kill the process, which is what a trial shows.
        #[allow(unsafe_code)]
        let env = unsafe { options.open(directory) }?;
        Ok(Self(Mutex::new(env)))
    }

    /// Runs `f` in a read transaction.
    fn read(
        &self,
        f: impl for<'e> FnOnce(&Opener<'e>, &RoTxn<'e, WithoutTls>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let env = lock(&self.0)?;
        let transaction = env.read_txn()?;
        env.open_databases_and_commit(transaction, |opener, transaction| {
            f(opener, transaction).map(CommitOrAbort::<(), Infallible>::Commit)
        })
        .map(drop)
    }

    /// Runs `f` in a write transaction, and commits it.
    fn write(
        &self,
        f: impl for<'e> FnOnce(&Opener<'e>, &mut RwTxn<'e>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let env = lock(&self.0)?;
        let transaction = env.write_txn()?;
        env.create_databases_and_commit(transaction, |opener, transaction| {
            f(opener, transaction).map(CommitOrAbort::<(), Infallible>::Commit)
        })
        .map(drop)
    }
}

fn find<'e>(opener: &Opener<'e>, transaction: &RoTxn<'e>, name: &str) -> Result<Map<'e>, Failure> {
    opener.open_database(transaction, Some(name))?.ok_or_else(|| no_keyspace(name))
}

impl Opened for Lmdb {
    fn keyspaces(&self) -> Result<Vec<String>, Failure> {
        let mut names = Vec::new();
        self.read(|opener, transaction| {
            let Some(map) = opener.open_database::<Bytes, Bytes>(transaction, None)? else { return Ok(()) };
            for row in map.iter(transaction)? {
                let (name, _) = row?;
                names.push(String::from_utf8_lossy(name).into_owned());
            }
            Ok(())
        })?;
        Ok(names)
    }

    fn create_keyspace(&self, name: &str) -> Result<(), Failure> {
        self.write(|opener, transaction| {
            opener.create_database::<Bytes, Bytes>(transaction, Some(name))?;
            Ok(())
        })
    }

    fn drop_keyspace(&self, name: &str) -> Result<(), Failure> {
        self.write(|opener, transaction| {
            let map = find(opener, transaction, name)?;
            // SAFETY: LMDB reuses the number of the handle, so no other handle to the database may exist. Handles
            // exist only within a transaction, and the lock makes this the only one of the process.
            #[allow(unsafe_code)]
            Ok(unsafe { map.remove(transaction) }?)
        })
    }

    fn commit(&self, batch: &Batch) -> Result<Verdict, Failure> {
        if !conditions_hold(self, batch)? {
            return Ok(Verdict::Refused);
        }
        self.write(|opener, transaction| {
            for op in &batch.ops {
                let map = find(opener, transaction, &op.keyspace)?;
                match op.value {
                    Some(value) => map.put(transaction, op.key.as_bytes(), &value.bytes())?,
                    None => drop(map.delete(transaction, op.key.as_bytes())?),
                }
            }
            Ok(())
        })?;
        Ok(Verdict::Committed)
    }

    fn get(&self, keyspace: &str, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        let mut found = None;
        self.read(|opener, transaction| {
            found = find(opener, transaction, keyspace)?.get(transaction, key)?.map(<[u8]>::to_vec);
            Ok(())
        })?;
        Ok(found)
    }

    fn scan(&self, keyspace: &str, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Failure> {
        self.read(|opener, transaction| {
            for row in find(opener, transaction, keyspace)?.iter(transaction)? {
                let (key, value) = row?;
                visit(key, value);
            }
            Ok(())
        })
    }

    fn compact(&self) -> Result<Done, Failure> {
        Ok(Done::Lacking)
    }

    fn checkpoint(&self, _: &Path) -> Result<Done, Failure> {
        Ok(Done::Lacking)
    }

    fn verify(&self) -> Result<Done, Failure> {
        Ok(Done::Lacking)
    }
}

impl From<heed::Error> for Failure {
    fn from(error: heed::Error) -> Self {
        Self::new(error)
    }
}
