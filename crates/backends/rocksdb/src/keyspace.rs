//! A handle to a column family that lets go of it when it is dropped.
//!
//! RocksDB removes a dropped column family's files with its last handle. The layer above keeps handles for
//! as long as the backend is open, so what they hold has to be taken out of them.

use rocksdb::{BoundColumnFamily, DBWithThreadMode, MultiThreaded};
use self_cell::self_cell;
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use strongroom_core::files::Presence;
use strongroom_core::{Error, ErrorKind, Result, check_keyspace_name};

/// Column families may be made and dropped while others read: that is what the mode is about.
pub(crate) type Database = DBWithThreadMode<MultiThreaded>;

/// An open database and the directory of its files, which stays open for longer: RocksDB opens and removes files by
/// path until it is closed.
pub(crate) struct OpenDatabase {
    database: Database,
    home: Presence,
}

impl OpenDatabase {
    pub(crate) fn new(database: Database, home: Presence) -> Self {
        Self { database, home }
    }

    /// Where its files are, whatever becomes of the path by which it was opened.
    pub(crate) fn home(&self) -> &Path {
        self.home.directory().pinned_path()
    }
}

impl Deref for OpenDatabase {
    type Target = Database;

    #[inline]
    fn deref(&self) -> &Database {
        &self.database
    }
}

pub(crate) type Family<'d> = Arc<BoundColumnFamily<'d>>;

self_cell!(
    /// A column family and the database it is in, which stays open as long.
    pub(crate) struct Held {
        owner: Arc<OpenDatabase>,
        #[covariant]
        dependent: Family,
    }
);

/// A keyspace of RocksDB.
#[derive(Clone)]
pub struct RocksDbKeyspace {
    held: Arc<RwLock<Option<Arc<Held>>>>,
}

impl RocksDbKeyspace {
    /// The keyspace of this name, which RocksDB has opened.
    pub(crate) fn find(database: &Arc<OpenDatabase>, name: &str) -> Result<Self> {
        let family = family_name(name);
        let held = Held::try_new(Arc::clone(database), |database| database.cf_handle(family).ok_or(()));
        let held =
            held.map_err(|()| Error::new(ErrorKind::NotFound, format!("there is no keyspace {name:?}")))?;
        Ok(Self { held: Arc::new(RwLock::new(Some(Arc::new(held)))) })
    }

    /// Calls `f` with the column family, unless it was dropped.
    #[inline]
    pub(crate) fn with<T>(&self, f: impl FnOnce(&Family<'_>) -> Result<T>) -> Result<T> {
        match &*self.held.read().unwrap_or_else(PoisonError::into_inner) {
            Some(held) => f(held.borrow_dependent()),
            None => Err(dropped()),
        }
    }

    /// The column family, to be kept for a while, unless it was dropped.
    pub(crate) fn held(&self) -> Result<Arc<Held>> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(dropped)
    }

    /// Takes the column family out of all handles.
    pub(crate) fn let_go(&self) {
        let held = self.held.write().unwrap_or_else(PoisonError::into_inner).take();
        // Outside the lock: this may remove many files.
        drop(held);
    }
}

#[cold]
fn dropped() -> Error {
    Error::new(ErrorKind::NotFound, "the keyspace was dropped")
}

/// RocksDB's own column family, which is always there and cannot be dropped. It stays empty.
pub(crate) const UNUSED_FAMILY: &str = rocksdb::DEFAULT_COLUMN_FAMILY_NAME;

/// Where a keyspace of the same name goes instead. No keyspace can have this name.
const DEFAULT_KEYSPACE: &str = "keyspace:default";

/// The column family of a keyspace: it has the same name.
pub(crate) fn family_name(keyspace: &str) -> &str {
    if keyspace == UNUSED_FAMILY { DEFAULT_KEYSPACE } else { keyspace }
}

/// The keyspace in a column family; none if it is RocksDB's own, or somebody else's.
pub(crate) fn keyspace_name(family: &str) -> Option<&str> {
    match family {
        UNUSED_FAMILY => None,
        DEFAULT_KEYSPACE => Some(UNUSED_FAMILY),
        name => check_keyspace_name(name).is_ok().then_some(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_keyspace_has_a_column_family_of_its_own() {
        for name in ["default", "events", "_meta", "a.b-c", "keyspace"] {
            assert_eq!(keyspace_name(family_name(name)), Some(name));
            assert_ne!(family_name(name), UNUSED_FAMILY);
        }
        assert_eq!(keyspace_name(UNUSED_FAMILY), None);
        assert_eq!(keyspace_name("not/ours"), None);
        assert!(check_keyspace_name(DEFAULT_KEYSPACE).is_err());
    }
}
