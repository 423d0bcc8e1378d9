//! sled without the layer: a tree for each keyspace.

use super::raw::{CACHE_BYTES, Raw, conditions_hold, no_keyspace};
use crate::script::Batch;
use crate::subject::{Done, Failure, Opened, Promise, Verdict};
use sled::transaction::{
    ConflictableTransactionResult, TransactionError, Transactional as _, TransactionalTree,
};
use sled::{Db, Tree};
use std::collections::BTreeMap;
use std::path::Path;

/// sled as documented, with `flush`, which on Linux does not sync to the disk.
pub(super) const CONTROL: Raw = Raw {
    name: "sled-flush",
    engine: "sled",
    promise: Promise::Loses,
    note: "flush() after each commit: sync_file_range, never fsync",
    open: |directory| Ok(Box::new(Sled::open(directory)?)),
};

/// The default tree, which always exists and is not a keyspace of a script.
const UNUSED_TREE: &[u8] = b"__sled__default";

struct Sled(Db);

impl Sled {
    fn open(directory: &Path) -> Result<Self, Failure> {
        Ok(Self(sled::Config::new().path(directory).cache_capacity(CACHE_BYTES as u64).open()?))
    }

    fn tree(&self, name: &str) -> Result<Tree, Failure> {
        // sled would create a missing tree.
        let is_there = self.0.tree_names().iter().any(|tree| tree == name.as_bytes());
        if is_there { Ok(self.0.open_tree(name)?) } else { Err(no_keyspace(name)) }
    }

    fn flush(&self) -> Result<(), Failure> {
        self.0.flush()?;
        Ok(())
    }

    /// Applies the batch in a transaction over its trees, sled's only atomic write to several trees.
    fn apply(&self, batch: &Batch) -> Result<(), Failure> {
        let mut gathered: BTreeMap<&str, sled::Batch> = BTreeMap::new();
        for op in &batch.ops {
            let changes = gathered.entry(&op.keyspace).or_default();
            match op.value {
                Some(value) => changes.insert(op.key.as_bytes(), value.bytes()),
                None => changes.remove(op.key.as_bytes()),
            }
        }
        let trees = gathered.keys().map(|name| self.tree(name)).collect::<Result<Vec<_>, _>>()?;
        let write = |views: &Vec<TransactionalTree>| -> ConflictableTransactionResult<(), ()> {
            for (view, changes) in views.iter().zip(gathered.values()) {
                view.apply_batch(changes)?;
            }
            Ok(())
        };
        trees.iter().collect::<Vec<_>>().transaction(write).map_err(|error| match error {
            TransactionError::Storage(error) => error.into(),
            TransactionError::Abort(()) => Failure::new("the transaction was aborted"),
        })
    }
}

impl Opened for Sled {
    fn keyspaces(&self) -> Result<Vec<String>, Failure> {
        let names = self.0.tree_names().into_iter().filter(|name| name != UNUSED_TREE);
        Ok(names.map(|name| String::from_utf8_lossy(&name).into_owned()).collect())
    }

    fn create_keyspace(&self, name: &str) -> Result<(), Failure> {
        self.0.open_tree(name)?;
        self.flush()
    }

    fn drop_keyspace(&self, name: &str) -> Result<(), Failure> {
        self.0.drop_tree(name)?;
        self.flush()
    }

    fn commit(&self, batch: &Batch) -> Result<Verdict, Failure> {
        if !conditions_hold(self, batch)? {
            return Ok(Verdict::Refused);
        }
        self.apply(batch)?;
        if !batch.buffered {
            self.flush()?;
        }
        Ok(Verdict::Committed)
    }

    fn get(&self, keyspace: &str, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.tree(keyspace)?.get(key)?.map(|value| value.to_vec()))
    }

    fn scan(&self, keyspace: &str, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Failure> {
        for row in &self.tree(keyspace)? {
            let (key, value) = row?;
            visit(&key, &value);
        }
        Ok(())
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

impl From<sled::Error> for Failure {
    fn from(error: sled::Error) -> Self {
        Self::new(error)
    }
}
