//! One group: conditions judged in order, envelopes sealed, one batch for the engine.

use super::recent::{self, Recent, Written};
use super::sequence::Sequences;
use crate::batch::{Batch, Condition};
use crate::envelope::{Header, Meta};
use crate::high_water::witness;
use crate::keyspace::KeyspaceInfo;
use crate::store::{Commit, Inner};
use crate::watch::{Published, PublishedKind};
use std::collections::HashMap;
use std::sync::Arc;
use strongroom_core::limits::{check_key_against, check_value_against};
use strongroom_core::{Durability, Error, ErrorKind, KeyspaceId, Op, Result, StorageBackend, WriteBatch};

/// What earlier members of the group do to keys that later ones have conditions on.
type Pending = HashMap<(KeyspaceId, Vec<u8>), Option<(Meta, Vec<u8>)>>;

/// Limits and keyspaces of one batch: what makes it fail whatever its company.
pub(super) fn check(batch: &Batch, store: &Inner) -> Result<()> {
    for (_, op) in batch.ops.ops() {
        check_key_against(op.key(), store.options.key_bytes_max)?;
        if let Op::Put { value, .. } = op {
            check_value_against(value, store.options.value_bytes_max)?;
        }
    }
    for condition in &batch.conditions {
        check_key_against(&condition.key, store.options.key_bytes_max)?;
    }
    let read =
        batch.checked.iter().flat_map(|checked| checked.reads.keyspaces()).map(|(keyspace, _)| keyspace);
    batch.ops.keyspaces().iter().copied().chain(read).try_for_each(|id| store.keyspace_info(id).map(drop))
}

/// Commits the batches in order and gives each its result.
///
/// The engine may refuse the whole because of one (its keyspace was dropped at the last moment). Nothing is
/// stored then, and each is judged and committed by itself, so that no other notices.
pub(super) fn commit(
    backend: &dyn StorageBackend,
    batches: &[&Batch],
    sequences: &mut Sequences,
    recent: &Recent,
    store: &Inner,
) -> Vec<Result<Commit>> {
    match commit_together(backend, batches, sequences, recent, store) {
        Ok(results) => results,
        Err(error) if batches.len() == 1 => vec![Err(error)],
        Err(_) => batches
            .iter()
            .flat_map(|batch| match commit_together(backend, &[*batch], sequences, recent, store) {
                Ok(results) => results,
                Err(error) => vec![Err(error)],
            })
            .collect(),
    }
}

fn ends_the_handle(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::CommitUnknown | ErrorKind::Closed)
}

/// One batch for the engine. `Err`: the engine refused it, and nothing is stored.
fn commit_together(
    backend: &dyn StorageBackend,
    batches: &[&Batch],
    sequences: &mut Sequences,
    recent: &Recent,
    store: &Inner,
) -> Result<Vec<Result<Commit>>> {
    let mut draft = *sequences;
    let mut merged = merged_with_room(batches);
    let mut pending = Pending::new();
    let mut written = Written::default();
    let mut durability = Durability::Buffered;
    let mut results = Vec::with_capacity(batches.len());
    for (place, batch) in batches.iter().enumerate() {
        let result = judge(backend, &batch.conditions, &pending, store)
            .and_then(|()| check_reads(batch, recent, &written))
            .and_then(|()| seal(batch, &mut merged, &mut draft, store));
        if let Ok(commit) = &result {
            durability = durability.max(batch.durability);
            if batches[place + 1..].iter().any(|later| !later.conditions.is_empty()) {
                remember(batch, commit.sequence, &mut pending);
            }
            if batches[place + 1..].iter().any(|later| later.checked.is_some()) {
                keys(batch).for_each(|(keyspace, key)| written.note(keyspace, key, commit.sequence));
            }
        }
        results.push(result);
    }
    if results.iter().any(Result::is_ok) {
        if let Some(ledger) = store.ledger {
            store.count_damage(ledger.add_tallies(backend, &mut merged, store))?;
        }
        match backend.commit(&merged, durability) {
            Ok(()) => {
                *sequences = draft;
                note(batches, &results, recent);
                publish(batches, &results, store);
            }
            Err(error) if ends_the_handle(&error) => {
                fail_committed(&mut results, &error);
                store.hub.fail();
            }
            Err(error) => return Err(error),
        }
    }
    Ok(results)
}

/// Whether nothing that the batch's transaction has read was written since, earlier members of the group included.
fn check_reads(batch: &Batch, recent: &Recent, written: &Written) -> Result<()> {
    let Some(checked) = &batch.checked else { return Ok(()) };
    recent.check(&checked.reads, checked.start)?;
    if written.has_touched(&checked.reads, checked.start) {
        return Err(recent::conflict());
    }
    Ok(())
}

/// Notes what was committed for the transactions that are open.
fn note(batches: &[&Batch], results: &[Result<Commit>], recent: &Recent) {
    for (batch, result) in batches.iter().zip(results) {
        if let Ok(commit) = result {
            recent.note(commit.sequence, keys(batch));
        }
    }
}

/// Tells the watchers what was committed, commit by commit.
fn publish(batches: &[&Batch], results: &[Result<Commit>], store: &Inner) {
    if !store.hub.is_watched() {
        return;
    }
    for (batch, result) in batches.iter().zip(results) {
        let Ok(commit) = result else { continue };
        let infos: Vec<_> = batch.ops.keyspaces().iter().map(|id| store.keyspace_info(*id).ok()).collect();
        store.hub.publish(
            commit.sequence,
            batch.ops.ops().filter_map(|(slot, op)| {
                // Dropped since: its watchers have been told.
                let info = infos[slot].as_ref()?;
                let kind = match op {
                    Op::Put { value, .. } => PublishedKind::Set(value),
                    Op::Delete { .. } => PublishedKind::Deleted,
                };
                Some(Published { id: info.id, keyspace: &info.name, key: op.key(), kind })
            }),
        );
    }
}

fn keys(batch: &Batch) -> impl Iterator<Item = (KeyspaceId, Arc<[u8]>)> {
    let keyspaces = batch.ops.keyspaces();
    batch.ops.ops().map(|(slot, op)| (keyspaces[slot], op.key().into()))
}

fn merged_with_room(batches: &[&Batch]) -> WriteBatch {
    let ops: usize = batches.iter().map(|batch| batch.len()).sum();
    let bytes: usize = batches.iter().map(|batch| batch.bytes()).sum();
    WriteBatch::with_capacity(ops, bytes + ops * crate::envelope::ENVELOPE_BYTES_MAX)
}

fn judge(
    backend: &dyn StorageBackend,
    conditions: &[Condition],
    pending: &Pending,
    store: &Inner,
) -> Result<()> {
    for (place, condition) in conditions.iter().enumerate() {
        let info = store.keyspace_info(condition.keyspace)?;
        let holds = match pending_value(pending, condition) {
            Some(found) => condition.expect.holds(found.as_ref().map(|(meta, value)| (*meta, &value[..]))),
            None => holds_in_engine(backend, condition, &info, store)?,
        };
        if !holds {
            let all = conditions.len();
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("condition {} of {all} does not hold", place + 1),
            ));
        }
    }
    Ok(())
}

/// What an earlier member of the group does to the condition's key, if anything.
fn pending_value<'p>(pending: &'p Pending, condition: &Condition) -> Option<&'p Option<(Meta, Vec<u8>)>> {
    // Looking costs a copy of the key, and most groups have nothing to look at.
    if pending.is_empty() {
        return None;
    }
    pending.get(&(condition.keyspace, condition.key.clone()))
}

fn holds_in_engine(
    backend: &dyn StorageBackend,
    condition: &Condition,
    info: &Arc<KeyspaceInfo>,
    store: &Inner,
) -> Result<bool> {
    let Some(stored) = backend.get(condition.keyspace, &condition.key)? else {
        return Ok(condition.expect.holds(None));
    };
    let row = store.count_damage(info.open(&condition.key, stored))?;
    let meta = Meta { version: row.version, expires_at_ms: row.expires_at_ms };
    Ok(condition.expect.holds(Some((meta, &row.value))))
}

/// Puts the batch's operations, in their envelopes, at the end of `merged`.
fn seal(batch: &Batch, merged: &mut WriteBatch, sequences: &mut Sequences, store: &Inner) -> Result<Commit> {
    let infos =
        batch.ops.keyspaces().iter().map(|id| store.keyspace_info(*id)).collect::<Result<Vec<_>>>()?;
    let sequence = sequences.next(merged)?;
    if batch.is_witness
        && let Some(meta) = sequences.meta()
    {
        witness::put(merged, meta, sequence);
        if batch.is_last {
            sequences.give_back(merged, meta);
        }
    }
    let meta = Meta { version: sequence, expires_at_ms: None };
    for (slot, op) in batch.ops.ops() {
        let info = &infos[slot];
        match op {
            Op::Put { key, value } => {
                let header = Header::seal(info.seed, key, meta, value);
                merged.put_parts(info.id, key, &[header.as_bytes(), value]);
            }
            Op::Delete { key } => {
                merged.delete(info.id, key);
            }
        }
    }
    Ok(Commit { sequence })
}

fn remember(batch: &Batch, version: u64, pending: &mut Pending) {
    let keyspaces = batch.ops.keyspaces();
    let meta = Meta { version, expires_at_ms: None };
    for (slot, op) in batch.ops.ops() {
        let value = match op {
            Op::Put { value, .. } => Some((meta, value.to_vec())),
            Op::Delete { .. } => None,
        };
        pending.insert((keyspaces[slot], op.key().to_vec()), value);
    }
}

/// Whoever was going to be committed failed with the group; who failed a condition keeps that answer.
fn fail_committed(results: &mut [Result<Commit>], error: &Error) {
    for result in results.iter_mut().filter(|result| result.is_ok()) {
        *result = Err(copy(error));
    }
}

/// The same error for another member of the group. Causes cannot be shared, so they become text.
fn copy(error: &Error) -> Error {
    let copied = Error::new(error.kind(), error.story()).hint(error.way_out());
    match (error.engine(), error.operation()) {
        (Some(engine), Some(operation)) => copied.at(engine, operation),
        _ => copied,
    }
}
