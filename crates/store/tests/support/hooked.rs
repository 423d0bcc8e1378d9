//! A backend in memory that does something of a test's own just behind the taking of a snapshot, before its caller
//! has it: what another thread may do there.

use std::path::Path;
use std::sync::{Arc, Mutex};
use strongroom_core::{
    Bytes, CommitToken, Durability, EngineInfo, KeyRange, KeyspaceHints, KeyspaceId, MemoryBackend, Result,
    Snapshot, Stats, StorageBackend, WriteBatch,
};

type Hook = Box<dyn FnOnce() + Send>;

/// Set it, and the next snapshot calls it once.
#[derive(Clone, Default)]
pub struct AfterSnapshot(Arc<Mutex<Option<Hook>>>);

impl AfterSnapshot {
    pub fn set(&self, hook: impl FnOnce() + Send + 'static) {
        *self.0.lock().unwrap() = Some(Box::new(hook));
    }
}

pub struct Hooked {
    inner: MemoryBackend,
    after_snapshot: AfterSnapshot,
}

pub fn hooked() -> (Hooked, AfterSnapshot) {
    let after_snapshot = AfterSnapshot::default();
    (Hooked { inner: MemoryBackend::in_memory(), after_snapshot: after_snapshot.clone() }, after_snapshot)
}

impl StorageBackend for Hooked {
    fn snapshot(&self) -> Result<Arc<dyn Snapshot>> {
        let snapshot = self.inner.snapshot();
        let hook = self.after_snapshot.0.lock().unwrap().take();
        if let Some(hook) = hook {
            hook();
        }
        snapshot
    }

    fn engine(&self) -> &EngineInfo {
        self.inner.engine()
    }

    fn directory(&self) -> Option<&Path> {
        self.inner.directory()
    }

    fn is_read_only(&self) -> bool {
        self.inner.is_read_only()
    }

    fn keyspaces(&self) -> Result<Vec<String>> {
        self.inner.keyspaces()
    }

    fn keyspace(&self, name: &str) -> Result<KeyspaceId> {
        self.inner.keyspace(name)
    }

    fn create_keyspace(&self, name: &str, hints: KeyspaceHints) -> Result<KeyspaceId> {
        self.inner.create_keyspace(name, hints)
    }

    fn drop_keyspace(&self, keyspace: KeyspaceId) -> Result<()> {
        self.inner.drop_keyspace(keyspace)
    }

    fn get(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>> {
        self.inner.get(keyspace, key)
    }

    fn commit(&self, batch: &WriteBatch, durability: Durability) -> Result<()> {
        self.inner.commit(batch, durability)
    }

    fn committed(&self, token: CommitToken) -> Result<bool> {
        self.inner.committed(token)
    }

    fn forget(&self, token: CommitToken) -> Result<()> {
        self.inner.forget(token)
    }

    fn delete_range(&self, keyspace: KeyspaceId, range: &KeyRange, durability: Durability) -> Result<u64> {
        self.inner.delete_range(keyspace, range, durability)
    }

    fn flush(&self) -> Result<()> {
        self.inner.flush()
    }

    fn stats(&self) -> Result<Stats> {
        self.inner.stats()
    }

    fn compact(&self) -> Result<()> {
        self.inner.compact()
    }

    fn checkpoint(&self, directory: &Path) -> Result<()> {
        self.inner.checkpoint(directory)
    }

    fn verify(&self) -> Result<()> {
        self.inner.verify()
    }
}
