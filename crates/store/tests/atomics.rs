//! Compare-and-swap, counters and generated ids on the memory backend. The conformance suite shows that they hold
//! on every engine.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Tests fail by panicking.

mod support;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;
use strongroom_core::{Durability, ErrorKind, MemoryBackend};
use strongroom_store::{Clock, Store, StoreOptions, Swap};
use support::{kind, store, value};

#[test]
fn a_swap_by_value_succeeds_or_returns_the_current_row() {
    let (_store, rows) = store();
    let Swap::Swapped(commit) = rows.compare_and_swap("a", None, Some(b"1")).unwrap() else { panic!() };
    assert_eq!(rows.get_row("a").unwrap().unwrap().version, commit.sequence);
    let Swap::Refused(Some(row)) = rows.compare_and_swap("a", Some(b"2"), Some(b"3")).unwrap() else {
        panic!()
    };
    assert_eq!(&row.value[..], b"1");
    assert!(rows.compare_and_swap("a", Some(b"1"), Some(b"")).unwrap().is_swapped());
    // An empty value is a value.
    assert!(!rows.compare_and_swap("a", None, Some(b"2")).unwrap().is_swapped());
    assert!(rows.compare_and_swap("a", Some(b""), None).unwrap().is_swapped());
    assert_eq!(rows.compare_and_swap("a", Some(b""), None).unwrap(), Swap::Refused(None));
    assert_eq!(value(&rows, "a"), None);
    assert_eq!(kind(rows.compare_and_swap("", None, Some(b"1"))), ErrorKind::InvalidInput);
}

#[test]
fn a_swap_by_version_detects_a_value_that_was_changed_and_changed_back() {
    let (_store, rows) = store();
    rows.set("a", "1").unwrap();
    let version = rows.get_row("a").unwrap().unwrap().version;
    rows.set("a", "2").unwrap();
    rows.set("a", "1").unwrap();
    assert!(rows.compare_and_swap("a", Some(b"1"), Some(b"1")).unwrap().is_swapped());
    assert!(!rows.compare_and_swap_version("a", version, Some(b"3")).unwrap().is_swapped());
    let version = rows.get_row("a").unwrap().unwrap().version;
    assert!(rows.compare_and_swap_version("a", version, None).unwrap().is_swapped());
    assert_eq!(rows.compare_and_swap_version("a", version, Some(b"4")).unwrap(), Swap::Refused(None));
}

#[test]
fn only_one_of_many_insertions_succeeds() {
    let (_store, rows) = store();
    let winners = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for number in 0..8 {
            let (rows, winners) = (&rows, &winners);
            scope.spawn(move || {
                if rows.insert_if_absent("a", number.to_string()).unwrap().is_swapped() {
                    winners.lock().unwrap().push(number.to_string());
                }
            });
        }
    });
    assert_eq!(winners.into_inner().unwrap(), [value(&rows, "a").unwrap()]);
}

#[test]
fn an_update_returns_the_previous_value_and_none_is_lost() {
    let (_store, rows) = store();
    assert_eq!(rows.fetch_and_update("a", |_| None).unwrap(), None);
    assert_eq!(rows.fetch_and_update("a", |_| Some(b"x".to_vec())).unwrap(), None);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    rows.fetch_and_update("a", |before| Some([before.unwrap(), b"y"].concat())).unwrap();
                }
            });
        }
    });
    assert_eq!(rows.fetch_and_update("a", |_| None).unwrap().unwrap().len(), 401);
    assert_eq!(value(&rows, "a"), None);
}

#[test]
fn concurrent_increments_add_up() {
    let (store, rows) = store();
    let seen = Mutex::new(BTreeSet::new());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..200 {
                    assert!(seen.lock().unwrap().insert(rows.increment("a", 1).unwrap()));
                }
            });
        }
    });
    assert_eq!(value(&rows, "a").as_deref(), Some("1600"));
    assert_eq!(seen.into_inner().unwrap(), (1..=1_600).collect());
    assert_eq!(store.stats().unwrap().conflicts, 0, "none is retried");
    assert_eq!(rows.increment("a", 0).unwrap(), 1_600);
    assert_eq!(rows.increment("absent", -5).unwrap(), -5);
}

#[test]
fn a_value_that_is_not_a_counter_is_refused_and_unchanged() {
    let (_store, rows) = store();
    for text in ["", "x", "01", "+1", " 1", "1.5", "9223372036854775808"] {
        rows.set("a", text).unwrap();
        assert_eq!(kind(rows.increment("a", 1)), ErrorKind::InvalidInput, "{text:?}");
        assert_eq!(value(&rows, "a").as_deref(), Some(text));
    }
    for (number, by) in [(i64::MAX, 1), (i64::MIN, -1), (-1, i64::MIN)] {
        rows.set("a", number.to_string()).unwrap();
        assert_eq!(kind(rows.increment("a", by)), ErrorKind::InvalidInput);
        assert_eq!(value(&rows, "a"), Some(number.to_string()));
    }
    assert_eq!(kind(rows.increment("", 1)), ErrorKind::InvalidInput);
}

#[test]
fn a_counter_keeps_its_expiry_and_restarts_after_it() {
    let clock = Clock::manual(1_000);
    let options = StoreOptions::new().durability(Durability::Buffered).clock(clock.clone());
    let store = Store::new(MemoryBackend::in_memory(), options).unwrap();
    let rows = store.create_keyspace("rows").unwrap();
    rows.set_with_ttl("a", "10", Duration::from_millis(100)).unwrap();
    assert_eq!(rows.increment("a", 1).unwrap(), 11);
    assert_eq!(rows.get_row("a").unwrap().unwrap().expires_at_ms, Some(1_100));
    clock.advance(Duration::from_millis(100));
    assert_eq!(rows.increment("a", 1).unwrap(), 1);
    assert_eq!(rows.get_row("a").unwrap().unwrap().expires_at_ms, None);
}

#[test]
fn an_update_does_not_renew_the_ttl() {
    let (store, rows) = store();
    rows.set_with_ttl("a", "1", Duration::from_secs(10)).unwrap();
    let expires_at_ms = rows.get_row("a").unwrap().unwrap().expires_at_ms;
    rows.fetch_and_update("a", |_| Some(b"2".to_vec())).unwrap();
    assert_eq!(rows.get_row("a").unwrap().unwrap().expires_at_ms, expires_at_ms);
    // A row without an expiry gets none from a default that was set later.
    rows.set("b", "1").unwrap();
    rows.set_default_ttl(Some(Duration::from_secs(1))).unwrap();
    rows.fetch_and_update("b", |_| Some(b"2".to_vec())).unwrap();
    assert_eq!(rows.get_row("b").unwrap().unwrap().expires_at_ms, None);
    drop(store);
}

#[test]
fn a_generated_counter_never_expires() {
    let clock = Clock::manual(1_000);
    let options =
        StoreOptions::new().durability(Durability::Buffered).clock(clock.clone()).sweep_interval_ms(0);
    let store = Store::new(MemoryBackend::in_memory(), options).unwrap();
    let rows = store.create_keyspace("rows").unwrap();
    rows.set_default_ttl(Some(Duration::from_secs(1))).unwrap();
    // Even if the counter was given an expiry.
    rows.set_with_ttl("ids", "10", Duration::from_secs(1)).unwrap();
    let generator = rows.id_generator("ids", 2).unwrap();
    let mut last = 0;
    for _ in 0..8 {
        let id = generator.next_id().unwrap();
        assert!(id > last, "{id} after {last}");
        last = id;
        clock.advance(Duration::from_secs(1));
        store.sweep().unwrap();
    }
}

#[test]
fn a_request_for_too_many_ids_is_refused_and_uses_none() {
    let (_store, rows) = store();
    let generator = rows.id_generator("ids", 2).unwrap();
    for count in [u64::MAX, 1 << 63] {
        assert_eq!(kind(generator.next_range(count)), ErrorKind::InvalidInput);
    }
    assert_eq!(generator.next_id().unwrap(), 1);
    assert!(generator.next_range(0).unwrap().is_empty());
    assert_eq!(generator.next_id().unwrap(), 2);
}

#[test]
fn a_counter_is_a_read_and_a_write_for_transactions() {
    let (store, rows) = store();
    let mut transaction = store.begin().unwrap();
    assert!(!transaction.has(&rows, "a").unwrap());
    transaction.set(&rows, "b", "1").unwrap();
    rows.increment("a", 1).unwrap();
    assert_eq!(kind(transaction.commit()), ErrorKind::Conflict);
}

#[test]
fn several_generators_never_return_the_same_id() {
    let (_store, rows) = store();
    let generators = [rows.id_generator("ids", 10).unwrap(), rows.id_generator("ids", 7).unwrap()];
    let seen = Mutex::new(BTreeSet::new());
    thread::scope(|scope| {
        for turn in 0..6 {
            let (generators, seen) = (&generators, &seen);
            scope.spawn(move || {
                let generator = &generators[turn % 2];
                let mut last = 0;
                for count in (1..60).cycle().take(200) {
                    let range = generator.next_range(count % 12 + 1).unwrap();
                    assert!(range.start > last);
                    last = range.end - 1;
                    let mut seen = seen.lock().unwrap();
                    range.for_each(|id| assert!(seen.insert(id), "{id} was returned twice"));
                }
            });
        }
    });
    // A dropped generator leaves a gap.
    let (before, last) = (value(&rows, "ids").unwrap(), *seen.into_inner().unwrap().last().unwrap());
    assert!(rows.id_generator("ids", 3).unwrap().next_id().unwrap() > last);
    assert_ne!(value(&rows, "ids").unwrap(), before);
    assert_eq!(kind(rows.id_generator("ids", 0)), ErrorKind::InvalidInput);
    rows.set("ids", "no number").unwrap();
    assert_eq!(kind(rows.id_generator("ids", 3).unwrap().next_id()), ErrorKind::InvalidInput);
    rows.set("ids", "-100").unwrap();
    assert_eq!(kind(rows.id_generator("ids", 3).unwrap().next_id()), ErrorKind::InvalidInput);
    rows.set("ids", i64::MAX.to_string()).unwrap();
    assert_eq!(kind(rows.id_generator("ids", 3).unwrap().next_id()), ErrorKind::InvalidInput);
}

#[test]
fn a_generator_fails_after_its_keyspace_is_dropped() {
    let (store, _rows) = store();
    let ids = store.create_keyspace("ids").unwrap().id_generator("next", 10).unwrap();
    assert_eq!(ids.next_id().unwrap(), 1);
    store.drop_keyspace("ids").unwrap();
    let again = store.create_keyspace("ids").unwrap().id_generator("next", 10).unwrap();
    assert_eq!(again.next_id().unwrap(), 1);
    assert_eq!(
        kind(ids.next_id()),
        ErrorKind::NotFound,
        "its nine remaining ids do not belong to the new keyspace"
    );
}
