//! The engines as an application without the layer would use them, with the same settings.

#[cfg(feature = "storage-fjall")]
pub mod fjall;
#[cfg(feature = "storage-lmdb")]
pub mod lmdb;
#[cfg(feature = "storage-redb")]
pub mod redb;
#[cfg(feature = "storage-rocksdb")]
pub mod rocksdb;
#[cfg(feature = "storage-sled")]
pub mod sled;
#[cfg(feature = "storage-sqlite")]
pub mod sqlite;
pub mod tables;

use crate::workload::Op;
use std::path::Path;

/// Cache of every engine that has one, raw or under the layer.
pub const CACHE_BYTES: u64 = 512 * 1_024 * 1_024;

/// Address space of LMDB, raw or under the layer; not memory. Valgrind has less of it to give than a system.
pub const MAP_BYTES: u64 = 16 << 30;

/// What is measured of a raw engine. Static dispatch: a raw user has no trait object.
pub trait Raw {
    /// Opens the engine with the settings that the layer uses, and a cache of so many bytes where it has one.
    fn open(directory: &Path, cache_bytes: u64) -> Self;
    /// Gets one value, newest state, in a read transaction where the engine has them, and reads it; its length.
    fn get(&self, key: &[u8]) -> usize;
    /// Reads every row in order; the number of rows and of bytes.
    fn scan(&self) -> (u64, u64);
    /// Commits a batch, buffered.
    fn apply(&self, batch: &[Op]);
    /// Commits one row, durably.
    fn put_durably(&self, key: &[u8], value: &[u8]);
    /// Makes everything durable, in the way the engine offers.
    fn flush(&self);
}
