//! A store under test: how it is opened, a clock that is moved by hand, and a directory that goes away with the test.

use crate::conformance::Need;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use strongroom_core::{
    Backend, Capabilities, Durability, Engine, EngineInfo, LiveEngine as _, Marked, MemoryBackend,
    MemoryEngine, Options, Result, StorageBackend, TypedOptions as _,
};
use strongroom_store::{Clock, Store, StoreOptions};
use tempfile::TempDir;

/// The moment at which a fixture's clock stands, in milliseconds since 1970.
pub(super) const START_MS: u64 = 1_700_000_000_000;

type OpenBackend = dyn Fn(&Path, &Options) -> Result<Box<dyn StorageBackend>> + Send + Sync;

/// What one case of the store's suite runs on.
///
/// ```
/// use strongroom_testkit::StoreFixture;
///
/// let fixture = StoreFixture::memory();
/// assert_eq!(fixture.open().engine().name, "memory");
/// ```
pub struct StoreFixture {
    open_backend: Box<OpenBackend>,
    info: EngineInfo,
    on_disk: bool,
    directory: TempDir,
    clock: Clock,
    capabilities: OnceLock<Capabilities>,
}

impl StoreFixture {
    /// Stores of an embedded engine, in a new temporary directory.
    pub fn of<E: Engine>() -> Self {
        Self::new(E::INFO, |path, options| {
            Ok(Box::new(Backend::<E>::open(path, E::Options::from_options(options)?)?))
        })
    }

    /// Stores whose backend is opened in its own way, with these options.
    pub fn new<F>(info: EngineInfo, open_backend: F) -> Self
    where
        F: Fn(&Path, &Options) -> Result<Box<dyn StorageBackend>> + Send + Sync + 'static,
    {
        let directory = TempDir::new().unwrap_or_else(|error| panic!("no temporary directory: {error}"));
        Self {
            open_backend: Box::new(open_backend),
            info,
            on_disk: true,
            directory,
            clock: Clock::manual(START_MS),
            capabilities: OnceLock::new(),
        }
    }

    /// Stores in memory.
    pub fn memory() -> Self {
        let fixture = Self::new(MemoryEngine::INFO, |_, _| Ok(Box::new(MemoryBackend::in_memory())));
        Self { on_disk: false, ..fixture }
    }

    /// Opens the store, at the strongest durability that it claims; a second call after the first was dropped opens
    /// what was stored.
    #[track_caller]
    pub fn open(&self) -> Store {
        self.open_with(self.options())
    }

    /// Opens the store with these options.
    #[track_caller]
    pub fn open_with(&self, options: StoreOptions) -> Store {
        match self.try_open_at(&self.directory(), options) {
            Ok(store) => store,
            Err(error) => panic!("the store must open: {}", error.one_line()),
        }
    }

    /// Opens a store in another directory, a checkpoint's for one.
    pub fn try_open_at(&self, directory: &Path, options: StoreOptions) -> Result<Store> {
        let store = if self.on_disk {
            Store::open(directory, &self.info, options, &Options::new(), |path, options| {
                (self.open_backend)(path, options)
            })
        } else {
            Store::over((self.open_backend)(directory, &Options::new())?, options)
        }?;
        let _ = self.capabilities.set(store.engine().capabilities);
        Ok(store)
    }

    /// Opens the engine beneath, to change what the store has written. The store has to be closed.
    #[track_caller]
    pub(super) fn open_beneath(&self) -> Box<dyn StorageBackend> {
        match (self.open_backend)(&self.directory(), &Options::new().marked(Marked::Writable)) {
            Ok(backend) => backend,
            Err(error) => panic!("the engine must open: {}", error.one_line()),
        }
    }

    /// Options with the fixture's clock, at the strongest durability that the engine claims, and no sweeps but those
    /// that are asked for.
    pub fn options(&self) -> StoreOptions {
        let durability =
            if self.capabilities().power_safe { Durability::PowerSafe } else { Durability::Buffered };
        StoreOptions::new().durability(durability).clock(self.clock.clone()).sweep_interval_ms(0)
    }

    /// The clock by which rows expire.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The engine's name.
    pub fn engine(&self) -> &'static str {
        self.info.name
    }

    /// What the engine declares. Opens a store if none was opened yet.
    pub fn capabilities(&self) -> Capabilities {
        if let Some(known) = self.capabilities.get() {
            return *known;
        }
        // It may learn only then what it can do. Elsewhere, so that the fixture stays as new.
        let buffered = StoreOptions::new().durability(Durability::Buffered);
        match self.try_open_at(&self.beside("to be asked"), buffered) {
            Ok(store) => store.engine().capabilities,
            Err(error) => panic!("the store must open: {}", error.one_line()),
        }
    }

    /// The directory of the store. It does not exist before the first opening.
    pub fn directory(&self) -> PathBuf {
        self.beside("store")
    }

    /// A path beside the store's directory, removed with it.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Why a case cannot run, if it cannot.
    pub(super) fn lacks(&self, need: Need) -> Option<&'static str> {
        let capabilities = self.capabilities();
        let (met, reason) = match need {
            Need::Persistent => (capabilities.persistent, "the engine is not persistent"),
            Need::PowerSafe => (capabilities.power_safe, "the engine claims no power-safe commit"),
            Need::Checkpoint => (capabilities.checkpoint, "the engine declares no checkpoint"),
            Need::Faults => (false, "the store's suite injects no faults"),
        };
        (!met).then_some(reason)
    }
}
