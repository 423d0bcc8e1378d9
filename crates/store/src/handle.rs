//! What keeps a store open: its threads live as long as it does, and closing happens in order.

use crate::high_water::thread;
use crate::store::Inner;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

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
            let spawned = Builder::new().name("strongroom mark".into()).spawn(move || thread::run(&store));
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
