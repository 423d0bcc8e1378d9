//! The commit log: the keys that recent commits wrote, in memory.
//!
//! A transaction reads a snapshot and is committed later. It is serializable if nothing in its read set was
//! written in between. So while transactions are open, every commit logs its keys. While none is open, only the
//! newest sequence number is recorded.
//!
//! Entries are in commit order, so a check reads only the entries after its transaction's start. Most of them are
//! read before the commit enters the queue ([`Start::check_ahead`]), so that the leader checks only those that
//! came since.
//!
//! The log is bounded in bytes. A transaction that began before its oldest entry can no longer be validated and
//! gets a conflict.

use crate::read_set::ReadSet;
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::collections::{BTreeMap, VecDeque};
use strongroom_core::{Error, ErrorKind, KeyspaceId, Result};

/// Maximum memory of the entries, in bytes: their keys, and [`ENTRY_BYTES`] each.
const LOG_BYTES_MAX: usize = 64 * 1_024 * 1_024;

/// Memory of an entry without its key, roughly.
const ENTRY_BYTES: usize = 64;

/// Entries that a check reads before it releases the lock for others.
const CHECKED_AT_ONCE: usize = 1_000;

#[derive(Debug)]
struct Entry {
    sequence: u64,
    keyspace: KeyspaceId,
    key: Box<[u8]>,
}

#[derive(Debug, Default)]
struct State {
    /// The newest commit.
    last: u64,
    /// Commits up to this one may be missing from the log.
    forgotten: u64,
    /// The starts of open transactions, and how many began at each.
    open: BTreeMap<u64, usize>,
    /// Oldest first, and so in the order of their sequence numbers.
    entries: VecDeque<Entry>,
    bytes: usize,
}

#[derive(Debug)]
pub(crate) struct CommitLog {
    state: Mutex<State>,
    bytes_max: usize,
}

/// The start of a transaction. While it exists, later commits are logged.
#[derive(Debug)]
pub(crate) struct Start {
    log: Arc<CommitLog>,
    sequence: u64,
}

impl CommitLog {
    /// Returns an empty log after the commit `last`.
    pub(super) fn new(last: u64) -> Self {
        let state = State { last, forgotten: last, ..State::default() };
        Self { state: Mutex::new(state), bytes_max: LOG_BYTES_MAX }
    }

    /// Begins a transaction. Its snapshot is taken afterwards and may show later commits too. Those still count
    /// as later, which may cause a needless conflict and never misses one.
    pub(crate) fn begin(self: &Arc<Self>) -> Start {
        let mut state = self.lock();
        let sequence = state.last;
        *state.open.entry(sequence).or_default() += 1;
        Start { log: Arc::clone(self), sequence }
    }

    /// Logs an acknowledged commit. Called before the next group begins.
    pub(super) fn note<'k>(&self, sequence: u64, keys: impl Iterator<Item = (KeyspaceId, &'k [u8])>) {
        let mut state = self.lock();
        state.last = state.last.max(sequence);
        if state.open.is_empty() {
            state.forgotten = state.last;
            return;
        }
        for (keyspace, key) in keys {
            state.bytes += key.len() + ENTRY_BYTES;
            state.entries.push_back(Entry { sequence, keyspace, key: key.into() });
        }
        state.shrink(self.bytes_max);
    }

    /// Checks the commits since `start` while others continue. Returns the last commit that was checked.
    pub(crate) fn check_ahead(&self, reads: &ReadSet, start: u64) -> Result<u64> {
        let mut checked = start;
        loop {
            let state = self.lock();
            let last = state.last;
            let Some(next) = state.check(reads, checked, CHECKED_AT_ONCE)? else { return Ok(last) };
            checked = next;
        }
    }

    /// Returns a conflict if a commit since `start` wrote to the read set. Only the leader calls it: no other
    /// commit comes between this check and its own commit (invariant 13).
    pub(super) fn check(&self, reads: &ReadSet, start: u64) -> Result<()> {
        self.lock().check(reads, start, usize::MAX).map(drop)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.lock().entries.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Checks about `count` entries after `start`. Returns where to continue, or none if those were all.
    fn check(&self, reads: &ReadSet, start: u64, count: usize) -> Result<Option<u64>> {
        if start < self.forgotten {
            return Err(Error::new(
                ErrorKind::Conflict,
                "too much was written while the transaction was open, so it cannot be validated",
            )
            .hint("run it again, and keep it open for less time"));
        }
        let first = self.entries.partition_point(|entry| entry.sequence <= start);
        let mut checked = start;
        for (place, entry) in self.entries.range(first..).enumerate() {
            // Stops only between two commits, since it continues after a commit's number.
            if place >= count && entry.sequence > checked {
                return Ok(Some(checked));
            }
            if reads.contains(entry.keyspace, &entry.key) {
                return Err(conflict());
            }
            checked = entry.sequence;
        }
        Ok(None)
    }

    /// Drops entries that no open transaction needs, then the oldest ones until the log is within its bound.
    fn shrink(&mut self, bytes_max: usize) {
        let needed_after = self.open.keys().next().copied().unwrap_or(u64::MAX);
        while let Some(oldest) = self.entries.front() {
            let is_needed = oldest.sequence > needed_after;
            if is_needed && self.bytes <= bytes_max {
                break;
            }
            let Some(Entry { sequence, key, .. }) = self.entries.pop_front() else { break };
            self.bytes -= key.len() + ENTRY_BYTES;
            self.forgotten = self.forgotten.max(sequence);
        }
        if self.open.is_empty() {
            self.forgotten = self.last;
        }
    }
}

impl Start {
    #[cfg(test)]
    fn sequence(&self) -> u64 {
        self.sequence
    }

    /// See [`CommitLog::check_ahead`].
    pub(crate) fn check_ahead(&self, reads: &ReadSet) -> Result<u64> {
        self.log.check_ahead(reads, self.sequence)
    }
}

impl Drop for Start {
    fn drop(&mut self) {
        let mut state = self.log.lock();
        if let Some(count) = state.open.get_mut(&self.sequence) {
            *count -= 1;
            if *count == 0 {
                state.open.remove(&self.sequence);
            }
        }
        state.shrink(self.log.bytes_max);
    }
}

/// The error for a transaction whose read set another commit has changed.
pub(super) fn conflict() -> Error {
    Error::new(ErrorKind::Conflict, "another commit changed data that the transaction read")
        .hint("run it again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use strongroom_core::KeyRange;

    const A: KeyspaceId = KeyspaceId::from_index(1);
    const B: KeyspaceId = KeyspaceId::from_index(2);

    fn note(log: &CommitLog, sequence: u64, keys: &[(KeyspaceId, &str)]) {
        log.note(sequence, keys.iter().map(|(keyspace, text)| (*keyspace, text.as_bytes())));
    }

    fn reads(key: &str) -> ReadSet {
        let mut reads = ReadSet::default();
        reads.key(A, key.as_bytes());
        reads
    }

    fn range(range: KeyRange) -> ReadSet {
        let mut reads = ReadSet::default();
        reads.begin_scan(A, range);
        reads.merge_ranges();
        reads
    }

    #[test]
    fn a_write_to_the_read_set_since_the_start_is_a_conflict() {
        let log = Arc::new(CommitLog::new(7));
        let start = log.begin();
        note(&log, 8, &[(A, "b"), (B, "x")]);
        let touched = |reads: &ReadSet| log.check(reads, start.sequence()).is_err();
        assert!(touched(&reads("b")) && !touched(&reads("a")) && !touched(&reads("x")));
        assert!(touched(&range(KeyRange::all())) && touched(&range(KeyRange::prefix(b"b"))));
        assert!(
            !touched(&range(KeyRange::between("c", "d"))) && !touched(&range(KeyRange::between("b", "b")))
        );
        assert!(!touched(&range(KeyRange::between("a", "b"))) && touched(&range(KeyRange::from("b"))));
        // A transaction that begins now is not affected.
        assert!(log.check(&reads("b"), log.begin().sequence()).is_ok());
    }

    #[test]
    fn entries_that_were_checked_ahead_are_not_checked_again() {
        let log = Arc::new(CommitLog::new(0));
        let start = log.begin();
        for sequence in 1..=CHECKED_AT_ONCE as u64 {
            note(&log, sequence, &[(A, "x"), (B, "y"), (A, "z")]);
        }
        let checked = start.check_ahead(&reads("a")).unwrap();
        assert_eq!(checked, CHECKED_AT_ONCE as u64);
        assert!(start.check_ahead(&reads("z")).is_err());
        note(&log, 5_000, &[(A, "a")]);
        assert!(log.check(&reads("a"), checked).is_err() && log.check(&reads("z"), checked).is_ok());
        assert_eq!(start.check_ahead(&reads("b")).unwrap(), 5_000);
    }

    #[test]
    fn entries_that_no_open_transaction_needs_are_dropped() {
        let log = Arc::new(CommitLog::new(0));
        note(&log, 1, &[(A, "a")]);
        assert_eq!(log.len(), 0);
        let first = log.begin();
        note(&log, 2, &[(A, "a")]);
        let second = log.begin();
        note(&log, 3, &[(A, "a"), (A, "b")]);
        assert_eq!(log.len(), 3);
        drop(first);
        assert_eq!(log.len(), 2);
        assert!(log.check(&reads("a"), second.sequence()).is_err());
        drop(second);
        assert_eq!((log.len(), log.lock().bytes), (0, 0));
    }

    #[test]
    fn a_transaction_older_than_the_log_gets_a_conflict() {
        let log = Arc::new(CommitLog { bytes_max: 3 * (ENTRY_BYTES + 1), ..CommitLog::new(0) });
        let start = log.begin();
        for sequence in 1..=3 {
            note(&log, sequence, &[(A, "x")]);
        }
        assert!(log.check(&reads("a"), start.sequence()).is_ok());
        note(&log, 4, &[(A, "x")]);
        assert_eq!(log.len(), 3);
        assert!(log.check(&reads("a"), start.sequence()).is_err());
        assert!(start.check_ahead(&reads("a")).is_err());
        assert!(log.check(&reads("x"), 3).is_err());
    }

    /// Otherwise a commit in flight when the transaction began would be missed.
    #[test]
    fn a_commit_that_is_logged_after_the_start_counts() {
        let log = Arc::new(CommitLog::new(5));
        let start = log.begin();
        note(&log, 6, &[(A, "a")]);
        assert_eq!(start.sequence(), 5);
        assert!(log.check(&reads("a"), start.sequence()).is_err());
    }
}
