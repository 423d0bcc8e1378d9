//! The stages of a commit, as a feature sees them. A feature implements [`Stages`] and gets a [`Group`] and its
//! [`Member`]s.
//!
//! Members of a group are validated and drafted one after another. Each sees the effects of the members before
//! it, as if the commits were made one by one.

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

/// The stages of a commit that a feature may implement. A stage that it does not implement costs nothing.
///
/// Stages before *apply* have no effect outside the group, except flags that may be set too early. If the engine
/// refuses a group, its members are committed again one by one.
pub(crate) trait Stages: Send + Sync {
    /// *Prepare*, on the caller's thread: refuses a request that is invalid in any state.
    fn prepare(&self, base: &Base, request: &Request) -> Result<()> {
        let _ = (base, request);
        Ok(())
    }

    /// *Validate*, in the leader: refuses a request that may not be committed after the members before it.
    fn validate(&self, group: &Group<'_>, request: &Request) -> Result<()> {
        let _ = (group, request);
        Ok(())
    }

    /// *Draft*, in the leader: adds computed writes to the member, or sets the expiries of its writes.
    fn draft(&self, group: &Group<'_>, member: &mut Member<'_>) -> Result<()> {
        let _ = (group, member);
        Ok(())
    }

    /// *Draft*, when the member has its sequence number: adds the store's own rows to the group. Cannot fail.
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

    /// Publishes that a keyspace was created or dropped, after the commit with this sequence number. The caller
    /// holds the commit lock.
    fn publish_keyspace(&self, event: KeyspaceEvent, keyspace: &KeyspaceInfo, sequence: u64) {
        let _ = (event, keyspace, sequence);
    }

    /// The handle is poisoned: nothing more will be committed.
    fn fail(&self) {}

    /// Called when no other thread waits for this one, so it may run foreign code such as wakers.
    fn after_commit(&self) {}
}

/// What happened to a keyspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyspaceEvent {
    Created,
    Dropped,
}

/// A group of commits in flight.
pub(crate) struct Group<'g> {
    pub(crate) base: &'g Base,
    /// The timestamp of the whole group. Snapshot readers use no later one until the group has ended.
    time: GroupTime<'g>,
    sequences: Sequences,
    /// The batch for the engine: rows in envelopes, and the store's own rows.
    pub(crate) batch: WriteBatch,
    /// The highest durability that a member asks for.
    pub(crate) durability: Durability,
    members: Vec<Member<'g>>,
    /// Rows that earlier members wrote; kept only if a later member reads rows.
    overlay: HashMap<(KeyspaceId, Vec<u8>), Option<StoredRow>>,
}

/// A stored row: header and value.
pub(crate) type StoredRow = (Meta, Bytes);

/// A member of a group: a request whose keyspaces are resolved.
pub(crate) struct Member<'g> {
    pub(crate) request: &'g Request,
    /// Zero until the member is numbered.
    pub(crate) sequence: u64,
    pub(crate) answer: Answer,
    /// The keyspaces of the request's operations, by slot.
    keyspaces: Vec<Arc<KeyspaceInfo>>,
    /// The expiry of each operation's row. Empty if none expires.
    expiries: Vec<Option<u64>>,
    /// Writes that the leader computed.
    computed: Vec<ComputedWrite>,
    /// The store's own rows that the leader computed. A value of none deletes.
    own_rows: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// A write that the leader computed.
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
    /// The request asks for it.
    Request,
    /// The row has expired. Readers already see it as absent.
    Expired,
}

/// One write of a member, requested or computed. Every stage reads a commit in this form.
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

    /// Returns the members so far, in commit order.
    pub(crate) fn members(&self) -> &[Member<'g>] {
        &self.members
    }

    /// Returns the sequence numbers after this group, to be kept if the engine acknowledges it.
    pub(crate) fn sequences(&self) -> Sequences {
        self.sequences
    }

    /// Returns the unused reserved numbers. Only for the last commit of the store.
    pub(crate) fn give_back_sequences(&mut self) {
        self.sequences.give_back(&mut self.batch);
    }

    /// Returns a row as the members so far leave it, expired or not.
    pub(crate) fn row(&self, keyspace: &KeyspaceInfo, key: &[u8]) -> Result<Option<StoredRow>> {
        // A lookup needs a copy of the key, and most groups have nothing to look up.
        if !self.overlay.is_empty()
            && let Some(found) = self.overlay.get(&(keyspace.id, key.to_vec()))
        {
            return Ok(found.clone());
        }
        let Some(stored) = self.base.backend().get(keyspace.id, key)? else { return Ok(None) };
        let row = self.base.count_damage(keyspace.open(key, stored))?;
        Ok(Some((Meta { version: row.version, expires_at_ms: row.expires_at_ms }, row.value)))
    }

    /// As [`row`](Self::row), but none if the row has expired.
    pub(crate) fn live_row(&self, keyspace: &KeyspaceInfo, key: &[u8]) -> Result<Option<StoredRow>> {
        Ok(self.row(keyspace, key)?.filter(|(meta, _)| !meta.has_expired_by(self.now_ms())))
    }

    /// Returns when a row that this group writes to the keyspace expires.
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

    /// Assigns the member its sequence number. On an error, nothing of the member is in the group.
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

    /// Adds a drafted member. Its writes are kept for lookups if one of the `later` requests reads rows.
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
    /// Returns [`NotFound`](strongroom_core::ErrorKind::NotFound) if a keyspace was dropped meanwhile.
    pub(crate) fn new(base: &Base, request: &'g Request) -> Result<Self> {
        let catalog = base.catalog.read();
        let ids = request.ops.keyspaces().iter();
        let keyspaces = ids.map(|id| catalog.by_id.get(id).cloned()).collect::<Option<Vec<_>>>();
        drop(catalog);
        // Looked up again for the error.
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

    /// Returns the keyspaces of the request's operations, by slot.
    pub(crate) fn keyspaces(&self) -> &[Arc<KeyspaceInfo>] {
        &self.keyspaces
    }

    /// Sets the expiry of each operation's row.
    pub(crate) fn set_expiries(&mut self, expiries: Vec<Option<u64>>) {
        self.expiries = expiries;
    }

    /// Adds a write that the leader computed.
    pub(crate) fn compute(&mut self, write: ComputedWrite) {
        self.computed.push(write);
    }

    /// Sets one of the store's own rows, or deletes it.
    pub(crate) fn set_own_row(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.own_rows.push((key, value));
    }

    /// Returns all writes in order: the requested ones, then those that the leader computed.
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

    /// Whether any of its rows may expire.
    pub(crate) fn has_expiring_rows(&self) -> bool {
        !self.expiries.is_empty() || self.computed.iter().any(|write| write.expires_at_ms.is_some())
    }

    /// Returns the keys that this commit writes, for conflict detection. Removals of expired rows do not count:
    /// readers already saw those rows as absent.
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
