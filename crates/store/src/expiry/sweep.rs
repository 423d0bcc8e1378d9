//! Takes from the disk what has expired, in bounded steps.

use super::index;
use crate::batch::{Batch, Computed};
use crate::store::{Inner, Store};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use strongroom_core::{Direction, Durability, Error, ErrorKind, KeyRange, Result, Scan};

/// Rows that one commit of a sweep looks at and removes at most: others want to commit too.
const STEP_ROWS: usize = 200;

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Swept {
    /// Expired rows that were removed.
    pub rows: u64,
}

/// When the thread sweeps, and what came of it.
#[derive(Debug)]
pub(crate) struct Sweeper {
    interval: Duration,
    /// There may be rows that expire. Looked at before the lock is taken.
    armed: AtomicBool,
    /// Nothing expires before, as far as it is known.
    next_ms: AtomicU64,
    has_to_end: Mutex<bool>,
    changed: Condvar,
    rows: AtomicU64,
    failures: AtomicU64,
}

impl Store {
    /// Removes from the disk what has expired by now. A store that is open to be written does that by itself
    /// ([`StoreOptions::sweep_interval_ms`](crate::StoreOptions)); for reads it makes no difference.
    pub fn sweep(&self) -> Result<Swept> {
        self.inner.located("sweep", || {
            if self.inner.backend().is_read_only() {
                return Err(Error::new(ErrorKind::Unsupported, "the store is read-only")
                    .hint("what has expired is removed by the process that writes it"));
            }
            self.inner.sweep(&|| true)
        })
    }

    /// Rows of the index of what expires: as many as there are rows that expire, and some of rows that were written
    /// again since. It counts them.
    pub fn expiry_index_len(&self) -> Result<usize> {
        let Some(meta) = self.inner.pipeline.meta() else { return Ok(0) };
        let mut cursor =
            self.inner.backend().snapshot()?.cursor(meta, Scan::new(index::all()).keys_only())?;
        let mut rows = 0;
        while cursor.advance()? {
            rows += 1;
        }
        Ok(rows)
    }
}

impl Inner {
    /// Sweeps step by step, as long as it `may_go_on`. What cannot be read stays, and the rest is swept.
    fn sweep(&self, may_go_on: &dyn Fn() -> bool) -> Result<Swept> {
        let mut swept = Swept::default();
        let mut left = index::until(self.time.now_ms());
        while may_go_on() {
            let Some(batch) = self.sweep_batch(&mut left)? else { break };
            let rows = self.commit_computed(&batch)?.number.unwrap_or(0);
            swept.rows += u64::try_from(rows).unwrap_or(0);
        }
        self.sweeper.rows.fetch_add(swept.rows, Ordering::Relaxed);
        Ok(swept)
    }

    /// The next step, and what is left behind it; none if nothing more is due.
    fn sweep_batch(&self, left: &mut KeyRange) -> Result<Option<Batch>> {
        let Some(meta) = self.pipeline.meta() else { return Ok(None) };
        let snapshot = self.backend().snapshot()?;
        let mut cursor = snapshot.cursor(meta, Scan::new(left.clone()))?;
        // Losing a sweep to a power cut loses nothing.
        let mut batch = Batch::new(self.instance, Durability::Buffered);
        let mut steps = 0;
        while steps < STEP_ROWS && cursor.advance()? {
            let (key, value) = cursor.row();
            *left = left.after_position(key, Direction::Forward);
            // A damaged one stays too: verifying tells of it.
            if let Ok(entry) = self.count_damage(index::parse(key, value)) {
                let known = self.known();
                let row = known.by_name.get(&entry.keyspace).map(|info| (info.id, entry.key, entry.at_ms));
                batch.compute(Computed::Sweep { index_key: key.to_vec(), row });
                steps += 1;
            }
        }
        Ok((steps > 0).then_some(batch))
    }

    /// When the next row expires, if any does.
    fn next_expiry_ms(&self) -> Result<Option<u64>> {
        let Some(meta) = self.pipeline.meta() else { return Ok(None) };
        let mut cursor = self.backend().snapshot()?.cursor(meta, Scan::new(index::all()).keys_only())?;
        while cursor.advance()? {
            if let Some(at_ms) = index::instant_of(cursor.key()) {
                return Ok(Some(at_ms));
            }
        }
        Ok(None)
    }
}

impl Sweeper {
    pub(crate) fn new(interval_ms: u64) -> Self {
        Self {
            interval: Duration::from_millis(interval_ms),
            // What an earlier session has left is not known yet.
            armed: AtomicBool::new(true),
            next_ms: AtomicU64::new(0),
            has_to_end: Mutex::default(),
            changed: Condvar::new(),
            rows: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        }
    }

    /// Whether there is to be a thread.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.interval.is_zero()
    }

    /// A row that expires then was committed.
    pub(crate) fn arm(&self, at_ms: u64) {
        self.next_ms.fetch_min(at_ms, Ordering::AcqRel);
        if !self.armed.swap(true, Ordering::AcqRel) {
            // Under the lock: the thread has either seen it or waits already.
            let _guard = self.lock();
            self.changed.notify_all();
        }
    }

    pub(crate) fn end(&self) {
        *self.lock() = true;
        self.changed.notify_all();
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    pub(crate) fn count_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// What the thread does until the store is closed.
    pub(crate) fn run(&self, store: &Inner) {
        while self.wait() {
            if store.time.now_ms() < self.next_ms.load(Ordering::Acquire) {
                continue;
            }
            // Before it looks: a row that comes meanwhile arms it again.
            self.next_ms.store(u64::MAX, Ordering::Release);
            self.armed.store(false, Ordering::Release);
            let left = store.sweep(&|| !*self.lock()).and_then(|_| store.next_expiry_ms());
            match left {
                Ok(None) => {}
                Ok(Some(next_ms)) => self.arm(next_ms),
                Err(error) => {
                    self.count_failure();
                    if matches!(error.kind(), ErrorKind::CommitUnknown | ErrorKind::Closed) {
                        return;
                    }
                    self.arm(0);
                }
            }
        }
    }

    /// Sleeps until there may be something and the interval is over; `false` when the store closes.
    fn wait(&self) -> bool {
        let mut ends = self.lock();
        while !*ends && !self.armed.load(Ordering::Acquire) {
            ends = self.changed.wait(ends).unwrap_or_else(PoisonError::into_inner);
        }
        let until = Instant::now() + self.interval;
        while !*ends {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            ends = self.changed.wait_timeout(ends, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.has_to_end.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
