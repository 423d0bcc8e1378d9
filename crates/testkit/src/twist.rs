//! A backend that forwards to an inner one, with changes by a twist.

use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;
use strongroom_core::{
    CommitToken, Cursor, Durability, EngineInfo, KeyRange, KeyspaceHints, KeyspaceId, Result, Scan, Snapshot,
    Stats, StorageBackend, Visitor, WriteBatch,
};

/// Changes to a backend. By default every method forwards to the inner backend.
#[allow(missing_docs)] // The methods are those of `StorageBackend` and `Snapshot`.
pub trait Twist: Send + Sync + 'static {
    fn info(&self, info: EngineInfo) -> EngineInfo {
        info
    }

    fn keyspaces(&self, inner: &dyn StorageBackend) -> Result<Vec<String>> {
        inner.keyspaces()
    }

    fn create_keyspace(
        &self,
        inner: &dyn StorageBackend,
        name: &str,
        hints: KeyspaceHints,
    ) -> Result<KeyspaceId> {
        inner.create_keyspace(name, hints)
    }

    fn keyspace_hints(&self, inner: &dyn StorageBackend, keyspace: KeyspaceId) -> Result<KeyspaceHints> {
        inner.keyspace_hints(keyspace)
    }

    fn drop_keyspace(&self, inner: &dyn StorageBackend, keyspace: KeyspaceId) -> Result<()> {
        inner.drop_keyspace(keyspace)
    }

    fn get(&self, inner: &dyn StorageBackend, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>> {
        inner.get(keyspace, key)
    }

    fn snapshot_get(&self, view: &View, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>> {
        view.snapshot.get(keyspace, key)
    }

    fn cursor(&self, view: &View, keyspace: KeyspaceId, scan: Scan) -> Result<Box<dyn Cursor>> {
        view.snapshot.cursor(keyspace, scan)
    }

    fn commit(&self, inner: &dyn StorageBackend, batch: &WriteBatch, durability: Durability) -> Result<()> {
        inner.commit(batch, durability)
    }

    fn forget(&self, inner: &dyn StorageBackend, token: CommitToken) -> Result<()> {
        inner.forget(token)
    }

    fn delete_range(
        &self,
        inner: &dyn StorageBackend,
        keyspace: KeyspaceId,
        range: &KeyRange,
        durability: Durability,
    ) -> Result<u64> {
        inner.delete_range(keyspace, range, durability)
    }

    fn flush(&self, inner: &dyn StorageBackend) -> Result<()> {
        inner.flush()
    }

    fn stats(&self, inner: &dyn StorageBackend) -> Result<Stats> {
        inner.stats()
    }

    fn compact(&self, inner: &dyn StorageBackend) -> Result<()> {
        inner.compact()
    }

    fn checkpoint(&self, inner: &dyn StorageBackend, directory: &Path) -> Result<()> {
        inner.checkpoint(directory)
    }
}

/// A snapshot as a twist sees it, with its backend.
#[derive(Clone)]
pub struct View {
    /// The inner backend.
    pub backend: Arc<dyn StorageBackend>,
    /// Its snapshot.
    pub snapshot: Arc<dyn Snapshot>,
}

/// A backend with a [`Twist`].
pub struct Twisted<T> {
    inner: Arc<dyn StorageBackend>,
    info: EngineInfo,
    // Dropped last, because a twist may change the files of the closed backend.
    twist: Arc<T>,
}

impl<T: Twist> Twisted<T> {
    /// Wraps `inner` with `twist`.
    pub fn new(inner: Box<dyn StorageBackend>, twist: T) -> Self {
        let info = twist.info(*inner.engine());
        Self { inner: inner.into(), info, twist: Arc::new(twist) }
    }
}

impl<T: Twist> StorageBackend for Twisted<T> {
    fn engine(&self) -> &EngineInfo {
        &self.info
    }

    fn directory(&self) -> Option<&Path> {
        self.inner.directory()
    }

    fn is_read_only(&self) -> bool {
        self.inner.is_read_only()
    }

    fn keyspaces(&self) -> Result<Vec<String>> {
        self.twist.keyspaces(&*self.inner)
    }

    fn keyspace(&self, name: &str) -> Result<KeyspaceId> {
        self.inner.keyspace(name)
    }

    fn create_keyspace(&self, name: &str, hints: KeyspaceHints) -> Result<KeyspaceId> {
        self.twist.create_keyspace(&*self.inner, name, hints)
    }

    fn keyspace_hints(&self, keyspace: KeyspaceId) -> Result<KeyspaceHints> {
        self.twist.keyspace_hints(&*self.inner, keyspace)
    }

    fn drop_keyspace(&self, keyspace: KeyspaceId) -> Result<()> {
        self.twist.drop_keyspace(&*self.inner, keyspace)
    }

    fn get(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>> {
        self.twist.get(&*self.inner, keyspace, key)
    }

    fn snapshot(&self) -> Result<Arc<dyn Snapshot>> {
        let view = View { backend: Arc::clone(&self.inner), snapshot: self.inner.snapshot()? };
        Ok(Arc::new(TwistedSnapshot { view, twist: Arc::clone(&self.twist) }))
    }

    fn commit(&self, batch: &WriteBatch, durability: Durability) -> Result<()> {
        self.twist.commit(&*self.inner, batch, durability)
    }

    fn committed(&self, token: CommitToken) -> Result<bool> {
        self.inner.committed(token)
    }

    fn forget(&self, token: CommitToken) -> Result<()> {
        self.twist.forget(&*self.inner, token)
    }

    fn delete_range(&self, keyspace: KeyspaceId, range: &KeyRange, durability: Durability) -> Result<u64> {
        self.twist.delete_range(&*self.inner, keyspace, range, durability)
    }

    fn flush(&self) -> Result<()> {
        self.twist.flush(&*self.inner)
    }

    fn stats(&self) -> Result<Stats> {
        self.twist.stats(&*self.inner)
    }

    fn compact(&self) -> Result<()> {
        self.twist.compact(&*self.inner)
    }

    fn checkpoint(&self, directory: &Path) -> Result<()> {
        self.twist.checkpoint(&*self.inner, directory)
    }

    fn verify(&self) -> Result<()> {
        self.inner.verify()
    }
}

struct TwistedSnapshot<T> {
    view: View,
    twist: Arc<T>,
}

impl<T: Twist> Snapshot for TwistedSnapshot<T> {
    fn get(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>> {
        self.twist.snapshot_get(&self.view, keyspace, key)
    }

    fn cursor(&self, keyspace: KeyspaceId, scan: Scan) -> Result<Box<dyn Cursor>> {
        self.twist.cursor(&self.view, keyspace, scan)
    }
}

/// Changes to a cursor. By default every method forwards to the inner cursor.
#[allow(missing_docs)] // The methods are those of `Cursor`.
pub trait CursorTwist: Send + 'static {
    fn advance(&mut self, inner: &mut Box<dyn Cursor>) -> Result<bool> {
        inner.advance()
    }

    fn seek(&mut self, inner: &mut Box<dyn Cursor>, key: &[u8]) -> Result<()> {
        inner.seek(key)
    }

    /// Returns `None` to visit by calls of `advance`.
    fn visit(&mut self, inner: &mut Box<dyn Cursor>, visitor: &mut Visitor<'_>) -> Option<Result<()>> {
        let _ = (inner, visitor);
        None
    }
}

/// A cursor with a [`CursorTwist`].
pub struct TwistedCursor<C> {
    inner: Box<dyn Cursor>,
    twist: C,
}

impl<C: CursorTwist> TwistedCursor<C> {
    /// Wraps `inner` with `twist`.
    pub fn boxed(inner: Box<dyn Cursor>, twist: C) -> Box<dyn Cursor> {
        Box::new(Self { inner, twist })
    }
}

impl<C: CursorTwist> Cursor for TwistedCursor<C> {
    fn advance(&mut self) -> Result<bool> {
        self.twist.advance(&mut self.inner)
    }

    fn key(&self) -> &[u8] {
        self.inner.key()
    }

    fn value(&self) -> &[u8] {
        self.inner.value()
    }

    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<()> {
        if let Some(visited) = self.twist.visit(&mut self.inner, visitor) {
            return visited;
        }
        while self.advance()? {
            if visitor(self.key(), self.value()).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn seek(&mut self, key: &[u8]) -> Result<()> {
        self.twist.seek(&mut self.inner, key)
    }
}
