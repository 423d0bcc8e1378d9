//! The keyspaces of an open backend: looked up by name once, and by number from then on.

use crate::keyspace::KeyspaceId;
use crate::sync::lock;
use crate::{Error, ErrorKind, Result};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// The keyspaces. The list is append-only, so that a reader needs no lock: a dropped keyspace stays as a
/// tombstone, and its number is not reused (invariant 6).
#[derive(Debug)]
pub(super) struct Keyspaces<K> {
    slots: boxcar::Vec<Arc<Slot<K>>>,
    by_name: Mutex<BTreeMap<String, KeyspaceId>>,
    /// Counts creations. A snapshot records it, so that it sees no rows of later keyspaces.
    epoch: AtomicU64,
}

#[derive(Debug)]
pub(super) struct Slot<K> {
    pub(super) name: String,
    pub(super) placed: K,
    born: u64,
    dropped: AtomicBool,
}

impl<K> Slot<K> {
    #[inline]
    pub(super) fn check(&self) -> Result<()> {
        if self.is_dropped() {
            return Err(not_found(&self.name));
        }
        Ok(())
    }

    #[inline]
    pub(super) fn is_dropped(&self) -> bool {
        self.dropped.load(Ordering::Acquire)
    }

    pub(super) fn mark_dropped(&self) {
        self.dropped.store(true, Ordering::Release);
    }

    /// Undoes [`mark_dropped`](Self::mark_dropped) after the engine refused the drop.
    pub(super) fn unmark_dropped(&self) {
        self.dropped.store(false, Ordering::Release);
    }

    /// Returns whether the keyspace existed at `epoch`.
    pub(super) fn existed_at(&self, epoch: u64) -> bool {
        self.born <= epoch
    }
}

impl<K> Keyspaces<K> {
    pub(super) fn new() -> Self {
        Self { slots: boxcar::Vec::new(), by_name: Mutex::default(), epoch: AtomicU64::new(0) }
    }

    pub(super) fn names(&self) -> MutexGuard<'_, BTreeMap<String, KeyspaceId>> {
        lock(&self.by_name)
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// Adds a keyspace that existed when the backend was opened.
    pub(super) fn add_existing(
        &self,
        names: &mut BTreeMap<String, KeyspaceId>,
        name: &str,
        placed: K,
    ) -> Result<()> {
        self.add(names, name, placed, 0).map(drop)
    }

    /// Adds a keyspace that was just created.
    pub(super) fn add_created(
        &self,
        names: &mut BTreeMap<String, KeyspaceId>,
        name: &str,
        placed: K,
    ) -> Result<KeyspaceId> {
        let born = self.epoch.fetch_add(1, Ordering::SeqCst) + 1;
        self.add(names, name, placed, born)
    }

    fn add(
        &self,
        names: &mut BTreeMap<String, KeyspaceId>,
        name: &str,
        placed: K,
        born: u64,
    ) -> Result<KeyspaceId> {
        let slot = Slot { name: name.to_owned(), placed, born, dropped: AtomicBool::new(false) };
        let index = self.slots.push(Arc::new(slot));
        let index = u32::try_from(index).map_err(|_| {
            Error::new(ErrorKind::Unavailable, "too many keyspaces were created through one handle")
        })?;
        let id = KeyspaceId(index);
        names.insert(name.to_owned(), id);
        Ok(id)
    }

    /// Returns the keyspace, unless it was dropped or belongs to another backend.
    #[inline]
    pub(super) fn get(&self, id: KeyspaceId) -> Result<&Arc<Slot<K>>> {
        let slot = self.slots.get(id.0 as usize).ok_or_else(|| not_found(&id.to_string()))?;
        slot.check()?;
        Ok(slot)
    }
}

pub(super) fn not_found(name: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no keyspace {name:?}"))
        .hint("list the keyspaces, or create it first")
}
