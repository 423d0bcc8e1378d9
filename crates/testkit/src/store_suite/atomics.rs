//! Compare-and-swap, counters and generated ids.

use super::StoreFixture;
use super::support::{keyspace, refused, set, value};
use crate::support::ok;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread;
use strongroom_core::ErrorKind;
use strongroom_store::Swap;

pub(super) fn a_swap_by_value_succeeds_or_returns_the_current_row(fixture: &StoreFixture) {
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    let swap =
        |expected: Option<&[u8]>, new: Option<&[u8]>| ok(all.compare_and_swap("a", expected, new), "a swap");
    assert!(swap(None, Some(b"1")).is_swapped());
    let Swap::Refused(Some(row)) = swap(Some(b"2"), Some(b"3")) else { panic!("the swap must be refused") };
    assert_eq!(&row.value[..], b"1");
    assert!(!swap(None, Some(b"3")).is_swapped() && swap(Some(b"1"), Some(b"")).is_swapped());
    assert!(!swap(None, Some(b"3")).is_swapped(), "an empty value is not an absent one");
    assert!(swap(Some(b""), None).is_swapped());
    assert_eq!(value(&all, "a"), None);
}

pub(super) fn a_swap_by_version_detects_a_value_that_was_changed_and_restored(fixture: &StoreFixture) {
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    set(&all, "a", "1");
    let version = ok(all.get_row("a"), "reading").map_or(0, |row| row.version);
    set(&all, "a", "2");
    set(&all, "a", "1");
    assert!(!ok(all.compare_and_swap_version("a", version, Some(b"3")), "a swap").is_swapped());
    let version = ok(all.get_row("a"), "reading").map_or(0, |row| row.version);
    assert!(ok(all.compare_and_swap_version("a", version, Some(b"3")), "a swap").is_swapped());
}

pub(super) fn one_of_many_insertions_wins(fixture: &StoreFixture) {
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    let winners = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for number in 0..8 {
            let (all, winners) = (&all, &winners);
            scope.spawn(move || {
                if ok(all.insert_if_absent("a", number.to_string()), "an insertion").is_swapped()
                    && let Ok(mut winners) = winners.lock()
                {
                    winners.push(Some(number.to_string()));
                }
            });
        }
    });
    assert_eq!(winners.into_inner().ok(), Some(vec![value(&all, "a")]));
}

pub(super) fn concurrent_updates_lose_none(fixture: &StoreFixture) {
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let update = |before: Option<&[u8]>| Some([before.unwrap_or_default(), b"x"].concat());
                    ok(all.fetch_and_update("a", update), "an update");
                }
            });
        }
    });
    assert_eq!(value(&all, "a"), Some("x".repeat(40)));
}

pub(super) fn concurrent_increments_add_up(fixture: &StoreFixture) {
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    let seen = Mutex::new(BTreeSet::new());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let number = ok(all.increment("a", 1), "an increment");
                    assert!(
                        seen.lock().is_ok_and(|mut seen| seen.insert(number)),
                        "{number} was returned twice"
                    );
                }
            });
        }
    });
    assert_eq!(value(&all, "a").as_deref(), Some("160"));
    assert_eq!(ok(all.increment("a", -161), "an increment"), -1);
}

pub(super) fn a_value_that_is_not_a_counter_is_refused_and_kept(fixture: &StoreFixture) {
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    for text in ["", "x", "007", "9223372036854775807"] {
        set(&all, "a", text);
        refused(all.increment("a", 1), ErrorKind::InvalidInput, text);
        assert_eq!(value(&all, "a").as_deref(), Some(text));
    }
}

pub(super) fn generated_numbers_are_unique(fixture: &StoreFixture) {
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    let generators = [5, 9].map(|block| ok(all.id_generator("ids", block), "a generator"));
    let seen = Mutex::new(BTreeSet::new());
    thread::scope(|scope| {
        for turn in 0..4 {
            let (generator, seen) = (&generators[turn % 2], &seen);
            scope.spawn(move || {
                for count in 1..12 {
                    let range = ok(generator.next_range(count), "numbers");
                    assert_eq!(range.end - range.start, count);
                    let is_new = |id| seen.lock().is_ok_and(|mut seen| seen.insert(id));
                    range.for_each(|id| assert!(is_new(id), "{id} was generated twice"));
                }
            });
        }
    });
    refused(all.id_generator("ids", 0), ErrorKind::InvalidInput, "an empty block");
}

pub(super) fn generated_numbers_are_not_reused_after_reopening(fixture: &StoreFixture) {
    let mut last = 0;
    for _ in 0..3 {
        let store = fixture.open();
        let generator = ok(keyspace(&store, "rows").id_generator("ids", 100), "a generator");
        for _ in 0..3 {
            let id = ok(generator.next_id(), "a number");
            assert!(id > last, "{id} after {last}");
            last = id;
        }
    }
}
