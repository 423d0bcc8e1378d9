//! Tests of the shared view step by step; `model.rs` tries the interleavings.

use super::idle::Idle;
use super::{SharedView, Taken};
use crate::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// For waits that end at once unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// The state that an engine shows, and how many of its snapshots were dropped.
#[derive(Default)]
struct Toy {
    state: AtomicU64,
    dropped: Arc<AtomicU64>,
}

struct Seen(u64, Arc<AtomicU64>);

impl Drop for Seen {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::SeqCst);
    }
}

impl Toy {
    #[allow(clippy::unnecessary_wraps, reason = "as an engine's")]
    fn take(&self) -> Result<Taken<Seen>> {
        let snapshot = Seen(self.state.load(Ordering::SeqCst), Arc::clone(&self.dropped));
        Ok(Taken { snapshot, epoch: 0 })
    }

    fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::SeqCst)
    }

    fn commit(&self, view: &SharedView<Seen>) {
        let _change = view.begin_change();
        self.state.fetch_add(1, Ordering::SeqCst);
    }
}

fn shared() -> (Toy, Arc<SharedView<Seen>>) {
    (Toy::default(), Arc::new(SharedView::watched(|_| true)))
}

fn current(view: &SharedView<Seen>) -> Option<u64> {
    view.with_current(|view| view.0)
}

#[test]
fn a_commit_releases_the_view_and_the_next_is_newer() {
    let (toy, view) = shared();
    assert_eq!(current(&view), None);
    assert_eq!(view.open(|| toy.take()).unwrap().unwrap().0, 0);
    assert_eq!((current(&view), view.opened(), view.is_held()), (Some(0), 1, true));
    toy.commit(&view);
    assert_eq!((current(&view), toy.dropped(), view.is_held()), (None, 1, false));
    assert_eq!(view.open(|| toy.take()).unwrap().unwrap().0, 1);
    // A caller that finds it open uses it.
    assert_eq!(view.open(|| toy.take()).unwrap().unwrap().0, 1);
    assert_eq!(view.opened(), 2);
}

#[test]
fn the_second_get_after_a_change_opens_a_view() {
    let (toy, view) = shared();
    assert_eq!([view.is_worth_opening(), view.is_worth_opening()], [false, true]);
    toy.commit(&view);
    assert_eq!([view.is_worth_opening(), view.is_worth_opening()], [false, true]);
    // A released idle view was in use before.
    view.release();
    assert!(view.is_worth_opening());
}

#[test]
fn a_read_past_the_view_releases_it_only_during_a_change() {
    let (toy, view) = shared();
    view.open(|| toy.take()).unwrap();
    view.passed_by();
    assert_eq!(current(&view), Some(0));
    let change = view.begin_change();
    assert_eq!(current(&view), Some(0), "the old state is read until the change is over");
    view.passed_by();
    assert_eq!(current(&view), None);
    drop(change);
}

#[test]
fn a_change_during_an_open_makes_the_view_open_again() {
    let (toy, view) = shared();
    let opened = view.open(|| {
        let taken = toy.take();
        if toy.state.load(Ordering::SeqCst) == 0 {
            toy.commit(&view);
        }
        taken
    });
    assert_eq!(opened.unwrap().unwrap().0, 1);
    assert_eq!(current(&view), Some(1));
}

#[test]
fn constant_changes_make_a_get_read_past_the_view() {
    let (toy, view) = shared();
    let opened = view.open(|| {
        let taken = toy.take();
        toy.commit(&view);
        taken
    });
    assert!(opened.unwrap().is_none());
    assert!(!view.is_held(), "an unusable view is not kept");
}

#[test]
fn an_idle_view_is_released_at_the_second_check() {
    let (toy, view) = shared();
    view.open(|| toy.take()).unwrap();
    assert!(view.release_if_idle());
    assert_eq!(current(&view), Some(0), "used since");
    assert!(view.release_if_idle());
    assert_eq!(current(&view), Some(0), "used again");
    assert!(view.release_if_idle());
    assert!(view.release_if_idle());
    assert_eq!((current(&view), toy.dropped()), (None, 1));
    assert!(!view.release_if_idle(), "no view is left to check");
}

#[test]
fn a_pause_keeps_views_from_being_opened() {
    let (toy, view) = shared();
    view.open(|| toy.take()).unwrap();
    let pause = view.pause(PATIENCE);
    assert_eq!((current(&view), toy.dropped()), (None, 1));
    assert!(view.open(|| toy.take()).unwrap().is_none());
    drop(pause);
    assert!(view.open(|| toy.take()).unwrap().is_some());
}

#[test]
fn a_pause_waits_for_a_get_that_is_in_the_view() {
    let (toy, view) = shared();
    view.open(|| toy.take()).unwrap();
    let (entered, was_entered) = std::sync::mpsc::channel();
    let (leave, may_leave) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let (inside, toy) = (&view, &toy);
        scope.spawn(move || {
            inside.with_current(|_| {
                entered.send(()).unwrap();
                may_leave.recv().unwrap();
                assert_eq!(toy.dropped(), 0, "the view stays open while a get uses it");
            });
        });
        was_entered.recv().unwrap();
        // The commit has released the view, but the pause still waits for it.
        toy.commit(&view);
        scope.spawn(move || {
            while *inside.pauses.read() == 0 {
                std::thread::yield_now();
            }
            leave.send(()).unwrap();
        });
        let _pause = view.pause(PATIENCE);
        assert_eq!(toy.dropped(), 1);
    });
}

#[test]
fn without_a_thread_to_release_it_no_view_is_shared() {
    let toy = Toy::default();
    let view = Arc::new(SharedView::watched(|_| false));
    assert!(view.open(|| toy.take()).unwrap().is_none());
    assert!(view.open(|| toy.take()).unwrap().is_none());
    assert!(!view.is_held());
}

#[test]
fn closing_releases_the_view_without_waiting() {
    let (toy, view) = shared();
    view.open(|| toy.take()).unwrap();
    view.close();
    assert_eq!((toy.dropped(), view.is_held()), (1, false));
}

#[test]
fn a_pause_does_not_wait_for_a_lent_view_and_ends_with_the_last_guard() {
    let (toy, view) = shared();
    let snapshot = view.open(|| toy.take()).unwrap().unwrap();
    snapshot.lend();
    let (first, second) = (view.pause(PATIENCE), view.pause(PATIENCE));
    assert_eq!(toy.dropped(), 0);
    drop(first);
    assert!(view.open(|| toy.take()).unwrap().is_none());
    drop(second);
    assert!(view.open(|| toy.take()).unwrap().is_some());
    drop(snapshot);
    assert_eq!(toy.dropped(), 1);
}
