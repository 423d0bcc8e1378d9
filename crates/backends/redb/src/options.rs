//! The typed options of redb.

use redb::StorageBackend;
use std::sync::Arc;
use strongroom_core::{Create, EngineOptions, Error, ErrorKind, Options, Result, TypedOptions};

const QUICK_REPAIR: &str = "quick_repair";

/// How to open redb.
///
/// | Typed | By name | Default |
/// |---|---|---|
/// | [`cache_bytes`](Self::cache_bytes) | (common) | 1 GiB, redb's own |
/// | [`quick_repair`](Self::quick_repair) | `quick_repair` | `false` |
///
/// ```
/// use strongroom_redb::RedbOptions;
///
/// let options = RedbOptions::new().cache_bytes(64 * 1024 * 1024).quick_repair(true);
/// # let _ = options;
/// ```
#[derive(Debug, Clone, Default)]
pub struct RedbOptions {
    common: Options,
    quick_repair: bool,
    storage: Option<Arc<dyn StorageBackend>>,
}

impl RedbOptions {
    /// Returns the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the size of redb's page cache, in bytes; redb's own default is 1 GiB. It is an upper bound: the
    /// cache fills as pages are used, and contains the data of buffered commits that is not written yet.
    #[must_use]
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.common.cache_bytes = Some(bytes);
        self
    }

    /// Sets whether to create a missing store.
    #[must_use]
    pub fn create(mut self, create: Create) -> Self {
        self.common.create = create;
        self
    }

    /// Makes the handle refuse writes. redb may still repair its file while it opens.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.common.read_only = true;
        self
    }

    /// Sets whether every power-safe commit also writes what redb needs to open quickly after a crash. Off (the
    /// default): the first open after a crash reads the whole file, and a commit needs one sync. On: that open
    /// takes milliseconds, and a commit needs two syncs and writes some more pages.
    #[must_use]
    pub fn quick_repair(mut self, on: bool) -> Self {
        self.common = self.common.engine_option(QUICK_REPAIR, on.to_string());
        self.quick_repair = on;
        self
    }

    /// Stores the database in `storage` instead of a file, to simulate failing disks. The directory stays
    /// empty. A checkpoint is still written to a file.
    #[must_use]
    pub fn over_storage(mut self, storage: Arc<dyn StorageBackend>) -> Self {
        self.storage = Some(storage);
        self
    }

    pub(crate) fn repairs_quickly(&self) -> bool {
        self.quick_repair
    }

    pub(crate) fn storage(&self) -> Option<&Arc<dyn StorageBackend>> {
        self.storage.as_ref()
    }

    /// Returns a builder of redb with these options.
    pub(crate) fn builder(&self) -> Result<redb::Builder> {
        let mut builder = redb::Builder::new();
        if let Some(bytes) = self.common.cache_bytes {
            let bytes = usize::try_from(bytes).map_err(|_| {
                Error::new(ErrorKind::InvalidInput, "the cache is larger than this machine's address space")
            })?;
            builder.set_cache_size(bytes);
        }
        Ok(builder)
    }
}

impl TypedOptions for RedbOptions {
    fn from_options(options: &Options) -> Result<Self> {
        let mut by_name = EngineOptions::new("redb", options);
        let quick_repair = by_name.take(QUICK_REPAIR)?.unwrap_or_default();
        by_name.finish()?;
        Ok(Self { common: options.clone(), quick_repair, storage: None })
    }

    fn common(&self) -> &Options {
        &self.common
    }

    fn with_common(mut self, common: Options) -> Self {
        self.common = common;
        self
    }

    fn for_checkpoint(mut self) -> Self {
        self.storage = None;
        self
    }
}
