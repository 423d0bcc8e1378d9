//! Opening stores: everything that can be wrong is looked at before anything is created.

use crate::exit::{Failure, Outcome, Status};
use strongroom::core::{check_keyspace_name, is_reserved_keyspace};
use strongroom::{Config, DEFAULT_KEYSPACE, Durability, ErrorKind, Keyspace, Registry, Store};

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

impl Target {
    /// Reads a URL.
    pub(crate) fn of(url: &str) -> Outcome<Self> {
        let config = Config::from_url(url)?;
        let registry = Registry::builtin();
        registry.driver(&config.engine)?;
        Ok(Self { config, registry })
    }

    /// Opens the store.
    pub(crate) fn open(mut self, access: Access) -> Outcome<Store> {
        if access != Access::Create {
            self.config.create = false;
        }
        if access == Access::Read {
            self.config.read_only = true;
        }
        Ok(self.registry.open_config(&self.config)?)
    }
}

/// Opens the store at `url`.
pub(crate) fn open(url: &str, access: Access) -> Outcome<Store> {
    Target::of(url)?.open(access)
}

/// The keyspace called `name`, or "not found".
pub(crate) fn keyspace(store: &Store, name: &str) -> Outcome<Keyspace> {
    store.keyspace(name).map_err(|error| match error.kind() {
        // Every store on disk has it from its creation on. An engine that finds its files damaged may begin
        // anew without a word, and an empty answer would hide that.
        ErrorKind::NotFound if name == DEFAULT_KEYSPACE && store.path().is_some() => Failure::new(
            Status::StoreFailed,
            format_args!(
                "{}: the store has lost its keyspace {name:?}, so its files are damaged; restore from a backup",
                store.engine().name
            ),
        ),
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

/// Makes sure that the next command finds what this one wrote, also where the URL asks for commits that
/// are only buffered.
pub(crate) fn settle(store: &Store) -> Outcome {
    if store.options().durability == Durability::Buffered && store.engine().capabilities.persistent {
        store.flush()?;
    }
    Ok(())
}
