//! The handle that clones of a store share. It owns the store's threads, and closes the store in order.

use crate::base::Base;
use crate::commit::Pipeline;
use crate::stage::Stages as _;
use crate::sync::Arc;
use crate::sync::thread::{self, Builder, JoinHandle};
use std::fmt;
use std::ops::Deref;

/// When the last reference is dropped, the threads end, the store is marked, and then the engine is closed.
pub(crate) struct Handle {
    pipeline: Arc<Pipeline>,
    marking: Option<JoinHandle<()>>,
    sweeping: Option<JoinHandle<()>>,
    expiring: Option<JoinHandle<()>>,
}

impl Handle {
    pub(crate) fn new(pipeline: Pipeline) -> Self {
        // The threads hold the pipeline and never this handle, so that they do not keep the store open.
        let pipeline = Arc::new(pipeline);
        let marking = pipeline.features.high_water.mark.as_ref().and_then(|mark| {
            let pipeline = Arc::clone(&pipeline);
            let spawned = Builder::new().name("strongroom mark".into()).spawn(move || {
                if let Some(mark) = &pipeline.features.high_water.mark {
                    mark.run(&pipeline.base, &*pipeline);
                }
            });
            // If the system cannot start a thread, the store is marked when it is closed.
            spawned.inspect_err(|_| mark.count_failure()).ok()
        });
        let expiry = &pipeline.features.expiry;
        let has_to_sweep = expiry.sweeps_by_itself() && !pipeline.base.backend().is_read_only();
        let sweeping = has_to_sweep.then(|| {
            let pipeline = Arc::clone(&pipeline);
            let spawned = Builder::new()
                .name("strongroom sweep".into())
                .spawn(move || pipeline.features.expiry.run(&pipeline.base, &*pipeline));
            // Without the thread, expired rows stay on disk until the store is opened again.
            spawned.inspect_err(|_| expiry.count_failure()).ok()
        });
        let sweeping = sweeping.flatten();
        let readers = &pipeline.base.readers;
        let expiring = readers.has_limit().then(|| {
            let readers = Arc::clone(readers);
            Builder::new().name("strongroom readers".into()).spawn(move || readers.run()).ok()
        });
        Self { pipeline, marking, sweeping, expiring: expiring.flatten() }
    }

    pub(crate) fn base(&self) -> &Base {
        &self.pipeline.base
    }
}

impl Deref for Handle {
    type Target = Pipeline;

    fn deref(&self) -> &Pipeline {
        &self.pipeline
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let features = &self.pipeline.features;
        self.pipeline.base.readers.alarm.end();
        if let Some(expiring) = self.expiring.take() {
            let _ = join(expiring);
        }
        // Before the last mark, which has to be the last commit.
        features.expiry.alarm.end();
        if let Some(sweeping) = self.sweeping.take() {
            let _ = join(sweeping);
        }
        features.watch.hub.close();
        features.after_commit();
        let Some(mark) = &features.high_water.mark else { return };
        mark.alarm.end();
        if let Some(marking) = self.marking.take()
            && join(marking).is_err()
        {
            mark.count_failure();
        }
        mark.mark_last(&self.pipeline.base, &*self.pipeline);
    }
}

/// Joins a thread of the store, unless it is the current thread: a waker that it calls may drop the last handle.
fn join(handle: JoinHandle<()>) -> thread::Result<()> {
    if handle.thread().id() == thread::current().id() {
        return Ok(());
    }
    handle.join()
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}
