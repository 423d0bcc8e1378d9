//! Time to live on the memory backend, with a clock that the tests advance.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Tests fail by panicking.

mod support;

use std::time::Duration;
use strongroom_core::{
    Durability, ErrorKind, KeyRange, Marked, MemoryBackend, MemoryOptions, Options, Scan,
    StorageBackend as _, TypedOptions as _, WriteBatch,
};
use strongroom_store::{
    ChangeKind, Clock, Keyspace, Store, StoreOptions, Swap, TransactionOptions, WatchEvent,
};
use strongroom_testkit::PretendBackend;
use support::{kind, wait_until};

const START_MS: u64 = 1_700_000_000_000;

fn options(clock: &Clock) -> StoreOptions {
    StoreOptions::new().durability(Durability::Buffered).clock(clock.clone()).sweep_interval_ms(0)
}

fn store() -> (Store, Keyspace, Clock) {
    let clock = Clock::manual(START_MS);
    let store = Store::new(MemoryBackend::in_memory(), options(&clock)).unwrap();
    let rows = store.create_keyspace("rows").unwrap();
    (store, rows, clock)
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn keys(rows: &Keyspace, scan: Scan) -> Vec<String> {
    rows.scan(scan).unwrap().map(|row| String::from_utf8(row.unwrap().0).unwrap()).collect()
}

/// Rows in the engine, visible or not: the number of index entries, and of the other rows.
fn on_disk(store: &Store) -> (usize, u64) {
    let indexed = store.expiry_index_len().unwrap();
    let rows = store.verify(&mut |_| std::ops::ControlFlow::Continue(())).unwrap().rows;
    (indexed, rows)
}

#[test]
fn a_row_is_absent_for_every_read_from_its_expiry_on() {
    let (store, rows, clock) = store();
    rows.set("forever", "1").unwrap();
    rows.set_with_ttl("brief", "2", ms(100)).unwrap();
    assert_eq!(rows.get_row("brief").unwrap().unwrap().expires_at_ms, Some(START_MS + 100));
    clock.advance(ms(99));
    assert!(rows.has("brief").unwrap());
    assert_eq!(keys(&rows, Scan::all()), ["brief", "forever"]);
    let before = store.snapshot().unwrap();
    let mut walking = rows.prefix("").unwrap();
    let reading = store.begin_with(&TransactionOptions::new().read_only(true)).unwrap();
    let digest = store.digest().unwrap();
    clock.advance(ms(1));
    assert_eq!(rows.get("brief").unwrap(), None);
    assert!(!rows.has("brief").unwrap() && !store.snapshot().unwrap().has(&rows, "brief").unwrap());
    for scan in
        [Scan::all(), Scan::all().reverse(), Scan::all().keys_only(), Scan::prefix(b"").keys_only().reverse()]
    {
        assert_eq!(keys(&rows, scan.clone()), ["forever"], "{scan:?}");
    }
    // Readers opened before the expiry keep showing the state of their read timestamp.
    assert!(before.has(&rows, "brief").unwrap() && reading.has(&rows, "brief").unwrap());
    assert_eq!(before.scan(&rows, Scan::all().keys_only()).unwrap().count(), 2);
    assert_eq!(reading.prefix(&rows, "").unwrap().count(), 2);
    assert!(walking.advance().unwrap());
    assert_eq!(walking.key(), b"brief");
    let mut visited = 0;
    rows.prefix("")
        .unwrap()
        .visit(|_, _| {
            visited += 1;
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!((visited, rows.count("").unwrap()), (1, 1));
    let transaction = store.begin().unwrap();
    assert!(!transaction.has(&rows, "brief").unwrap());
    assert_eq!(transaction.prefix(&rows, "").unwrap().count(), 1);
    assert_ne!(store.digest().unwrap(), digest);
    // It is absent for conditions too.
    assert!(matches!(rows.compare_and_swap("brief", Some(b"2"), Some(b"3")).unwrap(), Swap::Refused(None)));
    assert!(rows.insert_if_absent("brief", "new").unwrap().is_swapped());
    assert_eq!(rows.get("brief").unwrap().as_deref(), Some(&b"new"[..]));
}

/// Invariant 14: the sweep finds every row that expires.
#[test]
fn a_sweep_removes_expired_rows_and_nothing_else() {
    let (store, rows, clock) = store();
    for number in 0..2_500 {
        rows.set_with_ttl(format!("{number:04}"), "x", ms(1 + number)).unwrap();
    }
    rows.set("forever", "1").unwrap();
    // Renewed, shortened, made permanent, deleted.
    rows.set_with_ttl("0000", "again", ms(10_000)).unwrap();
    rows.set_with_ttl("2400", "sooner", ms(5)).unwrap();
    rows.set("0001", "stays").unwrap();
    rows.delete("0002").unwrap();
    assert_eq!(store.sweep().unwrap().rows, 0);
    clock.advance(ms(1_500));
    assert_eq!(store.sweep().unwrap().rows, 1_500 - 3 + 1);
    assert_eq!(rows.count("").unwrap(), 1_000 + 3 - 1);
    // The entries of the remaining rows, and the old entry of the shortened row.
    assert_eq!(on_disk(&store), (1_000 + 1, 1_000 + 3 - 1));
    clock.advance(ms(8_499));
    store.sweep().unwrap();
    assert_eq!(keys(&rows, Scan::all()), ["0000", "0001", "forever"]);
    clock.advance(ms(1));
    assert_eq!(store.sweep().unwrap().rows, 1);
    assert_eq!(on_disk(&store), (0, 2));
    assert_eq!(store.stats().unwrap().expired_rows, 2_500 - 2);
}

#[test]
fn a_default_ttl_survives_reopening_and_is_dropped_with_its_keyspace() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START_MS);
    let open = || {
        let marked = MemoryOptions::from_options(&Options::new().marked(Marked::Writable)).unwrap();
        let backend = PretendBackend::open(&directory, marked).unwrap();
        Store::new(backend, options(&clock)).unwrap()
    };
    let store = Store::new(PretendBackend::new(&directory).unwrap(), options(&clock)).unwrap();
    let rows = store.create_keyspace("rows").unwrap();
    rows.set("before", "1").unwrap();
    rows.set_default_ttl(Some(ms(100))).unwrap();
    rows.set("default", "1").unwrap();
    let mut batch = store.batch();
    batch.set(&rows, "in a batch", "1");
    batch.set_with_ttl(&rows, "longer", "1", ms(500)).set_for_ever(&rows, "for ever", "1");
    batch.set_expiring_at(&rows, "at", "1", START_MS + 200);
    store.commit(&batch).unwrap();
    store
        .transaction(|transaction| {
            transaction.set(&rows, "in a transaction", "1")?;
            transaction.set_with_ttl(&rows, "its own", "1", ms(300))
        })
        .unwrap();
    drop((rows, store));
    let store = open();
    let rows = store.keyspace("rows").unwrap();
    assert_eq!(rows.default_ttl(), Some(ms(100)));
    rows.set("after", "1").unwrap();
    assert_eq!(rows.count("").unwrap(), 9);
    clock.advance(ms(100));
    assert_eq!(keys(&rows, Scan::all().keys_only()), ["at", "before", "for ever", "its own", "longer"]);
    clock.advance(ms(400));
    assert_eq!(keys(&rows, Scan::all()), ["before", "for ever"]);
    assert_eq!(store.sweep().unwrap().rows, 7);
    rows.set_default_ttl(None).unwrap();
    rows.set("stays", "1").unwrap();
    clock.advance(ms(1_000_000));
    assert!(rows.has("stays").unwrap());
    rows.set_default_ttl(Some(ms(7))).unwrap();
    // A new keyspace of the same name does not inherit it.
    store.drop_keyspace("rows").unwrap();
    assert_eq!(kind(rows.set_default_ttl(Some(ms(7)))), ErrorKind::NotFound);
    assert_eq!(store.create_keyspace("rows").unwrap().default_ttl(), None);
    drop((rows, store));
    assert_eq!(open().keyspace("rows").unwrap().default_ttl(), None);
}

#[test]
fn rows_of_a_dropped_keyspace_are_swept_without_harm() {
    let (store, _, clock) = store();
    let gone = store.create_keyspace("gone").unwrap();
    gone.set_with_ttl("a", "1", ms(10)).unwrap();
    gone.set_with_ttl("b", "1", ms(10)).unwrap();
    store.drop_keyspace("gone").unwrap();
    let again = store.create_keyspace("gone").unwrap();
    again.set("a", "another").unwrap();
    clock.advance(ms(10));
    assert_eq!(store.sweep().unwrap().rows, 0);
    assert!(again.has("a").unwrap());
    assert_eq!(on_disk(&store), (0, 1));
}

#[test]
fn a_watch_distinguishes_expiry_from_deletion() {
    let (store, rows, clock) = store();
    let mut watch = rows.watch_prefix("").unwrap();
    rows.set_with_ttl("a", "1", ms(10)).unwrap();
    rows.delete("b").unwrap();
    clock.advance(ms(10));
    store.sweep().unwrap();
    let kinds: Vec<ChangeKind> = std::iter::from_fn(|| match watch.try_next().unwrap()? {
        WatchEvent::Commit(commit) => Some(commit.changes[0].kind.clone()),
        other => panic!("{other:?}"),
    })
    .collect();
    assert_eq!(kinds, [ChangeKind::Set("1".into()), ChangeKind::Deleted, ChangeKind::Expired]);
}

#[test]
fn a_transaction_that_has_read_a_row_conflicts_with_its_expiry() {
    let (store, rows, clock) = store();
    rows.set_with_ttl("a", "1", ms(10)).unwrap();
    for by_scan in [false, true] {
        clock.set_ms(clock.now_ms());
        rows.set_with_ttl("a", "1", ms(10)).unwrap();
        let mut transaction = store.begin().unwrap();
        if by_scan {
            assert_eq!(transaction.prefix(&rows, "").unwrap().count(), 1);
        } else {
            assert!(transaction.has(&rows, "a").unwrap());
        }
        transaction.set(&rows, format!("seen {by_scan}"), "1").unwrap();
        clock.advance(ms(10));
        assert_eq!(kind(transaction.commit()), ErrorKind::Conflict, "{by_scan}");
    }
    // A transaction that found the row absent does not conflict with its removal.
    let mut transaction = store.begin().unwrap();
    assert!(!transaction.has(&rows, "a").unwrap());
    transaction.set(&rows, "not seen", "1").unwrap();
    assert_eq!(store.sweep().unwrap().rows, 1);
    transaction.commit().unwrap();
}

#[test]
fn invalid_ttls_and_a_clock_that_steps_back_are_refused() {
    let (store, rows, clock) = store();
    rows.set("a", "1").unwrap();
    let digest = store.digest().unwrap();
    assert_eq!(kind(rows.set_with_ttl("a", "2", Duration::ZERO)), ErrorKind::InvalidInput);
    assert_eq!(kind(rows.set_with_ttl("a", "2", Duration::MAX)), ErrorKind::InvalidInput);
    assert_eq!(kind(rows.set_with_ttl("a", "2", ms(u64::MAX - START_MS + 1))), ErrorKind::InvalidInput);
    assert_eq!(kind(rows.set_default_ttl(Some(Duration::ZERO))), ErrorKind::InvalidInput);
    let mut batch = store.batch();
    batch.set(&rows, "b", "1").set_expiring_at(&rows, "c", "1", START_MS);
    assert_eq!(kind(store.commit(&batch)), ErrorKind::InvalidInput, "in the past");
    assert_eq!(store.digest().unwrap(), digest);
    assert_eq!(store.expiry_index_len().unwrap(), 0);
    rows.set_with_ttl("last", "1", ms(u64::MAX - START_MS)).unwrap();
    rows.delete("last").unwrap();

    rows.set_with_ttl("b", "1", ms(10_000)).unwrap();
    clock.advance(ms(10_000));
    assert!(!rows.has("b").unwrap());
    clock.set_ms(START_MS);
    assert!(!rows.has("b").unwrap(), "an expired row stays expired");
    assert_eq!(kind(rows.set_with_ttl("c", "1", ms(5))), ErrorKind::Unavailable);
    assert_eq!(kind(store.transaction(|tx| tx.set_with_ttl(&rows, "c", "1", ms(5)))), ErrorKind::Unavailable);
    assert!(!rows.has("c").unwrap());
    // Writes without a TTL still succeed.
    rows.set("d", "1").unwrap();
    clock.set_ms(START_MS + 9_500);
    rows.set_with_ttl("c", "1", ms(5)).unwrap();
    assert_eq!(rows.get_row("c").unwrap().unwrap().expires_at_ms, Some(START_MS + 10_005));
}

#[test]
fn a_batch_whose_ttl_cannot_be_computed_writes_nothing() {
    let (store, rows, clock) = store();
    clock.advance(ms(5_000));
    rows.set("now", "1").unwrap();
    clock.set_ms(START_MS);
    let mut batch = store.batch();
    batch.set(&rows, "a", "1").set_with_ttl(&rows, "b", "1", ms(5));
    assert_eq!(kind(store.commit(&batch)), ErrorKind::Unavailable);
    assert_eq!(keys(&rows, Scan::all()), ["now"]);
}

#[test]
fn the_background_thread_sweeps() {
    let clock = Clock::manual(START_MS);
    let store = Store::new(MemoryBackend::in_memory(), options(&clock).sweep_interval_ms(1)).unwrap();
    let rows = store.create_keyspace("rows").unwrap();
    for round in 1..=3 {
        for number in 0..100 {
            rows.set_with_ttl(format!("{number}"), "x", ms(10)).unwrap();
        }
        assert_eq!(rows.count("").unwrap(), 100);
        clock.advance(ms(10));
        wait_until("the sweep", || store.stats().unwrap().expired_rows == round * 100);
        assert_eq!(on_disk(&store), (0, 0));
    }
}

/// A whole day of sessions that begin, are renewed, expire or are deleted.
#[test]
fn a_day_of_traffic_leaves_no_expired_row_and_loses_no_live_one() {
    let (store, rows, clock) = store();
    rows.set_default_ttl(Some(Duration::from_secs(1_800))).unwrap();
    let mut live = std::collections::BTreeMap::new();
    let mut random = 7_u64;
    let mut below = |bound: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % bound
    };
    for second in 0..86_400_u64 {
        let now_ms = clock.now_ms();
        let key = format!("{:03}", below(500));
        match below(10) {
            0 => {
                rows.delete(&key).unwrap();
                live.remove(&key);
            }
            1 => {
                let ttl = 1 + below(7_200_000);
                rows.set_with_ttl(&key, "own", ms(ttl)).unwrap();
                live.insert(key, now_ms + ttl);
            }
            _ => {
                rows.set(&key, "default").unwrap();
                live.insert(key, now_ms + 1_800_000);
            }
        }
        clock.advance(ms(1_000));
        live.retain(|_, at_ms| *at_ms > now_ms + 1_000);
        if second % 600 == 0 {
            store.sweep().unwrap();
            assert_eq!(keys(&rows, Scan::all()), live.keys().cloned().collect::<Vec<_>>(), "second {second}");
            assert_eq!(on_disk(&store).1, live.len() as u64);
        }
    }
    clock.advance(ms(7_200_000));
    store.sweep().unwrap();
    assert_eq!(on_disk(&store), (0, 0));
    assert_eq!(rows.delete_range(KeyRange::all()).unwrap(), 0);
}

fn hooked(clock: &Clock) -> (Store, Keyspace, support::hooked::Hooks) {
    let (backend, hooks) = support::hooked::hooked();
    let store = Store::new(backend, options(clock)).unwrap();
    let rows = store.create_keyspace("rows").unwrap();
    (store, rows, hooks)
}

/// "a" expires, and "b" was set while "a" was alive, so no state lacks both.
fn sees_a_or_b(store: &Store, rows: &Keyspace) -> bool {
    let reading = store.begin_with(&TransactionOptions::new().read_only(true)).unwrap();
    reading.has(rows, "a").unwrap() || reading.has(rows, "b").unwrap()
}

#[test]
fn a_snapshot_is_not_older_than_its_read_timestamp() {
    let clock = Clock::manual(START_MS);
    let (store, rows, hooks) = hooked(&clock);
    rows.set_with_ttl("a", "1", ms(10)).unwrap();
    let (other_rows, other_clock, other) = (rows.clone(), clock.clone(), store.clone());
    hooks.after_snapshot.set(move || {
        other_clock.advance(ms(5));
        other
            .transaction(|transaction| {
                assert!(transaction.has(&other_rows, "a")?);
                transaction.set(&other_rows, "b", "1")
            })
            .unwrap();
        other_clock.advance(ms(5));
    });
    assert!(sees_a_or_b(&store, &rows));
}

#[test]
fn a_snapshot_that_has_the_first_expiring_row_is_not_read_later_than_it_was_taken() {
    let clock = Clock::manual(START_MS);
    let (store, rows, hooks) = hooked(&clock);
    let other_rows = rows.clone();
    hooks.before_snapshot.set(move || other_rows.set_with_ttl("a", "1", ms(10)).map(drop).unwrap());
    let (other_rows, other_clock, other) = (rows.clone(), clock.clone(), store.clone());
    hooks.after_snapshot.set(move || {
        other_clock.advance(ms(5));
        let mut batch = other.batch();
        batch.expect_present(&other_rows, "a").set(&other_rows, "b", "1");
        other.commit(&batch).unwrap();
        other_clock.advance(ms(5));
    });
    assert!(sees_a_or_b(&store, &rows));
}

#[test]
fn a_read_timestamp_does_not_pass_a_commit_in_flight() {
    let clock = Clock::manual(START_MS);
    let (store, rows, hooks) = hooked(&clock);
    rows.set_with_ttl("a", "1", ms(10)).unwrap();
    let seen = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (other_rows, other_clock, other, is_seen) =
        (rows.clone(), clock.clone(), store.clone(), seen.clone());
    hooks.before_commit.set(move || {
        other_clock.advance(ms(10));
        is_seen.store(sees_a_or_b(&other, &other_rows), std::sync::atomic::Ordering::SeqCst);
    });
    let mut batch = store.batch();
    batch.expect_present(&rows, "a").set(&rows, "b", "1");
    store.commit(&batch).unwrap();
    assert!(seen.load(std::sync::atomic::Ordering::SeqCst), "while it was synced");
    assert!(!rows.has("a").unwrap() && rows.has("b").unwrap());
}

#[test]
fn a_reader_in_another_process_handles_expiry_and_verifies() {
    let memory = std::sync::Arc::new(MemoryBackend::in_memory());
    let clock = Clock::manual(START_MS);
    let writer = Store::new(support::hooked::hooked_over(&memory, false).0, options(&clock)).unwrap();
    let rows = writer.create_keyspace("rows").unwrap();
    rows.set("a", "1").unwrap();
    let (backend, hooks) = support::hooked::hooked_over(&memory, true);
    let reader = Store::new(backend, options(&clock)).unwrap();
    // The first expiring row is written after the reader has read the keyspaces and before it takes its snapshot.
    let written = rows.clone();
    hooks.before_snapshot.set(move || written.set_with_ttl("b", "1", ms(100)).unwrap());
    reader.verify(&mut |_| std::ops::ControlFlow::Continue(())).unwrap();
    let read = reader.keyspace("rows").unwrap();
    assert_eq!(keys(&read, Scan::all().keys_only()), ["a", "b"]);
    clock.advance(ms(100));
    assert_eq!(keys(&read, Scan::all().keys_only()), ["a"]);
    assert_eq!(read.count("").unwrap(), 1);
    assert!(reader.sweep().is_err() && read.set_default_ttl(None).is_err());
    assert_eq!(reader.begin().unwrap().commit().unwrap(), None);
}

#[test]
fn a_damaged_index_entry_stays_and_is_reported() {
    let memory = std::sync::Arc::new(MemoryBackend::in_memory());
    let clock = Clock::manual(START_MS);
    let store = Store::new(support::hooked::hooked_over(&memory, false).0, options(&clock)).unwrap();
    let rows = store.create_keyspace("rows").unwrap();
    rows.set_with_ttl("a", "1", ms(100)).unwrap();
    rows.set_with_ttl("b", "1", ms(101)).unwrap();
    // One bit of the time of the first entry.
    let own = memory.keyspace("_store").unwrap();
    let mut cursor = memory.snapshot().unwrap().cursor(own, Scan::prefix(b"expiry ")).unwrap();
    assert!(cursor.advance().unwrap());
    let (key, value) = (cursor.key().to_vec(), cursor.value().to_vec());
    let mut damaged = key.clone();
    damaged[b"expiry ".len() + 7] ^= 1;
    let mut batch = WriteBatch::new();
    batch.delete(own, &key).put(own, &damaged, &value);
    memory.commit(&batch, Durability::Buffered).unwrap();
    let verify = || store.verify(&mut |_| std::ops::ControlFlow::Continue(()));
    assert_eq!(kind(verify()), ErrorKind::Corruption);
    clock.advance(ms(1_000));
    assert_eq!(store.sweep().unwrap().rows, 1, "the intact entry is swept");
    assert_eq!(store.expiry_index_len().unwrap(), 1);
    assert_eq!(kind(verify()), ErrorKind::Corruption);
    assert!(!rows.has("a").unwrap());
}

/// If no gap between two commits is long enough for a snapshot, it is taken under the commit lock, without a
/// deadlock.
#[test]
fn snapshots_are_taken_while_writers_never_pause() {
    let clock = Clock::manual(START_MS);
    let (store, rows, hooks) = hooked(&clock);
    rows.set_with_ttl("a", "1", ms(10)).unwrap();
    hooks.slow_snapshots.store(true, std::sync::atomic::Ordering::Relaxed);
    let stops = std::sync::atomic::AtomicBool::new(false);
    let is_running = || !stops.load(std::sync::atomic::Ordering::Relaxed);
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let (rows, is_running) = (&rows, &is_running);
            scope.spawn(move || {
                while is_running() {
                    rows.set(format!("w{writer}"), "1").unwrap();
                }
            });
        }
        scope.spawn(|| {
            // Contends for the commit lock and the catalog too.
            while is_running() {
                store.create_keyspace("other").unwrap();
                store.drop_keyspace("other").unwrap();
            }
        });
        for _ in 0..30 {
            assert!(store.snapshot().unwrap().has(&rows, "a").unwrap());
            store.digest().unwrap();
        }
        stops.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

/// Without rounding, each rewrite would leave an index entry until its time comes.
#[test]
fn rows_that_come_and_go_leave_no_index_entries() {
    let (store, rows, clock) = store();
    let day = Duration::from_secs(86_400);
    for session in 0..500_u32 {
        let key = session.to_be_bytes();
        rows.set_with_ttl(key, "1", day).unwrap();
        clock.advance(ms(60_000));
        match session % 3 {
            0 => rows.delete(key).unwrap(),
            1 => drop(rows.delete_range(KeyRange::prefix(&key)).unwrap()),
            _ => store
                .transaction(|transaction| {
                    transaction.has(&rows, key)?;
                    transaction.delete(&rows, key)
                })
                .map(drop)
                .unwrap(),
        }
    }
    assert_eq!(store.expiry_index_len().unwrap(), 0);
    // Deleted and set again, in one commit: the entry stays.
    rows.set_with_ttl("a", "1", day).unwrap();
    let mut batch = store.batch();
    batch.delete(&rows, "a").set_with_ttl(&rows, "a", "2", day);
    store.commit(&batch).unwrap();
    assert_eq!(store.expiry_index_len().unwrap(), 1);
    clock.advance(day);
    assert_eq!(store.sweep().unwrap().rows, 1);
    assert_eq!(on_disk(&store), (0, 0));
}

#[test]
fn a_row_that_is_renewed_often_has_few_index_entries() {
    let (store, rows, clock) = store();
    let day = Duration::from_secs(86_400);
    for round in 0..5_000_u64 {
        for key in ["a", "b"] {
            rows.set_with_ttl(key, "1", day).unwrap();
        }
        clock.advance(ms(10_000));
        if round % 100 == 0 {
            store.sweep().unwrap();
            let entries = store.expiry_index_len().unwrap();
            assert!(entries <= 2 * 18, "{entries} entries for two rows in round {round}");
        }
    }
    clock.advance(ms(86_400_000 - 10_001));
    store.sweep().unwrap();
    assert_eq!(keys(&rows, Scan::all()), ["a", "b"], "an entry that is due before its row removes nothing");
    store.verify(&mut |_| std::ops::ControlFlow::Continue(())).unwrap();
    clock.advance(ms(1));
    assert_eq!(store.sweep().unwrap().rows, 2);
    assert_eq!(on_disk(&store), (0, 0));
}
