//! What was written lately, for transactions to be checked against.
//!
//! A transaction reads a snapshot and is committed later. It is serializable if nothing that it has read was written in
//! between; so as long as transactions are open, every commit notes the keys that it wrote. While none is open,
//! nothing is noted but how far the commits have come.
//!
//! The notes stand in the order of the commits, so that a check looks at those behind its transaction's beginning and at
//! no others. Most of them are looked at before the commit takes its turn ([`Recent::check_ahead`]): what is left for
//! the turn is what came since.
//!
//! The notes are bounded in bytes. A transaction that began before the oldest of them cannot be checked any more and
//! gets a conflict, as if something had been written.

use super::reads::Reads;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use strongroom_core::{Error, ErrorKind, KeyspaceId, Result};

/// Memory for the notes, in bytes of keys and what belongs to each.
const NOTED_BYTES_MAX: usize = 64 * 1_024 * 1_024;

/// What one note takes beside its key, roughly.
const NOTE_BYTES: usize = 64;

/// Notes that a check looks at without letting others have the lock.
const CHECKED_AT_ONCE: usize = 1_000;

#[derive(Debug)]
struct Note {
    sequence: u64,
    keyspace: KeyspaceId,
    key: Box<[u8]>,
}

#[derive(Debug, Default)]
struct State {
    /// The newest commit.
    last: u64,
    /// Commits up to this one may be missing from the notes.
    forgotten: u64,
    /// Where open transactions began, and how many did there.
    open: BTreeMap<u64, usize>,
    /// Oldest first, and so in the order of their sequence numbers.
    notes: VecDeque<Note>,
    bytes: usize,
}

#[derive(Debug)]
pub(crate) struct Recent {
    state: Mutex<State>,
    bytes_max: usize,
}

/// A transaction's beginning. While it is held, what is written behind it is noted.
#[derive(Debug)]
pub(crate) struct Start {
    recent: Arc<Recent>,
    sequence: u64,
}

impl Recent {
    /// After the commit `last`.
    pub(super) fn new(last: u64) -> Self {
        let state = State { last, forgotten: last, ..State::default() };
        Self { state: Mutex::new(state), bytes_max: NOTED_BYTES_MAX }
    }

    /// A transaction begins. Its snapshot is taken afterwards, and may show later commits too: those are taken for
    /// later ones all the same, which costs a conflict and never misses one.
    pub(crate) fn begin(self: &Arc<Self>) -> Start {
        let mut state = self.lock();
        let sequence = state.last;
        *state.open.entry(sequence).or_default() += 1;
        Start { recent: Arc::clone(self), sequence }
    }

    /// A commit was acknowledged by the engine. The leader says so before it leads the next group.
    pub(super) fn note(&self, sequence: u64, keys: impl Iterator<Item = (KeyspaceId, Box<[u8]>)>) {
        let mut state = self.lock();
        state.last = state.last.max(sequence);
        if state.open.is_empty() {
            state.forgotten = state.last;
            return;
        }
        for (keyspace, key) in keys {
            state.bytes += key.len() + NOTE_BYTES;
            state.notes.push_back(Note { sequence, keyspace, key });
        }
        state.shrink(self.bytes_max);
    }

    /// Looks at what was written since `start`, while others go on, and says up to which commit nothing of it was read.
    pub(crate) fn check_ahead(&self, reads: &Reads, start: u64) -> Result<u64> {
        let mut checked = start;
        loop {
            let state = self.lock();
            let last = state.last;
            let Some(next) = state.check(reads, checked, CHECKED_AT_ONCE)? else { return Ok(last) };
            checked = next;
        }
    }

    /// Whether nothing that was read was written since `start`. Only the leader asks: between its question and its
    /// commit nobody else commits (invariant 13).
    pub(super) fn check(&self, reads: &Reads, start: u64) -> Result<()> {
        self.lock().check(reads, start, usize::MAX).map(drop)
    }

    #[cfg(test)]
    fn notes(&self) -> usize {
        self.lock().notes.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Looks at some `count` of the notes behind `start`, and says where to go on if those were not all.
    fn check(&self, reads: &Reads, start: u64, count: usize) -> Result<Option<u64>> {
        if start < self.forgotten {
            return Err(Error::new(
                ErrorKind::Conflict,
                "too much was written while the transaction was open for it to be checked",
            )
            .hint("run it again, and do less in it"));
        }
        let first = self.notes.partition_point(|note| note.sequence <= start);
        let mut checked = start;
        for (looked_at, note) in self.notes.range(first..).enumerate() {
            // Only between two commits: where it goes on is a commit's number.
            if looked_at >= count && note.sequence > checked {
                return Ok(Some(checked));
            }
            if reads.contains(note.keyspace, &note.key) {
                return Err(conflict());
            }
            checked = note.sequence;
        }
        Ok(None)
    }

    /// Forgets what no open transaction needs, and the oldest of what is too much.
    fn shrink(&mut self, bytes_max: usize) {
        let needed_after = self.open.keys().next().copied().unwrap_or(u64::MAX);
        while let Some(oldest) = self.notes.front() {
            let is_needed = oldest.sequence > needed_after;
            if is_needed && self.bytes <= bytes_max {
                break;
            }
            let Some(Note { sequence, key, .. }) = self.notes.pop_front() else { break };
            self.bytes -= key.len() + NOTE_BYTES;
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

    /// See [`Recent::check_ahead`].
    pub(crate) fn check_ahead(&self, reads: &Reads) -> Result<u64> {
        self.recent.check_ahead(reads, self.sequence)
    }
}

impl Drop for Start {
    fn drop(&mut self) {
        let mut state = self.recent.lock();
        if let Some(count) = state.open.get_mut(&self.sequence) {
            *count -= 1;
            if *count == 0 {
                state.open.remove(&self.sequence);
            }
        }
        state.shrink(self.recent.bytes_max);
    }
}

/// Something that a transaction has read was written by another commit.
pub(super) fn conflict() -> Error {
    Error::new(ErrorKind::Conflict, "another commit changed what the transaction has read")
        .hint("run it again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use strongroom_core::KeyRange;

    const A: KeyspaceId = KeyspaceId::from_index(1);
    const B: KeyspaceId = KeyspaceId::from_index(2);

    fn note(recent: &Recent, sequence: u64, keys: &[(KeyspaceId, &str)]) {
        recent.note(sequence, keys.iter().map(|(keyspace, text)| (*keyspace, text.as_bytes().into())));
    }

    fn reads(key: &str) -> Reads {
        let mut reads = Reads::default();
        reads.key(A, key.as_bytes());
        reads
    }

    fn range(range: KeyRange) -> Reads {
        let mut reads = Reads::default();
        reads.begin_scan(A, range);
        reads.merge_ranges();
        reads
    }

    #[test]
    fn what_was_read_and_written_since_is_a_conflict() {
        let recent = Arc::new(Recent::new(7));
        let start = recent.begin();
        note(&recent, 8, &[(A, "b"), (B, "x")]);
        let touched = |reads: &Reads| recent.check(reads, start.sequence()).is_err();
        assert!(touched(&reads("b")) && !touched(&reads("a")) && !touched(&reads("x")));
        assert!(touched(&range(KeyRange::all())) && touched(&range(KeyRange::prefix(b"b"))));
        assert!(
            !touched(&range(KeyRange::between("c", "d"))) && !touched(&range(KeyRange::between("b", "b")))
        );
        assert!(!touched(&range(KeyRange::between("a", "b"))) && touched(&range(KeyRange::from("b"))));
        // One that begins now does not mind.
        assert!(recent.check(&reads("b"), recent.begin().sequence()).is_ok());
    }

    #[test]
    fn what_was_checked_ahead_is_not_looked_at_again() {
        let recent = Arc::new(Recent::new(0));
        let start = recent.begin();
        for sequence in 1..=CHECKED_AT_ONCE as u64 {
            note(&recent, sequence, &[(A, "x"), (B, "y"), (A, "z")]);
        }
        let checked = start.check_ahead(&reads("a")).unwrap();
        assert_eq!(checked, CHECKED_AT_ONCE as u64);
        assert!(start.check_ahead(&reads("z")).is_err());
        note(&recent, 5_000, &[(A, "a")]);
        assert!(recent.check(&reads("a"), checked).is_err() && recent.check(&reads("z"), checked).is_ok());
        assert_eq!(start.check_ahead(&reads("b")).unwrap(), 5_000);
    }

    #[test]
    fn nothing_is_kept_that_no_open_transaction_needs() {
        let recent = Arc::new(Recent::new(0));
        note(&recent, 1, &[(A, "a")]);
        assert_eq!(recent.notes(), 0);
        let first = recent.begin();
        note(&recent, 2, &[(A, "a")]);
        let second = recent.begin();
        note(&recent, 3, &[(A, "a"), (A, "b")]);
        assert_eq!(recent.notes(), 3);
        drop(first);
        assert_eq!(recent.notes(), 2);
        assert!(recent.check(&reads("a"), second.sequence()).is_err());
        drop(second);
        assert_eq!((recent.notes(), recent.lock().bytes), (0, 0));
    }

    #[test]
    fn what_cannot_be_checked_any_more_is_a_conflict() {
        let recent = Arc::new(Recent { bytes_max: 3 * (NOTE_BYTES + 1), ..Recent::new(0) });
        let start = recent.begin();
        for sequence in 1..=3 {
            note(&recent, sequence, &[(A, "x")]);
        }
        assert!(recent.check(&reads("a"), start.sequence()).is_ok());
        note(&recent, 4, &[(A, "x")]);
        assert_eq!(recent.notes(), 3);
        assert!(recent.check(&reads("a"), start.sequence()).is_err());
        assert!(start.check_ahead(&reads("a")).is_err());
        assert!(recent.check(&reads("x"), 3).is_err());
    }

    /// Else a commit that was under way when the transaction began would be missed.
    #[test]
    fn a_commit_that_is_noted_after_the_beginning_counts() {
        let recent = Arc::new(Recent::new(5));
        let start = recent.begin();
        note(&recent, 6, &[(A, "a")]);
        assert_eq!(start.sequence(), 5);
        assert!(recent.check(&reads("a"), start.sequence()).is_err());
    }
}
