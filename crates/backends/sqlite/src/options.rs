//! The typed options of SQLite.

use std::time::Duration;
use strongroom_core::{Create, EngineOptions, Error, ErrorKind, Options, Result, TypedOptions};

const BUSY_TIMEOUT_MS: &str = "busy_timeout_ms";
const PAGE_SIZE: &str = "page_size";
const READERS_MAX: &str = "readers_max";
const WAL_AUTOCHECKPOINT_PAGES: &str = "wal_autocheckpoint_pages";

const CACHE_BYTES_DEFAULT: u64 = 64 * 1_024 * 1_024;
const BUSY_TIMEOUT_MS_DEFAULT: u64 = 5_000;
const BUSY_TIMEOUT_MS_MAX: u64 = 600_000;
const PAGE_SIZE_DEFAULT: u32 = 4_096;
const PAGE_SIZES: std::ops::RangeInclusive<u32> = 512..=65_536;
const READERS_MAX_DEFAULT: usize = 8;
const READERS_MAX_MAX: usize = 1_000;
const WAL_AUTOCHECKPOINT_PAGES_DEFAULT: u32 = 1_000;
const WAL_AUTOCHECKPOINT_PAGES_MAX: u32 = 1_000_000;

/// Minimum per connection: with less SQLite reads and writes the same pages over and over.
const CONNECTION_CACHE_BYTES_MIN: u64 = 64 * 1_024;

/// How to open SQLite.
///
/// | Typed | By name | Default |
/// |---|---|---|
/// | [`cache_bytes`](Self::cache_bytes) | (common) | 64 MiB for all connections together |
/// | [`page_size`](Self::page_size) | `page_size` | 4,096; fixed when the file is created |
/// | [`wal_autocheckpoint_pages`](Self::wal_autocheckpoint_pages) | `wal_autocheckpoint_pages` | 1,000 |
/// | [`busy_timeout_ms`](Self::busy_timeout_ms) | `busy_timeout_ms` | 5,000 |
/// | [`readers_max`](Self::readers_max) | `readers_max` | 8 |
///
/// ```
/// use strongroom_sqlite::SqliteOptions;
///
/// let options = SqliteOptions::new().cache_bytes(256 * 1024 * 1024).readers_max(16);
/// # let _ = options;
/// ```
#[derive(Debug, Clone, Default)]
pub struct SqliteOptions {
    common: Options,
    page_size: Option<u32>,
    wal_autocheckpoint_pages: Option<u32>,
    busy_timeout_ms: Option<u64>,
    readers_max: Option<usize>,
}

impl SqliteOptions {
    /// Returns the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the memory for pages of all connections together, in bytes. The writer gets a quarter, the first
    /// reader half, and the other readers share the rest. Each connection gets at least 64 KiB. Connections
    /// beyond [`readers_max`](Self::readers_max) get 64 KiB each in addition.
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

    /// Makes the handle read-only. It works concurrently with another process that writes, and sees its
    /// commits. It changes no data and takes no writer's lock; SQLite creates its `-wal` and `-shm` files if it
    /// can.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.common.read_only = true;
        self
    }

    /// Sets the size of a page in bytes: a power of two from 512 to 65,536. It applies when the file is created
    /// and is stored in it; an existing file keeps its own.
    #[must_use]
    pub fn page_size(mut self, bytes: u32) -> Self {
        self.page_size = Some(bytes);
        self.by_name(PAGE_SIZE, &bytes)
    }

    /// Sets the pages in the write-ahead log after which a commit moves them into the file, 1 to 1,000,000. A
    /// larger value causes fewer and longer moves, and slower reads.
    #[must_use]
    pub fn wal_autocheckpoint_pages(mut self, pages: u32) -> Self {
        self.wal_autocheckpoint_pages = Some(pages);
        self.by_name(WAL_AUTOCHECKPOINT_PAGES, &pages)
    }

    /// Sets how long to wait for another process that blocks this one (such as a `sqlite3` shell that writes),
    /// in milliseconds, 0 to 600,000.
    #[must_use]
    pub fn busy_timeout_ms(mut self, milliseconds: u64) -> Self {
        self.busy_timeout_ms = Some(milliseconds);
        self.by_name(BUSY_TIMEOUT_MS, &milliseconds)
    }

    /// Sets how many connections for readers are kept open with a share of the cache, 1 to 1,000. More are
    /// opened while more threads read or more snapshots are open, and closed again.
    #[must_use]
    pub fn readers_max(mut self, connections: usize) -> Self {
        self.readers_max = Some(connections);
        self.by_name(READERS_MAX, &connections)
    }

    /// Records the option in the common options too, so that another handle can be opened from them.
    fn by_name(mut self, name: &str, value: &impl ToString) -> Self {
        self.common = self.common.engine_option(name, value.to_string());
        self
    }

    /// Refuses values that SQLite would silently ignore or accept without a bound.
    pub(crate) fn check(&self) -> Result<()> {
        let page_size = self.page_size_bytes();
        if !page_size.is_power_of_two() || !PAGE_SIZES.contains(&page_size) {
            return Err(unfit(PAGE_SIZE, "a power of two from 512 to 65536"));
        }
        if !(1..=WAL_AUTOCHECKPOINT_PAGES_MAX).contains(&self.checkpoint_pages()) {
            return Err(unfit(WAL_AUTOCHECKPOINT_PAGES, "1 to 1000000"));
        }
        if self.busy_timeout_ms.is_some_and(|given| given > BUSY_TIMEOUT_MS_MAX) {
            return Err(unfit(BUSY_TIMEOUT_MS, "0 to 600000"));
        }
        if !(1..=READERS_MAX_MAX).contains(&self.readers_kept()) {
            return Err(unfit(READERS_MAX, "1 to 1000"));
        }
        Ok(())
    }

    pub(crate) fn page_size_bytes(&self) -> u32 {
        self.page_size.unwrap_or(PAGE_SIZE_DEFAULT)
    }

    pub(crate) fn checkpoint_pages(&self) -> u32 {
        self.wal_autocheckpoint_pages.unwrap_or(WAL_AUTOCHECKPOINT_PAGES_DEFAULT)
    }

    pub(crate) fn busy_timeout(&self) -> Duration {
        Duration::from_millis(self.busy_timeout_ms.unwrap_or(BUSY_TIMEOUT_MS_DEFAULT))
    }

    pub(crate) fn readers_kept(&self) -> usize {
        self.readers_max.unwrap_or(READERS_MAX_DEFAULT)
    }

    fn cache_bytes_all(&self) -> u64 {
        self.common.cache_bytes.unwrap_or(CACHE_BYTES_DEFAULT)
    }

    /// Returns the writer's part of the cache, in KiB; zero for a read-only handle.
    pub(crate) fn writer_cache_kib(&self) -> u32 {
        if self.common.read_only { 0 } else { share_kib(self.cache_bytes_all() / 4) }
    }

    /// Returns the parts of the kept readers, in KiB, the largest last.
    pub(crate) fn reader_cache_kib(&self) -> Vec<u32> {
        let all = self.cache_bytes_all();
        let left = if self.common.read_only { all } else { all - all / 4 };
        let others = self.readers_kept() - 1;
        let first = if others == 0 { left } else { left / 3 * 2 };
        let other = (left - first) / others.max(1) as u64;
        let mut shares = vec![share_kib(other); others];
        shares.push(share_kib(first));
        shares
    }

    /// Returns the cache of each further connection, in KiB.
    pub(crate) fn least_cache_kib() -> u32 {
        share_kib(0)
    }
}

fn share_kib(bytes: u64) -> u32 {
    u32::try_from(bytes.max(CONNECTION_CACHE_BYTES_MIN) / 1_024).unwrap_or(u32::MAX).min(i32::MAX as u32)
}

fn unfit(name: &str, fitting: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("option {name} is out of range"))
        .hint(format!("use {fitting}"))
}

impl TypedOptions for SqliteOptions {
    fn from_options(options: &Options) -> Result<Self> {
        let mut by_name = EngineOptions::new("sqlite", options);
        let page_size = by_name.take(PAGE_SIZE)?;
        let wal_autocheckpoint_pages = by_name.take(WAL_AUTOCHECKPOINT_PAGES)?;
        let busy_timeout_ms = by_name.take(BUSY_TIMEOUT_MS)?;
        let readers_max = by_name.take(READERS_MAX)?;
        by_name.finish()?;
        let common = options.clone();
        let read = Self { common, page_size, wal_autocheckpoint_pages, busy_timeout_ms, readers_max };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_the_cache_do_not_exceed_the_whole() {
        for (mib, readers) in [(1, 1), (8, 8), (64, 8), (64, 1), (1_024, 100)] {
            for read_only in [false, true] {
                let mut options = SqliteOptions::new().cache_bytes(mib << 20).readers_max(readers);
                options.common.read_only = read_only;
                let shares = options.reader_cache_kib();
                assert_eq!(shares.len(), readers);
                assert!(shares.is_sorted(), "the first reader gets the last: {shares:?}");
                let all = shares.iter().sum::<u32>() + options.writer_cache_kib();
                assert!(u64::from(all) <= mib << 10, "{all} KiB of {mib} MiB");
                assert!(u64::from(all) > (mib << 10) * 9 / 10, "{all} KiB of {mib} MiB");
            }
        }
    }
}
