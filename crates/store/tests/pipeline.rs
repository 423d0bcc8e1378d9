//! The commit pipeline: shared syncs, order, conditions within a group, failures, back-pressure.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Tests fail by panicking.

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use strongroom_core::{Durability, ErrorKind, Result};
use strongroom_store::{Batch, Commit, Keyspace, Store, StoreOptions};
use support::{Gate, gated, wait_until};

struct Bench {
    store: Store,
    keyspace: Keyspace,
    gate: Arc<Gate>,
    _directory: tempfile::TempDir,
}

fn bench(options: StoreOptions) -> Bench {
    let directory = tempfile::tempdir().unwrap();
    let (backend, gate) = gated(&directory.path().join("store"));
    let store = Store::new(backend, options).unwrap();
    let keyspace = store.create_keyspace("rows").unwrap();
    // The first commit reserves sequence numbers; the tests count what comes after.
    keyspace.set("first", "").unwrap();
    gate.applied.store(0, Ordering::SeqCst);
    gate.flushed.store(0, Ordering::SeqCst);
    Bench { store, keyspace, gate, _directory: directory }
}

impl Bench {
    fn commit_in_thread(&self, batch: Batch) -> JoinHandle<Result<Commit>> {
        let store = self.store.clone();
        thread::spawn(move || store.commit(&batch))
    }

    fn set(&self, key: &str, value: &str) -> Batch {
        let mut batch = self.store.batch();
        batch.set(&self.keyspace, key, value);
        batch
    }

    /// A leader that waits at the gate, so that later commits queue.
    fn leader_at_the_gate(&self) -> JoinHandle<Result<Commit>> {
        self.gate.close();
        let leader = self.commit_in_thread(self.set("leader", ""));
        wait_until("the leader at the gate", || self.gate.waiting.load(Ordering::SeqCst) == 1);
        leader
    }

    /// Queues `batches` one after another, so that their order is known.
    fn queue(&self, batches: Vec<Batch>) -> Vec<JoinHandle<Result<Commit>>> {
        let in_order = |batch| {
            let queued_bytes = || self.store.stats().unwrap().queued_bytes;
            let before = queued_bytes();
            let thread = self.commit_in_thread(batch);
            wait_until("the commit in the queue", || queued_bytes() > before);
            thread
        };
        batches.into_iter().map(in_order).collect()
    }

    fn value(&self, key: &str) -> Option<String> {
        let value = self.keyspace.get(key).unwrap()?;
        Some(String::from_utf8(value.to_vec()).unwrap())
    }
}

fn joined(threads: Vec<JoinHandle<Result<Commit>>>) -> Vec<Result<Commit>> {
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

#[test]
fn a_commit_alone_is_one_batch_and_one_sync() {
    let bench = bench(StoreOptions::new());
    bench.keyspace.set("a", "1").unwrap();
    assert_eq!(bench.gate.applied.load(Ordering::SeqCst), 1);
    assert_eq!(bench.gate.flushed.load(Ordering::SeqCst), 1);
}

#[test]
fn commits_that_wait_share_one_sync_and_keep_their_order() {
    let bench = bench(StoreOptions::new());
    let leader = bench.leader_at_the_gate();
    let waiting = bench.queue((0..8).map(|n| bench.set("same key", &n.to_string())).collect());
    bench.gate.open();
    let first = leader.join().unwrap().unwrap().sequence;
    let sequences: Vec<u64> = joined(waiting).into_iter().map(|result| result.unwrap().sequence).collect();
    assert_eq!(sequences, (first + 1..=first + 8).collect::<Vec<_>>());
    assert_eq!(bench.value("same key").as_deref(), Some("7"));
    // The leader alone, then all eight together.
    assert_eq!(bench.gate.applied.load(Ordering::SeqCst), 2);
    assert_eq!(bench.gate.flushed.load(Ordering::SeqCst), 2);
    let stats = bench.store.stats().unwrap();
    assert_eq!(stats.group_commits - stats.groups, 7);
}

#[test]
fn a_member_whose_condition_fails_does_not_fail_the_others() {
    let bench = bench(StoreOptions::new());
    let mut takes = bench.set("seat", "ada");
    takes.expect_absent(&bench.keyspace, "seat");
    let mut too_late = bench.set("seat", "alan");
    too_late.expect_absent(&bench.keyspace, "seat");
    let mut passes_on = bench.set("seat", "grace");
    passes_on.expect_equals(&bench.keyspace, "seat", "ada");
    let mut frees = bench.store.batch();
    frees.expect_present(&bench.keyspace, "seat").delete(&bench.keyspace, "seat");
    let mut takes_again = bench.set("seat", "edsger");
    takes_again.expect_absent(&bench.keyspace, "seat");

    let leader = bench.leader_at_the_gate();
    let waiting = bench.queue(vec![takes, too_late, bench.set("other", "1"), passes_on, frees, takes_again]);
    bench.gate.open();
    leader.join().unwrap().unwrap();
    let kinds: Vec<_> =
        joined(waiting).into_iter().map(|result| result.map_err(|e| e.kind()).err()).collect();
    assert_eq!(kinds, [None, Some(ErrorKind::Conflict), None, None, None, None]);
    assert_eq!(bench.value("seat").as_deref(), Some("edsger"));
    assert_eq!(bench.value("other").as_deref(), Some("1"));
    assert_eq!(bench.gate.applied.load(Ordering::SeqCst), 2);
}

#[test]
fn one_power_safe_member_makes_the_group_power_safe() {
    let bench = bench(StoreOptions::new());
    let mut buffered = bench.set("a", "1");
    buffered.durability(Durability::Buffered);
    bench.store.commit(&buffered).unwrap();
    assert_eq!(bench.gate.flushed.load(Ordering::SeqCst), 0);

    let leader = bench.leader_at_the_gate();
    let waiting = bench.queue(vec![buffered, bench.set("b", "2")]);
    bench.gate.open();
    leader.join().unwrap().unwrap();
    assert!(joined(waiting).iter().all(Result::is_ok));
    assert_eq!(bench.gate.flushed.load(Ordering::SeqCst), 2);
}

#[test]
fn a_failed_write_is_commit_unknown_for_the_group_and_closes_the_store() {
    for panics in [false, true] {
        let bench = bench(StoreOptions::new());
        bench.gate.panics.store(panics, Ordering::SeqCst);
        bench.gate.fail_at.store(2, Ordering::SeqCst);
        let mut conditional = bench.set("c", "3");
        conditional.expect_present(&bench.keyspace, "absent");
        let leader = bench.leader_at_the_gate();
        let waiting = bench.queue(vec![bench.set("a", "1"), conditional, bench.set("b", "2")]);
        bench.gate.open();
        leader.join().unwrap().unwrap();
        let kinds: Vec<_> = joined(waiting).into_iter().map(|result| result.unwrap_err().kind()).collect();
        // The condition was validated before anything was written, so its error stays.
        assert_eq!(kinds, [ErrorKind::CommitUnknown, ErrorKind::Conflict, ErrorKind::CommitUnknown]);
        assert_eq!(bench.keyspace.get("leader").unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(bench.keyspace.set("a", "1").unwrap_err().kind(), ErrorKind::Closed);
    }
}

#[test]
fn a_full_queue_blocks_further_commits() {
    let bench = bench(StoreOptions::new().queue_bytes_max(10));
    let leader = bench.leader_at_the_gate();
    let first = bench.queue(vec![bench.set("a", "123456789")]);
    // This one does not fit into the queue and has to wait. The sleep gives it time to enter, if it could.
    let second = vec![bench.commit_in_thread(bench.set("b", "123456789"))];
    thread::sleep(std::time::Duration::from_millis(20));
    assert_eq!(bench.store.stats().unwrap().queued_bytes, 10);
    bench.gate.open();
    leader.join().unwrap().unwrap();
    assert!(joined(first).iter().chain(&joined(second)).all(Result::is_ok));
    assert!(bench.value("a").is_some() && bench.value("b").is_some());
    // A commit that is larger than the whole queue passes too, alone.
    let leader = bench.leader_at_the_gate();
    let large = bench.queue(vec![bench.set("large", &"x".repeat(1_000))]);
    bench.gate.open();
    leader.join().unwrap().unwrap();
    assert!(joined(large).iter().all(Result::is_ok));
}

#[test]
fn concurrent_conditional_updates_lose_none() {
    let bench = bench(StoreOptions::new());
    bench.keyspace.set("counter", "0").unwrap();
    let increment = || {
        for _ in 0..200 {
            loop {
                let row = bench.keyspace.get_row("counter").unwrap().unwrap();
                let next = std::str::from_utf8(&row.value).unwrap().parse::<u64>().unwrap() + 1;
                let mut batch = bench.set("counter", &next.to_string());
                batch.expect_version(&bench.keyspace, "counter", row.version);
                match bench.store.commit(&batch) {
                    Ok(_) => break,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict),
                }
            }
        }
    };
    thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(increment))));
    assert_eq!(bench.value("counter").as_deref(), Some("1600"));
}
