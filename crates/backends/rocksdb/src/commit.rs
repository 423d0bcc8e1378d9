//! Writes a batch as one write batch of RocksDB: one record of its log, over all column families.
//!
//! Each operation has a sequence number of its own, so later operations on a key win without extra work (tested
//! in tests/engine.rs). RocksDB groups concurrent commits and lets them share a sync.

use crate::error::translate;
use crate::keyspace::{Database, RocksDbKeyspace};
use rocksdb::{WriteBatch, WriteOptions};
use strongroom_core::{Durability, EngineBatch, Op, Result};

/// Bytes that RocksDB writes per operation besides key and value: a tag, a column family, two lengths.
const OVERHEAD_BYTES: usize = 16;

/// Write options of commits. The log is always written.
pub(crate) struct Commits {
    power_safe: WriteOptions,
    buffered: WriteOptions,
}

impl Commits {
    pub(crate) fn new() -> Self {
        let mut power_safe = WriteOptions::default();
        power_safe.set_sync(true);
        // Handed to the operating system: survives the process, but not a power cut.
        let mut buffered = WriteOptions::default();
        buffered.set_sync(false);
        Self { power_safe, buffered }
    }

    pub(crate) fn apply(
        &self,
        database: &Database,
        batch: &EngineBatch<'_, RocksDbKeyspace>,
        durability: Durability,
    ) -> Result<()> {
        let held = batch.keyspaces().iter().map(RocksDbKeyspace::held).collect::<Result<Vec<_>>>()?;
        let ops = batch.ops();
        let mut written = WriteBatch::with_capacity_bytes(batch.bytes() + ops.len() * OVERHEAD_BYTES);
        for (slot, op) in ops {
            let family = held[slot].borrow_dependent();
            match op {
                Op::Put { key, value } => written.put_cf(family, key, value),
                Op::Delete { key } => written.delete_cf(family, key),
            }
        }
        let options = match durability {
            Durability::PowerSafe => &self.power_safe,
            Durability::Buffered => &self.buffered,
        };
        database.write_opt(written, options).map_err(translate)
    }
}
