//! Lists, opens, creates and drops keyspaces, and sets their default TTL.

use super::keyspace::Keyspace;
use super::store::Store;
use crate::format::own_keyspaces::DEFAULT_KEYSPACE;
use crate::request::Expiry;
use crate::sync::Arc;
use std::time::Duration;
use strongroom_core::{Error, ErrorKind, KeyspaceHints, Result, check_keyspace_name, is_reserved_keyspace};

impl Store {
    /// Returns the names of all keyspaces, sorted.
    pub fn keyspaces(&self) -> Vec<String> {
        // If the changes of another process cannot be read now, the keyspaces known before are returned.
        let _ = self.base().refresh_catalog();
        let catalog = self.base().catalog.read();
        catalog.of_applications().into_iter().map(|info| info.name.to_string()).collect()
    }

    /// Opens the keyspace `default`, which every store has.
    pub fn default_keyspace(&self) -> Result<Keyspace> {
        self.keyspace(DEFAULT_KEYSPACE)
    }

    /// Opens the keyspace `name`. Returns [`NotFound`](ErrorKind::NotFound) if it does not exist.
    pub fn keyspace(&self, name: &str) -> Result<Keyspace> {
        self.base().located("open keyspace", || {
            check_application_name(name)?;
            self.base().refresh_catalog()?;
            let info = self.base().catalog.read().by_name.get(name).cloned();
            let info = info.ok_or_else(|| self.handle.not_found(name))?;
            Ok(Keyspace::new(Arc::clone(&self.handle), info))
        })
    }

    /// Opens the keyspace `name`, and creates it if it does not exist.
    pub fn create_keyspace(&self, name: &str) -> Result<Keyspace> {
        self.create_keyspace_with(name, KeyspaceHints::default())
    }

    /// As [`create_keyspace`](Self::create_keyspace), with hints for the engine, which apply only at creation.
    pub fn create_keyspace_with(&self, name: &str, hints: KeyspaceHints) -> Result<Keyspace> {
        self.base().located("create keyspace", || {
            check_application_name(name)?;
            let info = self.handle.create_keyspace(name, hints)?;
            Ok(Keyspace::new(Arc::clone(&self.handle), info))
        })
    }

    /// Drops a keyspace with all of its rows. From then on its handles and its id generators return
    /// [`NotFound`](ErrorKind::NotFound). The default keyspace cannot be dropped.
    pub fn drop_keyspace(&self, name: &str) -> Result<()> {
        self.base().located("drop keyspace", || {
            if name == DEFAULT_KEYSPACE {
                return Err(Error::new(ErrorKind::InvalidInput, "the default keyspace cannot be dropped")
                    .hint("delete its rows instead"));
            }
            let keyspace = self.keyspace(name)?;
            self.handle.drop_keyspace(keyspace.info())
        })
    }
}

impl Keyspace {
    /// Sets the default TTL for later writes that give none. None means that such rows do not expire. It is
    /// stored with the keyspace.
    pub fn set_default_ttl(&self, time_to_live: Option<Duration>) -> Result<()> {
        self.located("set default TTL", || {
            let expiry = time_to_live.map_or(Expiry::Never, Expiry::after);
            expiry.check()?;
            let ttl_ms = if let Expiry::After(ttl_ms) = expiry { Some(ttl_ms) } else { None };
            self.handle().set_default_ttl(self.info(), ttl_ms)
        })
    }
}

fn check_application_name(name: &str) -> Result<()> {
    check_keyspace_name(name)?;
    if is_reserved_keyspace(name) {
        return Err(Error::new(ErrorKind::InvalidInput, format!("{name:?} is reserved for the store"))
            .hint("choose a name that does not begin with '_'"));
    }
    Ok(())
}
