//! What follows from a commit that the engine has acknowledged: open transactions and watchers are told.

use super::draft::{EffectKind, Sealed};
use super::recent::Recent;
use crate::batch::Batch;
use crate::store::Inner;
use crate::watch::{Published, PublishedKind};
use strongroom_core::{KeyspaceId, Op};

/// Tells everybody whom it concerns. Only the leader does, commit by commit (invariant 15).
pub(super) fn tell(batch: &Batch, sealed: &Sealed, recent: &Recent, store: &Inner) {
    recent.note(sealed.committed.sequence, keys(batch, sealed));
    if store.hub.is_watched() {
        publish(batch, sealed, store);
    }
}

/// The keys of which another commit may have read something else. What has expired was absent for everybody before it
/// was removed.
pub(super) fn keys(batch: &Batch, sealed: &Sealed) -> impl Iterator<Item = (KeyspaceId, Box<[u8]>)> {
    let keyspaces = batch.ops.keyspaces();
    let ops = batch.ops.ops().map(|(slot, op)| (keyspaces[slot], op.key().into()));
    let set = sealed.effects.iter().filter(|effect| !matches!(effect.kind, EffectKind::Expired));
    ops.chain(set.map(|effect| (effect.keyspace.id, effect.key.as_slice().into())))
}

fn publish(batch: &Batch, sealed: &Sealed, store: &Inner) {
    let ops = batch.ops.ops().map(|(slot, op)| {
        let info = &sealed.infos[slot];
        let kind = match op {
            Op::Put { value, .. } => PublishedKind::Set(value),
            Op::Delete { .. } => PublishedKind::Deleted,
        };
        Published { id: info.id, keyspace: &info.name, key: op.key(), kind }
    });
    let effects = sealed.effects.iter().map(|effect| Published {
        id: effect.keyspace.id,
        keyspace: &effect.keyspace.name,
        key: &effect.key,
        kind: match &effect.kind {
            EffectKind::Set(value, _) => PublishedKind::Set(value),
            EffectKind::Expired => PublishedKind::Expired,
        },
    });
    store.hub.publish(sealed.committed.sequence, &ops.chain(effects));
}
