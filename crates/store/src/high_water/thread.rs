//! The thread that marks: asleep while there is nothing to mark.

use super::HIGH_WATER_LAG_MS;
use crate::store::Inner;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Wakes the thread.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    /// Rung and not yet heard. Looked at before the lock is taken: a commit that finds it rung pays no more.
    rung: AtomicBool,
    has_to_end: Mutex<bool>,
    changed: Condvar,
}

impl Alarm {
    pub(crate) fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // Under the lock: the thread has either seen it or waits already.
            let _guard = self.lock();
            self.changed.notify_all();
        }
    }

    pub(crate) fn end(&self) {
        *self.lock() = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.has_to_end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps until it is rung and the lag is over; `false` when the store closes.
    fn wait(&self) -> bool {
        let mut ends = self.lock();
        while !*ends && !self.rung.load(Ordering::Acquire) {
            ends = self.changed.wait(ends).unwrap_or_else(PoisonError::into_inner);
        }
        let until = Instant::now() + Duration::from_millis(HIGH_WATER_LAG_MS);
        while !*ends {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                // From now on a commit rings anew. Read as well as written: what was committed by whoever
                // found it rung must be seen by the mark that follows.
                self.rung.swap(false, Ordering::AcqRel);
                return true;
            }
            ends = self.changed.wait_timeout(ends, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }
}

/// What the thread does until the store is closed.
pub(crate) fn run(store: &Inner) {
    let Some(high_water) = &store.high_water else { return };
    while high_water.alarm.wait() {
        high_water.mark(store);
    }
}
