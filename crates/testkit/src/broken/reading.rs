//! Backends that read or write wrong keys and values.

use super::backend::{Broken, on_memory};
use crate::batches::{ops, push};
use crate::twist::Twist;
use bytes::Bytes;
use strongroom_core::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use strongroom_core::{Durability, Error, ErrorKind, KeyspaceId, Op, Result, StorageBackend, WriteBatch};

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "a delete writes an empty value",
        caught_by: "a_delete_leaves_nothing_behind",
        fixture: on_memory::<DeleteWritesEmpty>,
    },
    Broken {
        name: "an empty value reads as absent",
        caught_by: "an_empty_value_is_not_an_absent_one",
        fixture: on_memory::<EmptyIsAbsent>,
    },
    Broken {
        name: "an empty key is accepted",
        caught_by: "an_empty_key_is_refused_everywhere",
        fixture: on_memory::<EmptyKeyAccepted>,
    },
    Broken {
        name: "a long key is truncated",
        caught_by: "a_key_beyond_the_limit_is_refused",
        fixture: on_memory::<LongKeyCut>,
    },
    Broken {
        name: "the limit is lower than the contract's",
        caught_by: "the_limits_can_be_reached",
        fixture: on_memory::<LowerLimit>,
    },
    Broken {
        name: "large values are truncated",
        caught_by: "large_values_come_back_whole",
        fixture: on_memory::<LargeValueCut>,
    },
    Broken {
        name: "a value beyond the limit is truncated",
        caught_by: "a_value_beyond_the_limit_is_refused",
        fixture: on_memory::<BeyondLimitCut>,
    },
    Broken {
        name: "an existing value is not replaced",
        caught_by: "a_value_comes_back_until_it_is_replaced",
        fixture: on_memory::<FirstValueStays>,
    },
    Broken {
        name: "a value longer than a page and of odd length loses its last byte",
        caught_by: "random_histories_agree_with_a_model",
        fixture: on_memory::<LosesLastByte>,
    },
    Broken {
        name: "keys end at their first zero byte",
        caught_by: "keys_and_values_may_contain_any_byte",
        fixture: on_memory::<KeyEndsAtZero>,
    },
];

/// Commits `batch` with each operation changed.
fn commit_changed(
    inner: &dyn StorageBackend,
    batch: &WriteBatch,
    durability: Durability,
    change: impl Fn(&mut WriteBatch, KeyspaceId, Op<'_>),
) -> Result<()> {
    let mut changed = WriteBatch::new();
    for (keyspace, op) in ops(batch) {
        change(&mut changed, keyspace, op);
    }
    crate::batches::copy_conditions(batch, &mut changed, |id| id);
    if let Some(token) = batch.token() {
        changed.set_token(token);
    }
    inner.commit(&changed, durability)
}

#[derive(Default)]
struct DeleteWritesEmpty;

impl Twist for DeleteWritesEmpty {
    fn commit(&self, inner: &dyn StorageBackend, batch: &WriteBatch, durability: Durability) -> Result<()> {
        commit_changed(inner, batch, durability, |batch, keyspace, op| match op {
            Op::Put { key, value } => _ = batch.put(keyspace, key, value),
            Op::Delete { key } => _ = batch.put(keyspace, key, b""),
        })
    }
}

#[derive(Default)]
struct EmptyIsAbsent;

impl Twist for EmptyIsAbsent {
    fn get(&self, inner: &dyn StorageBackend, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(inner.get(keyspace, key)?.filter(|value| !value.is_empty()))
    }
}

#[derive(Default)]
struct EmptyKeyAccepted;

impl Twist for EmptyKeyAccepted {
    fn commit(&self, inner: &dyn StorageBackend, batch: &WriteBatch, durability: Durability) -> Result<()> {
        commit_changed(inner, batch, durability, |batch, keyspace, op| match op {
            Op::Put { key: b"", value } => _ = batch.put(keyspace, b"\0", value),
            Op::Delete { key: b"" } => _ = batch.delete(keyspace, b"\0"),
            other => push(batch, keyspace, other),
        })
    }
}

#[derive(Default)]
struct LongKeyCut;

impl Twist for LongKeyCut {
    fn commit(&self, inner: &dyn StorageBackend, batch: &WriteBatch, durability: Durability) -> Result<()> {
        let cut = |key: &[u8]| key[..key.len().min(KEY_BYTES_MAX)].to_vec();
        commit_changed(inner, batch, durability, |batch, keyspace, op| match op {
            Op::Put { key, value } => _ = batch.put(keyspace, &cut(key), value),
            Op::Delete { key } => _ = batch.delete(keyspace, &cut(key)),
        })
    }
}

#[derive(Default)]
struct LowerLimit;

impl Twist for LowerLimit {
    fn commit(&self, inner: &dyn StorageBackend, batch: &WriteBatch, durability: Durability) -> Result<()> {
        // The key limit of LMDB's default build.
        if ops(batch).any(|(_, op)| op.key().len() > 511) {
            return Err(Error::new(ErrorKind::InvalidInput, "the key is too long").at("memory", "commit"));
        }
        inner.commit(batch, durability)
    }
}

#[derive(Default)]
struct LargeValueCut;

impl Twist for LargeValueCut {
    fn get(&self, inner: &dyn StorageBackend, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(inner.get(keyspace, key)?.map(|value| value.slice(..value.len().min(65_535))))
    }
}

#[derive(Default)]
struct BeyondLimitCut;

impl Twist for BeyondLimitCut {
    fn commit(&self, inner: &dyn StorageBackend, batch: &WriteBatch, durability: Durability) -> Result<()> {
        commit_changed(inner, batch, durability, |batch, keyspace, op| match op {
            Op::Put { key, value } => {
                _ = batch.put(keyspace, key, &value[..value.len().min(VALUE_BYTES_MAX)]);
            }
            other @ Op::Delete { .. } => push(batch, keyspace, other),
        })
    }
}

#[derive(Default)]
struct FirstValueStays;

impl Twist for FirstValueStays {
    fn commit(&self, inner: &dyn StorageBackend, batch: &WriteBatch, durability: Durability) -> Result<()> {
        commit_changed(inner, batch, durability, |batch, keyspace, op| {
            let is_put = matches!(op, Op::Put { .. });
            if !(is_put && inner.get(keyspace, op.key()).is_ok_and(|found| found.is_some())) {
                push(batch, keyspace, op);
            }
        })
    }
}

#[derive(Default)]
struct LosesLastByte;

impl Twist for LosesLastByte {
    fn get(&self, inner: &dyn StorageBackend, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>> {
        let cut = |value: Bytes| match value.len() {
            length if length > 4_096 && length % 2 == 1 => value.slice(..length - 1),
            _ => value,
        };
        Ok(inner.get(keyspace, key)?.map(cut))
    }
}

#[derive(Default)]
struct KeyEndsAtZero;

impl Twist for KeyEndsAtZero {
    fn commit(&self, inner: &dyn StorageBackend, batch: &WriteBatch, durability: Durability) -> Result<()> {
        let cut = |key: &[u8]| match key.iter().position(|byte| *byte == 0) {
            Some(zero) if zero > 0 => key[..zero].to_vec(),
            _ => key.to_vec(),
        };
        commit_changed(inner, batch, durability, |batch, keyspace, op| match op {
            Op::Put { key, value } => _ = batch.put(keyspace, &cut(key), value),
            Op::Delete { key } => _ = batch.delete(keyspace, &cut(key)),
        })
    }
}
