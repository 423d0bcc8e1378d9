//! Batches: atomic in memory and across a crash.
//!
//! sled reserves a place in its log, writes the records of the batch after it, and finally writes into that
//! place how far the batch reaches. Recovery stops before a batch that is incomplete. The trees of a store
//! share the log, so this also holds for batches over several trees. A batch that fails halfway is
//! [held back](crate::hold). A single operation is atomic without any of it.

use crate::error::from_sled;
use crate::hold;
use crate::keyspace::SledKeyspace;
use crate::reverse::leads_astray;
use sled::{Batch, Db, Tree};
use strongroom_core::{BatchLimits, EngineBatch, Op, Result};

/// sled keeps everything that a batch replaces in memory until the batch is done. Each operation leaves a copy
/// of the changed leaf and of what was written to the log: some 5 KiB, and 7 times the bytes of the row. A
/// batch of this size takes about 1 GiB.
pub(crate) const LIMITS: BatchLimits = BatchLimits { ops_max: 100_000, bytes_max: 64 * 1_024 * 1_024 };

/// Applies `batch` without waiting for the disk.
pub(crate) fn apply(db: &Db, batch: &EngineBatch<'_, SledKeyspace>) -> Result<()> {
    for (slot, op) in batch.ops() {
        if matches!(op, Op::Put { key, .. } if leads_astray(key)) {
            batch.keyspaces()[slot].walk_carefully()?;
        }
    }
    let mut ops = batch.ops();
    let keyspaces = batch.keyspaces();
    if let ([keyspace], 1) = (keyspaces, ops.len()) {
        return ops.try_for_each(|(_, op)| apply_one(keyspace.tree(), op));
    }
    let mut gathered = vec![Batch::default(); keyspaces.len()];
    ops.for_each(|(slot, op)| add(&mut gathered[slot], op));
    let trees: Vec<&Tree> = keyspaces.iter().map(SledKeyspace::tree).collect();
    hold::all_or_nothing(db, &trees, &gathered)?;
    free_garbage(batch.ops().len());
    Ok(())
}

/// sled frees replaced data gradually, whenever a thread begins an operation, and a batch is one operation
/// however large it is. So a load in large batches creates garbage faster than it is freed, by the gigabyte.
/// This function begins as many empty operations as the batch had, which gives sled the occasions. `pin` is
/// what sled begins each of its own operations with; it is public although undocumented.
fn free_garbage(ops: usize) {
    (0..ops).for_each(|_| drop(sled::pin()));
}

fn apply_one(tree: &Tree, op: Op<'_>) -> Result<()> {
    let replaced = match op {
        Op::Put { key, value } => tree.insert(key, value),
        Op::Delete { key } => tree.remove(key),
    };
    replaced.map(drop).map_err(from_sled)
}

/// sled keeps the last operation on a key, as the contract requires.
fn add(batch: &mut Batch, op: Op<'_>) {
    match op {
        Op::Put { key, value } => batch.insert(key, value),
        Op::Delete { key } => batch.remove(key),
    }
}
