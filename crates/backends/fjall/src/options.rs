//! The typed options of fjall.

use fjall::config::CompressionPolicy;
use fjall::{CompressionType, Database, DatabaseBuilder, KeyspaceCreateOptions, KvSeparationOptions};
use std::path::Path;
use strongroom_core::{
    Compression, Create, EngineOptions, Error, ErrorKind, KeyspaceHints, Options, Result, TypedOptions,
};

const MAX_CACHED_FILES: &str = "max_cached_files";
const MAX_JOURNALING_SIZE: &str = "max_journaling_size";
const MAX_MEMTABLE_SIZE: &str = "max_memtable_size";
const WORKER_THREADS: &str = "worker_threads";

/// fjall panics on smaller values.
const MAX_CACHED_FILES_MIN: usize = 10;
const MAX_JOURNALING_SIZE_MIN: u64 = 64 * 1_024 * 1_024;

/// More threads than this are a mistake, and fjall ends the process if it cannot start them.
const WORKER_THREADS_MAX: usize = 256;

/// With less, a keyspace does little else than write tiny tables.
const MAX_MEMTABLE_SIZE_MIN: u64 = 64 * 1_024;

/// How to open fjall.
///
/// | Typed | By name | Default |
/// |---|---|---|
/// | [`cache_bytes`](Self::cache_bytes) | (common) | 32 MiB, fjall's own |
/// | [`compression`](Self::compression) | (common) | LZ4, except for the two newest levels |
/// | [`worker_threads`](Self::worker_threads) | `worker_threads`, or the common `background_threads` | the number of cores, 4 at most |
/// | [`max_journaling_size`](Self::max_journaling_size) | `max_journaling_size` | 512 MiB |
/// | [`max_memtable_size`](Self::max_memtable_size) | `max_memtable_size` | 64 MiB |
/// | [`max_cached_files`](Self::max_cached_files) | `max_cached_files` | 900 on Linux, 150 on macOS, 400 on Windows |
///
/// fjall 3.1 has a `max_write_buffer_size` too, but ignores it, so it is refused here.
///
/// ```
/// use strongroom_fjall::FjallOptions;
///
/// let options = FjallOptions::new().cache_bytes(256 * 1024 * 1024).worker_threads(2);
/// # let _ = options;
/// ```
#[derive(Debug, Clone, Default)]
pub struct FjallOptions {
    common: Options,
    worker_threads: Option<usize>,
    max_journaling_size: Option<u64>,
    max_memtable_size: Option<u64>,
    max_cached_files: Option<usize>,
}

impl FjallOptions {
    /// Returns the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the memory for blocks of tables and blobs, in bytes. Memtables are not included: see
    /// [`max_memtable_size`](Self::max_memtable_size).
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

    /// Makes the handle refuse writes. fjall still recovers its journal and may compact.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.common.read_only = true;
        self
    }

    /// Sets how tables and blobs are compressed: not at all, or all of them with LZ4. It applies to keyspaces
    /// created through this handle and is stored with them.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.common.compression = Some(compression);
        self
    }

    /// Sets the number of threads that flush and compact, 1 to 256.
    #[must_use]
    pub fn worker_threads(mut self, threads: usize) -> Self {
        self.worker_threads = Some(threads);
        self.by_name(WORKER_THREADS, &threads)
    }

    /// Sets the disk space of all journals at which memtables are flushed to free the oldest one, in bytes; at
    /// least 64 MiB. An open replays up to this much.
    #[must_use]
    pub fn max_journaling_size(mut self, bytes: u64) -> Self {
        self.max_journaling_size = Some(bytes);
        self.by_name(MAX_JOURNALING_SIZE, &bytes)
    }

    /// Sets the size at which the memtable of a keyspace is flushed, in bytes; at least 64 KiB. A keyspace may
    /// take several times as much while flushes lag. It applies to keyspaces created through this handle and is
    /// stored with them.
    #[must_use]
    pub fn max_memtable_size(mut self, bytes: u64) -> Self {
        self.max_memtable_size = Some(bytes);
        self.by_name(MAX_MEMTABLE_SIZE, &bytes)
    }

    /// Sets how many files are kept open, at least 10.
    #[must_use]
    pub fn max_cached_files(mut self, files: usize) -> Self {
        self.max_cached_files = Some(files);
        self.by_name(MAX_CACHED_FILES, &files)
    }

    /// Records the option in the common options too, so that another handle can be opened from them.
    fn by_name(mut self, name: &str, value: &impl ToString) -> Self {
        self.common = self.common.engine_option(name, value.to_string());
        self
    }

    /// Refuses values on which fjall would panic.
    fn check(&self) -> Result<()> {
        if self.worker_threads.is_some() && self.common.background_threads.is_some() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "worker_threads and background_threads are the same option of fjall",
            )
            .hint("leave one of them out"));
        }
        let threads = self.worker_threads.or(self.common.background_threads);
        if let Some(threads) = threads.filter(|threads| *threads > WORKER_THREADS_MAX) {
            return Err(Error::new(ErrorKind::InvalidInput, format!("{threads} threads are too many"))
                .hint(format!("use at most {WORKER_THREADS_MAX}")));
        }
        at_least(WORKER_THREADS, self.worker_threads, &1)?;
        at_least(MAX_CACHED_FILES, self.max_cached_files, &MAX_CACHED_FILES_MIN)?;
        at_least(MAX_JOURNALING_SIZE, self.max_journaling_size, &MAX_JOURNALING_SIZE_MIN)?;
        at_least(MAX_MEMTABLE_SIZE, self.max_memtable_size, &MAX_MEMTABLE_SIZE_MIN)
    }

    pub(crate) fn builder(&self, directory: &Path) -> Result<DatabaseBuilder<Database>> {
        self.check()?;
        let mut builder = Database::builder(directory);
        if let Some(bytes) = self.common.cache_bytes {
            builder = builder.cache_size(bytes);
        }
        if let Some(threads) = self.worker_threads.or(self.common.background_threads) {
            builder = builder.worker_threads(threads);
        }
        if let Some(bytes) = self.max_journaling_size {
            builder = builder.max_journaling_size(bytes);
        }
        if let Some(files) = self.max_cached_files {
            builder = builder.max_cached_files(Some(files));
        }
        Ok(builder)
    }

    fn compression_type(&self) -> Option<CompressionType> {
        match self.common.compression? {
            Compression::Lz4 => Some(CompressionType::Lz4),
            // fjall has no Zstandard; that is refused earlier.
            Compression::None | Compression::Zstd => Some(CompressionType::None),
        }
    }

    /// Returns the options of a new keyspace.
    pub(crate) fn keyspace(&self, hints: KeyspaceHints) -> KeyspaceCreateOptions {
        let mut options = KeyspaceCreateOptions::default();
        if let Some(bytes) = self.max_memtable_size {
            options = options.max_memtable_size(bytes);
        }
        let compression = self.compression_type();
        if let Some(compression) = compression {
            options = options.data_block_compression_policy(CompressionPolicy::all(compression));
        }
        if hints.large_values {
            // Values of 1 KiB and more go to files of their own, and compactions do not move them.
            let separation = KvSeparationOptions::default();
            options = options.with_kv_separation(Some(match compression {
                Some(compression) => separation.compression(compression),
                None => separation,
            }));
        }
        options
    }
}

fn at_least<N: PartialOrd + std::fmt::Display>(name: &str, given: Option<N>, min: &N) -> Result<()> {
    match given {
        Some(given) if given < *min => {
            let message = format!("option {name} cannot be {given}");
            Err(Error::new(ErrorKind::InvalidInput, message).hint(format!("use at least {min}")))
        }
        _ => Ok(()),
    }
}

impl TypedOptions for FjallOptions {
    fn from_options(options: &Options) -> Result<Self> {
        let mut by_name = EngineOptions::new("fjall", options);
        let typed = Self {
            worker_threads: by_name.take(WORKER_THREADS)?,
            max_journaling_size: by_name.take_bytes(MAX_JOURNALING_SIZE)?,
            max_memtable_size: by_name.take_bytes(MAX_MEMTABLE_SIZE)?,
            max_cached_files: by_name.take(MAX_CACHED_FILES)?,
            common: options.clone(),
        };
        by_name.finish()?;
        typed.check().map_err(|error| error.at("fjall", "open"))?;
        Ok(typed)
    }

    fn common(&self) -> &Options {
        &self.common
    }

    fn with_common(mut self, common: Options) -> Self {
        self.common = common;
        self
    }
}
