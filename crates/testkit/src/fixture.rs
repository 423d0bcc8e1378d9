//! A backend under test: how to open it, and its temporary directory.

use crate::fault::Faults;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use strongroom_core::{Capabilities, Durability, Result, StorageBackend};
use tempfile::TempDir;

/// Opens the backend in a directory, and creates it if it does not exist. Called again after the handle was dropped,
/// it reopens the stored data.
pub type Factory = dyn Fn(&Path) -> Result<Box<dyn StorageBackend>> + Send + Sync;

/// The environment of one conformance case: a fresh directory and a way to open the backend in it.
///
/// ```
/// use strongroom_core::MemoryBackend;
/// use strongroom_testkit::Fixture;
///
/// let fixture = Fixture::new(|_| Ok(Box::new(MemoryBackend::in_memory())));
/// assert_eq!(fixture.open().engine().name, "memory");
/// ```
pub struct Fixture {
    factory: Box<Factory>,
    directory: TempDir,
    faults: Option<Faults>,
    capabilities: OnceLock<Capabilities>,
}

impl Fixture {
    /// Creates a fixture in a new temporary directory.
    pub fn new<F>(factory: F) -> Self
    where
        F: Fn(&Path) -> Result<Box<dyn StorageBackend>> + Send + Sync + 'static,
    {
        let directory =
            TempDir::new().unwrap_or_else(|error| panic!("cannot create a temporary directory: {error}"));
        Self { factory: Box::new(factory), directory, faults: None, capabilities: OnceLock::new() }
    }

    /// Adds faults with which a case makes calls under the backend fail. Without them, the cases about failing
    /// engines are skipped and reported as such.
    #[must_use]
    pub fn with_faults(mut self, faults: Faults) -> Self {
        self.faults = Some(faults);
        self
    }

    /// Opens the backend; a second call after the first handle was dropped reopens it.
    #[track_caller]
    pub fn open(&self) -> Box<dyn StorageBackend> {
        match self.try_open() {
            Ok(backend) => backend,
            Err(error) => panic!("the backend must open: {}", error.one_line()),
        }
    }

    /// Opens the backend, or returns the error.
    pub fn try_open(&self) -> Result<Box<dyn StorageBackend>> {
        let backend = self.try_open_at(&self.directory())?;
        let _ = self.capabilities.set(backend.engine().capabilities);
        Ok(backend)
    }

    /// Opens the backend in another directory, such as that of a checkpoint.
    pub fn try_open_at(&self, directory: &Path) -> Result<Box<dyn StorageBackend>> {
        (self.factory)(directory)
    }

    /// Returns the directory that is passed to the factory. It does not exist before the first opening.
    pub fn directory(&self) -> PathBuf {
        self.directory.path().join("store")
    }

    /// Returns a path next to the store's directory, removed with it.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Returns the capabilities of the backend. Opens it if it has not been opened yet.
    pub fn capabilities(&self) -> Capabilities {
        if let Some(known) = self.capabilities.get() {
            return *known;
        }
        self.open().engine().capabilities
    }

    /// Returns the strongest durability that the backend claims.
    pub fn durability(&self) -> Durability {
        if self.capabilities().power_safe { Durability::PowerSafe } else { Durability::Buffered }
    }

    /// Returns the faults, if the fixture has any.
    pub fn faults(&self) -> Option<&Faults> {
        self.faults.as_ref()
    }
}
