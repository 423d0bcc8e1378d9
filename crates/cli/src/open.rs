//! Opens stores. Every check that does not need the store runs before anything is created.

use crate::exit::{Failure, Outcome};
use std::path::Path;
use strongroom::core::{check_keyspace_name, is_reserved_keyspace};
use strongroom::limits::{self, KEY_BYTES_MAX, VALUE_BYTES_MAX};
use strongroom::{ByteSize, Config, DEFAULT_KEYSPACE, Durability, ErrorKind, Keyspace, Registry, Store};

/// The access that a command needs to a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Read only; never creates a store.
    Read,
    /// Change an existing store.
    Change,
    /// Write, and create the store unless the URL forbids it.
    Create,
}

/// A store to open, with a URL that was checked.
#[derive(Debug)]
pub(crate) struct Target {
    config: Config,
    registry: Registry,
}

/// The size limits of a store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) key_bytes_max: usize,
    pub(crate) value_bytes_max: usize,
}

impl Limits {
    /// Refuses a key that is too long.
    pub(crate) fn check_key(self, key: &[u8]) -> Outcome {
        Ok(limits::check_key_against(key, self.key_bytes_max)?)
    }

    /// Refuses a value that is too large.
    pub(crate) fn check_value(self, value: &[u8]) -> Outcome {
        Ok(limits::check_value_against(value, self.value_bytes_max)?)
    }
}

impl Target {
    /// Parses a URL. Refuses an engine without persistence for a command that writes: the data would be lost when the
    /// command ends, although its exit status reports success.
    pub(crate) fn of(url: &str, access: Access) -> Outcome<Self> {
        let mut config = Config::from_url(url)?;
        let registry = Registry::builtin();
        let info = registry.driver(&config.engine)?.info();
        if access != Access::Read && !info.capabilities.persistent {
            return Err(Failure::bad_input(format_args!(
                "{} keeps nothing after the command ends; use an engine that keeps files",
                info.name
            )));
        }
        if access != Access::Create {
            config.create = false;
        }
        if access == Access::Read {
            config.read_only = true;
        }
        Ok(Self { config, registry })
    }

    /// Replaces the durability of the URL if one is given. An engine that does not claim power-safe commits opens if
    /// either the URL or the command asks for less.
    pub(crate) fn committing(mut self, durability: Option<Durability>) -> Self {
        self.config.durability = durability.unwrap_or(self.config.durability);
        self
    }

    /// The limits that the URL sets, to check keys and values before the store is opened.
    pub(crate) fn limits(&self) -> Limits {
        let lower = |given: Option<ByteSize>, most: usize| {
            given.and_then(|size| usize::try_from(size.0).ok()).map_or(most, |size| size.min(most))
        };
        Limits {
            key_bytes_max: lower(self.config.key_bytes_max, KEY_BYTES_MAX),
            value_bytes_max: lower(self.config.value_bytes_max, VALUE_BYTES_MAX),
        }
    }

    /// The engine's name in the URL.
    pub(crate) fn engine(&self) -> &str {
        &self.config.engine
    }

    /// The store's directory, if it has one.
    pub(crate) fn path(&self) -> Option<&Path> {
        Some(&*self.config.path).filter(|path| !path.as_os_str().is_empty())
    }

    /// Whether the store will refuse every write.
    pub(crate) fn is_read_only(&self) -> bool {
        self.config.read_only
    }

    /// Opens the store.
    pub(crate) fn open(self) -> Outcome<Store> {
        Ok(self.registry.open_config(&self.config)?)
    }
}

/// Opens the store at `url`.
pub(crate) fn open(url: &str, access: Access) -> Outcome<Store> {
    Target::of(url, access)?.open()
}

/// Returns the keyspace `name`, or a "not found" failure.
pub(crate) fn keyspace(store: &Store, name: &str) -> Outcome<Keyspace> {
    store.keyspace(name).map_err(|error| match error.kind() {
        // Every store on disk has this keyspace from its creation on. An engine may silently start over on damaged
        // files, and an empty result would hide that.
        ErrorKind::NotFound if name == DEFAULT_KEYSPACE && store.path().is_some() => {
            Failure::damaged(format_args!(
                "{}: the store has lost its keyspace {name:?}, so its files are damaged; restore from a backup",
                store.engine().name
            ))
        }
        ErrorKind::NotFound => Failure::not_found(format_args!(
            "there is no keyspace {name:?}; `strongroom keyspaces URL` lists the keyspaces"
        )),
        _ => error.into(),
    })
}

/// Refuses the name of a keyspace that could not be created, before a store is created.
pub(crate) fn check_name(name: &str) -> Outcome {
    check_keyspace_name(name)?;
    if is_reserved_keyspace(name) {
        return Err(Failure::bad_input(format_args!(
            "{name:?} is reserved for the store; choose a name that does not begin with '_'"
        )));
    }
    Ok(())
}

/// Flushes buffered commits, so that the next command finds the writes of this one.
pub(crate) fn settle(store: &Store) -> Outcome {
    if store.options().durability == Durability::Buffered && store.engine().capabilities.persistent {
        store.flush()?;
    }
    Ok(())
}
