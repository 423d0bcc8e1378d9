//! One group: judged and sealed in order, one batch for the engine, and what comes of it for each member.

use super::draft::{Draft, Sealed};
use super::recent::Recent;
use super::sequence::Sequences;
use super::{Committed, effects};
use crate::batch::{Batch, Computed};
use crate::store::Inner;
use strongroom_core::limits::{check_key_against, check_value_against};
use strongroom_core::{Durability, Error, ErrorKind, Op, Result, StorageBackend};

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
    batch.expiries.iter().try_for_each(|(_, expiry)| expiry.check())?;
    let read =
        batch.checked.iter().flat_map(|checked| checked.reads.keyspaces()).map(|(keyspace, _)| keyspace);
    let counted = batch.computed.iter().filter_map(|computed| match computed {
        Computed::Add { keyspace, .. } => Some(*keyspace),
        // What has to do with a keyspace that is gone is swept all the same.
        Computed::Sweep { .. } => None,
    });
    let written = batch.ops.keyspaces().iter().copied();
    written.chain(read).chain(counted).try_for_each(|id| store.keyspace_info(id).map(drop))
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
) -> Vec<Result<Committed>> {
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

pub(super) fn ends_the_handle(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::CommitUnknown | ErrorKind::Closed)
}

/// One batch for the engine. `Err`: the engine refused it, and nothing is stored.
fn commit_together(
    backend: &dyn StorageBackend,
    batches: &[&Batch],
    sequences: &mut Sequences,
    recent: &Recent,
    store: &Inner,
) -> Result<Vec<Result<Committed>>> {
    let mut draft = Draft::new(backend, store, *sequences, batches);
    let mut durability = Durability::Buffered;
    let mut members: Vec<Result<Sealed>> = Vec::with_capacity(batches.len());
    for (place, batch) in batches.iter().enumerate() {
        let result = draft.judge(batch, recent).and_then(|()| draft.seal(batch));
        if let Ok(sealed) = &result {
            durability = durability.max(batch.durability);
            draft.remember(batch, sealed, &batches[place + 1..]);
        }
        members.push(result);
    }
    let mut failed = None;
    if members.iter().any(Result::is_ok) {
        if let Some(ledger) = store.ledger {
            store.count_damage(ledger.add_tallies(backend, &mut draft.merged, store))?;
        }
        match backend.commit(&draft.merged, durability) {
            Ok(()) => {
                *sequences = draft.finish();
                let committed = batches.iter().zip(&members);
                committed
                    .filter_map(|(batch, result)| Some((*batch, result.as_ref().ok()?)))
                    .for_each(|(batch, sealed)| effects::tell(batch, sealed, recent, store));
            }
            Err(error) if ends_the_handle(&error) => {
                store.hub.fail();
                failed = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(members.into_iter().map(|result| outcome(result, failed.as_ref())).collect())
}

/// Whoever was going to be committed failed with the group; who failed a condition keeps that answer.
fn outcome(result: Result<Sealed>, failed: Option<&Error>) -> Result<Committed> {
    let sealed = result?;
    match failed {
        None => Ok(sealed.committed),
        Some(error) => Err(copy(error)),
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
