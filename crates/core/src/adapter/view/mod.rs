//! One read view between two commits: gets share an engine snapshot with its tables open, in place of a read
//! transaction each.
//!
//! A [`View`] is an engine snapshot, the generation at which it was taken, and the epoch of the keyspaces. A
//! reader looks at the current view and uses it only if its generation is still the current one. Every change
//! of the engine raises the generation when the engine has applied it and before anybody learns of it, and
//! releases the view.
//!
//! # Why no read is too old, and none goes back (invariant 16)
//!
//! *Not older than the last acknowledged commit.* Opening a view reads the generation first and takes the
//! engine's snapshot second. A commit raises the generation before it is acknowledged. So a view whose
//! generation is current at some instant of a get was taken after every commit that was acknowledged before the
//! get began.
//!
//! *Never back in time.* A commit is visible in the engine before its generation is raised. In between, a
//! snapshot that is taken from the engine is newer than the current view. Two rules see to it that nobody reads
//! first the newer and then the older state:
//!
//! 1. *At most one view of each generation is ever used.* A view is installed by compare-and-swap against what
//!    was seen in the slot before the generation was read. If another view of that generation came first, the
//!    swap fails, the later snapshot is thrown away, and the winner is used. A view leaves the slot only after
//!    the generation has been raised: so a slot that was empty, filled and emptied between the two looks (ABA)
//!    lets in a view of a generation that is over, which nobody uses. A release never takes out a view of the
//!    generation that it raised to or of a later one.
//! 2. *Who reads past the view releases it* ([`passed_by`](SharedView::passed_by)), before the answer is given,
//!    if a change is in flight. If none is, each change that the engine showed has raised the generation
//!    already, and every view that is valid now was taken after it.
//!
//! A reader that has checked a view and is then overtaken reads the state as of its check, an instant of its
//! own call. Commits that run side by side (`Engine::CONCURRENT_COMMITS`) are each counted in flight until they
//! have raised the generation. A commit that failed raises it too: whatever became of it, the next view asks
//! the engine, or finds the handle poisoned. A snapshot that a caller holds keeps its `View` alive; only the
//! slot lets go of it.
//!
//! # When a view is held
//!
//! The second get between two changes opens it: with one get to each commit a view would never be used twice. A
//! view that nobody has used for [`IDLE`](idle::IDLE) to twice that is released (`idle.rs`). An engine asks for
//! a release through [`ViewRelease`], and [`SharedView::pause`] keeps views from being opened while the engine
//! wants no read transaction.

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

/// How often a reader that lost to another one, or to a commit, tries again before it reads past the view.
const TRIES: u32 = 3;

/// How often a pause looks whether gets are still in the view.
const PAUSE_STEP: Duration = Duration::from_micros(100);

/// An engine snapshot that reads share.
pub(super) struct View<S> {
    /// A panic of the engine while a snapshot is closed goes no further: the commit that released it is stored.
    snapshot: Held<S>,
    /// Keyspaces created later are empty in it.
    epoch: u64,
    generation: u64,
    /// Set by each get, unless it is set; cleared by whoever looks for idle views.
    used: Word,
    // Declared last: counted until the engine's snapshot is closed. None: a snapshot of the caller's has it.
    counted: Locked<Option<GaugeGuard>>,
}

impl<S> View<S> {
    fn new(taken: Taken<S>, generation: u64, counted: Option<GaugeGuard>) -> Self {
        let snapshot = Held::new(taken.snapshot);
        Self { snapshot, epoch: taken.epoch, generation, used: Word::new(1), counted: Locked::new(counted) }
    }

    /// A snapshot that is not shared with gets.
    pub(super) fn apart(taken: Taken<S>) -> Self {
        Self::new(taken, u64::MAX, None)
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// A snapshot of the caller's shares it from now on: nobody who wants it closed waits for that.
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

/// A snapshot of the engine and the epoch of the keyspaces that it belongs to.
pub(super) struct Taken<S> {
    pub(super) snapshot: S,
    pub(super) epoch: u64,
}

/// The view of one handle, shared by its gets.
pub(super) struct SharedView<S> {
    slot: Slot<View<S>>,
    /// Raised by every change and every release. Only a view of this generation is used.
    generation: Word,
    /// Changes that the engine may already show and that have not raised the generation.
    in_flight: Word,
    /// Changes so far.
    changes: Word,
    /// How many changes there had been at the last get that found no view.
    read_at: Word,
    /// As long as it is not zero, no view is opened. Shared by those who open one.
    pauses: Shared<u32>,
    /// One at a time: who closes the handle waits for who releases an idle view.
    closing: Locked<()>,
    watch: Watch,
    is_watched: Word,
    /// No thread can be made that would release an idle view.
    is_off: Word,
    opened: Word,
    /// Views that gets are in or may enter: not those that a snapshot of the caller's shares.
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
        let looked = self.slot.look();
        let view = (*looked).as_ref()?;
        // Invariant 16: after the look, so that the view was current at an instant of this call.
        if view.generation != self.generation.load(Ordering::Acquire) {
            return None;
        }
        if view.used.load(Ordering::Relaxed) == 0 {
            view.used.store(1, Ordering::Relaxed);
        }
        Some(f(view))
    }

    /// Whether a get that has found no view should open one: it is not the first since the last change.
    pub(super) fn is_worth_opening(&self) -> bool {
        let now = self.changes.load(Ordering::Relaxed);
        self.read_at.swap(now, Ordering::Relaxed) == now
    }

    /// The current view, opened if there is none. None if there can be none now: then the caller reads past it,
    /// and says so with [`passed_by`](Self::passed_by).
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
            // Who raises the generation looks into the slot after it. One of the two sees the other.
            fence(Ordering::SeqCst);
            if generation == self.generation.load(Ordering::Acquire) {
                return Ok(Some(view));
            }
            self.slot.replace(Some(&view), None);
        }
        Ok(None)
    }

    /// A change of the engine begins. It is over, and the view released, when the guard is dropped: before
    /// anybody learns of the change.
    pub(super) fn begin_change(&self) -> Change<'_, S> {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        Change(self)
    }

    /// Whether the engine may show more than the current view.
    pub(super) fn is_changing(&self) -> bool {
        self.in_flight.load(Ordering::SeqCst) > 0
    }

    /// Something was read from the engine itself, and is about to be handed out.
    pub(super) fn passed_by(&self) {
        if self.is_changing() {
            self.release();
        }
    }

    /// Releases the view that is held now. Reads that are in it end; the next one opens another.
    pub(super) fn release(&self) {
        let raised = self.generation.fetch_add(1, Ordering::AcqRel) + 1;
        fence(Ordering::SeqCst);
        // Not simply emptied: a view of the new generation has to stay until that is over (invariant 16).
        while let Some(seen) = self.slot.get().filter(|view| view.generation < raised) {
            if self.slot.replace(Some(&seen), None) {
                return;
            }
        }
    }

    /// Releases the view, waits for gets that are in it, at most for `timeout`, and keeps others from being
    /// opened until the guard is dropped: then the engine has no read transaction of ours, unless the caller's
    /// snapshots or values hold one. Those are not waited for. Gets go past the view meanwhile.
    pub(super) fn pause(&self, timeout: Duration) -> Pause<'_, S> {
        self.begin_pause(timeout);
        Pause(self)
    }

    fn begin_pause(&self, timeout: Duration) {
        *self.pauses.write() += 1;
        self.release();
        let mut waited = Duration::ZERO;
        // Also for earlier ones, which commits have released.
        while self.alive.get() > 0 && waited < timeout {
            std::thread::sleep(PAUSE_STEP);
            waited += PAUSE_STEP;
        }
    }

    fn end_pause(&self) {
        *self.pauses.write() -= 1;
    }

    /// Releases the view for good. When this returns, nobody else is about to.
    pub(super) fn close(&self) {
        let _alone = self.closing.lock();
        self.release();
    }

    /// How many views were opened.
    pub(super) fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// Whether one is held now.
    pub(super) fn is_held(&self) -> bool {
        self.slot.look().is_some()
    }

    /// Has an idle view released in time. Where nobody can, no view is shared.
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
        // One that was opened since the look counted on being watched.
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

/// No view is opened while it lives. See [`SharedView::pause`].
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

/// The engine's way to have `view` released.
pub(super) fn release_of<S: Send + Sync + 'static>(view: &Arc<SharedView<S>>) -> ViewRelease {
    let weak: Weak<SharedView<S>> = Arc::downgrade(view);
    ViewRelease::of(weak)
}
