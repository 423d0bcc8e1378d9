//! The engines that can be opened by name. Registration is explicit: no engine registers itself before `main`.

use crate::config::Config;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use strongroom_core::{
    Backend, Engine, EngineInfo, Error, ErrorKind, LiveEngine, MemoryBackend, MemoryEngine, MemoryOptions,
    Options, Result, StorageBackend, TypedOptions,
};
use strongroom_store::Store;

/// Our engines that a build may leave out: the error for them names the feature.
const KNOWN: [&str; 6] = ["redb", "sled", "fjall", "rocksdb", "sqlite", "lmdb"];

type OpenBackend = dyn Fn(&Path, &Options) -> Result<Box<dyn StorageBackend>> + Send + Sync;

/// How to open one engine.
pub struct Driver {
    info: EngineInfo,
    /// Whether the engine keeps files, so that it needs a directory.
    on_disk: bool,
    open: Box<OpenBackend>,
}

impl Driver {
    /// Returns the driver of an embedded engine.
    pub fn of<E: Engine>() -> Self {
        let open = |path: &Path, options: &Options| -> Result<Box<dyn StorageBackend>> {
            Ok(Box::new(Backend::<E>::open(path, E::Options::from_options(options)?)?))
        };
        Self { info: E::INFO, on_disk: true, open: Box::new(open) }
    }

    /// Returns the driver of the memory engine.
    pub fn memory() -> Self {
        let open = |_: &Path, options: &Options| -> Result<Box<dyn StorageBackend>> {
            let options = MemoryOptions::from_options(options)?;
            Ok(Box::new(MemoryBackend::in_memory_with(options.common())))
        };
        Self { info: MemoryEngine::INFO, on_disk: false, open: Box::new(open) }
    }

    /// Returns a driver that opens a backend with `open`. `on_disk`: the engine needs a directory.
    pub fn custom<F>(info: EngineInfo, on_disk: bool, open: F) -> Self
    where
        F: Fn(&Path, &Options) -> Result<Box<dyn StorageBackend>> + Send + Sync + 'static,
    {
        Self { info, on_disk, open: Box::new(open) }
    }

    /// Returns which engine it opens, with its capabilities.
    pub fn info(&self) -> &EngineInfo {
        &self.info
    }

    /// Returns whether the engine keeps files, so that it needs a directory.
    pub fn is_on_disk(&self) -> bool {
        self.on_disk
    }

    /// Opens the backend without a store. A directory that is marked as a store opens read-only.
    pub fn open_backend(&self, path: &Path, options: &Options) -> Result<Box<dyn StorageBackend>> {
        (self.open)(path, options)
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("info", &self.info).finish_non_exhaustive()
    }
}

/// Engines by name.
///
/// ```
/// use strongroom::{Driver, Registry};
///
/// let mut registry = Registry::builtin();
/// assert!(registry.drivers().any(|driver| driver.info().name == "redb"));
/// // An application's own engine: `registry.add(Driver::of::<MyEngine>())?;`
/// let store = registry.open("memory:?durability=buffered")?;
/// # Ok::<(), strongroom::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Registry {
    drivers: BTreeMap<&'static str, Driver>,
}

impl Registry {
    /// Returns a registry without engines.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Returns a registry with the memory engine and every engine whose feature this build has.
    pub fn builtin() -> Self {
        let drivers = [
            Driver::memory(),
            #[cfg(feature = "storage-redb")]
            Driver::of::<strongroom_redb::RedbEngine>(),
            #[cfg(feature = "storage-sled")]
            Driver::of::<strongroom_core::Undo<strongroom_sled::SledEngine>>(),
            #[cfg(feature = "storage-fjall")]
            Driver::of::<strongroom_fjall::FjallEngine>(),
            #[cfg(feature = "storage-rocksdb")]
            Driver::of::<strongroom_rocksdb::RocksDbEngine>(),
            #[cfg(feature = "storage-sqlite")]
            Driver::of::<strongroom_sqlite::SqliteEngine>(),
            #[cfg(feature = "storage-lmdb")]
            Driver::of::<strongroom_lmdb::LmdbEngine>(),
        ];
        Self { drivers: drivers.into_iter().map(|driver| (driver.info.name, driver)).collect() }
    }

    /// Adds an engine. [`AlreadyExists`](ErrorKind::AlreadyExists): an engine has this name.
    pub fn add(&mut self, driver: Driver) -> Result<()> {
        let name = driver.info.name;
        if self.drivers.contains_key(name) {
            return Err(Error::new(
                ErrorKind::AlreadyExists,
                format!("the engine {name:?} is registered already"),
            ));
        }
        self.drivers.insert(name, driver);
        Ok(())
    }

    /// Returns all drivers, in the order of their names.
    pub fn drivers(&self) -> impl Iterator<Item = &Driver> {
        self.drivers.values()
    }

    /// Returns the driver of the engine called `name`.
    pub fn driver(&self, name: &str) -> Result<&Driver> {
        self.drivers.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.drivers.keys().copied().collect();
            let hint = if KNOWN.contains(&name) {
                format!("build with the feature storage-{name}")
            } else {
                format!("use one of {}", names.join(", "))
            };
            Error::new(ErrorKind::InvalidInput, format!("there is no engine {name:?} in this build"))
                .hint(hint)
        })
    }

    /// Opens a store by URL; see [`Config::from_url`].
    pub fn open(&self, url: &str) -> Result<Store> {
        self.open_config(&Config::from_url(url)?)
    }

    /// Opens the store that `config` describes.
    pub fn open_config(&self, config: &Config) -> Result<Store> {
        let driver = self.driver(&config.engine)?;
        let store_options = config.store_options()?;
        let has_path = !config.path.as_os_str().is_empty();
        if !driver.on_disk {
            if has_path {
                return Err(Error::new(ErrorKind::InvalidInput, format!("{} keeps no files", config.engine))
                    .hint(format!("write {}: without a path", config.engine)));
            }
            return Store::over(
                driver.open_backend(Path::new(""), &config.backend_options())?,
                store_options,
            );
        }
        if !has_path {
            return Err(Error::new(ErrorKind::InvalidInput, format!("{} needs a directory", config.engine))
                .hint(format!("write {}:PATH", config.engine)));
        }
        let options = config.backend_options();
        Store::open(&config.path, &driver.info, store_options, &options, |path, options| {
            driver.open_backend(path, options)
        })
    }
}
