//! Commits without conditions may run in the engine concurrently, if it declares so. Nothing else may.

#![allow(clippy::unwrap_used)] // Tests fail by panicking.

mod support;

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use strongroom_core::{Backend, Durability, Expect, KeyspaceHints, StorageBackend, WriteBatch};
use support::{Hooked, HookedOptions};

thread_local! {
    /// Whether this thread's call has to be the only one in the engine.
    static IS_ALONE: Cell<bool> = const { Cell::new(false) };
}

/// The highest number of threads in the engine at once, and how many calls met others although they had to be
/// exclusive.
#[derive(Default)]
struct Crowd {
    inside: AtomicUsize,
    most: Mutex<usize>,
    disturbed: AtomicUsize,
}

impl Crowd {
    fn pass(&self) {
        let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
        let mut most = self.most.lock().unwrap();
        *most = (*most).max(inside);
        drop(most);
        std::thread::sleep(Duration::from_millis(30));
        // The engine is called on the committing thread.
        if IS_ALONE.get() && (inside != 1 || self.inside.load(Ordering::SeqCst) != 1) {
            self.disturbed.fetch_add(1, Ordering::SeqCst);
        }
        self.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Returns the highest number of threads in the engine while four threads did `work` three times each.
fn crowd_of<const CONCURRENT: bool>(work: impl Fn(&Backend<Hooked<CONCURRENT>>, usize) + Sync) -> usize {
    let crowd = Arc::new(Crowd::default());
    let counted = Arc::clone(&crowd);
    let options = HookedOptions::new(move || {
        counted.pass();
        Ok(())
    });
    let backend = Backend::<Hooked<CONCURRENT>>::open(std::env::temp_dir(), options).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (backend, work) = (&backend, &work);
            scope.spawn(move || (0..3).for_each(|round| work(backend, thread * 3 + round)));
        }
    });
    assert_eq!(crowd.disturbed.load(Ordering::SeqCst), 0, "an exclusive call met another");
    *crowd.most.lock().unwrap()
}

fn batch(backend: &dyn StorageBackend) -> WriteBatch {
    let mut batch = WriteBatch::new();
    batch.put(backend.keyspace("rows").unwrap(), b"k", b"v");
    batch
}

fn commit(backend: &dyn StorageBackend, batch: &WriteBatch) {
    backend.commit(batch, Durability::PowerSafe).unwrap();
}

fn conditional(backend: &dyn StorageBackend) {
    let mut batch = batch(backend);
    batch.expect(backend.keyspace("rows").unwrap(), b"k", Expect::Absent);
    IS_ALONE.set(true);
    commit(backend, &batch);
    IS_ALONE.set(false);
}

#[test]
fn commits_without_conditions_run_concurrently() {
    assert!(crowd_of::<true>(|backend, _| commit(backend, &batch(backend))) > 1);
}

#[test]
fn an_engine_without_concurrent_commits_sees_one_at_a_time() {
    assert_eq!(crowd_of::<false>(|backend, _| commit(backend, &batch(backend))), 1);
}

#[test]
fn a_conditional_commit_is_exclusive() {
    assert_eq!(crowd_of::<true>(|backend, _| conditional(backend)), 1);
    // Also among unconditional commits.
    let most = crowd_of::<true>(|backend, number| match number % 3 {
        0 => conditional(backend),
        _ => commit(backend, &batch(backend)),
    });
    assert!(most > 1);
}

#[test]
fn a_creation_is_exclusive() {
    let create = |backend: &Backend<Hooked<true>>, number: usize| {
        backend.create_keyspace(&format!("k{number}"), KeyspaceHints::default()).unwrap();
    };
    assert_eq!(crowd_of::<true>(create), 1);
}
