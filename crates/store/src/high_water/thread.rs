//! The thread that marks: asleep while there is nothing to mark.

use super::HIGH_WATER_LAG_MS;
use crate::store::Inner;
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
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

    fn end(&self) {
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

/// What clones of a store and its keyspaces share. When the last is dropped, the thread is ended and the
/// store marked; only then is the engine closed.
pub(crate) struct Handle {
    inner: Arc<Inner>,
    thread: Option<JoinHandle<()>>,
    sweeping: Option<JoinHandle<()>>,
}

impl Handle {
    pub(crate) fn new(inner: Inner) -> Self {
        let inner = Arc::new(inner);
        let thread = inner.high_water.as_ref().and_then(|high_water| {
            // The thread has the inside of the store, never this handle: it must not be what keeps a store open.
            let store = Arc::clone(&inner);
            let spawned = Builder::new().name("strongroom mark".into()).spawn(move || run(&store));
            // A system without room for a thread: the store is marked when it is closed.
            spawned.inspect_err(|_| high_water.count_failure()).ok()
        });
        let sweeping = (inner.sweeper.is_wanted() && !inner.backend().is_read_only()).then(|| {
            let store = Arc::clone(&inner);
            let spawned =
                Builder::new().name("strongroom sweep".into()).spawn(move || store.sweeper.run(&store));
            // What has expired stays on the disk until the store is opened anew.
            spawned.inspect_err(|_| inner.sweeper.count_failure()).ok()
        });
        Self { inner, thread, sweeping: sweeping.flatten() }
    }
}

fn run(store: &Inner) {
    let Some(high_water) = &store.high_water else { return };
    while high_water.alarm.wait() {
        high_water.mark(store);
    }
}

impl Deref for Handle {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.inner
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // Before the last mark, which has to be the last commit.
        self.inner.sweeper.end();
        if let Some(sweeping) = self.sweeping.take() {
            let _ = join(sweeping);
        }
        self.inner.hub.close();
        self.inner.hub.wake();
        let Some(high_water) = &self.inner.high_water else { return };
        high_water.alarm.end();
        if let Some(thread) = self.thread.take()
            && join(thread).is_err()
        {
            high_water.count_failure();
        }
        high_water.mark_last(&self.inner);
    }
}

/// Waits for a thread of the store's own, unless this is it: what it has woken may drop the last handle there.
fn join(thread: JoinHandle<()>) -> std::thread::Result<()> {
    if thread.thread().id() == std::thread::current().id() {
        return Ok(());
    }
    thread.join()
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}
