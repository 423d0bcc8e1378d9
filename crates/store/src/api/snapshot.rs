//! One consistent state of a store.

use super::keyspace::Keyspace;
use super::rows::Rows;
use crate::catalog::KeyspaceInfo;
use crate::handle::Handle;
use crate::row::Row;
use crate::sync::Arc;
use crate::view::ReadView;
use bytes::Bytes;
use std::fmt;
use strongroom_core::limits::check_key_against;
use strongroom_core::{Error, ErrorKind, Result, Scan, Snapshot as BackendSnapshot};

/// One consistent state of all keyspaces of a store. Cheap to clone; many threads may use it.
///
/// A row that expires after the snapshot was taken stays visible in it, like one that is deleted later.
///
/// On engines without snapshots of their own, a snapshot that is held while much is overwritten expires and
/// returns [`SnapshotExpired`](ErrorKind::SnapshotExpired). On the others it keeps space from being reused. A store with
/// a [`snapshot_age_max`](crate::StoreOptions::snapshot_age_max) ends older snapshots in the same way, on every engine.
///
/// ```
/// # use strongroom_core::{Durability, MemoryBackend};
/// # use strongroom_store::{Store, StoreOptions};
/// # fn main() -> strongroom_core::Result<()> {
/// # let store = Store::new(MemoryBackend::in_memory(), StoreOptions::new().durability(Durability::Buffered))?;
/// let names = store.create_keyspace("names")?;
/// names.set("ada", "Lovelace")?;
/// let before = store.snapshot()?;
/// names.delete("ada")?;
/// assert!(before.get(&names, "ada")?.is_some());
/// assert!(names.get("ada")?.is_none());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Snapshot {
    view: ReadView,
    handle: Arc<Handle>,
}

impl Snapshot {
    pub(crate) fn new(view: ReadView, handle: Arc<Handle>) -> Self {
        Self { view, handle }
    }

    /// Returns the engine's snapshot.
    pub(crate) fn backend(&self) -> &dyn BackendSnapshot {
        &*self.view.snapshot
    }

    /// Returns a sequence number up to which the snapshot has every commit. It may have later ones too. To keep a
    /// copy of a snapshot up to date, open a watch *before* the snapshot, and apply the commits with a greater
    /// number, and the creations and drops of keyspaces with the same or a greater one, since these have no number of
    /// their own. An event that the snapshot has already changes nothing.
    pub fn sequence(&self) -> u64 {
        self.view.sequence
    }

    /// Returns the value of `key`, or none if it is absent. See [`Keyspace::get`].
    pub fn get(&self, keyspace: &Keyspace, key: impl AsRef<[u8]>) -> Result<Option<Bytes>> {
        Ok(self.get_row(keyspace, key)?.map(|row| row.value))
    }

    /// Returns the value of `key` with its version and its expiry.
    pub fn get_row(&self, keyspace: &Keyspace, key: impl AsRef<[u8]>) -> Result<Option<Row>> {
        let key = key.as_ref();
        self.located("get", || {
            self.check_keyspace(keyspace)?;
            let base = self.handle.base();
            check_key_against(key, base.options.key_bytes_max)?;
            let stored = self.view.snapshot.get(keyspace.id(), key)?;
            base.live_row(keyspace.info(), key, stored, || self.view.now_ms)
        })
    }

    /// Returns whether `key` is present.
    pub fn has(&self, keyspace: &Keyspace, key: impl AsRef<[u8]>) -> Result<bool> {
        Ok(self.get_row(keyspace, key)?.is_some())
    }

    /// Returns the rows whose keys begin with `prefix`, in key order.
    pub fn prefix(&self, keyspace: &Keyspace, prefix: impl AsRef<[u8]>) -> Result<Rows> {
        self.scan(keyspace, Scan::prefix(prefix.as_ref()))
    }

    /// Returns the rows of `scan`.
    pub fn scan(&self, keyspace: &Keyspace, scan: Scan) -> Result<Rows> {
        self.located("scan", || {
            self.check_keyspace(keyspace)?;
            self.rows(keyspace.info(), scan)
        })
    }

    pub(crate) fn rows(&self, keyspace: &Arc<KeyspaceInfo>, scan: Scan) -> Result<Rows> {
        Rows::new(&self.view, &self.handle, keyspace, scan)
    }

    fn check_keyspace(&self, keyspace: &Keyspace) -> Result<()> {
        if keyspace.base().instance == self.handle.base().instance {
            return Ok(());
        }
        Err(Error::new(ErrorKind::InvalidInput, "the keyspace belongs to another store"))
    }

    fn located<T>(&self, operation: &'static str, f: impl FnOnce() -> Result<T>) -> Result<T> {
        f().map_err(|error| error.at(self.handle.base().engine().name, operation))
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").finish_non_exhaustive()
    }
}
