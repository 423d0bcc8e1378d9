//! Batches taken apart and put together again, for backends that stand in front of others.

use strongroom_core::{KeyspaceId, Op, WriteBatch};

/// The operations of a batch, each with its keyspace.
pub(crate) fn ops(batch: &WriteBatch) -> impl DoubleEndedIterator<Item = (KeyspaceId, Op<'_>)> {
    let ops: Vec<_> = batch.ops().map(|(slot, op)| (batch.keyspaces()[slot], op)).collect();
    ops.into_iter()
}

/// Adds an operation.
pub(crate) fn push(batch: &mut WriteBatch, keyspace: KeyspaceId, op: Op<'_>) {
    match op {
        Op::Put { key, value } => batch.put(keyspace, key, value),
        Op::Delete { key } => batch.delete(keyspace, key),
    };
}

/// The same batch with other ids for its keyspaces.
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

/// Adds the conditions of `batch` to `other`.
pub(crate) fn copy_conditions(
    batch: &WriteBatch,
    other: &mut WriteBatch,
    id: impl Fn(KeyspaceId) -> KeyspaceId,
) {
    for condition in batch.conditions() {
        other.expect(id(condition.keyspace), &condition.key, condition.expect.clone());
    }
}
