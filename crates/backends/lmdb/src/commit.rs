//! Commits a batch in one write transaction.

use crate::environment::Environment;
use crate::keyspace::LmdbKeyspace;
use heed::MdbError;
use strongroom_core::{EngineBatch, Op, Result};

/// Applies the batch. It is on disk when this returns.
pub(crate) fn apply(environment: &Environment, batch: &EngineBatch<'_, LmdbKeyspace>) -> Result<()> {
    environment.write(batch.bytes(), |transaction| {
        let maps = batch.keyspaces().iter().map(|keyspace| keyspace.map().ok_or(MdbError::BadDbi));
        let maps = maps.collect::<Result<Vec<_>, _>>()?;
        for (slot, op) in batch.ops() {
            match op {
                Op::Put { key, value } => maps[slot].put(transaction, key, value)?,
                Op::Delete { key } => maps[slot].delete(transaction, key).map(drop)?,
            }
        }
        Ok(())
    })
}
