//! Creates, drops and configures keyspaces. Each change holds the commit lock, so it falls between two groups of
//! commits.

use crate::catalog::{KeyspaceInfo, Settings};
use crate::commit::{FailOnPanic, Pipeline};
use crate::features::tallies::ledger::Ledger;
use crate::format::keyspace_row::{self, KeyspaceRow};
use crate::format::own_keyspaces::commit_durably;
use crate::stage::{KeyspaceEvent, Stages as _};
use crate::sync::{Arc, PoisonError, RwLockWriteGuard};
use strongroom_core::{Error, ErrorKind, KeyspaceHints, Result, WriteBatch};

impl Pipeline {
    /// Opens the keyspace `name`, and creates it if it does not exist.
    pub(crate) fn create_keyspace(&self, name: &str, hints: KeyspaceHints) -> Result<Arc<KeyspaceInfo>> {
        let known = self.base.catalog.read().by_name.get(name).cloned();
        match known {
            Some(info) => Ok(info),
            None => self.change(|| self.try_create(name, hints)),
        }
    }

    fn try_create(&self, name: &str, hints: KeyspaceHints) -> Result<Arc<KeyspaceInfo>> {
        let _structure = self.exclusive_structure();
        // Before the catalog is locked: a commit holds the commit lock while it looks up keyspaces.
        let sequences = self.base.commit_lock.acquire()?;
        let mut catalog = self.base.catalog.write();
        if let Some(info) = catalog.by_name.get(name) {
            return Ok(Arc::clone(info));
        }
        let (backend, ledger) = (self.base.backend(), self.features.tallies.ledger);
        if let Some(ledger) = ledger {
            ledger.before_creation(backend, name)?;
        }
        // A dropped keyspace of the same name may have left settings, which must not apply to the new one.
        keyspace_row::remove(backend, name)?;
        let id = backend.create_keyspace(name, hints)?;
        if let Some(ledger) = ledger {
            ledger.enter(backend, name)?;
        }
        let info = catalog.add(name, id, Settings::default());
        self.publish_keyspace(KeyspaceEvent::Created, &info, &sequences);
        Ok(info)
    }

    /// Drops the keyspace with all of its rows.
    pub(crate) fn drop_keyspace(&self, info: &KeyspaceInfo) -> Result<()> {
        self.change(|| self.try_drop(info))
    }

    fn try_drop(&self, info: &KeyspaceInfo) -> Result<()> {
        let _structure = self.exclusive_structure();
        let sequences = self.base.commit_lock.acquire()?;
        let mut catalog = self.base.catalog.write();
        if !catalog.by_id.contains_key(&info.id) {
            return Err(missing(&info.name));
        }
        let backend = self.base.backend();
        match self.features.tallies.ledger {
            None => backend.drop_keyspace(info.id)?,
            Some(ledger) => ledger.drop_keyspace(backend, info.id, &info.name)?,
        }
        catalog.remove(info);
        self.publish_keyspace(KeyspaceEvent::Dropped, info, &sequences);
        match self.features.tallies.ledger {
            None => Ok(()),
            Some(ledger) => ledger.end_drop(backend, &info.name),
        }
    }

    /// Stores the default TTL, then applies it to later commits.
    pub(crate) fn set_default_ttl(&self, keyspace: &KeyspaceInfo, ttl_ms: Option<u64>) -> Result<()> {
        self.change(|| self.try_set_default_ttl(keyspace, ttl_ms))
    }

    fn try_set_default_ttl(&self, keyspace: &KeyspaceInfo, default_ttl_ms: Option<u64>) -> Result<()> {
        // Commits write these rows too.
        let _sequences = self.base.commit_lock.acquire()?;
        self.base.catalog.check(keyspace.id)?;
        let backend = self.base.backend();
        let Some(own) = self.base.own_keyspace().filter(|_| !backend.is_read_only()) else {
            return Err(Error::new(ErrorKind::Unsupported, "the store is read-only"));
        };
        let settings = &keyspace.settings;
        let may_expire = settings.may_expire() || default_ttl_ms.is_some();
        let mut batch = WriteBatch::new();
        keyspace_row::put(&mut batch, own, &keyspace.name, KeyspaceRow { may_expire, default_ttl_ms });
        commit_durably(backend, &batch)?;
        settings.set_default_ttl_ms(default_ttl_ms);
        if default_ttl_ms.is_some() {
            settings.note_may_expire();
            settings.note_stored();
            self.base.time.note_expiring_rows();
        }
        Ok(())
    }

    /// Returns the error for a missing keyspace: it was never created, or it is lost.
    pub(crate) fn not_found(&self, name: &str) -> Error {
        // Held so that no keyspace is created or dropped between the two reads of the check.
        let _unchanged = self.base.catalog.read();
        let ledger: Option<Ledger> = self.features.tallies.ledger;
        if let Some(ledger) = ledger
            // Another process may have created it since the catalog was loaded.
            && !self.base.is_beside_a_writer()
            && let Err(error) = ledger.check_not_lost(self.base.backend(), name)
        {
            return error;
        }
        missing(name)
    }

    /// Excludes checkpoints, in a store with tallies.
    fn exclusive_structure(&self) -> Option<RwLockWriteGuard<'_, ()>> {
        let tallies = &self.features.tallies;
        tallies.ledger.map(|_| tallies.structure.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes a change, and notifies the features of its outcome when no lock is held any more.
    fn change<T>(&self, change: impl FnOnce() -> Result<T>) -> Result<T> {
        let _failed = FailOnPanic::new(&self.features);
        let outcome = self.fail_if_ended(change());
        self.features.after_commit();
        outcome
    }
}

fn missing(name: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no keyspace {name:?}"))
        .in_keyspace(name)
        .hint("list the keyspaces, or create it first")
}
