//! The open snapshots and the old values that are kept for them.

use crate::range::Direction;
use crate::sync::{lock, read, wait, write};
use crate::{Error, ErrorKind, Result};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, RwLock};

/// Memory per kept value besides its bytes: its entries in the map and the log, and the allocator's overhead.
/// Measured.
const ENTRY_OVERHEAD_BYTES: u64 = 320;

/// How many kept values are dropped under one lock, so that dropping a long-lived snapshot does not stall
/// others: each takes one to three microseconds.
const PRUNE_STEP: usize = 128;

/// How many kept values a commit drops at a time to stay within the bound. It pays for what it adds, and little
/// more.
const MAKE_ROOM_STEP: usize = 16;

/// How many kept keys a reader passes under one lock.
const LOOK_STEP: usize = 1_024;

/// The open snapshots and the log of the values kept for them, over all keyspaces.
#[derive(Debug)]
pub(super) struct Overlay {
    bytes_max: u64,
    /// Held while a batch becomes visible.
    gate: Mutex<()>,
    /// The number of applied batches. Written under `state`.
    sequence: AtomicU64,
    /// Signalled when a batch is visible, or has failed.
    applied: Condvar,
    /// Snapshots with a lower sequence have expired.
    expired_below: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Open snapshots: how many per sequence.
    open: BTreeMap<u64, usize>,
    /// The kept values, by the batch that replaced them and the index within that batch.
    log: BTreeMap<(u64, u64), LogEntry>,
    bytes: u64,
    is_being_pruned: bool,
    /// The batch that is being applied. A snapshot that opens meanwhile includes it.
    applying: Option<u64>,
}

#[derive(Debug)]
struct LogEntry {
    keyspace: Arc<KeyspaceUndo>,
    key: Bytes,
    bytes: u64,
}

/// The kept values of one keyspace.
#[derive(Debug, Default)]
pub(super) struct KeyspaceUndo {
    versions: RwLock<BTreeMap<Bytes, VecDeque<Version>>>,
    /// The number of keys in `versions`, readable without the lock.
    keys: AtomicUsize,
}

/// A value that batch `replaced_by` replaced. `None`: the key was absent.
#[derive(Debug)]
struct Version {
    replaced_by: u64,
    value: Option<Bytes>,
}

/// An open snapshot.
#[derive(Debug)]
pub(super) struct Ticket {
    overlay: Arc<Overlay>,
    sequence: u64,
}

/// A batch that is being applied.
#[derive(Debug)]
pub(super) struct Change<'o> {
    overlay: &'o Overlay,
    _gate: MutexGuard<'o, ()>,
    sequence: u64,
    watched: bool,
    /// How many values the batch has kept.
    kept: u64,
}

impl Overlay {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            gate: Mutex::default(),
            sequence: AtomicU64::new(0),
            applied: Condvar::new(),
            expired_below: AtomicU64::new(0),
            state: Mutex::default(),
        }
    }

    /// Takes a sequence number, without waiting. A snapshot lies between two batches. One that opens while a
    /// batch is being applied lies after it, and its first read waits for that batch.
    pub(super) fn open_snapshot(overlay: &Arc<Self>) -> Arc<Ticket> {
        let mut state = lock(&overlay.state);
        let sequence = state.applying.unwrap_or_else(|| overlay.sequence.load(Ordering::SeqCst));
        *state.open.entry(sequence).or_default() += 1;
        drop(state);
        Arc::new(Ticket { overlay: Arc::clone(overlay), sequence })
    }

    pub(super) fn begin_change(&self) -> Change<'_> {
        let gate = lock(&self.gate);
        let sequence = self.sequence.load(Ordering::SeqCst) + 1;
        let mut state = lock(&self.state);
        let watched = !state.open.is_empty();
        if !watched {
            // Drop the values of expired snapshots: their tickets may be held for long.
            state.prune(PRUNE_STEP);
        }
        state.applying = Some(sequence);
        drop(state);
        Change { overlay: self, _gate: gate, sequence, watched, kept: 0 }
    }

    pub(super) fn kept_bytes(&self) -> u64 {
        lock(&self.state).bytes
    }

    /// Brings the kept values back within the bound. Drops values that no snapshot needs; if that is not
    /// enough, expires the oldest snapshots.
    fn enforce_bound(&self, state: &mut State) {
        while state.bytes > self.bytes_max {
            if state.prune(MAKE_ROOM_STEP) > 0 {
                continue;
            }
            let Some((oldest, _)) = state.open.pop_first() else { break };
            // Before values are dropped: a reader checks this after its read.
            self.expired_below.store(oldest + 1, Ordering::SeqCst);
        }
    }

    /// Drops the values that no snapshot needs after the last snapshot of `sequence` was dropped.
    fn forget_snapshot(&self, sequence: u64) {
        // One thread at a time, so that dropping a short snapshot does not pay for a long one. The pruning
        // thread checks again under the lock before it ends, so it sees the work that the others leave to it.
        let mut more = !std::mem::replace(&mut lock(&self.state).is_being_pruned, true);
        while more {
            let mut state = lock(&self.state);
            more = state.prune(PRUNE_STEP) == PRUNE_STEP;
            state.is_being_pruned = more;
            drop(state);
            // Locks are not fair. Give waiting threads a chance.
            std::thread::yield_now();
        }
        let mut from = Some((sequence + 1, 0));
        while let Some(start) = from {
            from = lock(&self.state).sweep(sequence, start);
            std::thread::yield_now();
        }
    }
}

impl State {
    /// Drops up to `limit` kept values from before the oldest open snapshot. Returns how many.
    fn prune(&mut self, limit: usize) -> usize {
        let oldest = self.open.first_key_value().map(|(sequence, _)| *sequence);
        for dropped in 0..limit {
            match self.log.first_entry() {
                Some(first) if oldest.is_none_or(|oldest| first.key().0 <= oldest) => {
                    let ((replaced_by, _), entry) = first.remove_entry();
                    self.bytes -= entry.bytes;
                    entry.keyspace.forget(&entry.key, replaced_by);
                }
                _ => return dropped,
            }
        }
        limit
    }

    /// Drops the values that only the snapshot of `closed` needed while older ones stay open. Without this,
    /// many short snapshots during a long one would keep every overwrite of a key. Checks a bounded number of
    /// values from `start` on, and returns where to continue.
    fn sweep(&mut self, closed: u64, start: (u64, u64)) -> Option<(u64, u64)> {
        let (older, _) = self.open.range(..=closed).next_back()?;
        let older = *older;
        // The next newer snapshot needs the values replaced after it, and may share them.
        let newer = self.open.range(closed + 1..).next().map_or(u64::MAX, |(sequence, _)| *sequence);
        if start.0 > newer || older == closed {
            return None;
        }
        let looked: Vec<_> = self.log.range(start..=(newer, u64::MAX)).take(PRUNE_STEP).collect();
        let next = looked.get(PRUNE_STEP - 1).map(|((batch, place), _)| (*batch, place + 1));
        let is_garbage = |(place, entry): &(&(u64, u64), &LogEntry)| {
            entry.keyspace.was_replaced_between(&entry.key, older, place.0)
        };
        let garbage: Vec<_> = looked.into_iter().filter(is_garbage).map(|(place, _)| *place).collect();
        for place in garbage {
            if let Some(entry) = self.log.remove(&place) {
                self.bytes -= entry.bytes;
                entry.keyspace.forget(&entry.key, place.0);
            }
        }
        next
    }
}

impl Change<'_> {
    /// Returns whether an open snapshot needs the values that this batch replaces.
    pub(super) fn is_watched(&self) -> bool {
        self.watched
    }

    /// Keeps the value of `key` from `read_old`, unless no open snapshot could read it.
    pub(super) fn keep(
        &mut self,
        keyspace: &Arc<KeyspaceUndo>,
        key: &[u8],
        read_old: impl FnOnce() -> Result<Option<Bytes>>,
    ) -> Result<()> {
        let Some(newest_open) = self.newest_watching(&lock(&self.overlay.state)) else { return Ok(()) };
        if keyspace.newest_replacement(key).is_some_and(|sequence| sequence > newest_open) {
            return Ok(());
        }
        // Copied, so that kept values pin nothing of the engine.
        let value = read_old()?.map(|value| Bytes::copy_from_slice(&value));
        let key = Bytes::copy_from_slice(key);
        let payload = key.len() + value.as_ref().map_or(0, Bytes::len);
        let bytes = payload as u64 + ENTRY_OVERHEAD_BYTES;

        let mut state = lock(&self.overlay.state);
        if self.newest_watching(&state).is_none() {
            // The last such snapshot was dropped meanwhile, so a value added now would never be dropped.
            return Ok(());
        }
        keyspace.remember(key.clone(), Version { replaced_by: self.sequence, value });
        let keyspace = Arc::clone(keyspace);
        state.log.insert((self.sequence, self.kept), LogEntry { keyspace, key, bytes });
        state.bytes += bytes;
        self.kept += 1;
        self.overlay.enforce_bound(&mut state);
        Ok(())
    }

    /// Returns the newest open snapshot of the state before this batch.
    fn newest_watching(&self, state: &State) -> Option<u64> {
        state.open.range(..self.sequence).next_back().map(|(sequence, _)| *sequence)
    }

    /// Marks the batch as visible.
    pub(super) fn done(self) {
        let _state = lock(&self.overlay.state);
        self.overlay.sequence.store(self.sequence, Ordering::SeqCst);
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        lock(&self.overlay.state).applying = None;
        self.overlay.applied.notify_all();
    }
}

impl KeyspaceUndo {
    /// Returns whether nothing is kept. Reliable for a reader that has just read the engine: values are kept
    /// before the engine changes.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.load(Ordering::SeqCst) == 0
    }

    /// Returns the value of `key` at `sequence`, if it was replaced since.
    #[allow(clippy::option_option)] // Outer: whether a value is kept. Inner: whether the key was present.
    pub(super) fn value_at(&self, key: &[u8], sequence: u64) -> Option<Option<Bytes>> {
        if self.is_empty() {
            return None;
        }
        visible(read(&self.versions).get(key)?, sequence).cloned()
    }

    /// Returns the first key within the bounds that was replaced since `sequence`, with its value at
    /// `sequence`.
    pub(super) fn first_between(
        &self,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
        direction: Direction,
        sequence: u64,
    ) -> Look {
        let versions = read(&self.versions);
        let mut entries = versions.range::<[u8], _>(bounds);
        let mut passed = None;
        for _ in 0..LOOK_STEP {
            let entry = match direction {
                Direction::Forward => entries.next(),
                Direction::Reverse => entries.next_back(),
            };
            let Some((key, versions)) = entry else { return Look::Nothing };
            if let Some(value) = visible(versions, sequence) {
                return Look::Found { key: key.clone(), value: value.clone() };
            }
            passed = Some(key);
        }
        passed.map_or(Look::Nothing, |key| Look::NothingUpTo(key.clone()))
    }

    fn newest_replacement(&self, key: &[u8]) -> Option<u64> {
        read(&self.versions).get(key)?.back().map(|version| version.replaced_by)
    }

    /// Returns whether a version of `key` is kept that was replaced after `sequence` and before `batch`.
    fn was_replaced_between(&self, key: &[u8], sequence: u64, batch: u64) -> bool {
        read(&self.versions).get(key).is_some_and(|versions| {
            versions.iter().any(|version| version.replaced_by > sequence && version.replaced_by < batch)
        })
    }

    fn remember(&self, key: Bytes, version: Version) {
        let mut versions = write(&self.versions);
        // Most keys have one version.
        versions.entry(key).or_insert_with(|| VecDeque::with_capacity(1)).push_back(version);
        self.keys.store(versions.len(), Ordering::SeqCst);
    }

    fn forget(&self, key: &[u8], replaced_by: u64) {
        let mut versions = write(&self.versions);
        if let Some(kept) = versions.get_mut(key) {
            if let Ok(place) = kept.binary_search_by_key(&replaced_by, |version| version.replaced_by) {
                kept.remove(place);
            }
            if kept.is_empty() {
                versions.remove(key);
            }
        }
        self.keys.store(versions.len(), Ordering::SeqCst);
    }
}

/// The result of a search among the kept values.
#[derive(Debug)]
pub(super) enum Look {
    /// A key that was replaced since, and its old value (`None`: it was absent).
    Found { key: Bytes, value: Option<Bytes> },
    /// No match up to and including this key. There may be more after it.
    NothingUpTo(Bytes),
    /// No match.
    Nothing,
}

/// Returns the value that a snapshot at `sequence` sees: the one that the first batch after it replaced.
fn visible(versions: &VecDeque<Version>, sequence: u64) -> Option<&Option<Bytes>> {
    let first_after = versions.iter().find(|version| version.replaced_by > sequence)?;
    Some(&first_after.value)
}

impl Ticket {
    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Call before a read. Waits for the batch that was being applied when the snapshot was opened.
    pub(super) fn wait(&self) -> Result<()> {
        let is_visible = || self.overlay.sequence.load(Ordering::SeqCst) >= self.sequence;
        if is_visible() {
            return Ok(());
        }
        let mut state = lock(&self.overlay.state);
        while state.applying == Some(self.sequence) && !is_visible() {
            state = wait(&self.overlay.applied, state);
        }
        drop(state);
        if is_visible() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Closed, "the last batch before the snapshot failed"))
    }

    /// Call after a read, not before: expiry is published before values are dropped.
    pub(super) fn check(&self) -> Result<()> {
        if self.sequence >= self.overlay.expired_below.load(Ordering::SeqCst) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::SnapshotExpired,
            format!("more than {} bytes were overwritten since the snapshot", self.overlay.bytes_max),
        )
        .hint("take a new snapshot, hold it for a shorter time, or raise undo_bytes_max"))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = lock(&self.overlay.state);
        // An expired snapshot is no longer among the open ones.
        if let Some(count) = state.open.get_mut(&self.sequence) {
            *count -= 1;
            if *count > 0 {
                return;
            }
            state.open.remove(&self.sequence);
        }
        drop(state);
        self.overlay.forget_snapshot(self.sequence);
    }
}
