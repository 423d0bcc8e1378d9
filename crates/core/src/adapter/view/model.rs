//! A model check of the view: readers, committers, a thread that releases idle views, and one that pauses, over
//! a toy engine whose snapshots show the newest visible state.
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test -p strongroom-core --lib view::model` runs it. The environment
//! variable `STRONGROOM_MODEL_RUNS` sets how many schedules each case tries. The check has been seen to fail
//! without the check of the generation, without the compare-and-swap, without the raise in an idle release, and
//! without the release by a read past the view.

use super::idle::Idle;
use super::{SharedView, Taken};
use crate::Result;
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::{Runner, thread};
use std::sync::Arc;

const RUNS: usize = 3_000;

fn runs() -> usize {
    std::env::var("STRONGROOM_MODEL_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(RUNS)
}

/// The state is a number that each commit increases.
struct Toy {
    view: Arc<SharedView<u64>>,
    /// The state that a snapshot of the engine shows.
    visible: AtomicU64,
    /// The last acknowledged commit.
    acknowledged: AtomicU64,
    /// The newest state that a read has returned.
    answered: AtomicU64,
}

impl Toy {
    fn new() -> Arc<Self> {
        let number = || AtomicU64::new(0);
        Arc::new(Self {
            view: Arc::new(SharedView::watched(|_| true)),
            visible: number(),
            acknowledged: number(),
            answered: number(),
        })
    }

    #[allow(clippy::unnecessary_wraps)] // As an engine's.
    fn take(&self) -> Result<Taken<u64>> {
        Ok(Taken { snapshot: self.visible.load(Ordering::SeqCst), epoch: 0 })
    }

    fn commit(&self) {
        let change = self.view.begin_change();
        let number = self.visible.fetch_add(1, Ordering::SeqCst) + 1;
        drop(change);
        self.acknowledged.fetch_max(number, Ordering::SeqCst);
    }

    /// A get as in `adapter/read.rs`.
    fn get(&self) -> u64 {
        if let Some(found) = self.view.with_current(|view| ***view) {
            return found;
        }
        if self.view.is_worth_opening()
            && let Ok(Some(view)) = self.view.open(|| self.take())
        {
            return **view;
        }
        self.get_past_view()
    }

    /// A get that opens a view when it finds none.
    fn get_opening(&self) -> u64 {
        if let Some(found) = self.view.with_current(|view| ***view) {
            return found;
        }
        match self.view.open(|| self.take()) {
            Ok(Some(view)) => **view,
            _ => self.get_past_view(),
        }
    }

    fn get_past_view(&self) -> u64 {
        let found = self.visible.load(Ordering::SeqCst);
        self.view.passed_by();
        found
    }

    fn check(&self, get: impl Fn(&Self) -> u64) {
        let acknowledged = self.acknowledged.load(Ordering::SeqCst);
        let answered = self.answered.load(Ordering::SeqCst);
        let found = get(self);
        assert!(found >= acknowledged, "older than an acknowledged commit: {found} < {acknowledged}");
        assert!(found >= answered, "back in time: {found} < {answered}");
        self.answered.fetch_max(found, Ordering::SeqCst);
    }
}

/// Tries schedules: random ones, and those that find rare orders of a few steps.
fn try_schedules(case: fn(&Arc<Toy>) -> Vec<thread::JoinHandle<()>>) {
    let run = move || {
        let toy = Toy::new();
        for thread in case(&toy) {
            thread.join().unwrap();
        }
        toy.check(Toy::get);
        toy.check(Toy::get);
        toy.view.close();
        assert!(!toy.view.is_held(), "closed");
    };
    Runner::new(RandomScheduler::new(runs()), shuttle::Config::default()).run(run);
    for depth in [2, 4, 6] {
        Runner::new(PctScheduler::new(depth, runs()), shuttle::Config::default()).run(run);
    }
}

fn spawn(toy: &Arc<Toy>, steps: usize, step: fn(&Toy)) -> thread::JoinHandle<()> {
    let toy = Arc::clone(toy);
    thread::spawn(move || (0..steps).for_each(|_| step(&toy)))
}

const READ: fn(&Toy) = |toy| toy.check(Toy::get);
const OPEN: fn(&Toy) = |toy| toy.check(Toy::get_opening);
const READ_PAST: fn(&Toy) = |toy| toy.check(Toy::get_past_view);
const RELEASE: fn(&Toy) = |toy| toy.view.release();
const RELEASE_IDLE: fn(&Toy) = |toy| {
    toy.view.release_if_idle();
};

#[test]
fn readers_concurrent_with_committers() {
    try_schedules(|toy| {
        let readers = (0..3).map(|_| spawn(toy, 4, READ));
        readers.chain((0..2).map(|_| spawn(toy, 2, Toy::commit))).collect()
    });
}

#[test]
fn readers_concurrent_with_a_committer_and_idle_releases() {
    try_schedules(|toy| {
        let readers = (0..3).map(|_| spawn(toy, 4, READ));
        let others = [spawn(toy, 2, Toy::commit), spawn(toy, 4, RELEASE_IDLE), spawn(toy, 2, RELEASE_IDLE)];
        readers.chain(others).collect()
    });
}

#[test]
fn reads_in_the_view_and_past_it() {
    try_schedules(|toy| {
        let readers = (0..2).map(|_| spawn(toy, 4, READ));
        readers.chain([spawn(toy, 3, READ_PAST), spawn(toy, 2, Toy::commit)]).collect()
    });
}

#[test]
fn readers_concurrent_with_requested_releases_and_a_pause() {
    const PAUSE: fn(&Toy) = |toy| {
        let _paused = toy.view.pause(std::time::Duration::ZERO);
        assert!(!toy.view.is_held(), "no view is opened in a pause");
    };
    try_schedules(|toy| {
        let readers = (0..3).map(|_| spawn(toy, 4, READ));
        let others = [spawn(toy, 2, Toy::commit), spawn(toy, 3, RELEASE), spawn(toy, 1, PAUSE)];
        readers.chain(others).collect()
    });
}

// The smaller a case, the sooner a rare order of its steps comes up.

#[test]
fn only_one_of_two_views_opened_at_once_is_used() {
    try_schedules(|toy| vec![spawn(toy, 1, OPEN), spawn(toy, 3, OPEN), spawn(toy, 1, Toy::commit)]);
}

#[test]
fn a_slot_that_was_filled_and_emptied_meanwhile_admits_no_older_view() {
    try_schedules(|toy| {
        vec![
            spawn(toy, 1, OPEN),
            spawn(toy, 3, OPEN),
            spawn(toy, 2, RELEASE_IDLE),
            spawn(toy, 1, Toy::commit),
        ]
    });
}

#[test]
fn a_release_keeps_a_later_view() {
    const OPEN_ONLY: fn(&Toy) = |toy| {
        toy.check(|toy| {
            toy.view.open(|| toy.take()).ok().flatten().map_or_else(|| toy.get_past_view(), |view| **view)
        });
    };
    const SHOW: fn(&Toy) = |toy| toy.visible.store(1, Ordering::SeqCst);
    try_schedules(|toy| {
        // In flight all the time; becomes visible at some point.
        std::mem::forget(toy.view.begin_change());
        vec![spawn(toy, 1, OPEN_ONLY), spawn(toy, 2, OPEN_ONLY), spawn(toy, 1, RELEASE), spawn(toy, 1, SHOW)]
    });
}
