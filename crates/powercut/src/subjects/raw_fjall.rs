//! fjall without the layer: a keyspace for each keyspace.

use super::raw::{CACHE_BYTES, Raw, conditions_hold, no_keyspace};
use crate::script::Batch;
use crate::subject::{Done, Failure, Opened, Promise, Verdict};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable as _};
use std::path::Path;

/// fjall with its only mode that syncs everything.
pub(super) const SAFE: Raw = Raw {
    name: "fjall",
    engine: "fjall",
    promise: Promise::PowerSafe,
    note: "persist(SyncAll) after each commit",
    open: |directory| Ok(Box::new(Fjall::open(directory)?)),
};

/// As in the store's options; small, so that a script fills tables and not only the journal.
const MEMTABLE_BYTES: u64 = 64 * 1_024;

struct Fjall(Database);

impl Fjall {
    fn open(directory: &Path) -> Result<Self, Failure> {
        Ok(Self(Database::builder(directory).cache_size(CACHE_BYTES as u64).open()?))
    }

    fn create(&self, name: &str) -> Result<Keyspace, Failure> {
        let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
        Ok(self.0.keyspace(name, options)?)
    }

    fn keyspace(&self, name: &str) -> Result<Keyspace, Failure> {
        // fjall would create a missing keyspace.
        if self.0.keyspace_exists(name) { self.create(name) } else { Err(no_keyspace(name)) }
    }
}

impl Opened for Fjall {
    fn keyspaces(&self) -> Result<Vec<String>, Failure> {
        Ok(self.0.list_keyspace_names().iter().map(ToString::to_string).collect())
    }

    fn create_keyspace(&self, name: &str) -> Result<(), Failure> {
        self.create(name)?;
        Ok(self.0.persist(PersistMode::SyncAll)?)
    }

    fn drop_keyspace(&self, name: &str) -> Result<(), Failure> {
        self.0.delete_keyspace(self.keyspace(name)?)?;
        Ok(self.0.persist(PersistMode::SyncAll)?)
    }

    fn commit(&self, batch: &Batch) -> Result<Verdict, Failure> {
        if !conditions_hold(self, batch)? {
            return Ok(Verdict::Refused);
        }
        let mut entry = self.0.batch();
        for op in &batch.ops {
            let keyspace = self.keyspace(&op.keyspace)?;
            match op.value {
                Some(value) => entry.insert(&keyspace, op.key.as_bytes(), value.bytes()),
                None => entry.remove(&keyspace, op.key.as_bytes()),
            }
        }
        if !batch.buffered {
            entry = entry.durability(Some(PersistMode::SyncAll));
        }
        entry.commit()?;
        Ok(Verdict::Committed)
    }

    fn get(&self, keyspace: &str, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.keyspace(keyspace)?.get(key)?.map(|value| value.to_vec()))
    }

    fn scan(&self, keyspace: &str, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Failure> {
        for row in self.0.snapshot().iter(&self.keyspace(keyspace)?) {
            let (key, value) = row.into_inner()?;
            visit(&key, &value);
        }
        Ok(())
    }

    fn compact(&self) -> Result<Done, Failure> {
        for name in self.keyspaces()? {
            self.keyspace(&name)?.major_compact()?;
        }
        Ok(Done::Done)
    }

    fn checkpoint(&self, _: &Path) -> Result<Done, Failure> {
        Ok(Done::Lacking)
    }

    fn verify(&self) -> Result<Done, Failure> {
        Ok(Done::Lacking)
    }
}

impl From<fjall::Error> for Failure {
    fn from(error: fjall::Error) -> Self {
        let failure = Self::new(&error);
        if matches!(error, fjall::Error::Poisoned) { failure.closed() } else { failure }
    }
}
