//! Transactions: serializable on every engine, without locks.
//!
//! A transaction reads one snapshot and is committed later, as one batch with its read set. It is serializable if
//! nothing in that set was written in between. The [commit log](commit_log) holds the keys that recent commits
//! wrote; the leader compares them with the read set.

pub(crate) mod commit_log;

use crate::base::Base;
use crate::read_set::ReadSet;
use crate::request::{Reads, Request};
use crate::stage::{Group, Member, Stages};
use crate::sync::Arc;
use commit_log::{CommitLog, Start, conflict};
use strongroom_core::Result;

pub(crate) struct Transactions {
    log: Arc<CommitLog>,
}

impl Transactions {
    /// Begins after the commit `last`.
    pub(crate) fn new(last: u64) -> Self {
        Self { log: Arc::new(CommitLog::new(last)) }
    }

    /// Begins a transaction. Its snapshot has to be taken afterwards.
    pub(crate) fn begin(&self) -> Start {
        self.log.begin()
    }
}

/// Validates a read set against the commits so far, on the caller's thread and not in the leader.
///
/// The caller holds `start` until its commit is done. Otherwise later commits would not be logged for it.
pub(crate) fn validate_ahead(mut set: ReadSet, start: &Start) -> Result<Reads> {
    set.merge_ranges();
    let start = start.check_ahead(&set)?;
    Ok(Reads { set: Arc::new(set), start })
}

impl Stages for Transactions {
    fn prepare(&self, base: &Base, request: &Request) -> Result<()> {
        let Some(reads) = &request.reads else { return Ok(()) };
        reads.set.keyspaces().try_for_each(|keyspace| base.catalog.check(keyspace))
    }

    fn validate(&self, group: &Group<'_>, request: &Request) -> Result<()> {
        let Some(reads) = &request.reads else { return Ok(()) };
        // Again, under the commit lock: the log does not have drops.
        reads.set.keyspaces().try_for_each(|keyspace| group.base.catalog.check(keyspace))?;
        self.log.check(&reads.set, reads.start)?;
        let has_expired = reads.set.expires_first_ms().is_some_and(|at_ms| at_ms <= group.now_ms());
        let mut changed = group.members().iter().flat_map(Member::changed_keys);
        if has_expired || changed.any(|(keyspace, key)| reads.set.contains(keyspace, key)) {
            return Err(conflict());
        }
        Ok(())
    }

    fn publish(&self, _: &Group<'_>, member: &Member<'_>) {
        self.log.note(member.sequence, member.changed_keys());
    }
}
