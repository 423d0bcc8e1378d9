//! The keyspaces of an open store, by name and by id, with their settings.

use crate::format::envelope::{self, KeyspaceSeed};
use crate::format::keyspace_row::{self, KeyspaceRow};
use crate::format::tally::{State, Tally};
use crate::row::Row;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use bytes::Bytes;
use std::collections::BTreeMap;
use strongroom_core::{
    Error, ErrorKind, KeyspaceId, Result, StorageBackend, WriteBatch, is_reserved_keyspace,
};

/// What a store knows about one of its keyspaces.
#[derive(Debug)]
pub(crate) struct KeyspaceInfo {
    pub(crate) name: Arc<str>,
    pub(crate) id: KeyspaceId,
    pub(crate) seed: KeyspaceSeed,
    pub(crate) settings: Settings,
}

impl KeyspaceInfo {
    /// Whether the keyspace belongs to the store itself.
    pub(crate) fn is_reserved(&self) -> bool {
        is_reserved_keyspace(&self.name)
    }

    /// Verifies the checksum of a stored row and opens it.
    pub(crate) fn open(&self, key: &[u8], stored: Bytes) -> Result<Row> {
        match envelope::open_shared(self.seed, key, stored) {
            Ok((meta, value)) => Ok(Row { value, version: meta.version, expires_at_ms: meta.expires_at_ms }),
            Err(damage) => Err(damage.into_error(&self.name, key)),
        }
    }
}

/// The settings of an open keyspace.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// Rows may expire, so that a scan of keys has to read headers too.
    may_expire: AtomicBool,
    /// The engine has stored the row that records `may_expire`.
    is_stored: AtomicBool,
    /// 0 means none.
    default_ttl_ms: AtomicU64,
}

impl Settings {
    pub(crate) fn may_expire(&self) -> bool {
        self.may_expire.load(Ordering::Acquire)
    }

    pub(crate) fn note_may_expire(&self) {
        // Usually it is set already. A load leaves the cache line shared; a store would take it from readers.
        if !self.may_expire() {
            self.may_expire.store(true, Ordering::Release);
        }
    }

    pub(crate) fn is_stored(&self) -> bool {
        self.is_stored.load(Ordering::Acquire)
    }

    pub(crate) fn note_stored(&self) {
        self.is_stored.store(true, Ordering::Release);
    }

    pub(crate) fn default_ttl_ms(&self) -> Option<u64> {
        Some(self.default_ttl_ms.load(Ordering::Acquire)).filter(|ttl_ms| *ttl_ms > 0)
    }

    pub(crate) fn set_default_ttl_ms(&self, ttl_ms: Option<u64>) {
        self.default_ttl_ms.store(ttl_ms.unwrap_or(0), Ordering::Release);
    }

    /// Adds the row that records that rows of this keyspace may expire.
    pub(crate) fn put_expiring(&self, batch: &mut WriteBatch, own: KeyspaceId, name: &str) {
        let row = KeyspaceRow { may_expire: true, default_ttl_ms: self.default_ttl_ms() };
        keyspace_row::put(batch, own, name, row);
    }
}

impl From<KeyspaceRow> for Settings {
    fn from(row: KeyspaceRow) -> Self {
        Self {
            may_expire: AtomicBool::new(row.may_expire),
            is_stored: AtomicBool::new(row.may_expire),
            default_ttl_ms: AtomicU64::new(row.default_ttl_ms.unwrap_or(0)),
        }
    }
}

/// The keyspaces of one state.
#[derive(Clone, Default)]
pub(crate) struct Keyspaces {
    pub(crate) by_name: BTreeMap<String, Arc<KeyspaceInfo>>,
    pub(crate) by_id: BTreeMap<KeyspaceId, Arc<KeyspaceInfo>>,
}

impl Keyspaces {
    /// Loads the engine's keyspaces, without those that their tally marks as being dropped.
    fn load(backend: &dyn StorageBackend, tallies: Option<KeyspaceId>) -> Result<Self> {
        let mut keyspaces = Self::default();
        for name in backend.keyspaces()? {
            if is_being_dropped(backend, tallies, &name)? {
                continue;
            }
            match backend.keyspace(&name) {
                Ok(id) => drop(keyspaces.add(&name, id, keyspace_row::read(backend, &name)?.into())),
                // The process that writes the store has dropped it since it was listed.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(keyspaces)
    }

    /// Returns the applications' keyspaces, in the order of their names.
    pub(crate) fn of_applications(&self) -> Vec<Arc<KeyspaceInfo>> {
        self.by_name.values().filter(|info| !info.is_reserved()).cloned().collect()
    }

    /// Returns the store's own keyspaces.
    pub(crate) fn reserved(&self) -> Vec<Arc<KeyspaceInfo>> {
        self.by_name.values().filter(|info| info.is_reserved()).cloned().collect()
    }

    pub(crate) fn add(&mut self, name: &str, id: KeyspaceId, settings: Settings) -> Arc<KeyspaceInfo> {
        let info = Arc::new(KeyspaceInfo { name: name.into(), id, seed: KeyspaceSeed::of(name), settings });
        self.by_name.insert(name.to_owned(), Arc::clone(&info));
        self.by_id.insert(id, Arc::clone(&info));
        info
    }

    pub(crate) fn remove(&mut self, info: &KeyspaceInfo) {
        self.by_name.remove(&*info.name);
        self.by_id.remove(&info.id);
    }
}

/// The keyspaces that an open store knows.
pub(crate) struct Catalog {
    keyspaces: RwLock<Keyspaces>,
    /// The keyspace of the tallies, in a store that keeps them.
    tallies: Option<KeyspaceId>,
}

impl Catalog {
    pub(crate) fn load(backend: &dyn StorageBackend, tallies: Option<KeyspaceId>) -> Result<Self> {
        Ok(Self { keyspaces: RwLock::new(Keyspaces::load(backend, tallies)?), tallies })
    }

    /// Loads the keyspaces again, after another process may have created or dropped some.
    pub(crate) fn reload(&self, backend: &dyn StorageBackend) -> Result<()> {
        // Listed under the lock, or an older list could replace a newer one.
        let mut keyspaces = self.write();
        *keyspaces = Keyspaces::load(backend, self.tallies)?;
        Ok(())
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Keyspaces> {
        self.keyspaces.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Keyspaces> {
        self.keyspaces.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the keyspace with this id, or [`NotFound`](ErrorKind::NotFound).
    pub(crate) fn info(&self, id: KeyspaceId) -> Result<Arc<KeyspaceInfo>> {
        self.read().by_id.get(&id).cloned().ok_or_else(dropped)
    }

    /// Returns [`NotFound`](ErrorKind::NotFound) unless the keyspace with this id exists.
    pub(crate) fn check(&self, id: KeyspaceId) -> Result<()> {
        if self.read().by_id.contains_key(&id) { Ok(()) } else { Err(dropped()) }
    }
}

fn dropped() -> Error {
    Error::new(ErrorKind::NotFound, "the keyspace was dropped")
        .hint("open it again by name, or create it first")
}

/// Whether a drop of the keyspace has begun. Applications no longer see it, though the engine may still have it.
fn is_being_dropped(backend: &dyn StorageBackend, tallies: Option<KeyspaceId>, name: &str) -> Result<bool> {
    let Some(tallies) = tallies else { return Ok(false) };
    let stored = backend.get(tallies, name.as_bytes())?;
    Ok(stored
        .is_some_and(|stored| Tally::open(name, &stored).is_ok_and(|tally| tally.state == State::Dropping)))
}
