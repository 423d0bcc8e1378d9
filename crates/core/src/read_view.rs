//! The shared read view, as an engine sees it: whether it wants one, and how it has one released.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Whether gets between two commits share one snapshot, in place of what [`Engine::get`](crate::Engine::get) does for
/// each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ViewSharing {
    /// Each get asks the engine: it costs no more than a get in a snapshot.
    Never,
    /// One thread at a time is in a snapshot; see [`EngineSnapshot::try_get`](crate::EngineSnapshot::try_get).
    InTurns,
    /// Any number of threads are in a snapshot at once.
    AtOnce,
}

/// An engine's way to have the shared read view released, when a read transaction that is held is in its way.
///
/// See [`Engine::VIEW`](crate::Engine::VIEW). It does not keep the handle open.
#[derive(Clone, Default)]
pub struct ViewRelease(Option<Weak<dyn Release>>);

impl ViewRelease {
    pub(crate) fn of(view: Weak<dyn Release>) -> Self {
        Self(Some(view))
    }

    /// Releases the view that is held now, if there is one. A get that is in it holds it for as long as it takes, a
    /// caller's snapshot that shares it until it is dropped, and the next get may open another: an engine that wants
    /// none has to keep it from beginning.
    ///
    /// To be called without a lock that an engine's snapshot takes when it is begun or dropped.
    pub fn release(&self) {
        if let Some(view) = self.0.as_ref().and_then(Weak::upgrade) {
            view.release();
        }
    }

    /// Releases the view, waits at most for `timeout` until no get is in it, and keeps others from being opened until
    /// the guard is dropped. Gets ask the engine meanwhile. What a caller's snapshot shares is not waited for.
    ///
    /// To be called without a lock that a get takes.
    pub fn pause(&self, timeout: Duration) -> ViewPause {
        let view = self.0.as_ref().and_then(Weak::upgrade);
        if let Some(view) = &view {
            view.begin_pause(timeout);
        }
        ViewPause(view)
    }
}

/// No view is opened while it lives. See [`ViewRelease::pause`].
#[must_use]
pub struct ViewPause(Option<Arc<dyn Release>>);

impl Drop for ViewPause {
    fn drop(&mut self) {
        if let Some(view) = &self.0 {
            view.end_pause();
        }
    }
}

impl fmt::Debug for ViewPause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ViewPause")
    }
}

impl fmt::Debug for ViewRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ViewRelease")
    }
}

/// Something that holds a view.
pub(crate) trait Release: Send + Sync {
    /// See [`ViewRelease::release`].
    fn release(&self);
    /// See [`ViewRelease::pause`].
    fn begin_pause(&self, timeout: Duration);
    fn end_pause(&self);
}
