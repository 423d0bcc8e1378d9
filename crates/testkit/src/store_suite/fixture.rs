//! A store under test: how to open it, its manual clock, and its temporary directory.

use crate::conformance::Need;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use strongroom_core::{
    Backend, Capabilities, Durability, Engine, EngineInfo, LiveEngine as _, Marked, MemoryBackend,
    MemoryEngine, Options, Result, StorageBackend, TypedOptions as _,
};
use strongroom_store::{Clock, Store, StoreOptions};
use tempfile::TempDir;

/// Start of a fixture's clock, in milliseconds since 1970.
pub(super) const START_MS: u64 = 1_700_000_000_000;

type OpenBackend = dyn Fn(&Path, &Options) -> Result<Box<dyn StorageBackend>> + Send + Sync;

/// The environment of one case of the store's suite.
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
    /// Creates a fixture for stores over engine `E`, in a new temporary directory.
    pub fn of<E: Engine>() -> Self {
        Self::new(E::INFO, |path, options| {
            Ok(Box::new(Backend::<E>::open(path, E::Options::from_options(options)?)?))
        })
    }

    /// Creates a fixture for stores whose backend is opened by `open_backend`.
    pub fn new<F>(info: EngineInfo, open_backend: F) -> Self
    where
        F: Fn(&Path, &Options) -> Result<Box<dyn StorageBackend>> + Send + Sync + 'static,
    {
        let directory =
            TempDir::new().unwrap_or_else(|error| panic!("cannot create a temporary directory: {error}"));
        Self {
            open_backend: Box::new(open_backend),
            info,
            on_disk: true,
            directory,
            clock: Clock::manual(START_MS),
            capabilities: OnceLock::new(),
        }
    }

    /// Creates a fixture for stores in memory.
    pub fn memory() -> Self {
        let fixture = Self::new(MemoryEngine::INFO, |_, _| Ok(Box::new(MemoryBackend::in_memory())));
        Self { on_disk: false, ..fixture }
    }

    /// Opens the store at the strongest durability that it claims; a second call after the first store was dropped
    /// reopens it.
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

    /// Opens a store in another directory, such as that of a checkpoint.
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

    /// Opens the engine of the store, to change stored rows. The store must be closed.
    #[track_caller]
    pub(super) fn open_engine(&self) -> Box<dyn StorageBackend> {
        match (self.open_backend)(&self.directory(), &Options::new().marked(Marked::Writable)) {
            Ok(backend) => backend,
            Err(error) => panic!("the engine must open: {}", error.one_line()),
        }
    }

    /// Returns options with the fixture's clock, the strongest durability that the engine claims, and no automatic
    /// sweeps.
    pub fn options(&self) -> StoreOptions {
        let durability =
            if self.capabilities().power_safe { Durability::PowerSafe } else { Durability::Buffered };
        StoreOptions::new().durability(durability).clock(self.clock.clone()).sweep_interval_ms(0)
    }

    /// Returns the clock by which rows expire.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Returns the engine's name.
    pub fn engine(&self) -> &'static str {
        self.info.name
    }

    /// Returns the capabilities of the engine. Opens a store if none was opened yet.
    pub fn capabilities(&self) -> Capabilities {
        if let Some(known) = self.capabilities.get() {
            return *known;
        }
        // An engine may detect its capabilities only when it opens. Uses another directory, so that the fixture
        // stays new.
        let buffered = StoreOptions::new().durability(Durability::Buffered);
        match self.try_open_at(&self.beside("capabilities"), buffered) {
            Ok(store) => store.engine().capabilities,
            Err(error) => panic!("the store must open: {}", error.one_line()),
        }
    }

    /// Returns the directory of the store. It does not exist before the first opening.
    pub fn directory(&self) -> PathBuf {
        self.beside("store")
    }

    /// Returns a path next to the store's directory, removed with it.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Returns why a case with this need cannot run, if so.
    pub(super) fn lacks(&self, need: Need) -> Option<&'static str> {
        let capabilities = self.capabilities();
        let (met, reason) = match need {
            Need::Persistent => (capabilities.persistent, "the engine is not persistent"),
            Need::PowerSafe => (capabilities.power_safe, "the engine does not claim power-safe commits"),
            Need::Checkpoint => (capabilities.checkpoint, "the engine does not declare checkpoints"),
            Need::Faults => (false, "the store's suite does not inject faults"),
        };
        (!met).then_some(reason)
    }
}
