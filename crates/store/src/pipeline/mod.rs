//! The commit pipeline: every commit of a store goes through here, one group at a time.
//!
//! A caller who finds nobody committing leads: it commits its own batch on its own thread, with no hop and
//! no wait. Callers who come meanwhile queue up. When the leader is done, the first in the queue leads the
//! next group: all that are waiting, up to a bound, become one batch of the engine with one sync, and each
//! learns its own result. So a sync is shared by as many as came while the last one ran, and nobody ever
//! waits for company.
//!
//! The queue is bounded in bytes; beyond the bound committing blocks, which is the only push-back a
//! synchronous caller needs.

mod draft;
mod effects;
mod group;
mod queue;
mod reads;
mod recent;
mod sequence;

use crate::batch::Batch;
use crate::store::Inner;
use crate::watch::Hub;
use queue::{Queue, Turn};
pub(crate) use reads::{Reads, ScanPlace};
use recent::Recent;
pub(crate) use recent::Start;
use sequence::Sequences;
pub(crate) use sequence::{META_KEYSPACE, OWN_ROW_WAY_OUT, check_own_row, reserved_until};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use strongroom_core::{Durability, Error, ErrorKind, KeyspaceId, Result, StorageBackend, WriteBatch};

/// What a commit is answered with inside the store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Committed {
    pub(crate) sequence: u64,
    /// What the leader has worked out: a counter's number, or how many rows a sweep has removed.
    pub(crate) number: Option<i64>,
}

pub(crate) struct Pipeline {
    backend: Box<dyn StorageBackend>,
    /// The store's own keyspace; none for a read-only backend without one.
    meta: Option<KeyspaceId>,
    queue: Queue,
    /// Only the leader takes it; there is one leader (invariant 7).
    sequences: Mutex<Sequences>,
    recent: Arc<Recent>,
    groups: AtomicU64,
    group_commits: AtomicU64,
    conflicts: AtomicU64,
}

/// What a transaction has read, and since when nobody may have written it.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    reads: Arc<Reads>,
    start: u64,
}

impl Checked {
    /// The beginning has to be held until the commit is through: else nothing would be noted for it.
    ///
    /// What was written so far is looked at here, in the caller's time and not in the leader's turn.
    pub(crate) fn new(mut reads: Reads, start: &Start) -> Result<Self> {
        reads.merge_ranges();
        let start = start.check_ahead(&reads)?;
        Ok(Self { reads: Arc::new(reads), start })
    }

    /// What waiting with it takes, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.reads.bytes()
    }
}

impl Pipeline {
    /// No commit gets a sequence number up to `sequence_floor`.
    pub(crate) fn open(
        backend: Box<dyn StorageBackend>,
        queue_bytes_max: usize,
        sequence_floor: u64,
    ) -> Result<Self> {
        let sequences = Sequences::open(&*backend, sequence_floor)?;
        Ok(Self {
            backend,
            queue: Queue::new(queue_bytes_max),
            meta: sequences.meta(),
            recent: Arc::new(Recent::new(sequences.last())),
            sequences: Mutex::new(sequences),
            groups: AtomicU64::new(0),
            group_commits: AtomicU64::new(0),
            conflicts: AtomicU64::new(0),
        })
    }

    pub(crate) fn backend(&self) -> &dyn StorageBackend {
        &*self.backend
    }

    /// The store's own keyspace.
    pub(crate) fn meta(&self) -> Option<KeyspaceId> {
        self.meta
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        self.queue.waiting_bytes()
    }

    /// Groups committed, and the commits in them.
    pub(crate) fn groups(&self) -> u64 {
        self.groups.load(Ordering::Relaxed)
    }

    pub(crate) fn group_commits(&self) -> u64 {
        self.group_commits.load(Ordering::Relaxed)
    }

    /// Commits that a condition or a check of what was read has refused.
    pub(crate) fn conflicts(&self) -> u64 {
        self.conflicts.load(Ordering::Relaxed)
    }

    /// One was refused before it took its turn.
    pub(crate) fn count_conflict(&self) {
        self.conflicts.fetch_add(1, Ordering::Relaxed);
    }

    /// A transaction begins.
    pub(crate) fn begin(&self) -> Start {
        self.recent.begin()
    }

    pub(crate) fn commit(&self, batch: &Batch, store: &Inner) -> Result<Committed> {
        // What fails alone fails before it waits for anybody.
        group::check(batch, store)?;
        // When it is dropped, nobody waits for this thread any more: what is woken may do anything.
        let _wake = WakeAfterwards(&store.hub);
        self.commit_in_turn(batch, store)
    }

    fn commit_in_turn(&self, batch: &Batch, store: &Inner) -> Result<Committed> {
        match self.queue.enter(batch) {
            Turn::Alone(lead) => {
                let result = self.commit_group(&[batch], store).pop();
                lead.hand_over();
                result.unwrap_or_else(|| Err(no_result()))
            }
            Turn::Led(result) => result,
            Turn::Lead(lead, members) => {
                let batches: Vec<&Batch> = members.iter().map(|member| member.batch()).collect();
                let mut results = self.commit_group(&batches, store).into_iter();
                // The first member is ourselves.
                let own = results.next().unwrap_or_else(|| Err(no_result()));
                for (member, result) in members[1..].iter().zip(results) {
                    member.finish(result);
                }
                lead.hand_over();
                own
            }
        }
    }

    /// Runs `change` while no group is committed. It must not commit through the pipeline.
    pub(crate) fn apart<T>(&self, change: impl FnOnce(&dyn StorageBackend) -> Result<T>) -> Result<T> {
        let Ok(_turn) = self.sequences.lock() else { return Err(closed()) };
        change(&*self.backend)
    }

    fn commit_group(&self, batches: &[&Batch], store: &Inner) -> Vec<Result<Committed>> {
        let _told = FailOnPanic::new(&store.hub);
        let Ok(mut sequences) = self.sequences.lock() else {
            // A leader panicked: nobody knows which numbers are in the engine.
            return batches.iter().map(|_| Err(closed())).collect();
        };
        let results = group::commit(&*self.backend, batches, &mut sequences, &self.recent, store);
        assert_eq!(results.len(), batches.len(), "invariant 8: a group has a result for each of its members");
        let committed = results.iter().filter(|result| result.is_ok()).count() as u64;
        if committed > 0 {
            self.groups.fetch_add(1, Ordering::Relaxed);
            self.group_commits.fetch_add(committed, Ordering::Relaxed);
        }
        let refused = |result: &&Result<Committed>| {
            result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Conflict)
        };
        let conflicts = results.iter().filter(refused).count() as u64;
        if conflicts > 0 {
            self.conflicts.fetch_add(conflicts, Ordering::Relaxed);
        }
        note(batches, &results, store);
        results
    }
}

struct WakeAfterwards<'h>(&'h Hub);

impl Drop for WakeAfterwards<'_> {
    fn drop(&mut self) {
        self.0.wake();
    }
}

/// If a leader panics, nothing will be committed any more, and watchers would wait for ever.
struct FailOnPanic<'h> {
    hub: &'h Hub,
    /// A destructor may commit while its thread unwinds from something else.
    was_panicking: bool,
}

impl<'h> FailOnPanic<'h> {
    fn new(hub: &'h Hub) -> Self {
        Self { hub, was_panicking: std::thread::panicking() }
    }
}

impl Drop for FailOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.was_panicking {
            self.hub.fail();
        }
    }
}

/// Tells the high-water mark what was committed, but for its own commits: those need no mark.
fn note(batches: &[&Batch], results: &[Result<Committed>], store: &Inner) {
    let Some(high_water) = &store.high_water else { return };
    let acknowledged = batches.iter().zip(results).filter(|(batch, _)| !batch.is_witness);
    let acknowledged = acknowledged.filter_map(|(batch, result)| Some((batch, result.as_ref().ok()?)));
    let newest = acknowledged
        .map(|(batch, commit)| (commit.sequence, batch.durability))
        .reduce(|(sequence, durability), (next, with)| (sequence.max(next), durability.max(with)));
    if let Some((sequence, durability)) = newest {
        high_water.note_commits(sequence, durability);
    }
}

/// Commits a batch of the layers' own as durably as the engine can, in the pipeline's turn or where nobody commits.
pub(crate) fn firmly(backend: &dyn StorageBackend, batch: &WriteBatch) -> Result<()> {
    if backend.engine().capabilities.power_safe {
        return backend.commit(batch, Durability::PowerSafe);
    }
    backend.commit(batch, Durability::Buffered)?;
    backend.flush()
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "an earlier commit of this store panicked")
}

/// Invariant 8: a group has a result for each of its members.
fn no_result() -> Error {
    Error::new(ErrorKind::CommitUnknown, "invariant 8: the group ended without a result")
}
