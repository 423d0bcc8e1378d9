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

/// Cache size of every engine that has a cache, raw or under the layer.
pub const CACHE_BYTES: u64 = 512 * 1_024 * 1_024;

/// Address space (not memory) of LMDB, raw or under the layer. Small enough to run under Valgrind.
pub const MAP_BYTES: u64 = 16 << 30;

/// The operations measured on a raw engine. Statically dispatched, as an application would call them.
pub trait Raw {
    /// Opens the engine with the settings of the adapter, and with a cache of `cache_bytes` if it has a cache.
    fn open(directory: &Path, cache_bytes: u64) -> Self;
    /// Gets the newest value, in a read transaction where the engine has them, reads it and returns its length.
    fn get(&self, key: &[u8]) -> usize;
    /// Reads every row in order; returns the numbers of rows and bytes.
    fn scan(&self) -> (u64, u64);
    /// Commits a batch with buffered durability.
    fn apply(&self, batch: &[Op]);
    /// Commits one row, durably.
    fn put_durably(&self, key: &[u8], value: &[u8]);
    /// Flushes everything, as durably as the engine can.
    fn flush(&self);
}
