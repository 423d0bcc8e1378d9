//! What is kept for open snapshots, and which snapshots are open.

use crate::range::{Direction, KeyRange};
use crate::sync::{lock, read, write};
use crate::{Error, ErrorKind, Result};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

/// What one kept value costs beside its bytes: its places in the map and in the log.
const ENTRY_OVERHEAD_BYTES: u64 = 160;

/// How many kept values are dropped at a time, so that closing a long-lived snapshot stalls nobody.
const PRUNE_STEP: usize = 1_024;

/// Open snapshots and the log of what is kept for them, over all keyspaces.
#[derive(Debug)]
pub(super) struct Overlay {
    bytes_max: u64,
    /// Held while a batch becomes visible, and for an instant to open a snapshot: a snapshot lies between
    /// two batches, never within one.
    gate: Mutex<()>,
    /// How many batches were applied. Written under the gate.
    sequence: AtomicU64,
    /// Snapshots of an earlier sequence have expired.
    expired_below: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Open snapshots: sequence and how many.
    open: BTreeMap<u64, usize>,
    /// What is kept, oldest first.
    log: VecDeque<LogEntry>,
    bytes: u64,
}

#[derive(Debug)]
struct LogEntry {
    replaced_by: u64,
    keyspace: Arc<KeyspaceUndo>,
    key: Bytes,
    bytes: u64,
}

/// The kept values of one keyspace.
#[derive(Debug, Default)]
pub(super) struct KeyspaceUndo {
    versions: RwLock<BTreeMap<Bytes, VecDeque<Version>>>,
    /// How many keys are in `versions`, readable without the lock.
    keys: AtomicUsize,
}

/// A value (none: absent) that batch `replaced_by` replaced.
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
}

impl Overlay {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            gate: Mutex::default(),
            sequence: AtomicU64::new(0),
            expired_below: AtomicU64::new(0),
            state: Mutex::default(),
        }
    }

    pub(super) fn open_snapshot(overlay: &Arc<Self>) -> Arc<Ticket> {
        let _between_batches = lock(&overlay.gate);
        let sequence = overlay.sequence.load(Ordering::SeqCst);
        *lock(&overlay.state).open.entry(sequence).or_default() += 1;
        Arc::new(Ticket { overlay: Arc::clone(overlay), sequence })
    }

    pub(super) fn begin_change(&self) -> Change<'_> {
        let gate = lock(&self.gate);
        let sequence = self.sequence.load(Ordering::SeqCst) + 1;
        let watched = !lock(&self.state).open.is_empty();
        Change { overlay: self, _gate: gate, sequence, watched }
    }

    pub(super) fn kept_bytes(&self) -> u64 {
        lock(&self.state).bytes
    }

    /// Expires the oldest snapshots until what is kept fits its bound again.
    fn enforce_bound(&self, state: &mut State) {
        while state.bytes > self.bytes_max {
            let Some((oldest, _)) = state.open.pop_first() else { break };
            // Before anything is dropped: a reader checks this after it has looked.
            self.expired_below.store(oldest + 1, Ordering::SeqCst);
            while state.prune(PRUNE_STEP) {}
        }
    }
}

impl State {
    /// Drops up to `limit` kept values that no open snapshot can need; `true` if there may be more.
    fn prune(&mut self, limit: usize) -> bool {
        let oldest = self.open.first_key_value().map(|(sequence, _)| *sequence);
        for _ in 0..limit {
            match self.log.front() {
                Some(entry) if oldest.is_none_or(|oldest| entry.replaced_by <= oldest) => {}
                _ => return false,
            }
            if let Some(entry) = self.log.pop_front() {
                entry.keyspace.forget_oldest(&entry.key);
                self.bytes -= entry.bytes;
            }
        }
        true
    }
}

impl Change<'_> {
    /// Whether a snapshot is open that needs what this batch replaces.
    pub(super) fn is_watched(&self) -> bool {
        self.watched
    }

    /// Keeps the value of `key` that `read_old` gives, unless no open snapshot could ask for it.
    pub(super) fn keep(
        &self,
        keyspace: &Arc<KeyspaceUndo>,
        key: &[u8],
        read_old: impl FnOnce() -> Result<Option<Bytes>>,
    ) -> Result<()> {
        let newest_open = lock(&self.overlay.state).open.last_key_value().map(|(sequence, _)| *sequence);
        let Some(newest_open) = newest_open else { return Ok(()) };
        if keyspace.newest_replacement(key).is_some_and(|sequence| sequence > newest_open) {
            return Ok(());
        }
        // Copied, so that what is kept pins nothing of the engine.
        let value = read_old()?.map(|value| Bytes::copy_from_slice(&value));
        let key = Bytes::copy_from_slice(key);
        let payload = key.len() + value.as_ref().map_or(0, Bytes::len);
        let bytes = payload as u64 + ENTRY_OVERHEAD_BYTES;

        let mut state = lock(&self.overlay.state);
        keyspace.remember(key.clone(), Version { replaced_by: self.sequence, value });
        let keyspace = Arc::clone(keyspace);
        state.log.push_back(LogEntry { replaced_by: self.sequence, keyspace, key, bytes });
        state.bytes += bytes;
        self.overlay.enforce_bound(&mut state);
        Ok(())
    }

    /// The batch is visible.
    pub(super) fn done(self) {
        self.overlay.sequence.store(self.sequence, Ordering::SeqCst);
    }
}

impl KeyspaceUndo {
    /// Whether nothing is kept. A reader that has just read the engine may rely on it: what is kept is
    /// kept before the engine changes.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.load(Ordering::SeqCst) == 0
    }

    /// The value of `key` at `sequence`, if it was replaced since.
    #[allow(clippy::option_option)] // Outer: is anything kept. Inner: was the key there.
    pub(super) fn value_at(&self, key: &[u8], sequence: u64) -> Option<Option<Bytes>> {
        if self.is_empty() {
            return None;
        }
        visible(read(&self.versions).get(key)?, sequence).cloned()
    }

    /// The first key in `range` that was replaced since `sequence`, with its value then.
    pub(super) fn first_in(
        &self,
        range: &KeyRange,
        direction: Direction,
        sequence: u64,
    ) -> Option<(Bytes, Option<Bytes>)> {
        if range.is_empty() {
            return None;
        }
        let versions = read(&self.versions);
        let end = range.end().map_or(Bound::Unbounded, Bound::Excluded);
        let mut entries = versions.range::<[u8], _>((Bound::Included(range.start()), end));
        let pick = |(key, versions): (&Bytes, &VecDeque<Version>)| {
            visible(versions, sequence).map(|value| (key.clone(), value.clone()))
        };
        match direction {
            Direction::Forward => entries.find_map(pick),
            Direction::Reverse => entries.rev().find_map(pick),
        }
    }

    fn newest_replacement(&self, key: &[u8]) -> Option<u64> {
        read(&self.versions).get(key)?.back().map(|version| version.replaced_by)
    }

    fn remember(&self, key: Bytes, version: Version) {
        let mut versions = write(&self.versions);
        versions.entry(key).or_default().push_back(version);
        self.keys.store(versions.len(), Ordering::SeqCst);
    }

    fn forget_oldest(&self, key: &[u8]) {
        let mut versions = write(&self.versions);
        if let Some(kept) = versions.get_mut(key) {
            kept.pop_front();
            if kept.is_empty() {
                versions.remove(key);
            }
        }
        self.keys.store(versions.len(), Ordering::SeqCst);
    }
}

/// What a snapshot at `sequence` sees: the value that the first batch after it replaced.
fn visible(versions: &VecDeque<Version>, sequence: u64) -> Option<&Option<Bytes>> {
    let first_after = versions.iter().find(|version| version.replaced_by > sequence)?;
    Some(&first_after.value)
}

impl Ticket {
    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// To be asked after a read, not before: expiry is announced before anything is dropped.
    pub(super) fn check(&self) -> Result<()> {
        if self.sequence >= self.overlay.expired_below.load(Ordering::SeqCst) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::SnapshotExpired,
            format!("more than {} bytes were overwritten since the snapshot", self.overlay.bytes_max),
        )
        .hint("take a new snapshot, hold it for less long, or raise undo_bytes_max"))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = lock(&self.overlay.state);
        // An expired snapshot is no longer among the open ones.
        if let Some(count) = state.open.get_mut(&self.sequence) {
            *count -= 1;
            if *count == 0 {
                state.open.remove(&self.sequence);
            }
        }
        while state.prune(PRUNE_STEP) {
            drop(state);
            state = lock(&self.overlay.state);
        }
    }
}
