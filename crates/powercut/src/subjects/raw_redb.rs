//! redb without the layer: a table for each keyspace.

use super::raw::{CACHE_BYTES, Raw, conditions_hold, no_keyspace};
use crate::script::Batch;
use crate::subject::{Done, Failure, Opened, Promise, Verdict};
use redb::{Database, Durability, ReadOnlyTable, ReadableDatabase, TableDefinition, TableError, TableHandle};
use std::path::Path;
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// redb with its default settings.
pub(super) const SAFE: Raw = Raw {
    name: "redb",
    engine: "redb",
    promise: Promise::PowerSafe,
    note: "Durability::Immediate",
    open: |directory| Ok(Box::new(Redb::open(directory)?)),
};

/// Locked for writing by the calls that need the database exclusively: compaction and the integrity check.
struct Redb(RwLock<Database>);

fn table(name: &str) -> TableDefinition<'_, &'static [u8], &'static [u8]> {
    TableDefinition::new(name)
}

impl Redb {
    fn open(directory: &Path) -> Result<Self, Failure> {
        let database = Database::builder().set_cache_size(CACHE_BYTES).create(directory.join("data.redb"));
        Ok(Self(RwLock::new(database.map_err(failed)?)))
    }

    fn shared(&self) -> Result<RwLockReadGuard<'_, Database>, Failure> {
        self.0.read().map_err(|_| Failure::new("another thread panicked while it held the handle"))
    }

    fn alone(&self) -> Result<RwLockWriteGuard<'_, Database>, Failure> {
        self.0.write().map_err(|_| Failure::new("another thread panicked while it held the handle"))
    }

    fn rows(&self, keyspace: &str) -> Result<ReadOnlyTable<&'static [u8], &'static [u8]>, Failure> {
        let transaction = self.shared()?.begin_read().map_err(failed)?;
        transaction.open_table(table(keyspace)).map_err(|error| match error {
            TableError::TableDoesNotExist(_) => no_keyspace(keyspace),
            other => failed(other),
        })
    }
}

impl Opened for Redb {
    fn keyspaces(&self) -> Result<Vec<String>, Failure> {
        let transaction = self.shared()?.begin_read().map_err(failed)?;
        Ok(transaction.list_tables().map_err(failed)?.map(|table| table.name().to_owned()).collect())
    }

    fn create_keyspace(&self, name: &str) -> Result<(), Failure> {
        let transaction = self.shared()?.begin_write().map_err(failed)?;
        transaction.open_table(table(name)).map_err(failed)?;
        transaction.commit().map_err(failed)
    }

    fn drop_keyspace(&self, name: &str) -> Result<(), Failure> {
        let transaction = self.shared()?.begin_write().map_err(failed)?;
        transaction.delete_table(table(name)).map_err(failed)?;
        transaction.commit().map_err(failed)
    }

    fn commit(&self, batch: &Batch) -> Result<Verdict, Failure> {
        if !conditions_hold(self, batch)? {
            return Ok(Verdict::Refused);
        }
        // Held until the commit is done, so that no thread takes the database exclusively before.
        let database = self.shared()?;
        let mut transaction = database.begin_write().map_err(failed)?;
        let durability = if batch.buffered { Durability::None } else { Durability::Immediate };
        transaction.set_durability(durability).map_err(failed)?;
        for op in &batch.ops {
            let mut rows = transaction.open_table(table(&op.keyspace)).map_err(failed)?;
            match op.value {
                Some(value) => rows.insert(op.key.as_bytes(), &value.bytes()[..]).map(drop),
                None => rows.remove(op.key.as_bytes()).map(drop),
            }
            .map_err(failed)?;
        }
        transaction.commit().map_err(failed)?;
        Ok(Verdict::Committed)
    }

    fn get(&self, keyspace: &str, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        let found = self.rows(keyspace)?.get(key).map_err(failed)?;
        Ok(found.map(|value| value.value().to_vec()))
    }

    fn scan(&self, keyspace: &str, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Failure> {
        for row in self.rows(keyspace)?.range::<&[u8]>(..).map_err(failed)? {
            let (key, value) = row.map_err(failed)?;
            visit(key.value(), value.value());
        }
        Ok(())
    }

    fn compact(&self) -> Result<Done, Failure> {
        self.alone()?.compact().map_err(failed)?;
        Ok(Done::Done)
    }

    fn checkpoint(&self, _: &Path) -> Result<Done, Failure> {
        Ok(Done::Lacking)
    }

    fn verify(&self) -> Result<Done, Failure> {
        if self.alone()?.check_integrity().map_err(failed)? {
            return Ok(Done::Done);
        }
        Err(Failure::new("redb found damage and repaired it"))
    }
}

fn failed(error: impl Into<redb::Error>) -> Failure {
    let error = error.into();
    let failure = Failure::new(&error);
    match error {
        redb::Error::PreviousIo | redb::Error::DatabaseClosed => failure.closed(),
        _ => failure,
    }
}
