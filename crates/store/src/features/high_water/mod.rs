//! The high-water mark: shows that the newest commits are missing, which no checksum can.
//!
//! It has two halves. One is a row of the store's own ([`high_water_row`]) with the sequence number of the commit that
//! wrote it. The other is a [file](crate::directory::mark_file) beside the engine's files, which gets the same number,
//! and only when the engine has acknowledged that commit as durable. So the file is never ahead of the engine (invariant
//! 9), and an engine whose row lags behind the file has lost commits that it had acknowledged.
//!
//! Marking is not part of a commit: that would cost it a second sync. A thread marks at most once in
//! [`HIGH_WATER_LAG_MS`] while there are durable commits without a mark, and closing the store marks the rest. If a
//! session was not closed, the next one that may write marks what that session left. A loss of commits that are newer
//! than the mark is not noticed. Buffered commits wait for a power-safe commit, a flush or the closing: until then an
//! engine is allowed to lose them.

pub(crate) mod recovery;

use crate::base::Base;
use crate::directory::mark_file::MarkFile;
use crate::format::high_water_row;
use crate::request::{Commit, Purpose, Request};
use crate::stage::{Group, Member, Stages};
use crate::worker::Alarm;
use recovery::Accepted;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use strongroom_core::{Durability, ErrorKind, Result};

/// How long a durable commit may be without a mark, in milliseconds, and a little more: the mark is a commit of its own,
/// which waits for its turn. A loss of the commits of this time is not noticed by the next opening. A store that was
/// closed is marked up to its last commit. If a process died, the next opening that may write marks what it left, after
/// this time or when it is closed.
pub const HIGH_WATER_LAG_MS: u64 = 1_000;

/// The feature: it notes which commits are durable, and marks them.
#[derive(Default)]
pub(crate) struct HighWater {
    /// None: the store is in memory, is only read, or is older than marks.
    pub(crate) mark: Option<Mark>,
    /// The lost tail that the caller has accepted, where no new mark was made because the store is only read.
    pub(crate) accepted: Option<Accepted>,
}

/// The mark of a store that is open to be written.
pub(crate) struct Mark {
    /// Its lock is also the turn: one thread marks at a time.
    file: Mutex<MarkFile>,
    /// The newest acknowledged commit.
    committed: AtomicU64,
    /// The newest commit that is known to be durable.
    durable: AtomicU64,
    /// The number in the file.
    marked: AtomicU64,
    failures: AtomicU64,
    /// A failure that will not pass: nothing is tried until the store is opened again.
    has_ended: AtomicBool,
    pub(crate) alarm: Alarm,
}

impl Stages for HighWater {
    fn add_rows(&self, group: &mut Group<'_>, member: &Member<'_>) {
        if let Purpose::HighWater { is_last } = member.request.purpose
            && let Some(own) = group.base.own_keyspace()
        {
            high_water_row::put(&mut group.batch, own, member.sequence);
            if is_last {
                group.give_back_sequences();
            }
        }
    }

    fn publish(&self, group: &Group<'_>, member: &Member<'_>) {
        // Its own commits need no mark.
        if let Some(mark) = &self.mark
            && member.request.purpose == Purpose::Application
        {
            mark.note_commits(member.sequence, group.durability);
        }
    }
}

impl HighWater {
    /// Marks all commits so far, if any is without a mark.
    pub(crate) fn mark(&self, base: &Base, pipeline: &dyn Commit) {
        if let Some(mark) = &self.mark {
            mark.mark(base, pipeline);
        }
    }
}

impl Mark {
    pub(crate) fn new(file: MarkFile, marked: u64) -> Self {
        Self {
            file: Mutex::new(file),
            committed: AtomicU64::new(0),
            durable: AtomicU64::new(0),
            marked: AtomicU64::new(marked),
            failures: AtomicU64::new(0),
            has_ended: AtomicBool::new(false),
            alarm: Alarm::new(Duration::from_millis(HIGH_WATER_LAG_MS)),
        }
    }

    /// Commits up to `sequence` were acknowledged.
    pub(crate) fn note_commits(&self, sequence: u64, durability: Durability) {
        self.committed.fetch_max(sequence, Ordering::AcqRel);
        if durability == Durability::PowerSafe {
            self.note_durable(sequence);
        }
    }

    /// A flush that begins now makes the commits up to this one durable.
    pub(crate) fn committed(&self) -> u64 {
        self.committed.load(Ordering::Acquire)
    }

    /// Commits up to `sequence` are durable.
    pub(crate) fn note_durable(&self, sequence: u64) {
        self.durable.fetch_max(sequence, Ordering::AcqRel);
        if self.is_due() {
            self.alarm.set();
        }
    }

    fn is_due(&self) -> bool {
        self.durable.load(Ordering::Acquire) > self.marked() && !self.has_ended.load(Ordering::Acquire)
    }

    /// The number in the file.
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

    /// The marking thread, until the store is closed.
    pub(crate) fn run(&self, base: &Base, pipeline: &dyn Commit) {
        while self.alarm.wait() {
            self.mark(base, pipeline);
        }
    }

    /// Marks all commits so far, if any is without a mark. A failure is counted, and the commits before it are stored
    /// all the same. A failure of the file concerns nobody else. One of the engine poisons the handle like any failed
    /// commit, for nobody knows then what the engine holds.
    pub(crate) fn mark(&self, base: &Base, pipeline: &dyn Commit) {
        self.mark_or_count(base, pipeline, false);
    }

    /// As [`mark`](Self::mark), for the last time: nobody commits any more. A store that was written is marked once more
    /// even if it is marked, so that the next opening knows that this one was closed.
    pub(crate) fn mark_last(&self, base: &Base, pipeline: &dyn Commit) {
        self.mark_or_count(base, pipeline, true);
    }

    fn mark_or_count(&self, base: &Base, pipeline: &dyn Commit, is_last: bool) {
        if self.has_ended.load(Ordering::Acquire) {
            return;
        }
        if let Err(error) = self.try_mark(base, pipeline, is_last) {
            self.count_failure();
            if error.kind() == ErrorKind::Unavailable {
                // The engine was busy.
                self.alarm.set();
            } else {
                self.has_ended.store(true, Ordering::Release);
            }
        }
    }

    fn try_mark(&self, base: &Base, pipeline: &dyn Commit, is_last: bool) -> Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let done = if is_last { 0 } else { self.marked() };
        if self.committed() <= done {
            return Ok(());
        }
        let sequence = commit_row(base, pipeline, is_last)?;
        // Invariant 9: only now, when the engine has acknowledged it.
        file.write(sequence)?;
        self.marked.store(sequence, Ordering::Release);
        Ok(())
    }
}

/// Commits the row as durably as the engine can, and answers with its sequence number.
fn commit_row(base: &Base, pipeline: &dyn Commit, is_last: bool) -> Result<u64> {
    let claims = base.engine().capabilities.power_safe;
    let durability = if claims { Durability::PowerSafe } else { Durability::Buffered };
    let request = Request { purpose: Purpose::HighWater { is_last }, ..Request::new(durability) };
    let sequence = pipeline.commit(&request)?.sequence;
    if !claims {
        base.backend().flush()?;
    }
    Ok(sequence)
}

#[cfg(test)]
mod tests {
    use crate::directory::mark_file::{self as file, Reading, Slot};
    use crate::{Store, StoreOptions};
    use strongroom_core::{Marked, MemoryOptions, Options, TypedOptions as _};
    use strongroom_testkit::PretendBackend;

    #[test]
    fn a_file_that_cannot_be_written_is_counted_and_fails_no_commit() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(PretendBackend::new(&directory).unwrap(), StoreOptions::new()).unwrap();
        let rows = store.default_keyspace().unwrap();
        let high_water = store.pipeline().features.high_water.mark.as_ref().unwrap();
        rows.set("a", "1").unwrap();
        store.pipeline().mark();
        let marked = high_water.marked();
        drop(high_water.file.lock().unwrap().break_handle());
        for key in ["b", "c"] {
            rows.set(key, "1").unwrap();
            store.pipeline().mark();
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
            store.pipeline().mark();
            store.stats().unwrap().high_water_failures
        };
        assert_eq!(write_and_mark(&reopened(StoreOptions::new())), 1, "it cannot be written");
        assert_eq!(write_and_mark(&reopened(StoreOptions::new().accept_lost_tail(true))), 0);
        assert_eq!(write_and_mark(&reopened(StoreOptions::new())), 0, "there is a new one");
    }
}
