//! The high-water mark: a lost tail is noticed, and nothing else is taken for one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Tests fail by panicking.

mod support;

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use strongroom_core::{Durability, Error, ErrorKind, Options, StorageBackend};
use strongroom_store::{HIGH_WATER_LAG_MS, Store, StoreOptions};
use support::{pretend, wait_until};

fn mark_file(path: &Path) -> PathBuf {
    path.join("STRONGROOM.highwater")
}

fn refused(path: &Path) -> Error {
    let before = support::files(path);
    let error = pretend::open_with(path, StoreOptions::new(), &Options::new()).unwrap_err();
    assert_eq!(support::files(path), before, "a refusal changes nothing");
    assert_eq!(error.kind(), ErrorKind::Corruption, "{error}");
    assert!(error.to_string().contains("accept_lost_tail=true"), "has the hint: {error}");
    let only_read = pretend::open_with(path, StoreOptions::new(), &Options::new().read_only());
    assert_eq!(only_read.unwrap_err().kind(), ErrorKind::Corruption, "a read-only opening checks too");
    assert_eq!(support::files(path), before);
    error
}

fn accepted(path: &Path) -> Store {
    pretend::open_with(path, StoreOptions::new().accept_lost_tail(true), &Options::new()).unwrap()
}

fn set(store: &Store, key: &str, durability: Durability) -> u64 {
    let mut batch = store.batch();
    batch.set(&store.default_keyspace().unwrap(), key, "v").durability(durability);
    store.commit(&batch).unwrap().sequence
}

fn marked(store: &Store) -> u64 {
    store.stats().unwrap().high_water.unwrap()
}

#[test]
fn a_lost_tail_is_noticed_and_can_be_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let store = pretend::open(path);
    set(&store, "early", Durability::PowerSafe);
    drop(store);
    let early = pretend::engine_file(path);
    let store = pretend::open(path);
    let lost = set(&store, "late", Durability::PowerSafe);
    drop(store);
    let whole = pretend::engine_file(path);

    pretend::put_back(path, &early);
    let error = refused(path);
    assert!(error.to_string().contains("a tail of acknowledged commits is missing"), "{error}");
    pretend::put_back(path, &whole);
    drop(pretend::open(path));

    pretend::put_back(path, &early);
    // A read-only opening accepts the loss without writing.
    let only_read = StoreOptions::new().accept_lost_tail(true);
    let store = pretend::open_with(path, only_read, &Options::new().read_only()).unwrap();
    store.verify(&mut |_| ControlFlow::Continue(())).unwrap();
    // Only the loss at the opening was accepted.
    let mark = fs::read(mark_file(path)).unwrap();
    fs::remove_file(mark_file(path)).unwrap();
    assert_eq!(store.verify(&mut |_| ControlFlow::Continue(())).unwrap_err().kind(), ErrorKind::Corruption);
    fs::write(mark_file(path), mark).unwrap();
    drop(store);
    refused(path);
    let store = accepted(path);
    let rows = store.default_keyspace().unwrap();
    assert!(rows.has("early").unwrap() && !rows.has("late").unwrap());
    assert!(set(&store, "new", Durability::PowerSafe) > lost, "versions are not assigned twice");
    drop((store, rows));
    let store = pretend::open(path);
    store.verify(&mut |_| ControlFlow::Continue(())).unwrap();
}

#[test]
fn durable_commits_are_marked_after_the_lag_and_at_the_close() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let store = pretend::open(path);
    assert_eq!(marked(&store), 0);
    let begun = Instant::now();
    let first = set(&store, "a", Durability::PowerSafe);
    wait_until("the mark", || marked(&store) > first);
    assert!(begun.elapsed() >= Duration::from_millis(HIGH_WATER_LAG_MS), "not with each commit");
    // With nothing to mark, the thread sleeps.
    let asleep = marked(&store);
    let commits = store.stats().unwrap().backend.commits;
    std::thread::sleep(Duration::from_millis(HIGH_WATER_LAG_MS * 3 / 2));
    assert_eq!((marked(&store), store.stats().unwrap().backend.commits), (asleep, commits));
    // Copied while it is open, as after a crash: the mark is there.
    let before = (fs::read(mark_file(path)).unwrap(), pretend::engine_file(path));
    let last = set(&store, "b", Durability::PowerSafe);
    drop(store);
    pretend::put_back(path, &before.1);
    refused(path);
    // A loss of commits within the lag is not noticed.
    fs::write(mark_file(path), before.0).unwrap();
    let store = pretend::open(path);
    assert!(marked(&store) < last);
}

#[test]
fn buffered_commits_are_marked_by_a_flush_and_by_closing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let store = pretend::open(path);
    let buffered = set(&store, "a", Durability::Buffered);
    std::thread::sleep(Duration::from_millis(HIGH_WATER_LAG_MS * 3 / 2));
    assert_eq!(marked(&store), 0, "an engine may lose it");
    // So a copy made now, without the buffered commit, opens.
    let crashed = tempfile::tempdir().unwrap();
    for name in ["STRONGROOM", "STRONGROOM.highwater", "pretend.rows"] {
        fs::copy(path.join(name), crashed.path().join(name)).unwrap();
    }
    assert!(!pretend::open(crashed.path()).default_keyspace().unwrap().has("a").unwrap());
    store.flush().unwrap();
    wait_until("the mark", || marked(&store) > buffered);

    let again = set(&store, "b", Durability::Buffered);
    drop(store);
    let store = pretend::open(path);
    assert!(marked(&store) > again);
    assert!(store.default_keyspace().unwrap().has("b").unwrap());
}

#[test]
fn closing_a_store_that_was_not_written_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    drop(pretend::open(path));
    set(&pretend::open(path), "k", Durability::PowerSafe);
    let before = fs::read(mark_file(path)).unwrap();
    let store = pretend::open(path);
    assert!(store.default_keyspace().unwrap().has("k").unwrap());
    drop(store);
    assert_eq!(fs::read(mark_file(path)).unwrap(), before);
}

#[test]
fn one_torn_slot_is_harmless_and_two_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    for key in ["a", "b", "c"] {
        set(&pretend::open(path), key, Durability::PowerSafe);
    }
    let whole = fs::read(mark_file(path)).unwrap();
    for slot in [0, 4_096] {
        let mut torn = whole.clone();
        torn[slot..slot + 512].fill(0xee);
        fs::write(mark_file(path), &torn).unwrap();
        let store = pretend::open(path);
        assert!(store.default_keyspace().unwrap().has("c").unwrap());
        drop(store);
        fs::write(mark_file(path), &whole).unwrap();
    }
    fs::write(mark_file(path), vec![0; whole.len()]).unwrap();
    assert!(refused(path).to_string().contains("damaged"));
    fs::write(mark_file(path), "").unwrap();
    refused(path);
    drop(accepted(path));
    drop(pretend::open(path));
}

#[test]
fn a_missing_or_foreign_mark_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (path, other) = (directory.path().join("one"), directory.path().join("other"));
    for path in [&path, &other] {
        set(&pretend::open(path), "k", Durability::PowerSafe);
    }
    let own = fs::read(mark_file(&path)).unwrap();
    fs::copy(mark_file(&other), mark_file(&path)).unwrap();
    assert!(refused(&path).to_string().contains("another store"));
    fs::remove_file(mark_file(&path)).unwrap();
    assert!(refused(&path).to_string().contains("is missing (the file"));
    fs::write(mark_file(&path), own).unwrap();
    let store = pretend::open(&path);
    // The same while the store is open.
    fs::remove_file(mark_file(&path)).unwrap();
    assert_eq!(store.verify(&mut |_| ControlFlow::Continue(())).unwrap_err().kind(), ErrorKind::Corruption);
    drop(store);
    drop(accepted(&path));
    assert!(pretend::open(&path).default_keyspace().unwrap().has("k").unwrap());
}

#[test]
fn an_engine_that_fails_during_marking_causes_no_panic() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let store = pretend::open(path);
    set(&store, "a", Durability::PowerSafe);
    // The next flush fails, because the engine cannot create its scratch file.
    fs::create_dir(path.join("pretend.rows.new")).unwrap();
    wait_until("the poisoned handle", || store.stats().is_err());
    assert_eq!(store.stats().unwrap_err().kind(), ErrorKind::Closed);
    drop(store);
    fs::remove_dir(path.join("pretend.rows.new")).unwrap();
    assert!(pretend::open(path).default_keyspace().unwrap().has("a").unwrap());
}

#[test]
fn a_copy_has_a_mark_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let (path, copy) = (directory.path().join("one"), directory.path().join("copy"));
    let store = pretend::open(&path);
    set(&store, "a", Durability::PowerSafe);
    store.checkpoint(&copy).unwrap();
    let at_copy = marked(&store);
    set(&store, "b", Durability::PowerSafe);
    drop(store);
    let copied = pretend::open(&copy);
    assert_eq!(marked(&copied), at_copy);
    assert!(!copied.default_keyspace().unwrap().has("b").unwrap());
    drop(copied);
    pretend::tamper(&copy, "_store", |batch, id| {
        batch.delete(id, b"high water");
    });
    refused(&copy);
}

#[test]
fn a_store_of_marker_format_1_opens_as_before() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    set(&pretend::open(path), "k", Durability::PowerSafe);
    // A store of an older version: the old marker, and no mark, no high-water row and no id in the engine.
    fs::remove_file(mark_file(path)).unwrap();
    pretend::tamper(path, "_store", |batch, id| {
        batch.delete(id, b"high water").delete(id, b"store id");
    });
    let fixture = include_str!("../fixtures/marker-v1-pretend.txt");
    fs::write(path.join("STRONGROOM"), fixture).unwrap();
    let store = pretend::open(path);
    assert!(store.default_keyspace().unwrap().has("k").unwrap());
    assert_eq!(store.stats().unwrap().high_water, None);
    set(&store, "more", Durability::PowerSafe);
    store.verify(&mut |_| ControlFlow::Continue(())).unwrap();
    let copy = directory.path().join("copy");
    store.checkpoint(&copy).unwrap();
    drop(store);
    for path in [path, copy.as_path()] {
        assert!(!mark_file(path).exists());
        assert_eq!(fs::read_to_string(path.join("STRONGROOM")).unwrap(), fixture);
        assert!(pretend::open(path).default_keyspace().unwrap().has("more").unwrap());
    }
    let full = StoreOptions::new().integrity(strongroom_store::Integrity::Full);
    let error = pretend::open_with(path, full, &Options::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn the_mark_exists_before_the_marker_says_ready() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    drop(pretend::open(path));
    let marker = fs::read_to_string(path.join("STRONGROOM")).unwrap();
    assert!(marker.contains("format: 2\n") && marker.contains("integrity: rows\n"), "{marker}");
    assert!(mark_file(path).exists());
    // An interrupted creation continues and makes both.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    fs::write(path.join("STRONGROOM"), include_str!("../fixtures/marker-v1-creating.txt")).unwrap();
    set(&pretend::open(path), "k", Durability::PowerSafe);
    assert!(mark_file(path).exists());
    let backend = pretend::beneath(path);
    let meta = backend.keyspace("_store").unwrap();
    assert!(backend.get(meta, b"high water").unwrap().is_some());
}

/// Commits that a process made within the lag before it died are as old as any other when the next session closes
/// the store.
#[test]
fn commits_that_a_crash_left_unmarked_are_marked_by_the_next_session() {
    let directory = tempfile::tempdir().unwrap();
    let (path, crashed) = (directory.path().join("one"), directory.path().join("crashed"));
    let store = pretend::open(&path);
    let before = pretend::engine_file(&path);
    set(&store, "a", Durability::PowerSafe);
    // The process dies here, before it marks.
    fs::create_dir(&crashed).unwrap();
    for name in ["STRONGROOM", "STRONGROOM.highwater", "pretend.rows"] {
        fs::copy(path.join(name), crashed.join(name)).unwrap();
    }
    drop(store);
    // A session that writes nothing and is closed.
    let store = pretend::open(&crashed);
    assert!(store.default_keyspace().unwrap().has("a").unwrap());
    drop(store);
    // The session after it has nothing to mark.
    let clean = support::files(&crashed);
    drop(pretend::open(&crashed));
    assert_eq!(support::files(&crashed), clean);
    // A loss from now on is one in a store that was closed.
    pretend::put_back(&crashed, &before);
    refused(&crashed);
}
