//! One read view between two commits: gets share an engine snapshot with its tables open, instead of a read
//! transaction each.
//!
//! A [`View`] is an engine snapshot, the generation at which it was taken, and the epoch of the keyspaces. A
//! reader loads the current view and uses it only if its generation is still current. Every change of the
//! engine raises the generation and releases the view, after the engine has applied the change and before it is
//! acknowledged.
//!
//! # Why no read is stale, and none goes back in time (invariant 16)
//!
//! *Not older than the last acknowledged commit.* Opening a view reads the generation first and takes the
//! engine's snapshot second. A commit raises the generation before it is acknowledged. So a view whose
//! generation is current at some instant of a get was taken after every commit that was acknowledged before the
//! get began.
//!
//! *Never back in time.* A commit is visible in the engine before its generation is raised. In between, a
//! snapshot that is taken from the engine is newer than the current view. Two rules ensure that no reader sees
//! first the newer and then the older state:
//!
//! 1. *At most one view of each generation is ever used.* A view is installed by compare-and-swap against the
//!    value of the slot that was read before the generation. If another view of that generation came first, the
//!    swap fails, the later snapshot is discarded, and the winner is used. A view leaves the slot only after
//!    the generation has been raised. So if the slot was empty, filled and emptied between the two reads (ABA),
//!    the swap installs a view of a past generation, which is never used. A release never removes a view of the
//!    generation that it raised to, or of a later one.
//! 2. *A read past the view releases it* ([`passed_by`](SharedView::passed_by)) before the result is returned,
//!    if a change is in flight. If none is, each change that the engine showed has already raised the
//!    generation, and every view that is valid now was taken after it.
//!
//! A reader that is overtaken after it has checked a view reads the state as of its check, which is an instant
//! of its own call. Concurrent commits (`Engine::CONCURRENT_COMMITS`) each count as in flight until they have
//! raised the generation. A failed commit raises it too: whatever its outcome, the next view asks the engine,
//! or finds the handle poisoned. A snapshot that a caller holds keeps its `View` alive; a release only empties
//! the slot.
//!
//! # When a view is held
//!
//! The second get between two changes opens a view: with one get per commit a view would never be used twice. A
//! view that was not used for one to two times [`IDLE`](idle::IDLE) is released (`idle.rs`). An engine requests
//! a release through [`ViewRelease`], and [`SharedView::pause`] keeps views from being opened while the engine
//! must have no read transaction.

mod idle;
#[cfg(all(test, shuttle))]
mod model;
#[cfg(all(test, not(shuttle)))]
mod tests;

use super::held::Held;
use crate::Result;
use crate::read_view::{Release, ViewRelease};
use crate::stats::{Gauge, GaugeGuard};
use crate::sync::{Locked, Shared, Slot, Word, fence};
use idle::{Idle, Watch};
use std::ops::Deref;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How many times a reader that lost to another one, or to a commit, tries again before it reads past the view.
const TRIES: u32 = 3;

/// How often a pause checks whether gets are still in the view.
const PAUSE_STEP: Duration = Duration::from_micros(100);

/// An engine snapshot that reads share.
pub(super) struct View<S> {
    /// A panic while the snapshot is closed is caught: the commit that released it is stored.
    snapshot: Held<S>,
    /// Keyspaces created later are empty in it.
    epoch: u64,
    generation: u64,
    /// Set by each get that finds it clear. Cleared by the check for idle views.
    used: Word,
    // Declared last: counted until the engine's snapshot is closed. None: a caller's snapshot shares the view.
    counted: Locked<Option<GaugeGuard>>,
}

impl<S> View<S> {
    fn new(taken: Taken<S>, generation: u64, counted: Option<GaugeGuard>) -> Self {
        let snapshot = Held::new(taken.snapshot);
        Self { snapshot, epoch: taken.epoch, generation, used: Word::new(1), counted: Locked::new(counted) }
    }

    /// Returns a view that is not shared with gets.
    pub(super) fn apart(taken: Taken<S>) -> Self {
        Self::new(taken, u64::MAX, None)
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Marks the view as shared with a caller's snapshot: pauses no longer wait for it.
    pub(super) fn lend(&self) {
        self.counted.lock().take();
    }
}

impl<S> Deref for View<S> {
    type Target = S;

    #[inline]
    fn deref(&self) -> &S {
        &self.snapshot
    }
}

/// A snapshot of the engine, and the epoch of the keyspaces that it belongs to.
pub(super) struct Taken<S> {
    pub(super) snapshot: S,
    pub(super) epoch: u64,
}

/// The view of one handle, shared by its gets.
pub(super) struct SharedView<S> {
    slot: Slot<View<S>>,
    /// Raised by every change and every release. Only a view of this generation is used.
    generation: Word,
    /// Changes that the engine may already show but that have not raised the generation.
    in_flight: Word,
    /// Number of changes so far.
    changes: Word,
    /// The number of changes at the last get that found no view.
    read_at: Word,
    /// No view is opened while this is above zero. Opening a view holds the lock shared.
    pauses: Shared<u32>,
    /// Serializes closing the handle with the release of an idle view.
    closing: Locked<()>,
    watch: Watch,
    is_watched: Word,
    /// Set if no thread can be started to release idle views.
    is_off: Word,
    opened: Word,
    /// Views that gets use or may use, without those that a caller's snapshot shares.
    alive: Gauge,
}

impl<S: Send + Sync + 'static> SharedView<S> {
    pub(super) fn new() -> Self {
        Self::watched(idle::watch)
    }

    fn watched(watch: Watch) -> Self {
        Self {
            slot: Slot::empty(),
            generation: Word::new(0),
            in_flight: Word::new(0),
            changes: Word::new(0),
            read_at: Word::new(u64::MAX),
            pauses: Shared::new(0),
            closing: Locked::new(()),
            watch,
            is_watched: Word::new(0),
            is_off: Word::new(0),
            opened: Word::new(0),
            alive: Gauge::default(),
        }
    }

    /// Calls `f` with the current view, if there is one.
    #[inline]
    pub(super) fn with_current<T>(&self, f: impl FnOnce(&Arc<View<S>>) -> T) -> Option<T> {
        let loaded = self.slot.look();
        let view = (*loaded).as_ref()?;
        // Invariant 16: checked after the load, so that the view was current at an instant of this call.
        if view.generation != self.generation.load(Ordering::Acquire) {
            return None;
        }
        if view.used.load(Ordering::Relaxed) == 0 {
            view.used.store(1, Ordering::Relaxed);
        }
        Some(f(view))
    }

    /// Returns whether a get that found no view should open one: it is not the first since the last change.
    pub(super) fn is_worth_opening(&self) -> bool {
        let now = self.changes.load(Ordering::Relaxed);
        self.read_at.swap(now, Ordering::Relaxed) == now
    }

    /// Returns the current view, and opens one if there is none. Returns `None` if none can be opened now. The
    /// caller then reads past the view and calls [`passed_by`](Self::passed_by).
    pub(super) fn open(
        self: &Arc<Self>,
        take: impl Fn() -> Result<Taken<S>>,
    ) -> Result<Option<Arc<View<S>>>> {
        let pauses = self.pauses.read();
        for _ in 0..TRIES {
            if *pauses > 0 || self.is_off.load(Ordering::Relaxed) != 0 {
                break;
            }
            // In this order: the slot, the generation, the engine (invariant 16).
            let seen = self.slot.get();
            let generation = self.generation.load(Ordering::Acquire);
            if let Some(view) = seen.as_ref().filter(|view| view.generation == generation) {
                return Ok(Some(Arc::clone(view)));
            }
            let view = Arc::new(View::new(take()?, generation, Some(self.alive.enter())));
            if !self.slot.replace(seen.as_ref(), Some(Arc::clone(&view))) {
                continue;
            }
            self.opened.fetch_add(1, Ordering::Relaxed);
            self.have_watched();
            // A release reads the slot after it has raised the generation. So one of the two sees the other.
            fence(Ordering::SeqCst);
            if generation == self.generation.load(Ordering::Acquire) {
                return Ok(Some(view));
            }
            self.slot.replace(Some(&view), None);
        }
        Ok(None)
    }

    /// Begins a change of the engine. Dropping the guard ends it and releases the view, before the change is
    /// acknowledged.
    pub(super) fn begin_change(&self) -> Change<'_, S> {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        Change(self)
    }

    /// Returns whether the engine may show more than the current view.
    pub(super) fn is_changing(&self) -> bool {
        self.in_flight.load(Ordering::SeqCst) > 0
    }

    /// Call after a read from the engine itself, before its result is returned.
    pub(super) fn passed_by(&self) {
        if self.is_changing() {
            self.release();
        }
    }

    /// Releases the current view. Running reads in it finish; the next read opens another.
    pub(super) fn release(&self) {
        let raised = self.generation.fetch_add(1, Ordering::AcqRel) + 1;
        fence(Ordering::SeqCst);
        // Not simply emptied: a view of the new generation has to stay while that generation is current
        // (invariant 16).
        while let Some(seen) = self.slot.get().filter(|view| view.generation < raised) {
            if self.slot.replace(Some(&seen), None) {
                return;
            }
        }
    }

    /// Releases the view, waits at most `timeout` for gets that use it, and keeps views from being opened until
    /// the guard is dropped. The engine then has no read transaction, except for callers' snapshots and values,
    /// which are not waited for. Meanwhile gets read past the view.
    pub(super) fn pause(&self, timeout: Duration) -> Pause<'_, S> {
        self.begin_pause(timeout);
        Pause(self)
    }

    fn begin_pause(&self, timeout: Duration) {
        *self.pauses.write() += 1;
        self.release();
        let mut waited = Duration::ZERO;
        // Waits also for earlier views, which commits have released.
        while self.alive.get() > 0 && waited < timeout {
            std::thread::sleep(PAUSE_STEP);
            waited += PAUSE_STEP;
        }
    }

    fn end_pause(&self) {
        *self.pauses.write() -= 1;
    }

    /// Releases the view for the last time. When this returns, no other thread is about to release it.
    pub(super) fn close(&self) {
        let _alone = self.closing.lock();
        self.release();
    }

    /// Returns how many views were opened.
    pub(super) fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// Returns whether a view is held now.
    pub(super) fn is_held(&self) -> bool {
        self.slot.look().is_some()
    }

    /// Registers the view for release when it is idle. If that is impossible, no view is shared.
    fn have_watched(self: &Arc<Self>) {
        if self.is_watched.swap(1, Ordering::SeqCst) == 0 {
            let this: Weak<Self> = Arc::downgrade(self);
            if !(self.watch)(this) {
                self.is_off.store(1, Ordering::Relaxed);
                self.release();
            }
        }
    }
}

impl<S: Send + Sync + 'static> Idle for SharedView<S> {
    fn release_if_idle(&self) -> bool {
        let _closing = self.closing.lock();
        if let Some(view) = self.slot.get() {
            if view.used.swap(0, Ordering::Relaxed) == 0 {
                drop(view);
                self.release();
            }
            return true;
        }
        self.is_watched.swap(0, Ordering::SeqCst);
        // A view that was opened since the check relied on still being watched.
        self.is_held() && self.is_watched.swap(1, Ordering::SeqCst) == 0
    }
}

/// A change in flight. See [`SharedView::begin_change`].
#[must_use]
pub(super) struct Change<'v, S: Send + Sync + 'static>(&'v SharedView<S>);

impl<S: Send + Sync + 'static> Drop for Change<'_, S> {
    fn drop(&mut self) {
        self.0.changes.fetch_add(1, Ordering::Relaxed);
        self.0.release();
        // Only now: until the generation is raised the engine may show more than the view (invariant 16).
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Keeps views from being opened until it is dropped. See [`SharedView::pause`].
#[must_use]
pub(super) struct Pause<'v, S: Send + Sync + 'static>(&'v SharedView<S>);

impl<S: Send + Sync + 'static> Drop for Pause<'_, S> {
    fn drop(&mut self) {
        self.0.end_pause();
    }
}

impl<S: Send + Sync + 'static> Release for SharedView<S> {
    fn release(&self) {
        SharedView::release(self);
    }

    fn begin_pause(&self, timeout: Duration) {
        SharedView::begin_pause(self, timeout);
    }

    fn end_pause(&self) {
        SharedView::end_pause(self);
    }
}

/// Returns the engine's handle to release `view`.
pub(super) fn release_of<S: Send + Sync + 'static>(view: &Arc<SharedView<S>>) -> ViewRelease {
    let weak: Weak<SharedView<S>> = Arc::downgrade(view);
    ViewRelease::of(weak)
}
