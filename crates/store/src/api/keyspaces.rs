//! The keyspaces of a store: listed, opened, created, dropped, and their default TTL.

use super::keyspace::Keyspace;
use super::store::Store;
use crate::format::own_keyspaces::DEFAULT_KEYSPACE;
use crate::request::Expiry;
use crate::sync::Arc;
use std::time::Duration;
use strongroom_core::{Error, ErrorKind, KeyspaceHints, Result, check_keyspace_name, is_reserved_keyspace};

impl Store {
    /// The names of all keyspaces, sorted.
    pub fn keyspaces(&self) -> Vec<String> {
        // If the keyspaces of another process cannot be read now, these are the ones that were known before.
        let _ = self.base().refresh_catalog();
        let catalog = self.base().catalog.read();
        catalog.of_applications().into_iter().map(|info| info.name.to_string()).collect()
    }

    /// The keyspace that every store has, called `default`.
    pub fn default_keyspace(&self) -> Result<Keyspace> {
        self.keyspace(DEFAULT_KEYSPACE)
    }

    /// The keyspace called `name`, or [`NotFound`](ErrorKind::NotFound).
    pub fn keyspace(&self, name: &str) -> Result<Keyspace> {
        self.base().located("open keyspace", || {
            check_application_name(name)?;
            self.base().refresh_catalog()?;
            let info = self.base().catalog.read().by_name.get(name).cloned();
            let info = info.ok_or_else(|| self.handle.not_found(name))?;
            Ok(Keyspace::new(Arc::clone(&self.handle), info))
        })
    }

    /// The keyspace called `name`, created if it is not there.
    pub fn create_keyspace(&self, name: &str) -> Result<Keyspace> {
        self.create_keyspace_with(name, KeyspaceHints::default())
    }

    /// As [`create_keyspace`](Self::create_keyspace), with hints for the engine, which count at creation.
    pub fn create_keyspace_with(&self, name: &str, hints: KeyspaceHints) -> Result<Keyspace> {
        self.base().located("create keyspace", || {
            check_application_name(name)?;
            let info = self.handle.create_keyspace(name, hints)?;
            Ok(Keyspace::new(Arc::clone(&self.handle), info))
        })
    }

    /// Removes a keyspace with all of its rows. Handles to it answer [`NotFound`](ErrorKind::NotFound) from then on, and
    /// so do the generators of ids that were made with it. The default keyspace cannot be dropped.
    pub fn drop_keyspace(&self, name: &str) -> Result<()> {
        self.base().located("drop keyspace", || {
            if name == DEFAULT_KEYSPACE {
                return Err(Error::new(ErrorKind::InvalidInput, "the default keyspace cannot be dropped")
                    .hint("delete its range instead"));
            }
            let keyspace = self.keyspace(name)?;
            self.handle.drop_keyspace(keyspace.info())
        })
    }
}

impl Keyspace {
    /// Sets the default TTL, for writes that give none from now on; none: such rows do not expire. It is stored with the
    /// keyspace.
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
        return Err(Error::new(ErrorKind::InvalidInput, format!("{name:?} is a name of the store's own"))
            .hint("choose a name that does not begin with '_'"));
    }
    Ok(())
}
