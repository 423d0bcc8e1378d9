//! The high-water mark of a store that is open for writing, and the thread that advances it.

use crate::base::Base;
use crate::directory::mark_file::MarkFile;
use crate::request::{Commit, Purpose, Request};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Mutex, PoisonError};
use crate::worker::Alarm;
use std::time::Duration;
use strongroom_core::{Durability, ErrorKind, Result};

/// How far the high-water mark may lag behind durable commits, in milliseconds. It may lag a little longer, since
/// a mark is a commit of its own and waits for the commit lock.
///
/// The next opening does not notice a loss of commits that were not marked yet. Closing a store marks its last
/// commit. After a crash, the next session that may write marks the commits of the crashed one, after this time
/// or when it is closed.
pub const HIGH_WATER_LAG_MS: u64 = 1_000;

/// The high-water mark of a store that is open for writing.
pub(crate) struct Mark {
    /// Its lock also serializes marking: one thread marks at a time.
    pub(super) file: Mutex<MarkFile>,
    /// The newest acknowledged commit.
    committed: AtomicU64,
    /// The newest commit that is known to be durable.
    durable: AtomicU64,
    /// The sequence number in the file.
    marked: AtomicU64,
    failures: AtomicU64,
    /// A permanent failure: nothing is marked until the store is opened again.
    has_ended: AtomicBool,
    pub(crate) alarm: Alarm,
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

    /// Records that commits up to `sequence` were acknowledged.
    pub(crate) fn note_commits(&self, sequence: u64, durability: Durability) {
        self.committed.fetch_max(sequence, Ordering::AcqRel);
        if durability == Durability::PowerSafe {
            self.note_durable(sequence);
        }
    }

    /// Returns the newest acknowledged commit. A flush that begins now makes it durable.
    pub(crate) fn committed(&self) -> u64 {
        self.committed.load(Ordering::Acquire)
    }

    /// Records that commits up to `sequence` are durable.
    pub(crate) fn note_durable(&self, sequence: u64) {
        self.durable.fetch_max(sequence, Ordering::AcqRel);
        if self.is_due() {
            self.alarm.set();
        }
    }

    fn is_due(&self) -> bool {
        self.durable.load(Ordering::Acquire) > self.marked() && !self.has_ended.load(Ordering::Acquire)
    }

    /// Returns the sequence number in the file.
    pub(crate) fn marked(&self) -> u64 {
        self.marked.load(Ordering::Acquire)
    }

    /// Returns how many marks have failed.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    pub(crate) fn count_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Runs the marking thread, until the store is closed.
    pub(crate) fn run(&self, base: &Base, pipeline: &dyn Commit) {
        while self.alarm.wait() {
            self.mark(base, pipeline);
        }
    }

    /// Marks all commits so far, if any is not marked. A failure is counted and does not affect earlier commits.
    /// A failure of the file stops only the marking. A failure of the engine poisons the handle like any failed
    /// commit, since the state of the engine is then unknown.
    pub(crate) fn mark(&self, base: &Base, pipeline: &dyn Commit) {
        self.mark_or_count(base, pipeline, false);
    }

    /// As [`mark`](Self::mark), for the last commit of the store. A store that was written is marked once more
    /// even if the mark is up to date, so that the next opening knows that the store was closed.
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
        // Invariant 9: only after the engine has acknowledged it.
        file.write(sequence)?;
        self.marked.store(sequence, Ordering::Release);
        Ok(())
    }
}

/// Commits the high-water row as durably as the engine can. Returns its sequence number.
pub(super) fn commit_row(base: &Base, pipeline: &dyn Commit, is_last: bool) -> Result<u64> {
    let claims = base.engine().capabilities.power_safe;
    let durability = if claims { Durability::PowerSafe } else { Durability::Buffered };
    let request = Request { purpose: Purpose::HighWater { is_last }, ..Request::new(durability) };
    let sequence = pipeline.commit(&request)?.sequence;
    if !claims {
        base.backend().flush()?;
    }
    Ok(sequence)
}
