//! The typed options of LMDB.

use std::time::Duration;
use strongroom_core::{Create, EngineOptions, Error, ErrorKind, Options, Result, TypedOptions};

const MAP_BYTES: &str = "map_bytes";
const MAX_READERS: &str = "max_readers";
const MAX_KEYSPACES: &str = "max_keyspaces";
const GROW_TIMEOUT_MS: &str = "grow_timeout_ms";

/// Upper bounds. A reader's slot takes 64 bytes of `lock.mdb`, and every transaction takes some 50 bytes per
/// keyspace.
const READERS_MAX: u32 = 65_536;
pub(crate) const KEYSPACES_MAX: u32 = 16_384;

/// How to open LMDB.
///
/// | Typed | By name | Default |
/// |---|---|---|
/// | [`map_bytes`](Self::map_bytes) | `map_bytes` | 1 TiB on 64-bit machines, 1 GiB on others |
/// | [`max_readers`](Self::max_readers) | `max_readers` | 1,024 |
/// | [`max_keyspaces`](Self::max_keyspaces) | `max_keyspaces` | 128 |
/// | [`grow_timeout`](Self::grow_timeout) | `grow_timeout_ms` | 10,000 |
///
/// ```
/// use strongroom_lmdb::LmdbOptions;
///
/// let options = LmdbOptions::new().max_readers(4_096).max_keyspaces(16);
/// # let _ = options;
/// ```
#[derive(Debug, Clone)]
pub struct LmdbOptions {
    common: Options,
    pub(crate) map_bytes: Option<u64>,
    pub(crate) max_readers: u32,
    pub(crate) max_keyspaces: u32,
    pub(crate) grow_timeout: Duration,
}

impl Default for LmdbOptions {
    fn default() -> Self {
        Self {
            common: Options::default(),
            map_bytes: None,
            max_readers: 1_024,
            max_keyspaces: 128,
            grow_timeout: Duration::from_secs(10),
        }
    }
}

impl LmdbOptions {
    /// Returns the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the address space that is reserved for the map, in bytes, rounded up to 64 KiB. It is neither
    /// memory nor disk: the file grows as pages are written. If the reservation fails, half of it is tried, and
    /// so on. A full map grows by itself, but has to wait until this process has no reader. So reserve more
    /// than will ever be stored.
    #[must_use]
    pub fn map_bytes(mut self, bytes: u64) -> Self {
        self.common = self.common.engine_option(MAP_BYTES, bytes.to_string());
        self.map_bytes = Some(bytes);
        self
    }

    /// Sets how many read transactions may be open at once, in all processes together. Gets, snapshots and
    /// shared values each use one. The handle that opens the store while no other has it open decides.
    #[must_use]
    pub fn max_readers(mut self, readers: u32) -> Self {
        self.common = self.common.engine_option(MAX_READERS, readers.to_string());
        self.max_readers = readers;
        self
    }

    /// Sets how many keyspaces may have a named database of their own; the others are packed. Every read pays
    /// for it: a transaction takes some 50 bytes per keyspace. A store that already has more still opens.
    #[must_use]
    pub fn max_keyspaces(mut self, keyspaces: u32) -> Self {
        self.common = self.common.engine_option(MAX_KEYSPACES, keyspaces.to_string());
        self.max_keyspaces = keyspaces;
        self
    }

    /// Sets how long a commit that finds the map full waits for open readers of this process, in whole
    /// milliseconds.
    #[must_use]
    pub fn grow_timeout(mut self, timeout: Duration) -> Self {
        self.common = self.common.engine_option(GROW_TIMEOUT_MS, timeout.as_millis().to_string());
        self.grow_timeout = timeout;
        self
    }

    /// Sets whether to create a missing store.
    #[must_use]
    pub fn create(mut self, create: Create) -> Self {
        self.common.create = create;
        self
    }

    /// Makes the handle refuse writes. Other processes may write, and this one sees their commits.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.common.read_only = true;
        self
    }

    /// Refuses values that LMDB cannot work with.
    pub(crate) fn check(&self) -> Result<()> {
        in_bounds(MAX_READERS, self.max_readers, READERS_MAX)?;
        in_bounds(MAX_KEYSPACES, self.max_keyspaces, KEYSPACES_MAX)?;
        if self.map_bytes == Some(0) {
            return Err(Error::new(ErrorKind::InvalidInput, "option map_bytes cannot be 0")
                .hint("use 1MiB or more, or leave it out"));
        }
        Ok(())
    }
}

fn in_bounds(name: &str, value: u32, max: u32) -> Result<()> {
    if (1..=max).contains(&value) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidInput, format!("option {name} cannot be {value}"))
        .hint(format!("use 1 to {max}")))
}

impl TypedOptions for LmdbOptions {
    fn from_options(options: &Options) -> Result<Self> {
        let defaults = Self::default();
        let mut by_name = EngineOptions::new("lmdb", options);
        let read = Self {
            common: options.clone(),
            map_bytes: by_name.take_bytes(MAP_BYTES)?,
            max_readers: by_name.take(MAX_READERS)?.unwrap_or(defaults.max_readers),
            max_keyspaces: by_name.take(MAX_KEYSPACES)?.unwrap_or(defaults.max_keyspaces),
            grow_timeout: by_name.take(GROW_TIMEOUT_MS)?.map_or(defaults.grow_timeout, Duration::from_millis),
        };
        by_name.finish()?;
        read.check()?;
        Ok(read)
    }

    fn common(&self) -> &Options {
        &self.common
    }

    fn with_common(mut self, common: Options) -> Self {
        self.common = common;
        self
    }
}
