//! The stages of a commit, as a feature sees them: [`Stages`] is what a feature offers, [`Group`] and [`Member`] are
//! what it is handed.
//!
//! Members of a group are validated and drafted one after another. Each sees what the members before it do, as if the
//! commits were made one by one.

use crate::base::Base;
use crate::catalog::KeyspaceInfo;
use crate::clock::GroupTime;
use crate::format::envelope::{self, Header, Meta};
use crate::request::{Answer, Expiry, Request};
use crate::sequence::Sequences;
use crate::sync::Arc;
use bytes::Bytes;
use std::collections::HashMap;
use strongroom_core::{Durability, Error, ErrorKind, KeyspaceId, Op, Result, WriteBatch};

/// What a feature does at each stage of a commit. A stage that it has no part in costs nothing.
///
/// Stages before *apply* have no effect outside the group: a group that the engine refuses is committed again, member by
/// member.
pub(crate) trait Stages: Send + Sync {
    /// *Prepare*, on the caller's thread: refuses what is wrong whatever the state is, and does what needs no state.
    fn prepare(&self, base: &Base, request: &Request) -> Result<()> {
        let _ = (base, request);
        Ok(())
    }

    /// *Validate*, in the leader: whether the request may be committed after the members before it.
    fn validate(&self, group: &Group<'_>, request: &Request) -> Result<()> {
        let _ = (group, request);
        Ok(())
    }

    /// *Draft*, in the leader: adds writes to the member, or decides about those that are there.
    fn draft(&self, group: &Group<'_>, member: &mut Member<'_>) -> Result<()> {
        let _ = (group, member);
        Ok(())
    }

    /// *Draft*, when the member has its sequence number: adds rows of the store's own to the group. Cannot fail.
    fn add_rows(&self, group: &mut Group<'_>, member: &Member<'_>) {
        let _ = (group, member);
    }

    /// *Draft*, after the last member: adds rows about the group as a whole.
    fn finish_draft(&self, group: &mut Group<'_>) -> Result<()> {
        let _ = group;
        Ok(())
    }

    /// *Publish*, in the leader: the engine has acknowledged the group. Called for each member, in commit order, before
    /// the next group begins (invariant 15).
    fn publish(&self, group: &Group<'_>, member: &Member<'_>) {
        let _ = (group, member);
    }

    /// A keyspace was created or dropped, after the commit with this sequence number. The caller holds the commit lock.
    fn publish_keyspace(&self, event: KeyspaceEvent, keyspace: &KeyspaceInfo, sequence: u64) {
        let _ = (event, keyspace, sequence);
    }

    /// The handle is of no use any more: nothing will be committed.
    fn fail(&self) {}

    /// Nobody waits for this thread any more, so it may run code of others, such as wakers.
    fn after_commit(&self) {}
}

/// What happened to a keyspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyspaceEvent {
    Created,
    Dropped,
}

/// A group on its way into the engine.
pub(crate) struct Group<'g> {
    pub(crate) base: &'g Base,
    /// The timestamp of the whole group. Snapshot readers use no later one until the group has ended.
    time: GroupTime<'g>,
    sequences: Sequences,
    /// What the engine gets: rows in envelopes, and the store's own.
    pub(crate) batch: WriteBatch,
    /// The highest durability that a member asks for.
    pub(crate) durability: Durability,
    members: Vec<Member<'g>>,
    /// Rows that earlier members wrote; kept only if a later member reads rows.
    overlay: HashMap<(KeyspaceId, Vec<u8>), Option<StoredRow>>,
}

/// A row: header and value.
pub(crate) type StoredRow = (Meta, Bytes);

/// A member of a group: a request, resolved.
pub(crate) struct Member<'g> {
    pub(crate) request: &'g Request,
    /// Zero while it is drafted.
    pub(crate) sequence: u64,
    pub(crate) answer: Answer,
    /// The keyspaces of the request's operations, by their slot.
    keyspaces: Vec<Arc<KeyspaceInfo>>,
    /// When the row of each operation expires; empty if none does.
    expiries: Vec<Option<u64>>,
    /// Writes that the leader worked out.
    computed: Vec<ComputedWrite>,
    /// Rows of the store's own that it worked out; none deletes.
    own_rows: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// A write that the leader worked out.
#[derive(Debug)]
pub(crate) struct ComputedWrite {
    pub(crate) keyspace: Arc<KeyspaceInfo>,
    pub(crate) key: Vec<u8>,
    /// None deletes.
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) expires_at_ms: Option<u64>,
    pub(crate) cause: Cause,
}

/// Why a row changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Somebody asked for it.
    Request,
    /// It had expired: readers saw it as absent already.
    Expired,
}

/// One write of a member, whoever worked it out: the form in which every stage reads a commit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Write<'w> {
    pub(crate) keyspace: &'w Arc<KeyspaceInfo>,
    pub(crate) key: &'w [u8],
    /// None deletes.
    pub(crate) value: Option<&'w [u8]>,
    pub(crate) expires_at_ms: Option<u64>,
    pub(crate) cause: Cause,
}

impl<'g> Group<'g> {
    pub(crate) fn new(base: &'g Base, sequences: Sequences, requests: &[&Request]) -> Self {
        Self {
            base,
            time: base.time.begin_group(),
            sequences,
            batch: batch_with_room(requests),
            durability: Durability::Buffered,
            members: Vec::with_capacity(requests.len()),
            overlay: HashMap::new(),
        }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.time.now_ms()
    }

    /// The members so far, in commit order.
    pub(crate) fn members(&self) -> &[Member<'g>] {
        &self.members
    }

    /// The sequence numbers after this group, if the engine acknowledges it.
    pub(crate) fn sequences(&self) -> Sequences {
        self.sequences
    }

    /// Gives back the numbers that are reserved and not used; only when nobody commits any more.
    pub(crate) fn give_back_sequences(&mut self) {
        self.sequences.give_back(&mut self.batch);
    }

    /// A row after the members so far, expired or not.
    pub(crate) fn row(&self, keyspace: &KeyspaceInfo, key: &[u8]) -> Result<Option<StoredRow>> {
        // A look-up needs a copy of the key, and most groups have nothing to look up.
        if !self.overlay.is_empty()
            && let Some(found) = self.overlay.get(&(keyspace.id, key.to_vec()))
        {
            return Ok(found.clone());
        }
        let Some(stored) = self.base.backend().get(keyspace.id, key)? else { return Ok(None) };
        let row = self.base.count_damage(keyspace.open(key, stored))?;
        Ok(Some((Meta { version: row.version, expires_at_ms: row.expires_at_ms }, row.value)))
    }

    /// As [`row`](Self::row), as a reader sees it: none if it has expired.
    pub(crate) fn live_row(&self, keyspace: &KeyspaceInfo, key: &[u8]) -> Result<Option<StoredRow>> {
        Ok(self.row(keyspace, key)?.filter(|(meta, _)| !meta.has_expired_by(self.now_ms())))
    }

    /// When a row of this keyspace that is written now expires.
    pub(crate) fn expires_at_ms(&self, keyspace: &KeyspaceInfo, expiry: Expiry) -> Result<Option<u64>> {
        let now_ms = self.now_ms();
        let ttl_ms = match expiry {
            Expiry::Never => return Ok(None),
            Expiry::At(at_ms) if at_ms <= now_ms => {
                return Err(Error::new(ErrorKind::InvalidInput, "the expiry is in the past")
                    .hint("delete the key instead, or choose a later time"));
            }
            Expiry::At(at_ms) => return Ok(Some(at_ms)),
            Expiry::After(ttl_ms) => ttl_ms,
            Expiry::Default => match keyspace.settings.default_ttl_ms() {
                Some(ttl_ms) => ttl_ms,
                None => return Ok(None),
            },
        };
        let at_ms = self.base.time.ttl_base_ms()?.max(now_ms).checked_add(ttl_ms);
        at_ms.map(Some).ok_or_else(|| {
            Error::new(ErrorKind::InvalidInput, "the TTL overflows the clock")
                .hint("choose a shorter TTL, or none")
        })
    }

    /// Gives the member its sequence number. An error leaves nothing of the member in the group.
    pub(crate) fn number(&mut self, member: &mut Member<'_>) -> Result<()> {
        member.sequence = self.sequences.next(&mut self.batch)?;
        Ok(())
    }

    /// Puts the member's rows into the batch, in their envelopes.
    pub(crate) fn seal(&mut self, member: &Member<'_>) {
        for write in member.writes() {
            match write.value {
                Some(value) => {
                    let meta = Meta { version: member.sequence, expires_at_ms: write.expires_at_ms };
                    let header = Header::seal(write.keyspace.seed, write.key, meta, value);
                    self.batch.put_parts(write.keyspace.id, write.key, &[header.as_bytes(), value]);
                }
                None => drop(self.batch.delete(write.keyspace.id, write.key)),
            }
        }
        let Some(own) = self.base.own_keyspace() else { return };
        for (key, value) in &member.own_rows {
            match value {
                Some(value) => self.batch.put(own, key, value),
                None => self.batch.delete(own, key),
            };
        }
    }

    /// Adds a member that is drafted. `later` are the requests after it: what they may look up is kept for them.
    pub(crate) fn push(&mut self, member: Member<'g>, later: &[&Request]) {
        self.durability = self.durability.max(member.request.durability);
        if later.iter().any(|later| later.reads_rows()) {
            for write in member.writes() {
                let meta = Meta { version: member.sequence, expires_at_ms: write.expires_at_ms };
                let row = write.value.map(|value| (meta, Bytes::copy_from_slice(value)));
                self.overlay.insert((write.keyspace.id, write.key.to_vec()), row);
            }
        }
        self.members.push(member);
    }
}

impl<'g> Member<'g> {
    /// [`NotFound`](strongroom_core::ErrorKind::NotFound): a keyspace was dropped meanwhile.
    pub(crate) fn new(base: &Base, request: &'g Request) -> Result<Self> {
        let catalog = base.catalog.read();
        let ids = request.ops.keyspaces().iter();
        let keyspaces = ids.map(|id| catalog.by_id.get(id).cloned()).collect::<Option<Vec<_>>>();
        drop(catalog);
        // Asked again for the error.
        let keyspaces = match keyspaces {
            Some(keyspaces) => keyspaces,
            None => request.ops.keyspaces().iter().map(|id| base.catalog.info(*id)).collect::<Result<_>>()?,
        };
        Ok(Self {
            request,
            sequence: 0,
            answer: Answer::None,
            keyspaces,
            expiries: Vec::new(),
            computed: Vec::new(),
            own_rows: Vec::new(),
        })
    }

    /// The keyspaces of the request's operations, by their slot.
    pub(crate) fn keyspaces(&self) -> &[Arc<KeyspaceInfo>] {
        &self.keyspaces
    }

    /// Sets when the row of each operation expires.
    pub(crate) fn set_expiries(&mut self, expiries: Vec<Option<u64>>) {
        self.expiries = expiries;
    }

    /// Adds a write that the leader worked out.
    pub(crate) fn compute(&mut self, write: ComputedWrite) {
        self.computed.push(write);
    }

    /// Sets a row of the store's own, or deletes it.
    pub(crate) fn set_own_row(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.own_rows.push((key, value));
    }

    /// All writes, in order: the request's own, then those that the leader worked out.
    pub(crate) fn writes(&self) -> impl Iterator<Item = Write<'_>> + Clone {
        let ops = self.request.ops.ops().enumerate().map(|(place, (slot, op))| Write {
            keyspace: &self.keyspaces[slot],
            key: op.key(),
            value: if let Op::Put { value, .. } = op { Some(value) } else { None },
            expires_at_ms: self.expiries.get(place).copied().flatten(),
            cause: Cause::Request,
        });
        let computed = self.computed.iter().map(|write| Write {
            keyspace: &write.keyspace,
            key: &write.key,
            value: write.value.as_deref(),
            expires_at_ms: write.expires_at_ms,
            cause: write.cause,
        });
        ops.chain(computed)
    }

    /// Whether any of its rows expires.
    pub(crate) fn has_expiring_rows(&self) -> bool {
        !self.expiries.is_empty() || self.computed.iter().any(|write| write.expires_at_ms.is_some())
    }

    /// The keys of which another commit may have read something else. A row that had expired was absent for everybody
    /// before it was removed.
    pub(crate) fn changed_keys(&self) -> impl Iterator<Item = (KeyspaceId, &[u8])> {
        self.writes()
            .filter(|write| write.cause != Cause::Expired)
            .map(|write| (write.keyspace.id, write.key))
    }
}

fn batch_with_room(requests: &[&Request]) -> WriteBatch {
    let ops: usize = requests.iter().map(|request| request.ops.len()).sum();
    let bytes: usize = requests.iter().map(|request| request.bytes()).sum();
    WriteBatch::with_capacity(ops, bytes + ops * envelope::ENVELOPE_BYTES_MAX)
}
