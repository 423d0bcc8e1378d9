//! The mark of a store that is open to be written, and the thread that moves it on.

use crate::base::Base;
use crate::directory::mark_file::MarkFile;
use crate::request::{Commit, Purpose, Request};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Mutex, PoisonError};
use crate::worker::Alarm;
use std::time::Duration;
use strongroom_core::{Durability, ErrorKind, Result};

/// How long a durable commit may be without a mark, in milliseconds, and a little more: the mark is a commit of its own,
/// which waits for its turn. A loss of the commits of this time is not noticed by the next opening. A store that was
/// closed is marked up to its last commit. If a process died, the next opening that may write marks what it left, after
/// this time or when it is closed.
pub const HIGH_WATER_LAG_MS: u64 = 1_000;

/// The mark of a store that is open to be written.
pub(crate) struct Mark {
    /// Its lock is also the turn: one thread marks at a time.
    pub(super) file: Mutex<MarkFile>,
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
