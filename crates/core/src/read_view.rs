//! The shared read view as an engine sees it: whether it wants one, and how it has one released.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Whether gets between two commits share one snapshot, instead of calling [`Engine::get`](crate::Engine::get)
/// each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ViewSharing {
    /// Each get calls the engine, for engines where a get costs no more than a get in a snapshot.
    Never,
    /// One thread at a time uses a snapshot; see [`EngineSnapshot::try_get`](crate::EngineSnapshot::try_get).
    InTurns,
    /// Any number of threads use a snapshot at once.
    AtOnce,
}

/// Lets an engine release the shared read view when its read transaction blocks the engine.
///
/// See [`Engine::VIEW`](crate::Engine::VIEW). It does not keep the handle open.
#[derive(Clone, Default)]
pub struct ViewRelease(Option<Weak<dyn Release>>);

impl ViewRelease {
    pub(crate) fn of(view: Weak<dyn Release>) -> Self {
        Self(Some(view))
    }

    /// Releases the current view, if there is one. A running get holds the view until it returns, and a
    /// caller's snapshot that shares it holds it until it is dropped. The next get may open another view: an
    /// engine that wants none has to prevent that.
    ///
    /// Call it without holding a lock that an engine's snapshot takes when it is opened or dropped.
    pub fn release(&self) {
        if let Some(view) = self.0.as_ref().and_then(Weak::upgrade) {
            view.release();
        }
    }

    /// Releases the view, waits at most `timeout` until no get uses it, and keeps new views from being opened
    /// until the guard is dropped. Meanwhile gets call the engine. It does not wait for callers' snapshots that
    /// share the view.
    ///
    /// Call it without holding a lock that a get takes.
    pub fn pause(&self, timeout: Duration) -> ViewPause {
        let view = self.0.as_ref().and_then(Weak::upgrade);
        if let Some(view) = &view {
            view.begin_pause(timeout);
        }
        ViewPause(view)
    }
}

/// Keeps views from being opened until it is dropped. See [`ViewRelease::pause`].
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

/// Holds a view.
pub(crate) trait Release: Send + Sync {
    /// See [`ViewRelease::release`].
    fn release(&self);
    /// See [`ViewRelease::pause`].
    fn begin_pause(&self, timeout: Duration);
    fn end_pause(&self);
}
