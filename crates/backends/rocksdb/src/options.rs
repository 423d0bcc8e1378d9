//! The typed options of RocksDB.

use crate::error::translate;
use crate::pass_through;
use rocksdb::{
    BlockBasedOptions, Cache, DBCompactionStyle, DBCompressionType, DBRecoveryMode, LogLevel, SliceTransform,
};
use std::fmt::Display;
use std::str::FromStr;
use strongroom_core::{
    Compression, Create, EngineOptions, Error, ErrorKind, Options, Result, TypedOptions,
    limits::KEY_BYTES_MAX,
};

const WRITE_BUFFER_SIZE: &str = "write_buffer_size";
const DB_WRITE_BUFFER_SIZE: &str = "db_write_buffer_size";
const COMPRESSION_PER_LEVEL: &str = "compression_per_level";
const COMPACTION_STYLE: &str = "compaction_style";
const BLOOM_BITS: &str = "bloom_bits";
const PREFIX_BYTES: &str = "prefix_bytes";
const STATISTICS: &str = "statistics";

/// The names that this adapter parses; RocksDB parses all others.
const NAMES: [&str; 7] = [
    BLOOM_BITS,
    COMPACTION_STYLE,
    COMPRESSION_PER_LEVEL,
    DB_WRITE_BUFFER_SIZE,
    PREFIX_BYTES,
    STATISTICS,
    WRITE_BUFFER_SIZE,
];

const CACHE_BYTES_DEFAULT: u64 = 64 * 1_024 * 1_024;
const WRITE_BUFFER_SIZE_DEFAULT: u64 = 32 * 1_024 * 1_024;
const DB_WRITE_BUFFER_SIZE_DEFAULT: u64 = 96 * 1_024 * 1_024;
const BLOOM_BITS_DEFAULT: u32 = 10;

/// RocksDB silently raises smaller sizes to this.
const WRITE_BUFFER_SIZE_MIN: u64 = 64 * 1_024;
/// More bits do not improve a filter, they only enlarge it.
const BLOOM_BITS_MAX: u32 = 32;
const LEVELS_MAX: usize = 7;
const THREADS_MAX: usize = 256;

/// Files kept open: fewer than the 1,024 that a process may commonly have.
const OPEN_FILES_MAX: i32 = 512;
/// The log may grow to this many times the size of all write buffers; an open replays up to that much.
const LOG_BYTES_FACTOR: u64 = 2;
/// Limits the files `LOG.old.…`, which earlier versions of the adapter left to RocksDB.
const REPORTS_KEPT: usize = 2;
/// RocksDB's own defaults.
const BACKGROUND_THREADS_DEFAULT: usize = 2;
const OPENING_THREADS_DEFAULT: usize = 16;
const OPENING_THREADS: &str = "max_file_opening_threads";

/// How RocksDB merges its files.
///
/// A third style, FIFO, is refused: it deletes the oldest rows when the data grows beyond a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CompactionStyle {
    /// Levels, each some ten times as large as the one above it: least space.
    #[default]
    Level,
    /// Runs of similar age: fewer writes, but up to twice the space.
    Universal,
}

impl CompactionStyle {
    fn as_str(self) -> &'static str {
        match self {
            Self::Level => "level",
            Self::Universal => "universal",
        }
    }
}

impl FromStr for CompactionStyle {
    type Err = Error;

    /// Parses `level` and `universal`, and RocksDB's names for them.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "level" | "kCompactionStyleLevel" => Ok(Self::Level),
            "universal" | "kCompactionStyleUniversal" => Ok(Self::Universal),
            "fifo" | "kCompactionStyleFIFO" => {
                let message = "compaction_style fifo is refused: it deletes the oldest rows to save space";
                Err(Error::new(ErrorKind::InvalidInput, message).hint("use level or universal"))
            }
            _ => {
                let message = format!("option {COMPACTION_STYLE} cannot be {text:?}");
                Err(Error::new(ErrorKind::InvalidInput, message).hint("use level or universal"))
            }
        }
    }
}

/// How to open RocksDB.
///
/// | Typed | By name | Default |
/// |---|---|---|
/// | [`cache_bytes`](Self::cache_bytes) | (common) | 64 MiB, for all keyspaces together |
/// | [`compression`](Self::compression) | (common) | LZ4 |
/// | [`compression_per_level`](Self::compression_per_level) | `compression_per_level` (`none:lz4:zstd`) | as `compression` |
/// | [`background_threads`](Self::background_threads) | (common) | 2 |
/// | [`write_buffer_size`](Self::write_buffer_size) | `write_buffer_size` | 32 MiB |
/// | [`db_write_buffer_size`](Self::db_write_buffer_size) | `db_write_buffer_size` | 96 MiB |
/// | [`bloom_bits`](Self::bloom_bits) | `bloom_bits` | 10 |
/// | [`prefix_bytes`](Self::prefix_bytes) | `prefix_bytes` | none |
/// | [`compaction_style`](Self::compaction_style) | `compaction_style` (`level`, `universal`) | `level` |
/// | [`statistics`](Self::statistics) | `statistics` | `false` |
/// | [`option`](Self::option) | any other RocksDB name | RocksDB's own, except for `max_open_files` 512, `max_total_wal_size` twice `db_write_buffer_size`, `cache_index_and_filter_blocks` and `pin_l0_filter_and_index_blocks_in_cache` on |
///
/// They apply to all keyspaces, to data written from now on; existing files stay readable.
///
/// ```
/// use strongroom_core::Compression;
/// use strongroom_rocksdb::{CompactionStyle, RocksDbOptions};
///
/// let options = RocksDbOptions::new()
///     .cache_bytes(256 * 1024 * 1024)
///     .compression_per_level([Compression::None, Compression::Lz4, Compression::Zstd])
///     .compaction_style(CompactionStyle::Universal)
///     .option("block_based_table_factory", "{block_size=16384}");
/// # let _ = options;
/// ```
#[derive(Debug, Clone, Default)]
pub struct RocksDbOptions {
    common: Options,
    write_buffer_size: Option<u64>,
    db_write_buffer_size: Option<u64>,
    compression_per_level: Option<Vec<Compression>>,
    bloom_bits: Option<u32>,
    prefix_bytes: Option<usize>,
    compaction_style: Option<CompactionStyle>,
    statistics: Option<bool>,
    /// Options that RocksDB parses, by name.
    passed_through: Vec<(String, String)>,
}

impl RocksDbOptions {
    /// Returns the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the memory for blocks, indexes and filters of tables, in bytes. Write buffers are not included: see
    /// [`db_write_buffer_size`](Self::db_write_buffer_size).
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

    /// Makes the handle refuse writes. RocksDB still recovers its log and may compact, unless the file system
    /// is read-only.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.common.read_only = true;
        self
    }

    /// Sets how all levels are compressed. The log is not.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.common.compression = Some(compression);
        self
    }

    /// Sets the most concurrent flushes and compactions. The threads belong to the process: all its databases
    /// share them, and idle ones stay when a database is closed.
    #[must_use]
    pub fn background_threads(mut self, threads: usize) -> Self {
        self.common.background_threads = Some(threads);
        self
    }

    /// Sets the size at which the write buffer of a keyspace is flushed, in bytes; at least 64 KiB. A keyspace
    /// that is being flushed may have a second one.
    #[must_use]
    pub fn write_buffer_size(mut self, bytes: u64) -> Self {
        self.write_buffer_size = Some(bytes);
        self.by_name(WRITE_BUFFER_SIZE, &bytes)
    }

    /// Sets the size of the write buffers of all keyspaces together at which some are flushed, in bytes; at
    /// least 64 KiB. A buffer that a large batch is filling may still exceed it.
    #[must_use]
    pub fn db_write_buffer_size(mut self, bytes: u64) -> Self {
        self.db_write_buffer_size = Some(bytes);
        self.by_name(DB_WRITE_BUFFER_SIZE, &bytes)
    }

    /// Sets how each level is compressed, from the newest on, at most 7. The last entry also applies to all
    /// levels below it. With levels, the second entry is for the first level in use below level 0.
    #[must_use]
    pub fn compression_per_level(mut self, levels: impl IntoIterator<Item = Compression>) -> Self {
        let levels: Vec<_> = levels.into_iter().collect();
        let names: Vec<_> = levels.iter().map(|level| level.as_str()).collect();
        self = self.by_name(COMPRESSION_PER_LEVEL, &names.join(":"));
        self.compression_per_level = Some(levels);
        self
    }

    /// Sets the bits per key of the filters that avoid reads of tables without the key; at most 32, 0 for no
    /// filters.
    #[must_use]
    pub fn bloom_bits(mut self, bits: u32) -> Self {
        self.bloom_bits = Some(bits);
        self.by_name(BLOOM_BITS, &bits)
    }

    /// Sets the length of a prefix that many keys share, in bytes; at least 1. A forward scan of keys with a
    /// common prefix of at least this length then skips tables without that prefix.
    #[must_use]
    pub fn prefix_bytes(mut self, bytes: usize) -> Self {
        self.prefix_bytes = Some(bytes);
        self.by_name(PREFIX_BYTES, &bytes)
    }

    /// Sets how files are merged.
    #[must_use]
    pub fn compaction_style(mut self, style: CompactionStyle) -> Self {
        self.compaction_style = Some(style);
        self.by_name(COMPACTION_STYLE, &style.as_str())
    }

    /// Makes RocksDB count its work for [`stats`](strongroom_core::StorageBackend::stats). Reads and writes
    /// take a few percent longer.
    #[must_use]
    pub fn statistics(mut self, on: bool) -> Self {
        self.statistics = Some(on);
        self.by_name(STATISTICS, &on)
    }

    /// Sets one of RocksDB's own options, which RocksDB parses when the store is opened. Nested options go into
    /// braces: `{block_size=16384;format_version=6}`. An option that would break a guarantee of this layer is
    /// refused then, with the reason.
    #[must_use]
    pub fn option(mut self, name: &str, value: &str) -> Self {
        self.passed_through.retain(|(given, _)| given != name);
        self.passed_through.push((name.to_owned(), value.to_owned()));
        self.passed_through.sort();
        self.by_name(name, &value)
    }

    /// Records the option in the common options too, so that another handle can be opened from them.
    fn by_name(mut self, name: &str, value: &impl ToString) -> Self {
        self.common = self.common.engine_option(name, value.to_string());
        self
    }

    pub(crate) fn prefix_len(&self) -> Option<usize> {
        self.prefix_bytes
    }

    /// Returns how many threads RocksDB may start for one database.
    pub(crate) fn threads_max(&self) -> usize {
        let given = self.passed_through.iter().find(|(name, _)| name == OPENING_THREADS);
        let opening = given.and_then(|(_, value)| value.parse().ok()).unwrap_or(OPENING_THREADS_DEFAULT);
        // Bounded by the check of the passed-through options.
        opening.min(THREADS_MAX) + self.common.background_threads.unwrap_or(BACKGROUND_THREADS_DEFAULT)
    }

    pub(crate) fn has_statistics(&self) -> bool {
        self.statistics.unwrap_or_default()
    }

    pub(crate) fn cache(&self) -> Result<Cache> {
        let bytes = self.common.cache_bytes.unwrap_or(CACHE_BYTES_DEFAULT);
        // Not the newer clock cache: it ends the process for a size of zero or a very large one.
        Ok(Cache::new_lru_cache(in_memory(bytes)?))
    }

    fn check(&self) -> Result<()> {
        if self.compression_per_level.is_some() && self.common.compression.is_some() {
            let message = "compression and compression_per_level contradict each other";
            return Err(Error::new(ErrorKind::InvalidInput, message).hint("leave one of them out"));
        }
        let levels = self.compression_per_level.as_ref().map(Vec::len);
        between(COMPRESSION_PER_LEVEL, levels, (&1, &LEVELS_MAX))?;
        between("background_threads", self.common.background_threads, (&1, &THREADS_MAX))?;
        let sizes = (&WRITE_BUFFER_SIZE_MIN, &(1 << 40));
        between(WRITE_BUFFER_SIZE, self.write_buffer_size, sizes)?;
        between(DB_WRITE_BUFFER_SIZE, self.db_write_buffer_size, sizes)?;
        between(BLOOM_BITS, self.bloom_bits, (&0, &BLOOM_BITS_MAX))?;
        between(PREFIX_BYTES, self.prefix_bytes, (&1, &KEY_BYTES_MAX))?;
        for (name, value) in &self.passed_through {
            if NAMES.contains(&name.as_str()) {
                let message = format!("option {name} cannot be set through `option`");
                return Err(
                    Error::new(ErrorKind::InvalidInput, message).hint(format!("use the method {name}"))
                );
            }
            pass_through::check(name, value, &NAMES)?;
        }
        Ok(())
    }

    /// Converts all options to RocksDB's, for the database and for each column family.
    pub(crate) fn rocksdb(&self, cache: &Cache) -> Result<rocksdb::Options> {
        self.check()?;
        let mut options = rocksdb::Options::default();
        never_ignore_damage(&mut options);
        keep_reports_small(&mut options);
        options.set_max_open_files(OPEN_FILES_MAX);
        self.set_write_buffers(&mut options)?;
        self.set_tables(&mut options, cache);
        options = self.with_filters(options)?;
        self.set_compression(&mut options);
        if let Some(threads) = self.common.background_threads {
            options.set_max_background_jobs(i32::try_from(threads).unwrap_or(i32::MAX));
        }
        options.set_compaction_style(match self.compaction_style.unwrap_or_default() {
            CompactionStyle::Level => DBCompactionStyle::Level,
            CompactionStyle::Universal => DBCompactionStyle::Universal,
        });
        if self.has_statistics() {
            options.enable_statistics();
        }
        for (name, value) in &self.passed_through {
            options = pass_through::add(&mut options, name, value, &NAMES)?;
        }
        Ok(options)
    }

    fn set_write_buffers(&self, options: &mut rocksdb::Options) -> Result<()> {
        let one = self.write_buffer_size.unwrap_or(WRITE_BUFFER_SIZE_DEFAULT);
        let all = self.db_write_buffer_size.unwrap_or(DB_WRITE_BUFFER_SIZE_DEFAULT.max(one));
        options.set_write_buffer_size(in_memory(one)?);
        options.set_db_write_buffer_size(in_memory(all)?);
        options.set_max_total_wal_size(all.saturating_mul(LOG_BYTES_FACTOR));
        Ok(())
    }

    fn set_tables(&self, options: &mut rocksdb::Options, cache: &Cache) {
        let mut tables = BlockBasedOptions::default();
        tables.set_block_cache(cache);
        // Otherwise they are outside the cache, without a bound.
        tables.set_cache_index_and_filter_blocks(true);
        tables.set_pin_l0_filter_and_index_blocks_in_cache(true);
        options.set_block_based_table_factory(&tables);
        if let Some(bytes) = self.prefix_bytes {
            options.set_prefix_extractor(SliceTransform::create_fixed_prefix(bytes));
        }
    }

    fn with_filters(&self, mut options: rocksdb::Options) -> Result<rocksdb::Options> {
        let bits = self.bloom_bits.unwrap_or(BLOOM_BITS_DEFAULT);
        if bits == 0 {
            return Ok(options);
        }
        // As text, because RocksDB does not record the bits of filters that are set through its typed API.
        let filters = format!("block_based_table_factory={{filter_policy=bloomfilter:{bits}:false}}");
        options.get_options_from_string(filters).map_err(translate)
    }

    fn set_compression(&self, options: &mut rocksdb::Options) {
        match &self.compression_per_level {
            Some(levels) => {
                let levels: Vec<_> = levels.iter().map(|level| compression_type(*level)).collect();
                options.set_compression_per_level(&levels);
            }
            None => options
                .set_compression_type(compression_type(self.common.compression.unwrap_or(Compression::Lz4))),
        }
    }
}

/// Settings that no option may change: see the list of refused ones.
fn never_ignore_damage(options: &mut rocksdb::Options) {
    options.set_paranoid_checks(true);
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    // A synced log that is now missing or shorter is damage.
    options.set_track_and_verify_wals_in_manifest(true);
}

/// The code that opens a database sets a logger, because RocksDB's own crashes (see [`report`](crate::report)).
fn keep_reports_small(options: &mut rocksdb::Options) {
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(REPORTS_KEPT);
    // Neither into the report nor into memory.
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
}

fn compression_type(compression: Compression) -> DBCompressionType {
    match compression {
        Compression::None => DBCompressionType::None,
        Compression::Lz4 => DBCompressionType::Lz4,
        Compression::Zstd => DBCompressionType::Zstd,
    }
}

fn in_memory(bytes: u64) -> Result<usize> {
    usize::try_from(bytes).map_err(|_| {
        Error::new(ErrorKind::InvalidInput, "a size is larger than this machine's address space")
    })
}

fn between<N: PartialOrd + Display>(name: &str, given: Option<N>, (min, max): (&N, &N)) -> Result<()> {
    match given {
        Some(given) if given < *min || given > *max => {
            let message = format!("option {name} cannot be {given}");
            Err(Error::new(ErrorKind::InvalidInput, message).hint(format!("use {min} to {max}")))
        }
        _ => Ok(()),
    }
}

/// Parses `none:lz4:zstd`.
fn levels(text: &str) -> Result<Vec<Compression>> {
    text.split(':').map(str::parse).collect()
}

impl TypedOptions for RocksDbOptions {
    fn from_options(options: &Options) -> Result<Self> {
        let mut by_name = EngineOptions::new("rocksdb", options);
        let typed = Self {
            write_buffer_size: by_name.take_bytes(WRITE_BUFFER_SIZE)?,
            db_write_buffer_size: by_name.take_bytes(DB_WRITE_BUFFER_SIZE)?,
            bloom_bits: by_name.take(BLOOM_BITS)?,
            prefix_bytes: by_name.take(PREFIX_BYTES)?,
            statistics: by_name.take(STATISTICS)?,
            // Not by `take`: their own errors are more precise.
            compression_per_level: options
                .engine
                .get(COMPRESSION_PER_LEVEL)
                .map(|text| levels(text))
                .transpose()?,
            compaction_style: options.engine.get(COMPACTION_STYLE).map(|text| text.parse()).transpose()?,
            passed_through: options
                .engine
                .iter()
                .filter(|(name, _)| !NAMES.contains(&name.as_str()))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            common: options.clone(),
        };
        // RocksDB parses its own options here already, so that mistakes are reported before anything changes.
        let read = typed.cache().and_then(|cache| typed.rocksdb(&cache));
        read.map_err(|error| error.at("rocksdb", "open"))?;
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
