//! A model check of the store's concurrency: small programs, run under many schedules by `shuttle`.
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test -p strongroom-store --lib model` runs it; the environment variable
//! `STRONGROOM_MODEL_RUNS` sets the number of schedules for each program. The engine is the memory backend, whose
//! calls are one step each. The programs check the queue and its change of leaders, read views between groups, the first
//! row that expires, keyspace changes concurrent with commits and transactions, transactions, and handles that close while
//! others commit.

use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Arc, Mutex, PoisonError, thread};
use crate::{ChangeKind, Clock, Keyspace, KeyspaceChangeKind, Store, StoreOptions, Watch, WatchEvent};
use shuttle::Runner;
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use std::collections::BTreeMap;
use std::time::Duration;
use strongroom_core::{Durability, ErrorKind, MemoryBackend};

const RUNS: usize = 300;

/// Runs the program under many schedules.
pub(crate) fn check(program: fn()) {
    let runs = std::env::var("STRONGROOM_MODEL_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(RUNS);
    let config = || {
        let mut config = shuttle::Config::new();
        config.stack_size = 1 << 20;
        config
    };
    Runner::new(RandomScheduler::new(runs), config()).run(program);
    Runner::new(PctScheduler::new(3, runs), config()).run(program);
}

fn store(clock: &Clock) -> (Store, Keyspace) {
    let options =
        StoreOptions::new().durability(Durability::Buffered).clock(clock.clone()).sweep_interval_ms(0);
    let store = Store::new(MemoryBackend::in_memory(), options).unwrap();
    let rows = store.create_keyspace("rows").unwrap();
    (store, rows)
}

fn clock() -> Clock {
    Clock::manual(1_000)
}

/// Returns every event until the watch ends.
fn drain(watch: &mut Watch) -> Vec<WatchEvent> {
    watch.map(|event| event.unwrap()).collect()
}

#[test]
fn every_caller_gets_its_own_result_and_watchers_see_commits_in_order() {
    check(|| {
        let (store, rows) = store(&clock());
        let mut watch = store.watch_all(1 << 20).unwrap();
        let threads: Vec<_> = (0..3)
            .map(|writer| {
                let rows = rows.clone();
                thread::spawn(move || {
                    let first = rows.increment("count", 1).unwrap();
                    rows.set(format!("own {writer}"), "1").unwrap();
                    let second = rows.increment("count", 1).unwrap();
                    assert!(first < second);
                    [first, second]
                })
            })
            .collect();
        let mut sums: Vec<i64> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        sums.sort_unstable();
        assert_eq!(sums, [1, 2, 3, 4, 5, 6], "each sum was returned to one caller");
        drop((store, rows));
        let (mut newest, mut count, mut changes) = (0, 0, 0);
        for event in drain(&mut watch) {
            let WatchEvent::Commit(commit) = event else { panic!("{event:?}") };
            assert!(commit.sequence > newest, "commits in order");
            newest = commit.sequence;
            changes += commit.changes.len();
            for change in commit.changes.iter().filter(|change| change.key == "count") {
                let ChangeKind::Set(value) = &change.kind else { panic!("{change:?}") };
                count += 1;
                assert_eq!(&value[..], format!("{count}").as_bytes());
            }
        }
        assert_eq!((count, changes), (6, 9));
    });
}

/// A snapshot must not show a row together with writes of a commit that found it expired, nor miss a row without
/// the writes of a commit that found it alive.
#[test]
fn a_read_view_falls_between_two_groups() {
    check(|| {
        let clock = clock();
        let (store, rows) = store(&clock);
        rows.set_with_ttl("lease", "1", Duration::from_millis(10)).unwrap();
        let writer = |key: &'static str, present: bool| {
            let (store, rows) = (store.clone(), rows.clone());
            thread::spawn(move || {
                let mut batch = store.batch();
                if present {
                    batch.expect_present(&rows, "lease")
                } else {
                    batch.expect_absent(&rows, "lease")
                };
                store.commit(batch.set(&rows, key, "1")).is_ok()
            })
        };
        let (before, after) = (writer("before", true), writer("after", false));
        let ticking = {
            let clock = clock.clone();
            thread::spawn(move || clock.advance(Duration::from_millis(10)))
        };
        let reader = {
            let (store, rows) = (store.clone(), rows.clone());
            thread::spawn(move || {
                let mut seen = Vec::new();
                for _ in 0..2 {
                    let snapshot = store.snapshot().unwrap();
                    let has = |key: &str| snapshot.has(&rows, key).unwrap();
                    seen.push((has("lease"), has("before"), has("after")));
                }
                seen
            })
        };
        ticking.join().unwrap();
        let (was_before, _was_after) = (before.join().unwrap(), after.join().unwrap());
        for (lease, before, after) in reader.join().unwrap() {
            assert!(!(lease && after), "the lease is alive, but a commit after its expiry is visible");
            assert!(
                lease || before || !was_before,
                "the lease has expired, but a commit before its expiry is not visible"
            );
        }
    });
}

/// The store has no row that expires, until a reader has already looked whether there is one.
#[test]
fn a_read_view_that_sees_the_first_expiring_row_knows_what_later_commits_found() {
    check(|| {
        let clock = clock();
        let (store, rows) = store(&clock);
        let writer = {
            let (clock, store, rows) = (clock.clone(), store.clone(), rows.clone());
            thread::spawn(move || {
                let mut batch = store.batch();
                batch.set(&rows, "begun", "1").set_with_ttl(&rows, "lease", "1", Duration::from_millis(10));
                store.commit(&batch).unwrap();
                let mut batch = store.batch();
                store.commit(batch.expect_present(&rows, "lease").set(&rows, "alive", "1")).unwrap();
                clock.advance(Duration::from_millis(10));
            })
        };
        let snapshot = store.snapshot().unwrap();
        let [begun, lease, alive] = ["begun", "lease", "alive"].map(|key| snapshot.has(&rows, key).unwrap());
        assert!(
            !begun || lease || alive,
            "the lease has expired, but a commit that found it alive is not visible"
        );
        writer.join().unwrap();
    });
}

#[test]
fn a_transaction_that_read_a_dropped_keyspace_is_committed_before_the_drop_or_not_at_all() {
    check(|| {
        let (store, rows) = store(&clock());
        let read = store.create_keyspace("read").unwrap();
        read.set("a", "1").unwrap();
        let mut watch = store.watch_all(1 << 20).unwrap();
        let dropping = {
            let store = store.clone();
            thread::spawn(move || store.drop_keyspace("read").unwrap())
        };
        let mut transaction = store.begin().unwrap();
        let is_committed = transaction.has(&read, "a").is_ok_and(|found| {
            transaction.set(&rows, "found", if found { "yes" } else { "no" }).unwrap();
            transaction.commit().is_ok()
        });
        dropping.join().unwrap();
        drop((store, rows, read));
        let events = drain(&mut watch);
        let commit = events.iter().position(|event| matches!(event, WatchEvent::Commit(_)));
        let drop = events.iter().position(|event| matches!(event, WatchEvent::Keyspace(_)));
        assert_eq!(commit.is_some(), is_committed);
        assert!(drop.is_some() && commit.is_none_or(|commit| Some(commit) < drop), "{events:?}");
    });
}

#[test]
fn a_mirror_kept_by_a_watch_equals_the_store() {
    check(|| {
        let (store, _rows) = store(&clock());
        let mut watch = store.watch_all(1 << 20).unwrap();
        let writers: Vec<_> = (0..2)
            .map(|writer| {
                let store = store.clone();
                thread::spawn(move || {
                    let Ok(keyspace) = store.create_keyspace("other") else { return };
                    // The other writer may drop it.
                    let _ = keyspace.set(format!("{writer}"), "1");
                    if writer == 0 {
                        let _ = store.drop_keyspace("other");
                    }
                })
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        let mut stored: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
        for name in store.keyspaces() {
            let rows = store.keyspace(&name).unwrap().prefix("").unwrap();
            stored.insert(name, rows.map(|row| row.unwrap().0).collect());
        }
        drop((store, _rows));
        let mut mirror: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
        mirror.insert("default".into(), Vec::new());
        mirror.insert("rows".into(), Vec::new());
        for event in drain(&mut watch) {
            match event {
                WatchEvent::Keyspace(event) if event.kind == KeyspaceChangeKind::Created => {
                    assert!(mirror.insert(event.keyspace.to_string(), Vec::new()).is_none());
                }
                WatchEvent::Keyspace(event) => drop(mirror.remove(&*event.keyspace).unwrap()),
                WatchEvent::Commit(commit) => {
                    for change in commit.changes {
                        mirror.get_mut(&*change.keyspace).unwrap().push(change.key.to_vec());
                    }
                }
                other => panic!("{other:?}"),
            }
        }
        mirror.values_mut().for_each(|keys| keys.sort());
        assert_eq!(mirror, stored);
    });
}

#[test]
fn two_transactions_do_not_skew() {
    check(|| {
        let (store, rows) = store(&clock());
        rows.set("a", "on call").unwrap();
        rows.set("b", "on call").unwrap();
        let leaves = |own: &'static str, other: &'static str| {
            let (store, rows) = (store.clone(), rows.clone());
            thread::spawn(move || {
                let mut transaction = store.begin().unwrap();
                if transaction.has(&rows, other).unwrap() {
                    transaction.delete(&rows, own).unwrap();
                }
                match transaction.commit() {
                    Ok(_) => {}
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict),
                }
            })
        };
        let (one, two) = (leaves("a", "b"), leaves("b", "a"));
        one.join().unwrap();
        two.join().unwrap();
        assert!(rows.has("a").unwrap() || rows.has("b").unwrap(), "one of them stays on call");
    });
}

#[test]
fn a_handle_closes_while_others_commit_and_every_acknowledged_commit_is_published() {
    check(|| {
        // With its background threads, which have to end too.
        let options = StoreOptions::new()
            .durability(Durability::Buffered)
            .sweep_interval_ms(1)
            .snapshot_age_max(Some(Duration::from_secs(3_600)));
        let store = Store::new(MemoryBackend::in_memory(), options).unwrap();
        let rows = store.default_keyspace().unwrap();
        let mut watch = store.watch_all(1 << 20).unwrap();
        let acknowledged = Arc::new(AtomicU64::new(0));
        let is_reading = Arc::new(AtomicBool::new(true));
        let writers: Vec<_> = (0..2)
            .map(|writer| {
                let (rows, acknowledged) = (rows.clone(), Arc::clone(&acknowledged));
                thread::spawn(move || {
                    rows.set(format!("{writer}"), "1").unwrap();
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                })
            })
            .collect();
        let reader = {
            let (snapshot, rows) = (store.snapshot().unwrap(), rows.clone());
            let is_reading = Arc::clone(&is_reading);
            thread::spawn(move || {
                assert!(snapshot.get(&rows, "0").is_ok());
                is_reading.store(false, Ordering::SeqCst);
            })
        };
        let weak = store.downgrade();
        drop((store, rows));
        let events = Mutex::new(Vec::new());
        // Any of the threads may drop the last handle.
        for event in watch.by_ref() {
            events.lock().unwrap_or_else(PoisonError::into_inner).push(event.unwrap());
        }
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        reader.join().unwrap();
        assert!(weak.is_closed() && !is_reading.load(Ordering::SeqCst));
        let published = events.into_inner().unwrap_or_else(PoisonError::into_inner).len() as u64;
        assert_eq!((acknowledged.load(Ordering::SeqCst), published), (2, 2));
    });
}
