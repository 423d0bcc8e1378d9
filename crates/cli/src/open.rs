//! Opening stores: everything that can be wrong is looked at before anything is created.

use crate::exit::{Failure, Outcome};
use std::path::Path;
use strongroom::core::{check_keyspace_name, is_reserved_keyspace};
use strongroom::limits::{self, KEY_BYTES_MAX, VALUE_BYTES_MAX};
use strongroom::{ByteSize, Config, DEFAULT_KEYSPACE, Durability, ErrorKind, Keyspace, Registry, Store};

/// What a command is going to do with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Only read; a store that is not there is not created.
    Read,
    /// Change a store that is there.
    Change,
    /// Write, and create the store if the URL does not forbid it.
    Create,
}

/// A store that can be opened, as far as its URL tells.
#[derive(Debug)]
pub(crate) struct Target {
    config: Config,
    registry: Registry,
}

/// What a store takes at most.
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
    /// Reads a URL. A command that writes has no use for an engine that forgets: the data would be gone when
    /// the command ends, and its status would say that all is well.
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

    /// The same store, with commits of this `durability`, if one is asked for. It stands in the place of the URL's: an
    /// engine that opens only when less than power-safe is asked for does not mind which of the two asks.
    pub(crate) fn committing(mut self, durability: Option<Durability>) -> Self {
        self.config.durability = durability.unwrap_or(self.config.durability);
        self
    }

    /// The limits that the URL sets, for a look at keys and values before the store is opened.
    pub(crate) fn limits(&self) -> Limits {
        let lower = |given: Option<ByteSize>, most: usize| {
            given.and_then(|size| usize::try_from(size.0).ok()).map_or(most, |size| size.min(most))
        };
        Limits {
            key_bytes_max: lower(self.config.key_bytes_max, KEY_BYTES_MAX),
            value_bytes_max: lower(self.config.value_bytes_max, VALUE_BYTES_MAX),
        }
    }

    /// The engine, as the URL names it.
    pub(crate) fn engine(&self) -> &str {
        &self.config.engine
    }

    /// The store's directory, if it is in one.
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

/// The keyspace called `name`, or "not found".
pub(crate) fn keyspace(store: &Store, name: &str) -> Outcome<Keyspace> {
    store.keyspace(name).map_err(|error| match error.kind() {
        // Every store on disk has it from its creation on. An engine that finds its files damaged may begin
        // anew without a word, and an empty answer would hide that.
        ErrorKind::NotFound if name == DEFAULT_KEYSPACE && store.path().is_some() => {
            Failure::damaged(format_args!(
                "{}: the store has lost its keyspace {name:?}, so its files are damaged; restore from a backup",
                store.engine().name
            ))
        }
        ErrorKind::NotFound => Failure::not_found(format_args!(
            "there is no keyspace {name:?}; `strongroom keyspaces URL` lists those that are there"
        )),
        _ => error.into(),
    })
}

/// Refuses the name of a keyspace that could not be created, before a store is.
pub(crate) fn check_name(name: &str) -> Outcome {
    check_keyspace_name(name)?;
    if is_reserved_keyspace(name) {
        return Err(Failure::bad_input(format_args!(
            "{name:?} is a name of the store's own; choose one that does not begin with '_'"
        )));
    }
    Ok(())
}

/// Makes sure that the next command finds what this one wrote, also where the commits that were asked for are only
/// buffered.
pub(crate) fn settle(store: &Store) -> Outcome {
    if store.options().durability == Durability::Buffered && store.engine().capabilities.persistent {
        store.flush()?;
    }
    Ok(())
}
