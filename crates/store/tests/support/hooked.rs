//! A memory backend with hooks before and after its calls, where a test runs what another thread might do.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use strongroom_core::{
    Bytes, CommitToken, Durability, EngineInfo, KeyRange, KeyspaceHints, KeyspaceId, MemoryBackend, Result,
    Snapshot, Stats, StorageBackend, WriteBatch,
};

/// A closure that is called once, after it is set.
#[derive(Clone, Default)]
pub struct Hook(Arc<Mutex<Option<Call>>>);

type Call = Box<dyn FnOnce() + Send>;

impl Hook {
    pub fn set(&self, hook: impl FnOnce() + Send + 'static) {
        *self.0.lock().unwrap() = Some(Box::new(hook));
    }

    fn call(&self) {
        let hook = self.0.lock().unwrap().take();
        if let Some(hook) = hook {
            hook();
        }
    }
}

#[derive(Clone, Default)]
pub struct Hooks {
    pub before_snapshot: Hook,
    /// Before the caller gets the snapshot.
    pub after_snapshot: Hook,
    pub before_commit: Hook,
    /// Snapshots take a millisecond, which is longer than many commits.
    pub slow_snapshots: Arc<AtomicBool>,
}

pub struct Hooked {
    inner: Arc<MemoryBackend>,
    info: EngineInfo,
    is_read_only: bool,
    hooks: Hooks,
}

/// Returns a hooked backend over memory of its own.
pub fn hooked() -> (Hooked, Hooks) {
    hooked_over(&Arc::new(MemoryBackend::in_memory()), false)
}

/// Returns a hooked backend over shared memory, as if several processes used it, of which one writes.
pub fn hooked_over(inner: &Arc<MemoryBackend>, is_read_only: bool) -> (Hooked, Hooks) {
    let mut info = *inner.engine();
    info.capabilities.shared_reads = true;
    let hooks = Hooks::default();
    (Hooked { inner: Arc::clone(inner), info, is_read_only, hooks: hooks.clone() }, hooks)
}

impl StorageBackend for Hooked {
    fn snapshot(&self) -> Result<Arc<dyn Snapshot>> {
        self.hooks.before_snapshot.call();
        let snapshot = self.inner.snapshot();
        self.hooks.after_snapshot.call();
        if self.hooks.slow_snapshots.load(Ordering::Relaxed) {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        snapshot
    }

    fn commit(&self, batch: &WriteBatch, durability: Durability) -> Result<()> {
        self.hooks.before_commit.call();
        self.inner.commit(batch, durability)
    }

    fn engine(&self) -> &EngineInfo {
        &self.info
    }

    fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    fn directory(&self) -> Option<&Path> {
        self.inner.directory()
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

    fn keyspace_hints(&self, keyspace: KeyspaceId) -> Result<KeyspaceHints> {
        self.inner.keyspace_hints(keyspace)
    }

    fn drop_keyspace(&self, keyspace: KeyspaceId) -> Result<()> {
        self.inner.drop_keyspace(keyspace)
    }

    fn get(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>> {
        self.inner.get(keyspace, key)
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
