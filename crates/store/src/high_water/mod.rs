//! The high-water mark: shows that the newest commits are gone, which no checksum can.
//!
//! There are two witnesses. One is a row of the store's own, [`witness`], which holds the sequence number of
//! the commit that wrote it; the other is the [`file`] beside the store, which gets the same number, and only
//! when the engine has acknowledged that commit as durable. So the file is never ahead of what the engine
//! holds (invariant 9), and an engine whose row is behind the file has lost commits that it had acknowledged.
//!
//! Marking is not part of a commit: that would cost it a second sync. A [`thread`] marks at most once in
//! [`HIGH_WATER_LAG_MS`] while there are durable commits without a mark, and closing the store marks the
//! rest. What a session that was not closed has left is marked by the next one that may write. A loss of what came
//! within the lag is not noticed. Buffered commits wait for a power-safe one, a
//! flush or the closing: until then an engine may lose them by right.

pub(crate) mod file;
pub(crate) mod standing;
pub(crate) mod thread;
pub(crate) mod witness;

use crate::batch::Batch;
use crate::store::Inner;
use file::MarkFile;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use strongroom_core::{Durability, ErrorKind, Result};
use thread::Alarm;

/// How long a durable commit may be without a mark, in milliseconds, and a little more: the mark is a commit
/// of its own, which takes its turn. While a store is open, a loss of the commits of this time is not noticed
/// by the next opening; a store that was closed is marked to the last commit. What a process that died has left
/// is marked by the next opening that may write, after this time or at its closing.
pub const HIGH_WATER_LAG_MS: u64 = 1_000;

/// The mark of a store that is open to be written.
pub(crate) struct HighWater {
    /// Also whose turn it is: one marks at a time.
    file: Mutex<MarkFile>,
    /// Highest sequence number that was acknowledged.
    committed: AtomicU64,
    /// Highest one that the engine holds durably, as far as it is known here.
    durable: AtomicU64,
    /// What the file says.
    marked: AtomicU64,
    failures: AtomicU64,
    /// A failure that will not pass: nothing is tried until the store is opened anew.
    has_ended: AtomicBool,
    pub(crate) alarm: Alarm,
}

impl HighWater {
    pub(crate) fn new(file: MarkFile, marked: u64) -> Self {
        Self {
            file: Mutex::new(file),
            committed: AtomicU64::new(0),
            durable: AtomicU64::new(0),
            marked: AtomicU64::new(marked),
            failures: AtomicU64::new(0),
            has_ended: AtomicBool::new(false),
            alarm: Alarm::default(),
        }
    }

    /// Commits up to `sequence` were acknowledged.
    pub(crate) fn note_commits(&self, sequence: u64, durability: Durability) {
        self.committed.fetch_max(sequence, Ordering::AcqRel);
        if durability == Durability::PowerSafe {
            self.note_durable(sequence);
        }
    }

    /// What a flush that begins now will make durable.
    pub(crate) fn committed(&self) -> u64 {
        self.committed.load(Ordering::Acquire)
    }

    /// Commits up to `sequence` are durable.
    pub(crate) fn note_durable(&self, sequence: u64) {
        self.durable.fetch_max(sequence, Ordering::AcqRel);
        if self.is_due() {
            self.alarm.ring();
        }
    }

    fn is_due(&self) -> bool {
        self.durable.load(Ordering::Acquire) > self.marked() && !self.has_ended.load(Ordering::Acquire)
    }

    /// Up to where the file's mark stands.
    pub(crate) fn marked(&self) -> u64 {
        self.marked.load(Ordering::Acquire)
    }

    /// Marks that failed.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    pub(crate) fn count_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Marks all that was committed so far, if anything is without a mark. A failure is counted, and the commits
    /// before it are stored all the same. One of the file is nobody else's; one of the engine poisons the handle
    /// like any failed commit, for nobody knows then what the engine holds.
    pub(crate) fn mark(&self, store: &Inner) {
        self.mark_or_count(store, false);
    }

    /// As [`mark`](Self::mark), for the last time: nobody commits any more. A store that was written is marked once
    /// more even if it is marked, so that the next opening sees that this one was closed.
    pub(crate) fn mark_last(&self, store: &Inner) {
        self.mark_or_count(store, true);
    }

    fn mark_or_count(&self, store: &Inner, is_last: bool) {
        if self.has_ended.load(Ordering::Acquire) {
            return;
        }
        if let Err(error) = self.try_mark(store, is_last) {
            self.count_failure();
            if error.kind() == ErrorKind::Unavailable {
                // The engine was busy.
                self.alarm.ring();
            } else {
                self.has_ended.store(true, Ordering::Release);
            }
        }
    }

    fn try_mark(&self, store: &Inner, is_last: bool) -> Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let done = if is_last { 0 } else { self.marked() };
        if self.committed() <= done {
            return Ok(());
        }
        let sequence = commit_witness(store, is_last)?;
        // Invariant 9: only now, when the engine has acknowledged it.
        file.write(sequence)?;
        self.marked.store(sequence, Ordering::Release);
        Ok(())
    }
}

/// Commits the witness as durably as the engine can, and says its sequence number.
pub(crate) fn commit_witness(store: &Inner, is_last: bool) -> Result<u64> {
    let claims = store.info().capabilities.power_safe;
    let durability = if claims { Durability::PowerSafe } else { Durability::Buffered };
    let commit = store.pipeline.commit(&Batch::witness(store.instance, durability, is_last), store)?;
    if !claims {
        store.backend().flush()?;
    }
    Ok(commit.sequence)
}

#[cfg(test)]
mod tests {
    use super::file::{self, Reading, Slot};
    use crate::{Store, StoreOptions};
    use strongroom_core::{Marked, MemoryOptions, Options, TypedOptions as _};
    use strongroom_testkit::PretendBackend;

    #[test]
    fn a_file_that_cannot_be_written_is_counted_and_fails_no_commit() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(PretendBackend::new(&directory).unwrap(), StoreOptions::new()).unwrap();
        let rows = store.default_keyspace().unwrap();
        let high_water = store.inner.high_water.as_ref().unwrap();
        rows.set("a", "1").unwrap();
        store.inner.mark();
        let marked = high_water.marked();
        drop(high_water.file.lock().unwrap().break_handle());
        for key in ["b", "c"] {
            rows.set(key, "1").unwrap();
            store.inner.mark();
        }
        // The first was tried; after it, nothing is until the store is opened anew.
        assert_eq!(store.stats().unwrap().high_water_failures, 1);
        assert_eq!(high_water.marked(), marked);
        drop((rows, store));
        let options = MemoryOptions::from_options(&Options::new().marked(Marked::Writable)).unwrap();
        let backend = PretendBackend::open(&directory, options).unwrap();
        assert!(
            Store::new(backend, StoreOptions::new()).unwrap().default_keyspace().unwrap().has("c").unwrap()
        );
    }

    #[test]
    fn a_mark_that_counts_too_high_is_made_anew_when_it_is_accepted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let reopened = |options: StoreOptions| {
            let engine = MemoryOptions::from_options(&Options::new().marked(Marked::Writable)).unwrap();
            Store::new(PretendBackend::open(path, engine).unwrap(), options).unwrap()
        };
        let store = Store::new(PretendBackend::new(path).unwrap(), StoreOptions::new()).unwrap();
        store.default_keyspace().unwrap().set("a", "1").unwrap();
        let id = store.id().unwrap();
        drop(store);
        let Reading::Mark { sequence, .. } = file::read(path, id).unwrap() else { panic!() };
        let slot = Slot { counter: u64::MAX, sequence }.seal(id);
        let name = path.join(file::file_name());
        let mut bytes = std::fs::read(&name).unwrap();
        bytes[..slot.len()].copy_from_slice(&slot);
        std::fs::write(&name, &bytes).unwrap();

        let write_and_mark = |store: &Store| {
            store.default_keyspace().unwrap().set("b", "1").unwrap();
            store.inner.mark();
            store.stats().unwrap().high_water_failures
        };
        assert_eq!(write_and_mark(&reopened(StoreOptions::new())), 1, "it cannot be written");
        assert_eq!(write_and_mark(&reopened(StoreOptions::new().accept_lost_tail(true))), 0);
        assert_eq!(write_and_mark(&reopened(StoreOptions::new())), 0, "there is a new one");
    }
}
