//! Helpers to split and rebuild batches, for backends that wrap others.

use strongroom_core::{KeyspaceId, Op, WriteBatch};

/// Returns the operations of a batch, each with its keyspace.
pub(crate) fn ops(batch: &WriteBatch) -> impl DoubleEndedIterator<Item = (KeyspaceId, Op<'_>)> {
    let ops: Vec<_> = batch.ops().map(|(slot, op)| (batch.keyspaces()[slot], op)).collect();
    ops.into_iter()
}

/// Adds an operation to `batch`.
pub(crate) fn push(batch: &mut WriteBatch, keyspace: KeyspaceId, op: Op<'_>) {
    match op {
        Op::Put { key, value } => batch.put(keyspace, key, value),
        Op::Delete { key } => batch.delete(keyspace, key),
    };
}

/// Copies a batch, with keyspace ids translated by `id`.
pub(crate) fn translated(batch: &WriteBatch, id: impl Fn(KeyspaceId) -> KeyspaceId) -> WriteBatch {
    let mut other = WriteBatch::with_capacity(batch.len(), batch.bytes());
    for (keyspace, op) in ops(batch) {
        push(&mut other, id(keyspace), op);
    }
    copy_conditions(batch, &mut other, id);
    if let Some(token) = batch.token() {
        other.set_token(token);
    }
    other
}

/// Adds the conditions of `batch` to `other`, with keyspace ids translated by `id`.
pub(crate) fn copy_conditions(
    batch: &WriteBatch,
    other: &mut WriteBatch,
    id: impl Fn(KeyspaceId) -> KeyspaceId,
) {
    for condition in batch.conditions() {
        other.expect(id(condition.keyspace), &condition.key, condition.expect.clone());
    }
}
