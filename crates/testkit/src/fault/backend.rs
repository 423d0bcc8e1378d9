//! Failures above the contract: a backend whose calls fail on demand.
//!
//! It keeps the contract while it fails. A read returns an I/O error; a change returns
//! [`CommitUnknown`](ErrorKind::CommitUnknown) and poisons the handle; a failed cursor keeps failing.

use super::{Faults, How};
use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use strongroom_core::{
    CommitToken, Cursor, Durability, EngineInfo, Error, ErrorKind, KeyRange, KeyspaceHints, KeyspaceId,
    Result, Scan, Snapshot, Stats, StorageBackend, WriteBatch,
};

/// A [`StorageBackend`] that fails when its [`Faults`] say so, and forwards to the inner one otherwise.
///
/// [`How::Panic`] makes a call panic, which handles of the contract never do, so it is useful only under them; see
/// [`FaultyEngine`](super::FaultyEngine).
pub struct Faulty {
    inner: Box<dyn StorageBackend>,
    gate: Gate,
}

/// The faults, and whether a change has failed.
#[derive(Clone)]
struct Gate {
    engine: &'static str,
    faults: Faults,
    poisoned: Arc<AtomicBool>,
}

impl Faulty {
    /// Wraps `inner`. With [`How::ErrorAfterwards`] the inner call runs before the error.
    pub fn new(inner: Box<dyn StorageBackend>, faults: Faults) -> Self {
        let gate = Gate { engine: inner.engine().name, faults, poisoned: Arc::default() };
        Self { inner, gate }
    }

    /// Returns the faults.
    pub fn faults(&self) -> &Faults {
        &self.gate.faults
    }

    /// Makes the `number`th call from now fail with an error, before it has any effect.
    pub fn fail_at(&self, number: u64) {
        self.gate.faults.fail_at(number, How::Error);
    }
}

impl Gate {
    fn read<T>(&self, operation: &'static str, call: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.poisoned.load(Ordering::SeqCst) {
            let error = Error::new(ErrorKind::Closed, "the handle is poisoned: a write failed");
            return Err(error.at(self.engine, operation));
        }
        let at = |error: Error| error.at(self.engine, operation);
        let passed = self.faults.pass(operation).map_err(at)?;
        passed.then(call()).map_err(at)
    }

    fn change<T>(&self, operation: &'static str, call: impl FnOnce() -> Result<T>) -> Result<T> {
        let mut reached = None;
        let result = self.read(operation, || {
            let result = call();
            reached = Some(result.is_ok());
            result
        });
        let was_injected = |error: &Error| error.kind() == ErrorKind::Io && reached != Some(false);
        match result {
            Err(error) if was_injected(&error) => {
                self.poisoned.store(true, Ordering::SeqCst);
                let unknown = "the write failed and may or may not be stored";
                Err(error.into_kind(ErrorKind::CommitUnknown, unknown).at(self.engine, operation))
            }
            other => other,
        }
    }
}

impl StorageBackend for Faulty {
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
        self.gate.read("keyspaces", || self.inner.keyspaces())
    }

    fn keyspace(&self, name: &str) -> Result<KeyspaceId> {
        self.gate.read("keyspace", || self.inner.keyspace(name))
    }

    fn create_keyspace(&self, name: &str, hints: KeyspaceHints) -> Result<KeyspaceId> {
        self.gate.change("create_keyspace", || self.inner.create_keyspace(name, hints))
    }

    fn keyspace_hints(&self, keyspace: KeyspaceId) -> Result<KeyspaceHints> {
        self.gate.read("keyspace_hints", || self.inner.keyspace_hints(keyspace))
    }

    fn drop_keyspace(&self, keyspace: KeyspaceId) -> Result<()> {
        self.gate.change("drop_keyspace", || self.inner.drop_keyspace(keyspace))
    }

    fn get(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>> {
        self.gate.read("get", || self.inner.get(keyspace, key))
    }

    fn snapshot(&self) -> Result<Arc<dyn Snapshot>> {
        let inner = self.gate.read("snapshot", || self.inner.snapshot())?;
        Ok(Arc::new(FaultySnapshot { inner, gate: self.gate.clone() }))
    }

    fn commit(&self, batch: &WriteBatch, durability: Durability) -> Result<()> {
        self.gate.change("commit", || self.inner.commit(batch, durability))
    }

    fn committed(&self, token: CommitToken) -> Result<bool> {
        self.gate.read("committed", || self.inner.committed(token))
    }

    fn forget(&self, token: CommitToken) -> Result<()> {
        self.gate.change("forget", || self.inner.forget(token))
    }

    fn delete_range(&self, keyspace: KeyspaceId, range: &KeyRange, durability: Durability) -> Result<u64> {
        self.gate.change("delete_range", || self.inner.delete_range(keyspace, range, durability))
    }

    fn flush(&self) -> Result<()> {
        self.gate.change("flush", || self.inner.flush())
    }

    fn stats(&self) -> Result<Stats> {
        self.gate.read("stats", || self.inner.stats())
    }

    fn compact(&self) -> Result<()> {
        self.gate.change("compact", || self.inner.compact())
    }

    fn checkpoint(&self, directory: &Path) -> Result<()> {
        self.gate.read("checkpoint", || self.inner.checkpoint(directory))
    }

    fn verify(&self) -> Result<()> {
        self.gate.read("verify", || self.inner.verify())
    }
}

struct FaultySnapshot {
    inner: Arc<dyn Snapshot>,
    gate: Gate,
}

impl Snapshot for FaultySnapshot {
    fn get(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>> {
        self.gate.read("snapshot.get", || self.inner.get(keyspace, key))
    }

    fn cursor(&self, keyspace: KeyspaceId, scan: Scan) -> Result<Box<dyn Cursor>> {
        let inner = self.gate.read("cursor", || self.inner.cursor(keyspace, scan))?;
        Ok(Box::new(FaultyRows { inner, gate: self.gate.clone(), failed: false }))
    }
}

struct FaultyRows {
    inner: Box<dyn Cursor>,
    gate: Gate,
    failed: bool,
}

impl FaultyRows {
    /// Runs one step; a failed cursor keeps failing until a seek restarts it.
    fn step<T>(
        &mut self,
        operation: &'static str,
        call: impl FnOnce(&mut dyn Cursor) -> Result<T>,
    ) -> Result<T> {
        let inner = &mut *self.inner;
        let result = self.gate.read(operation, || call(inner));
        self.failed = result.is_err();
        result
    }
}

impl Cursor for FaultyRows {
    fn advance(&mut self) -> Result<bool> {
        if self.failed {
            return Err(Error::new(ErrorKind::Io, "the scan failed before").at(self.gate.engine, "advance"));
        }
        self.step("advance", |inner| inner.advance())
    }

    fn key(&self) -> &[u8] {
        assert!(!self.failed, "invariant 3: the cursor is not on a row");
        self.inner.key()
    }

    fn value(&self) -> &[u8] {
        assert!(!self.failed, "invariant 3: the cursor is not on a row");
        self.inner.value()
    }

    fn seek(&mut self, key: &[u8]) -> Result<()> {
        if key.is_empty() {
            // Refused without moving the cursor, so it does not count as a failure.
            return self.inner.seek(key);
        }
        self.step("seek", |inner| inner.seek(key))
    }
}
