//! Writes a batch as one write transaction.

use crate::error::translate;
use crate::keyspace::{RedbKeyspace, definition};
use redb::{Database, WriteTransaction};
use strongroom_core::{Durability, EngineBatch, Op, Result};

pub(crate) fn apply(
    database: &Database,
    batch: &EngineBatch<'_, RedbKeyspace>,
    durability: Durability,
    quick_repair: bool,
) -> Result<()> {
    let transaction = begin(database, durability, quick_repair)?;
    {
        // Each table only once: redb refuses a second handle to the same table.
        let open = |keyspace: &RedbKeyspace| transaction.open_table(definition(keyspace.name()));
        let mut tables =
            batch.keyspaces().iter().map(open).collect::<Result<Vec<_>, _>>().map_err(translate)?;
        for (slot, op) in batch.ops() {
            let table = &mut tables[slot];
            match op {
                Op::Put { key, value } => table.insert(key, value).map(drop),
                Op::Delete { key } => table.remove(key).map(drop),
            }
            .map_err(translate)?;
        }
    }
    transaction.commit().map_err(translate)
}

/// Begins a write transaction. One that is dropped without a commit changes nothing.
pub(crate) fn begin(
    database: &Database,
    durability: Durability,
    quick_repair: bool,
) -> Result<WriteTransaction> {
    let mut transaction = database.begin_write().map_err(translate)?;
    match durability {
        Durability::PowerSafe => transaction.set_quick_repair(quick_repair),
        // Kept in memory until the next power-safe commit.
        Durability::Buffered => transaction.set_durability(redb::Durability::None).map_err(translate)?,
    }
    Ok(transaction)
}
