//! The commit pipeline. Every commit of a store goes through here; read this file first.
//!
//! | Stage | Thread | What happens |
//! |---|---|---|
//! | prepare | the caller's | limits, and everything that is invalid in any state |
//! | validate | the leader's | conditions, and the read sets of transactions, against the commits before |
//! | draft | the leader's | computed writes, expiries, sequence number, envelopes, the store's own rows |
//! | apply | the leader's | one batch for the engine, with one sync |
//! | publish | the leader's | notifies open transactions, the high-water mark, the sweep and watchers |
//!
//! A caller that finds no leader becomes the leader: it commits its own request on its own thread, without a
//! hand-off or a wait. Callers that come meanwhile queue. When the leader is done, the first in the queue leads
//! the next group: all waiting requests, up to a bound, become one batch of the engine with one sync, and each
//! caller gets its own result. So a sync is shared by all that came while the last one ran, and no commit waits
//! for others to join it. The [queue](queue) is bounded in bytes. Beyond its bound committing blocks, which is
//! all the back-pressure that a synchronous caller needs.
//!
//! The [features](crate::features) implement the stages. The stages know none of them.

mod queue;
#[cfg(all(test, shuttle))]
mod queue_model;

use crate::base::{Base, ends_the_handle};
use crate::catalog::KeyspaceInfo;
use crate::features::Features;
use crate::request::{Commit, Committed, Request};
use crate::sequence::Sequences;
use crate::stage::{Group, KeyspaceEvent, Member, Stages};
use crate::sync::atomic::{AtomicU64, Ordering};
use queue::{Queue, Turn};
use strongroom_core::limits::{check_key_against, check_value_against};
use strongroom_core::{Error, ErrorKind, Op, Result};

pub(crate) struct Pipeline {
    pub(crate) features: Features,
    queue: Queue,
    groups: AtomicU64,
    group_commits: AtomicU64,
    conflicts: AtomicU64,
    // Last: it closes the engine and releases the directory.
    pub(crate) base: Base,
}

impl Commit for Pipeline {
    fn commit(&self, request: &Request) -> Result<Committed> {
        self.prepare(request)?;
        // Dropped last, when no other thread waits for this one.
        let _after = AfterCommit(&self.features);
        match self.queue.enter(request) {
            Turn::Alone(lead) => {
                let result = self.commit_group(&[request]).pop();
                lead.hand_over();
                result.unwrap_or_else(|| Err(no_result()))
            }
            Turn::Lead(lead, members) => {
                let requests: Vec<&Request> = members.iter().map(|member| member.request()).collect();
                let mut results = self.commit_group(&requests).into_iter();
                // The first member is this thread's own.
                let own = results.next().unwrap_or_else(|| Err(no_result()));
                for (member, result) in members[1..].iter().zip(results) {
                    member.finish(result);
                }
                lead.hand_over();
                own
            }
            Turn::Led(result) => result,
        }
    }
}

impl Pipeline {
    pub(crate) fn new(base: Base, features: Features) -> Self {
        let queue = Queue::new(base.options.queue_bytes_max);
        let (groups, group_commits, conflicts) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        Self { features, queue, groups, group_commits, conflicts, base }
    }

    /// *Prepare*: refuses an invalid request before it waits for anything.
    fn prepare(&self, request: &Request) -> Result<()> {
        self.base.check_claim(request.durability)?;
        let options = &self.base.options;
        for (_, op) in request.ops.ops() {
            check_key_against(op.key(), options.key_bytes_max)?;
            if let Op::Put { value, .. } = op {
                check_value_against(value, options.value_bytes_max)?;
            }
        }
        request.ops.keyspaces().iter().try_for_each(|id| self.base.catalog.check(*id))?;
        self.features.prepare(&self.base, request)
    }

    /// Commits the requests in order. Returns a result for each.
    fn commit_group(&self, requests: &[&Request]) -> Vec<Result<Committed>> {
        let _failed = FailOnPanic::new(&self.features);
        let mut sequences = match self.base.commit_lock.acquire() {
            Ok(sequences) => sequences,
            Err(error) => {
                self.features.fail();
                return requests.iter().map(|_| Err(copy(&error))).collect();
            }
        };
        let results = match self.commit_together(requests, &mut sequences) {
            Ok(results) => results,
            Err(error) if requests.len() == 1 => vec![Err(error)],
            // The engine may refuse the whole group because of one member, such as one whose keyspace was just
            // dropped. Nothing is stored then, so each member is committed alone, and the others succeed.
            Err(_) => requests.iter().map(|request| self.commit_alone(request, &mut sequences)).collect(),
        };
        assert_eq!(
            results.len(),
            requests.len(),
            "invariant 8: a group has a result for each of its members"
        );
        self.count(&results);
        results
    }

    fn commit_alone(&self, request: &Request, sequences: &mut Sequences) -> Result<Committed> {
        self.commit_together(&[request], sequences)?.pop().unwrap_or_else(|| Err(no_result()))
    }

    /// Commits the requests as one batch of the engine. `Err` means that the engine refused it and nothing is
    /// stored.
    fn commit_together(
        &self,
        requests: &[&Request],
        sequences: &mut Sequences,
    ) -> Result<Vec<Result<Committed>>> {
        let mut group = Group::new(&self.base, *sequences, requests);
        let mut results = Vec::with_capacity(requests.len());
        for (place, request) in requests.iter().enumerate() {
            let drafted = self.validate_and_draft(&mut group, request);
            results.push(drafted.map(|member| {
                let committed = Committed { sequence: member.sequence, answer: member.answer };
                group.push(member, &requests[place + 1..]);
                committed
            }));
        }
        if group.members().is_empty() {
            return Ok(results);
        }
        self.features.finish_draft(&mut group)?;
        match self.apply_and_publish(&group) {
            Ok(()) => *sequences = group.sequences(),
            Err(error) if ends_the_handle(&error) => {
                self.features.fail();
                // Members that were to be committed fail with the group. Members that were refused keep their own
                // error.
                results
                    .iter_mut()
                    .filter(|result| result.is_ok())
                    .for_each(|result| *result = Err(copy(&error)));
            }
            Err(error) => return Err(error),
        }
        Ok(results)
    }

    /// *Validate* and *draft* of one member. On an error, nothing of it is in the group.
    fn validate_and_draft<'g>(&self, group: &mut Group<'g>, request: &'g Request) -> Result<Member<'g>> {
        self.features.validate(group, request)?;
        let mut member = Member::new(&self.base, request)?;
        self.features.draft(group, &mut member)?;
        group.number(&mut member)?;
        group.seal(&member);
        self.features.add_rows(group, &member);
        Ok(member)
    }

    /// *Apply* and *publish*.
    fn apply_and_publish(&self, group: &Group<'_>) -> Result<()> {
        self.base.backend().commit(&group.batch, group.durability)?;
        for member in group.members() {
            self.base.note_newest(member.sequence);
            self.features.publish(group, member);
        }
        Ok(())
    }

    /// Publishes that a keyspace was created or dropped. The caller holds the commit lock, with these sequence
    /// numbers.
    pub(crate) fn publish_keyspace(
        &self,
        event: KeyspaceEvent,
        keyspace: &KeyspaceInfo,
        sequences: &Sequences,
    ) {
        self.features.publish_keyspace(event, keyspace, sequences.last());
    }

    /// Notifies the features if an operation other than a commit has poisoned the handle.
    pub(crate) fn fail_if_ended<T>(&self, outcome: Result<T>) -> Result<T> {
        if outcome.as_ref().is_err_and(ends_the_handle) {
            self.features.fail();
            self.features.after_commit();
        }
        outcome
    }

    /// Brings the high-water mark up to date with the commits so far.
    pub(crate) fn mark(&self) {
        self.features.high_water.mark(&self.base, self);
    }

    fn count(&self, results: &[Result<Committed>]) {
        let committed = results.iter().filter(|result| result.is_ok()).count() as u64;
        if committed > 0 {
            self.groups.fetch_add(1, Ordering::Relaxed);
            self.group_commits.fetch_add(committed, Ordering::Relaxed);
        }
        let is_conflict = |error: &Error| error.kind() == ErrorKind::Conflict;
        let conflicts =
            results.iter().filter(|result| result.as_ref().is_err_and(is_conflict)).count() as u64;
        if conflicts > 0 {
            self.conflicts.fetch_add(conflicts, Ordering::Relaxed);
        }
    }

    /// Counts a commit that was refused before it entered the queue.
    pub(crate) fn count_conflict(&self) {
        self.conflicts.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the size of the waiting commits, in bytes.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.queue.waiting_bytes()
    }

    /// Returns the number of groups that were committed.
    pub(crate) fn groups(&self) -> u64 {
        self.groups.load(Ordering::Relaxed)
    }

    /// Returns the number of commits in those groups.
    pub(crate) fn group_commits(&self) -> u64 {
        self.group_commits.load(Ordering::Relaxed)
    }

    /// Returns the number of commits that were refused with a conflict.
    pub(crate) fn conflicts(&self) -> u64 {
        self.conflicts.load(Ordering::Relaxed)
    }
}

struct AfterCommit<'f>(&'f Features);

impl Drop for AfterCommit<'_> {
    fn drop(&mut self) {
        self.0.after_commit();
    }
}

/// Notifies the features if a leader, or a change of keyspaces, panics: nothing more will be committed.
pub(crate) struct FailOnPanic<'f> {
    features: &'f Features,
    /// A destructor may commit while its thread unwinds from another panic.
    was_panicking: bool,
}

impl<'f> FailOnPanic<'f> {
    pub(crate) fn new(features: &'f Features) -> Self {
        Self { features, was_panicking: std::thread::panicking() }
    }
}

impl Drop for FailOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.was_panicking {
            self.features.fail();
        }
    }
}

/// Copies the error for another member of the group. Causes cannot be shared, so they become text.
fn copy(error: &Error) -> Error {
    let copied = Error::new(error.kind(), error.story()).hint(error.way_out());
    match (error.engine(), error.operation()) {
        (Some(engine), Some(operation)) => copied.at(engine, operation),
        _ => copied,
    }
}

/// Invariant 8: a group has a result for each of its members.
fn no_result() -> Error {
    Error::new(ErrorKind::CommitUnknown, "invariant 8: the group ended without a result")
}
