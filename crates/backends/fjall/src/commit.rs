//! Writes a batch as one entry of fjall's journal.
//!
//! All operations of a batch have the same sequence number, and the memtable keeps only the last version of
//! each key and number. The same holds when the journal is replayed. So later operations on a key win without
//! extra work (tested in tests/engine.rs).

use crate::error::translate;
use crate::keyspace::FjallKeyspace;
use fjall::{Database, OwnedWriteBatch, PersistMode};
use strongroom_core::{Durability, EngineBatch, Op, Result};

pub(crate) fn apply(
    database: &Database,
    batch: &EngineBatch<'_, FjallKeyspace>,
    durability: Durability,
) -> Result<()> {
    let keyspaces = batch.keyspaces().iter().map(FjallKeyspace::held).collect::<Result<Vec<_>>>()?;
    let ops = batch.ops();
    let mode = match durability {
        Durability::PowerSafe => PersistMode::SyncAll,
        // Handed to the operating system: survives the process, but not a power cut.
        Durability::Buffered => PersistMode::Buffer,
    };
    let mut entry = OwnedWriteBatch::with_capacity(database.clone(), ops.len()).durability(Some(mode));
    for (slot, op) in ops {
        let keyspace = &keyspaces[slot];
        match op {
            Op::Put { key, value } => entry.insert(keyspace, key, value),
            Op::Delete { key } => entry.remove(keyspace, key),
        }
    }
    entry.commit().map_err(translate)
}
