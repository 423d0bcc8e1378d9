//! The store over the reference backend.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Tests fail by panicking.

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use strongroom_core::{Durability, Engine, ErrorKind, KeyRange, Marked, MemoryBackend, Options, Scan, Undo};
use strongroom_store::{Store, StoreOptions};
use strongroom_testkit::PretendEngine;
use support::pretend;

fn store() -> Store {
    store_with(StoreOptions::new())
}

fn store_with(options: StoreOptions) -> Store {
    Store::new(MemoryBackend::in_memory(), options.durability(Durability::Buffered)).unwrap()
}

fn keys(rows: strongroom_store::Rows) -> Vec<String> {
    rows.map(|row| String::from_utf8(row.unwrap().0).unwrap()).collect()
}

#[test]
fn less_than_power_safe_has_to_be_asked_for_explicitly() {
    let error = Store::new(MemoryBackend::in_memory(), StoreOptions::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("durability=buffered"), "{error}");
    let store = store();
    let mut batch = store.batch();
    batch.set(&store.default_keyspace().unwrap(), "k", "v").durability(Durability::PowerSafe);
    assert_eq!(store.commit(&batch).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn an_empty_value_is_a_value() {
    let rows = store().default_keyspace().unwrap();
    rows.set("k", "").unwrap();
    assert_eq!(rows.get("k").unwrap().as_deref(), Some(&b""[..]));
    assert!(rows.has("k").unwrap());
    rows.delete("k").unwrap();
    rows.delete("k").unwrap();
    assert!(!rows.has("k").unwrap() && rows.get("k").unwrap().is_none());
}

#[test]
fn scans_go_both_ways_over_prefixes_and_ranges() {
    let rows = store().create_keyspace("rows").unwrap();
    for key in ["a", "aa", "ab", "b", "ba"] {
        rows.set(key, key).unwrap();
    }
    assert_eq!(keys(rows.prefix("a").unwrap()), ["a", "aa", "ab"]);
    assert_eq!(keys(rows.range(KeyRange::between("aa", "b")).unwrap()), ["aa", "ab"]);
    assert_eq!(keys(rows.scan(Scan::all().reverse()).unwrap()), ["ba", "b", "ab", "aa", "a"]);
    let mut walk = rows.scan(Scan::all().keys_only()).unwrap();
    walk.seek("ab").unwrap();
    assert!(walk.advance().unwrap());
    assert_eq!((walk.key(), walk.value(), walk.version()), (&b"ab"[..], &b""[..], 0));
    assert_eq!(rows.count("a").unwrap(), 3);
    assert_eq!(rows.count("").unwrap(), 5);
}

#[test]
fn a_range_deletion_takes_many_steps() {
    let store = store();
    let rows = store.create_keyspace("rows").unwrap();
    let mut batch = store.batch();
    for number in 0..3_500 {
        batch.set(&rows, format!("row/{number:05}"), "x");
    }
    batch.set(&rows, "row", "stays").set(&rows, "row0", "stays");
    store.commit(&batch).unwrap();
    assert_eq!(rows.delete_range(KeyRange::prefix(b"row/")).unwrap(), 3_500);
    assert_eq!(keys(rows.prefix("").unwrap()), ["row", "row0"]);
    assert_eq!(rows.delete_range(KeyRange::prefix(b"row/")).unwrap(), 0);
}

#[test]
fn versions_increase_and_detect_a_value_that_was_changed_back() {
    let store = store();
    let rows = store.default_keyspace().unwrap();
    rows.set("k", "a").unwrap();
    let first = rows.get_row("k").unwrap().unwrap().version;
    rows.set("k", "b").unwrap();
    rows.set("k", "a").unwrap();
    let now = rows.get_row("k").unwrap().unwrap();
    assert!(now.version > first);
    let mut stale = store.batch();
    stale.expect_version(&rows, "k", first).set(&rows, "k", "c");
    assert_eq!(store.commit(&stale).unwrap_err().kind(), ErrorKind::Conflict);
    let mut fresh = store.batch();
    fresh.expect_version(&rows, "k", now.version).set(&rows, "k", "c");
    let commit = store.commit(&fresh).unwrap();
    assert_eq!(rows.get_row("k").unwrap().unwrap().version, commit.sequence);
}

#[test]
fn the_caller_may_lower_the_limits() {
    let rows =
        store_with(StoreOptions::new().key_bytes_max(3).value_bytes_max(2)).default_keyspace().unwrap();
    rows.set("abc", "xy").unwrap();
    for (key, value) in [("abcd", "x"), ("a", "xyz"), ("", "x")] {
        assert_eq!(rows.set(key, value).unwrap_err().kind(), ErrorKind::InvalidInput, "{key} {value}");
    }
    assert_eq!(rows.get("").unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(rows.count("").unwrap(), 1);
    let too_large = StoreOptions::new().durability(Durability::Buffered).key_bytes_max(1_025);
    assert!(Store::new(MemoryBackend::in_memory(), too_large).is_err());
}

#[test]
fn keyspaces_are_separate_and_the_stores_own_are_hidden() {
    let store = store();
    let (left, right) = (store.create_keyspace("left").unwrap(), store.create_keyspace("right").unwrap());
    left.set("k", "l").unwrap();
    right.set("k", "r").unwrap();
    assert_eq!(left.get("k").unwrap().as_deref(), Some(&b"l"[..]));
    assert_eq!(store.keyspaces(), ["default", "left", "right"]);
    for name in ["_store", "", "a b", "x/y"] {
        assert_eq!(store.create_keyspace(name).unwrap_err().kind(), ErrorKind::InvalidInput, "{name}");
    }
    store.drop_keyspace("left").unwrap();
    assert_eq!(left.get("k").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(left.set("k", "v").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(store.keyspace("left").unwrap_err().kind(), ErrorKind::NotFound);
    assert!(store.create_keyspace("left").unwrap().get("k").unwrap().is_none());
    assert_eq!(store.drop_keyspace("default").unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_keyspace_of_another_store_is_refused() {
    let (one, other) = (store(), store());
    let (own, foreign) = (one.default_keyspace().unwrap(), other.default_keyspace().unwrap());
    let mut batch = one.batch();
    batch.set(&own, "k", "v").set(&foreign, "k", "v");
    assert_eq!(one.commit(&batch).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(other.commit(&batch).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(own.get("k").unwrap().is_none() && foreign.get("k").unwrap().is_none());
    assert_eq!(one.snapshot().unwrap().get(&foreign, "k").unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn the_digest_depends_on_contents_and_not_on_history() {
    let (one, other) = (store(), store());
    let digest = |store: &Store| store.digest().unwrap();
    assert_eq!(digest(&one), digest(&other));
    let (left, right) = (one.default_keyspace().unwrap(), other.default_keyspace().unwrap());
    left.set("a", "1").unwrap();
    left.set("b", "2").unwrap();
    right.set("b", "gone").unwrap();
    right.set("b", "2").unwrap();
    right.set("c", "3").unwrap();
    right.delete("c").unwrap();
    right.set("a", "1").unwrap();
    assert_eq!(digest(&one), digest(&other));
    let before = digest(&one);
    left.set("b", "").unwrap();
    assert_ne!(digest(&one), before);
    // Moving bytes from a key to its value changes the contents.
    let (x, y) = (store(), store());
    x.default_keyspace().unwrap().set("ab", "c").unwrap();
    y.default_keyspace().unwrap().set("a", "bc").unwrap();
    assert_ne!(digest(&x), digest(&y));
    // So does another keyspace.
    other.create_keyspace("empty").unwrap();
    assert_ne!(digest(&other), before);
}

#[test]
fn a_snapshot_sees_one_state_of_all_keyspaces() {
    let store = store();
    let (a, b) = (store.create_keyspace("a").unwrap(), store.create_keyspace("b").unwrap());
    a.set("k", "1").unwrap();
    b.set("k", "1").unwrap();
    let before = store.snapshot().unwrap();
    let mut batch = store.batch();
    batch.set(&a, "k", "2").delete(&b, "k").set(&b, "new", "2");
    store.commit(&batch).unwrap();
    assert_eq!(before.get(&a, "k").unwrap().as_deref(), Some(&b"1"[..]));
    assert!(before.has(&b, "k").unwrap() && !before.has(&b, "new").unwrap());
    assert_eq!(keys(before.prefix(&b, "").unwrap()), ["k"]);
    assert_eq!(keys(b.prefix("").unwrap()), ["new"]);
}

#[test]
fn dropping_a_keyspace_fails_no_commits_to_others() {
    let store = store();
    let stable = store.create_keyspace("stable").unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let passing = store.create_keyspace("passing").unwrap();
                // Either outcome is right, since the keyspace may be dropped meanwhile.
                let _ = passing.set("k", "v");
                store.drop_keyspace("passing").unwrap();
            }
        });
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                if let Ok(passing) = store.keyspace("passing") {
                    let _ = passing.set("other", "v");
                }
            }
        });
        let failed = (0..3_000).find_map(|number| stable.set("k", format!("{number}")).err());
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(failed.is_none(), "{failed:?}");
    });
}

/// An unfinished store holds nothing that was acknowledged, so its engine may discard it.
#[test]
fn an_engine_learns_whether_the_store_is_finished() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let info = <Undo<PretendEngine> as Engine>::INFO;
    let open = |dies: bool| {
        let mut marked = None;
        Store::open(path, &info, StoreOptions::new(), &Options::new(), |path, options| {
            assert!(!dies, "the process ends while the store is created");
            marked = Some(options.marked);
            Ok(Box::new(pretend::raw_with(path, options)?))
        })
        .unwrap();
        marked
    };
    assert!(catch_unwind(AssertUnwindSafe(|| open(true))).is_err());
    assert_eq!(open(false), Some(Marked::Unfinished));
    assert_eq!(open(false), Some(Marked::Writable));
}
