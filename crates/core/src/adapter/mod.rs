//! [`Backend`]: the contract over any [`Engine`], with everything that all engines share.
//!
//! It checks limits before the engine is called, runs one commit at a time with its conditions and token, and
//! assigns keyspace ids. It implements read-only handles, poisoning, counters, seeks, `delete_range` and
//! checkpoints, and catches panics.

mod backend;
mod catalogue;
mod checkpoint;
mod commit;
mod creation;
mod cursor;
mod health;
mod held;
mod keyspaces;
mod leftovers;
mod listing;
mod open;
mod placed;
mod read;
mod removal;
mod shared;
mod snapshot;
mod view;

pub use backend::Backend;

use crate::backend::{Snapshot, StorageBackend};
use crate::batch::{CommitToken, WriteBatch};
use crate::capabilities::EngineInfo;
use crate::durability::Durability;
use crate::engine::Engine;
use crate::keyspace::{KeyspaceHints, KeyspaceId};
use crate::range::KeyRange;
use crate::stats::Stats;
use crate::sync::write;
use crate::{Error, ErrorKind, Result};
use bytes::Bytes;
use snapshot::GuardedSnapshot;
use std::path::Path;
use std::sync::Arc;

/// Refuses an operation that the engine does not declare, so that it cannot half-work.
fn check_declared(declared: bool, what: &str) -> Result<()> {
    if declared {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unsupported, format!("the engine does not offer {what}")))
}

impl<E: Engine> StorageBackend for Backend<E> {
    fn engine(&self) -> &EngineInfo {
        &self.shared.info
    }

    fn directory(&self) -> Option<&Path> {
        self.shared.home.as_ref().map(|home| home.directory().path())
    }

    fn is_read_only(&self) -> bool {
        self.shared.read_only
    }

    fn keyspaces(&self) -> Result<Vec<String>> {
        self.shared.located("list keyspaces", || {
            self.shared.health.check("list keyspaces")?;
            self.shared.learn_keyspaces(&mut self.shared.keyspaces.names())?;
            Ok(self.shared.keyspaces.names().keys().cloned().collect())
        })
    }

    fn keyspace(&self, name: &str) -> Result<KeyspaceId> {
        self.shared.located("open keyspace", || self.shared.keyspace(name))
    }

    fn create_keyspace(&self, name: &str, hints: KeyspaceHints) -> Result<KeyspaceId> {
        self.shared.located("create keyspace", || self.shared.create_keyspace(name, hints))
    }

    fn keyspace_hints(&self, keyspace: KeyspaceId) -> Result<KeyspaceHints> {
        self.shared.located("keyspace hints", || self.shared.keyspace_hints(keyspace))
    }

    fn drop_keyspace(&self, keyspace: KeyspaceId) -> Result<()> {
        self.shared.located("drop keyspace", || self.shared.drop_keyspace(keyspace))
    }

    fn get(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>> {
        self.shared.located("get", || self.shared.get(keyspace, key))
    }

    fn snapshot(&self) -> Result<Arc<dyn Snapshot>> {
        Ok(Arc::new(GuardedSnapshot::open(&self.shared)?))
    }

    fn commit(&self, batch: &WriteBatch, durability: Durability) -> Result<()> {
        self.shared.located("commit", || self.shared.commit(batch, durability))
    }

    fn committed(&self, token: CommitToken) -> Result<bool> {
        self.shared.located("committed", || self.shared.committed(token))
    }

    fn forget(&self, token: CommitToken) -> Result<()> {
        self.shared.located("forget", || self.shared.forget(token))
    }

    fn delete_range(&self, keyspace: KeyspaceId, range: &KeyRange, durability: Durability) -> Result<u64> {
        self.shared.located("delete range", || self.shared.delete_range(keyspace, range, durability))
    }

    fn flush(&self) -> Result<()> {
        // A read-only handle has written nothing.
        if self.shared.read_only {
            return self.shared.health.check("flush");
        }
        self.shared.located("flush", || {
            self.shared.health.check("flush")?;
            self.shared.check_home()?;
            self.shared.health.change("flush", || self.shared.engine.flush())
        })
    }

    fn stats(&self) -> Result<Stats> {
        self.shared.located("stats", || self.shared.stats())
    }

    fn compact(&self) -> Result<()> {
        self.shared.located("compact", || {
            check_declared(self.shared.info.capabilities.compaction, "compaction on demand")?;
            self.shared.check_writable()?;
            self.shared.check_home()?;
            let _exclusive = write(&self.shared.commit_turn);
            self.shared.remove_all()?;
            let _no_view = self.shared.pause_view();
            self.shared.health.housekeep("compact", || self.shared.engine.compact())
        })
    }

    fn checkpoint(&self, directory: &Path) -> Result<()> {
        self.shared.located("checkpoint", || {
            check_declared(self.shared.info.capabilities.checkpoint, "checkpoints")?;
            self.shared.check_home()?;
            match &self.options {
                Some(options) => checkpoint::checkpoint(&self.shared, options, directory),
                None => Err(Error::new(ErrorKind::Unsupported, "the engine has no files to copy")),
            }
        })
    }

    fn verify(&self) -> Result<()> {
        self.shared.located("verify", || {
            check_declared(self.shared.info.capabilities.integrity_check, "an integrity check")?;
            // An engine may repair its files.
            self.shared.check_writable()?;
            self.shared.check_home()?;
            let _exclusive = write(&self.shared.commit_turn);
            let _no_view = self.shared.pause_view();
            self.shared.health.call("verify", || self.shared.engine.verify())
        })
    }
}
