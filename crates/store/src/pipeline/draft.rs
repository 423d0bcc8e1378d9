//! What a group is going to write, while its members are judged one after another.
//!
//! Each member sees what the members before it do: a condition, a counter and a transaction of the same group are judged
//! as if the commits were made one by one.

use super::group::ends_the_handle;
use super::recent::{self, Recent};
use super::sequence::Sequences;
use super::{Committed, effects};
use crate::batch::{Batch, Computed, Condition};
use crate::clock::GroupMoment;
use crate::counter;
use crate::envelope::{Header, Meta};
use crate::expiry::{Expiry, index};
use crate::high_water::witness;
use crate::keyspace::KeyspaceInfo;
use crate::store::Inner;
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::Arc;
use strongroom_core::{Error, ErrorKind, KeyspaceId, Op, Result, StorageBackend, WriteBatch};

/// What earlier members of the group do to keys that later ones look at.
type Pending = HashMap<(KeyspaceId, Vec<u8>), Option<(Meta, Bytes)>>;

pub(super) struct Draft<'g> {
    backend: &'g dyn StorageBackend,
    store: &'g Inner,
    sequences: Sequences,
    /// The moment of the whole group. Readers of many rows go no further until it is through.
    now_ms: u64,
    _moment: GroupMoment<'g>,
    pub(super) merged: WriteBatch,
    pending: Pending,
    /// Keys that earlier members wrote, if a later one has read something.
    written: Vec<(KeyspaceId, Box<[u8]>)>,
    /// When the first of the rows that it writes expires.
    expires_first_ms: Option<u64>,
    /// Keyspaces in which a row expires for the first time.
    expiring: Vec<Arc<KeyspaceInfo>>,
}

/// A member that goes with the group.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) committed: Committed,
    /// The keyspaces of its operations, by their place.
    pub(super) infos: Vec<Arc<KeyspaceInfo>>,
    /// When the row of each operation expires; empty if none does.
    expiries: Vec<Option<u64>>,
    /// What the leader has worked out beside the batch's own operations.
    pub(super) effects: Vec<Effect>,
}

/// Something that the leader does to a key for a member.
#[derive(Debug, Clone)]
pub(super) struct Effect {
    pub(super) keyspace: Arc<KeyspaceInfo>,
    pub(super) key: Vec<u8>,
    pub(super) kind: EffectKind,
}

#[derive(Debug, Clone)]
pub(super) enum EffectKind {
    Set(Vec<u8>, Option<u64>),
    Expired,
}

impl<'g> Draft<'g> {
    pub(super) fn new(
        backend: &'g dyn StorageBackend,
        store: &'g Inner,
        sequences: Sequences,
        batches: &[&Batch],
    ) -> Self {
        let moment = store.time.begin_group();
        Self {
            backend,
            store,
            sequences,
            now_ms: moment.now_ms(),
            _moment: moment,
            merged: merged_with_room(batches),
            pending: Pending::new(),
            written: Vec::new(),
            expires_first_ms: None,
            expiring: Vec::new(),
        }
    }

    /// The engine has it.
    pub(super) fn finish(self) -> Sequences {
        self.expiring.iter().for_each(|keyspace| keyspace.settings.note_kept());
        if let Some(at_ms) = self.expires_first_ms {
            self.store.sweeper.arm(at_ms);
        }
        self.sequences
    }

    /// Whether the batch may be committed behind the members before it.
    pub(super) fn judge(&self, batch: &Batch, recent: &Recent) -> Result<()> {
        for (place, condition) in batch.conditions.iter().enumerate() {
            if !self.holds(condition)? {
                let all = batch.conditions.len();
                return Err(Error::new(
                    ErrorKind::Conflict,
                    format!("condition {} of {all} does not hold", place + 1),
                ));
            }
        }
        let Some(checked) = &batch.checked else { return Ok(()) };
        recent.check(&checked.reads, checked.start)?;
        let has_expired = checked.reads.expires_first_ms().is_some_and(|at_ms| at_ms <= self.now_ms);
        let mut written = self.written.iter();
        if has_expired || written.any(|(keyspace, key)| checked.reads.contains(*keyspace, key)) {
            return Err(recent::conflict());
        }
        Ok(())
    }

    fn holds(&self, condition: &Condition) -> Result<bool> {
        let info = self.store.keyspace_info(condition.keyspace)?;
        let found =
            self.current(&info, &condition.key)?.filter(|(meta, _)| !meta.has_expired_by(self.now_ms));
        Ok(condition.expect.holds(found.as_ref().map(|(meta, value)| (*meta, &value[..]))))
    }

    /// A row behind the members so far, expired or not.
    fn current(&self, info: &KeyspaceInfo, key: &[u8]) -> Result<Option<(Meta, Bytes)>> {
        // Looking costs a copy of the key, and most groups have nothing to look at.
        if !self.pending.is_empty()
            && let Some(found) = self.pending.get(&(info.id, key.to_vec()))
        {
            return Ok(found.clone());
        }
        let Some(stored) = self.backend.get(info.id, key)? else { return Ok(None) };
        let row = self.store.count_damage(info.open(key, stored))?;
        Ok(Some((Meta { version: row.version, expires_at_ms: row.expires_at_ms }, row.value)))
    }

    /// Puts what the batch does, in envelopes, at the end of what is merged. An error leaves nothing of it there.
    pub(super) fn seal(&mut self, batch: &Batch) -> Result<Sealed> {
        let ids = batch.ops.keyspaces().iter();
        let infos = ids.map(|id| self.store.keyspace_info(*id)).collect::<Result<Vec<_>>>()?;
        let expiries = self.expiries(batch, &infos)?;
        let mut number = None;
        let mut effects = Vec::new();
        let mut swept = Vec::new();
        for computed in &batch.computed {
            match computed {
                Computed::Add { keyspace, key, by, for_ever } => {
                    let info = self.store.keyspace_info(*keyspace)?;
                    let (sum, effect) = self.add(info, key, *by, *for_ever)?;
                    number = Some(sum);
                    effects.push(effect);
                }
                Computed::Sweep { index_key, row } => match row {
                    None => swept.push(index_key),
                    Some((keyspace, key, at_ms)) => match self.expire(*keyspace, key, *at_ms) {
                        Ok(expired) => {
                            swept.push(index_key);
                            effects.extend(expired);
                        }
                        // It cannot be read now. It stays, and so does its place in the index; others are swept.
                        Err(error) if ends_the_handle(&error) => return Err(error),
                        Err(_) => {}
                    },
                },
            }
        }
        if batch.computed.iter().any(|computed| matches!(computed, Computed::Sweep { .. })) {
            number = i64::try_from(effects.len()).ok();
        }
        let sequence = self.sequences.next(&mut self.merged)?;
        self.put_witness(batch, sequence);
        for (place, (slot, op)) in batch.ops.ops().enumerate() {
            let expires_at_ms = expiries.get(place).copied().flatten();
            match op {
                Op::Put { key, value } => {
                    self.put(&infos[slot], key, Meta { version: sequence, expires_at_ms }, value);
                }
                Op::Delete { key } => drop(self.merged.delete(infos[slot].id, key)),
            }
        }
        for effect in &effects {
            match &effect.kind {
                EffectKind::Set(value, expires_at_ms) => {
                    let meta = Meta { version: sequence, expires_at_ms: *expires_at_ms };
                    self.put(&effect.keyspace, &effect.key, meta, value);
                }
                EffectKind::Expired => drop(self.merged.delete(effect.keyspace.id, &effect.key)),
            }
        }
        if let Some(meta) = self.sequences.meta() {
            for key in swept {
                self.merged.delete(meta, key);
            }
        }
        Ok(Sealed { committed: Committed { sequence, number }, infos, expiries, effects })
    }

    /// When each operation's row expires; nothing if none does.
    fn expiries(&self, batch: &Batch, infos: &[Arc<KeyspaceInfo>]) -> Result<Vec<Option<u64>>> {
        let has_default = infos.iter().any(|info| info.settings.default_ttl_ms().is_some());
        if batch.expiries.is_empty() && !has_default {
            return Ok(Vec::new());
        }
        let mut said = batch.expiries.iter().peekable();
        let mut expiries = Vec::with_capacity(batch.len());
        for (place, (slot, op)) in batch.ops.ops().enumerate() {
            let expiry = said.next_if(|(at, _)| *at == place).map_or(Expiry::Default, |(_, expiry)| *expiry);
            expiries.push(match op {
                Op::Put { .. } => expiry.instant(&infos[slot], &self.store.time, self.now_ms)?,
                Op::Delete { .. } => None,
            });
        }
        Ok(expiries)
    }

    fn add(&self, info: Arc<KeyspaceInfo>, key: &[u8], by: i64, for_ever: bool) -> Result<(i64, Effect)> {
        let found = self.current(&info, key)?;
        // What counts for ever goes on even from what has ended.
        let found = found.filter(|(meta, _)| for_ever || !meta.has_expired_by(self.now_ms));
        let (sum, expires_at_ms) = match found {
            Some((_, value)) if for_ever => (counter::add(&value, by)?, None),
            None if for_ever => (by, None),
            Some((meta, value)) => (counter::add(&value, by)?, meta.expires_at_ms),
            None => (by, Expiry::Default.instant(&info, &self.store.time, self.now_ms)?),
        };
        let kind = EffectKind::Set(counter::encode(sum), expires_at_ms);
        Ok((sum, Effect { keyspace: info, key: key.to_vec(), kind }))
    }

    /// Removes a row whose index says that it expires then, if that is still so and the moment has come.
    fn expire(&self, keyspace: KeyspaceId, key: &[u8], at_ms: u64) -> Result<Option<Effect>> {
        let Ok(keyspace) = self.store.keyspace_info(keyspace) else { return Ok(None) };
        let is_due = |meta: Meta| meta.expires_at_ms == Some(at_ms) && meta.has_expired_by(self.now_ms);
        // It may have been written again, or be gone.
        let row = self.current(&keyspace, key)?.filter(|(meta, _)| is_due(*meta));
        Ok(row.map(|_| Effect { keyspace, key: key.to_vec(), kind: EffectKind::Expired }))
    }

    fn put_witness(&mut self, batch: &Batch, sequence: u64) {
        if batch.is_witness
            && let Some(meta) = self.sequences.meta()
        {
            witness::put(&mut self.merged, meta, sequence);
            if batch.is_last {
                self.sequences.give_back(&mut self.merged, meta);
            }
        }
    }

    /// A row in its envelope, and what is to be known about its end.
    fn put(&mut self, info: &Arc<KeyspaceInfo>, key: &[u8], meta: Meta, value: &[u8]) {
        let header = Header::seal(info.seed, key, meta, value);
        self.merged.put_parts(info.id, key, &[header.as_bytes(), value]);
        if let (Some(at_ms), Some(own)) = (meta.expires_at_ms, self.sequences.meta()) {
            // Invariant 14: with the row, in one batch.
            self.expires_first_ms = Some(self.expires_first_ms.map_or(at_ms, |first_ms| first_ms.min(at_ms)));
            index::put(&mut self.merged, own, at_ms, &info.name, key);
            // Readers know it before there is such a row; that it is kept is known when it is.
            info.settings.note_may_expire();
            self.store.time.note_ends();
            if !info.settings.is_kept() && self.expiring.iter().all(|other| other.id != info.id) {
                info.settings.put_expiring(&mut self.merged, own, &info.name);
                self.expiring.push(Arc::clone(info));
            }
        }
    }

    /// Keeps what the batch does for the members behind it, as far as they look at it.
    pub(super) fn remember(&mut self, batch: &Batch, sealed: &Sealed, later: &[&Batch]) {
        if later.iter().any(|later| !later.conditions.is_empty() || !later.computed.is_empty()) {
            self.remember_rows(batch, sealed);
        }
        if later.iter().any(|later| later.checked.is_some()) {
            self.written.extend(effects::keys(batch, sealed));
        }
    }

    fn remember_rows(&mut self, batch: &Batch, sealed: &Sealed) {
        let version = sealed.committed.sequence;
        let keyspaces = batch.ops.keyspaces();
        for (place, (slot, op)) in batch.ops.ops().enumerate() {
            let expires_at_ms = sealed.expiries.get(place).copied().flatten();
            let row = match op {
                Op::Put { value, .. } => {
                    Some((Meta { version, expires_at_ms }, Bytes::copy_from_slice(value)))
                }
                Op::Delete { .. } => None,
            };
            self.pending.insert((keyspaces[slot], op.key().to_vec()), row);
        }
        for effect in &sealed.effects {
            let row = match &effect.kind {
                EffectKind::Set(value, expires_at_ms) => {
                    let meta = Meta { version, expires_at_ms: *expires_at_ms };
                    Some((meta, Bytes::copy_from_slice(value)))
                }
                EffectKind::Expired => None,
            };
            self.pending.insert((effect.keyspace.id, effect.key.clone()), row);
        }
    }
}

fn merged_with_room(batches: &[&Batch]) -> WriteBatch {
    let ops: usize = batches.iter().map(|batch| batch.len()).sum();
    let bytes: usize = batches.iter().map(|batch| batch.bytes()).sum();
    WriteBatch::with_capacity(ops, bytes + ops * crate::envelope::ENVELOPE_BYTES_MAX)
}
