//! The alarm of a background thread. The thread sleeps while there is no work, and runs at most once per
//! interval.

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Wakes or ends a background thread.
#[derive(Debug)]
pub(crate) struct Alarm {
    interval: Duration,
    /// There is work. Checked before the lock is taken, so that a commit that finds it set does nothing more.
    is_set: AtomicBool,
    has_to_end: Mutex<bool>,
    changed: Condvar,
}

impl Alarm {
    pub(crate) fn new(interval: Duration) -> Self {
        let (is_set, has_to_end, changed) = (AtomicBool::new(false), Mutex::default(), Condvar::new());
        Self { interval, is_set, has_to_end, changed }
    }

    pub(crate) fn interval(&self) -> Duration {
        self.interval
    }

    /// Signals that there is work.
    pub(crate) fn set(&self) {
        if !self.is_set.swap(true, Ordering::AcqRel) {
            // Under the lock: the thread has either seen the flag or is already waiting.
            let _guard = self.lock();
            self.changed.notify_all();
        }
    }

    /// Ends the thread.
    pub(crate) fn end(&self) {
        *self.lock() = true;
        self.changed.notify_all();
    }

    pub(crate) fn has_to_end(&self) -> bool {
        *self.lock()
    }

    /// Sleeps until there is work and then for the interval, and clears the alarm. Returns `false` if the thread
    /// has to end.
    pub(crate) fn wait(&self) -> bool {
        let mut ends = self.lock();
        while !*ends && !self.is_set.load(Ordering::Acquire) {
            ends = self.changed.wait(ends).unwrap_or_else(PoisonError::into_inner);
        }
        let until = Instant::now() + self.interval;
        while !*ends {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                // A swap, not a store: it synchronizes with the threads that found the alarm set, so that the
                // next run sees what they did.
                self.is_set.swap(false, Ordering::AcqRel);
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
