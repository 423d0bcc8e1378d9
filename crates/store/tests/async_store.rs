//! The async facade: results, the bound, panics, and dropped futures.

#![cfg(feature = "async")]
#![allow(clippy::unwrap_used)] // Tests fail by panicking.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context, Waker};
use std::time::Duration;
use strongroom_core::{Durability, ErrorKind, MemoryBackend};
use strongroom_store::{AsyncStore, Store, StoreOptions};

fn store(concurrent_max: usize) -> AsyncStore {
    let options = StoreOptions::new().durability(Durability::Buffered);
    AsyncStore::new(Store::new(MemoryBackend::in_memory(), options).unwrap(), concurrent_max)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_and_errors_come_back() {
    let store = store(4);
    store.run(|store| store.default_keyspace()?.set("k", "v")).await.unwrap();
    let found = store.run(|store| store.default_keyspace()?.get("k")).await.unwrap();
    assert_eq!(found.as_deref(), Some(&b"v"[..]));
    let error = store.run(|store| store.keyspace("missing").map(drop)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_than_the_bound_run_at_once() {
    let store = store(3);
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (store, now, most) = (store.clone(), Arc::clone(&now), Arc::clone(&most));
            tokio::spawn(async move {
                let work = move |_: &Store| {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(5));
                    now.fetch_sub(1, Ordering::SeqCst);
                    Ok(())
                };
                store.run(work).await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!((2..=3).contains(&most.load(Ordering::SeqCst)), "{most:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_reaches_the_caller_and_the_store_stays_usable() {
    let store = store(1);
    let panicking = store.clone();
    let task =
        tokio::spawn(
            async move { panicking.run(|_| -> strongroom_core::Result<()> { panic!("own") }).await },
        );
    assert!(task.await.unwrap_err().is_panic());
    store.run(|store| store.default_keyspace()?.set("k", "v")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_has_begun_runs_to_its_end_after_its_future_is_dropped() {
    let store = store(1);
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let (proceed, may_proceed) = std::sync::mpsc::channel::<()>();
    let slow = store.run(move |store| {
        begun.send(()).unwrap();
        may_proceed.recv().unwrap();
        store.default_keyspace()?.set("k", "v")
    });
    tokio::select! {
        _ = slow => panic!("the work waits"),
        begun = has_begun => begun.unwrap(),
    }
    // The future is dropped by now.
    proceed.send(()).unwrap();
    // The only permit is free again once the work is done.
    let found = store.run(|store| store.default_keyspace()?.has("k")).await.unwrap();
    assert!(found);
}

#[test]
fn work_that_waits_for_a_thread_is_cancelled_when_its_future_is_dropped() {
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let store = store(1);
        // Work from outside the store keeps the pool's only thread busy.
        let (release, released) = mpsc::channel::<()>();
        let busy = tokio::task::spawn_blocking(move || released.recv());
        let captured = Arc::new(());
        {
            let held = Arc::clone(&captured);
            let mut run = pin!(store.run(move |store| {
                drop(held);
                store.default_keyspace()?.set("k", "v")
            }));
            // The pool has it, and it waits there.
            assert!(run.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            assert_eq!(Arc::strong_count(&captured), 2);
        }
        assert_eq!(Arc::strong_count(&captured), 1, "what it captured is dropped at once");
        // Its permit, the only one, is free at once too, so the next closure reaches the pool.
        let mut next = pin!(store.run(|store| store.default_keyspace()?.has("k")));
        assert!(next.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        release.send(()).unwrap();
        busy.await.unwrap().unwrap();
        // The pool runs work in order, so the cancelled work would have run before this.
        assert!(!next.await.unwrap(), "cancelled work ran");
    });
}
