//! The keyspaces of a store: listed, found, created, dropped.

use crate::expiry::settings::{self, Settings};
use crate::integrity::ledger::Ledger;
use crate::keyspace::{Keyspace, KeyspaceInfo};
use crate::known::Known;
use crate::store::{DEFAULT_KEYSPACE, Inner, Store};
use std::sync::{Arc, PoisonError, RwLockWriteGuard};
use strongroom_core::{Error, ErrorKind, KeyspaceHints, Result, check_keyspace_name, is_reserved_keyspace};

impl Store {
    /// The names of all keyspaces, sorted.
    pub fn keyspaces(&self) -> Vec<String> {
        // Without a look at what another process has created meanwhile, these are the ones that were known.
        let _ = self.inner.look_again();
        self.inner.infos().into_iter().map(|info| info.name.to_string()).collect()
    }

    /// The keyspace that every store has, called `default`.
    pub fn default_keyspace(&self) -> Result<Keyspace> {
        self.keyspace(DEFAULT_KEYSPACE)
    }

    /// The keyspace called `name`, or [`NotFound`](ErrorKind::NotFound).
    pub fn keyspace(&self, name: &str) -> Result<Keyspace> {
        self.inner.located("open keyspace", || {
            check_application_name(name)?;
            self.inner.look_again()?;
            let info = self.inner.known().by_name.get(name).cloned();
            let info = info.ok_or_else(|| self.inner.not_found(name))?;
            Ok(Keyspace::new(Arc::clone(&self.inner), info))
        })
    }

    /// The keyspace called `name`, created if it is not there.
    pub fn create_keyspace(&self, name: &str) -> Result<Keyspace> {
        self.create_keyspace_with(name, KeyspaceHints::default())
    }

    /// As [`create_keyspace`](Self::create_keyspace), with hints for the engine, which count at creation.
    pub fn create_keyspace_with(&self, name: &str, hints: KeyspaceHints) -> Result<Keyspace> {
        self.inner.located("create keyspace", || {
            check_application_name(name)?;
            let known = self.inner.known().by_name.get(name).cloned();
            let info = match known {
                Some(info) => info,
                None => self.inner.create(name, hints)?,
            };
            Ok(Keyspace::new(Arc::clone(&self.inner), info))
        })
    }

    /// Removes a keyspace and all that is in it. Handles to it answer
    /// [`NotFound`](ErrorKind::NotFound) from then on. The default keyspace stays.
    pub fn drop_keyspace(&self, name: &str) -> Result<()> {
        self.inner.located("drop keyspace", || {
            if name == DEFAULT_KEYSPACE {
                return Err(Error::new(ErrorKind::InvalidInput, "the default keyspace cannot be dropped")
                    .hint("delete its range instead"));
            }
            let keyspace = self.keyspace(name)?;
            self.inner.drop_keyspace(keyspace.info())
        })
    }
}

impl Inner {
    fn create(&self, name: &str, hints: KeyspaceHints) -> Result<Arc<KeyspaceInfo>> {
        let Some(ledger) = self.ledger else {
            // In the pipeline's turn: what is kept of a keyspace's lives is written there.
            return self.watched(self.pipeline.apart(|backend| {
                let mut known = self.known_to_change();
                if let Some(info) = known.by_name.get(name) {
                    return Ok(Arc::clone(info));
                }
                settings::forget(backend, name)?;
                Ok(known.add(name, backend.create_keyspace(name, hints)?, Settings::default()))
            }));
        };
        let _structure = self.structure.write().unwrap_or_else(PoisonError::into_inner);
        // Before the names are locked: a commit looks up names in its turn.
        self.pipeline.apart(|backend| {
            let mut known = self.known_to_change();
            if let Some(info) = known.by_name.get(name) {
                return Ok(Arc::clone(info));
            }
            ledger.before_creation(backend, name)?;
            settings::forget(backend, name)?;
            let id = backend.create_keyspace(name, hints)?;
            ledger.enter(backend, name)?;
            Ok(known.add(name, id, Settings::default()))
        })
    }

    fn drop_keyspace(&self, info: &KeyspaceInfo) -> Result<()> {
        let dropped = match self.ledger {
            // In the pipeline's turn, as above.
            None => self.pipeline.apart(|backend| {
                let mut known = self.known_to_change();
                backend.drop_keyspace(info.id)?;
                known.remove(info);
                Ok(())
            }),
            Some(ledger) => self.drop_with_tally(ledger, info),
        };
        if dropped.is_ok() {
            self.hub.end_keyspace(info.id, || missing(&info.name));
            self.hub.wake();
        }
        self.watched(dropped)
    }

    fn drop_with_tally(&self, ledger: Ledger, info: &KeyspaceInfo) -> Result<()> {
        let _structure = self.structure.write().unwrap_or_else(PoisonError::into_inner);
        self.pipeline.apart(|backend| {
            let mut known = self.known_to_change();
            if !known.by_id.contains_key(&info.id) {
                return Err(missing(&info.name));
            }
            ledger.drop_keyspace(backend, info.id, &info.name)?;
            known.remove(info);
            ledger.end_drop(backend, &info.name)
        })
    }

    fn known_to_change(&self) -> RwLockWriteGuard<'_, Known> {
        self.keyspaces.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is no such keyspace: never was, or it is lost.
    fn not_found(&self, name: &str) -> Error {
        // Nobody creates or drops a keyspace between the two looks of the check.
        let _unchanged = self.known();
        if let Some(ledger) = self.ledger
            // Beside a writer, it may have been created since we looked.
            && !self.is_beside_a_writer()
            && let Err(error) = ledger.check_not_lost(self.backend(), name)
        {
            return error;
        }
        missing(name)
    }
}

fn missing(name: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no keyspace {name:?}"))
        .hint("list the keyspaces, or create it first")
}

fn check_application_name(name: &str) -> Result<()> {
    check_keyspace_name(name)?;
    if is_reserved_keyspace(name) {
        return Err(Error::new(ErrorKind::InvalidInput, format!("{name:?} is a name of the store's own"))
            .hint("choose a name that does not begin with '_'"));
    }
    Ok(())
}
