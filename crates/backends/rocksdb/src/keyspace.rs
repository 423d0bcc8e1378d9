//! A handle to a column family that is released when the keyspace is dropped.
//!
//! RocksDB removes a dropped column family's files with its last handle. The layer above keeps handles for as
//! long as the backend is open, so a drop has to take the column family out of them.

use rocksdb::{BoundColumnFamily, DBWithThreadMode, MultiThreaded};
use self_cell::self_cell;
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use strongroom_core::files::Presence;
use strongroom_core::{Error, ErrorKind, Result, check_keyspace_name};

/// The mode allows column families to be created and dropped concurrently with reads.
pub(crate) type Database = DBWithThreadMode<MultiThreaded>;

/// An open database and the directory of its files. The directory stays open for longer: RocksDB opens and
/// removes files by path until it is closed.
pub(crate) struct OpenDatabase {
    database: Database,
    home: Presence,
}

impl OpenDatabase {
    pub(crate) fn new(database: Database, home: Presence) -> Self {
        Self { database, home }
    }

    /// Returns the path of its files, which stays valid after a rename of the directory.
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
    /// A column family and its database, which stays open as long.
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
    /// Returns the keyspace of this name, which RocksDB has opened.
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

    /// Returns the column family to be kept for a while, unless it was dropped.
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

/// RocksDB's own column family, which always exists and cannot be dropped. It stays empty.
pub(crate) const UNUSED_FAMILY: &str = rocksdb::DEFAULT_COLUMN_FAMILY_NAME;

/// The column family of a keyspace called like RocksDB's own. It is not a valid keyspace name.
const DEFAULT_KEYSPACE: &str = "keyspace:default";

/// Returns the column family of a keyspace. It usually has the same name.
pub(crate) fn family_name(keyspace: &str) -> &str {
    if keyspace == UNUSED_FAMILY { DEFAULT_KEYSPACE } else { keyspace }
}

/// Returns the keyspace in a column family, or `None` if it is RocksDB's own or foreign.
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
