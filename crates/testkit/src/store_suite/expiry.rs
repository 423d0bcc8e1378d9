//! Time to live, with a manual clock.

use super::StoreFixture;
use super::support::{keyspace, ms, refused, rows, set, value};
use crate::support::ok;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;
use strongroom_core::{Durability, ErrorKind, Scan};
use strongroom_store::{ChangeKind, Store, Swap, WatchEvent};

/// The number of rows in the engine, including expired ones.
fn on_disk(store: &Store) -> u64 {
    ok(store.verify(&mut |_| ControlFlow::Continue(())), "verifying").rows
}

pub(super) fn a_row_expires_at_its_instant_for_all_reads(fixture: &StoreFixture) {
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    set(&all, "forever", "1");
    ok(all.set_with_ttl("brief", "2", ms(100)), "setting");
    fixture.clock().advance(ms(99));
    assert_eq!(rows(&all, Scan::all()).len(), 2);
    fixture.clock().advance(ms(1));
    assert_eq!(value(&all, "brief"), None);
    for scan in [Scan::all(), Scan::all().reverse(), Scan::all().keys_only()] {
        assert_eq!(rows(&all, scan).len(), 1);
    }
    assert_eq!(ok(all.count(""), "counting"), 1);
    assert!(!ok(ok(store.begin(), "beginning").has(&all, "brief"), "reading in a transaction"));
    assert_eq!(ok(all.compare_and_swap("brief", Some(b"2"), None), "a swap"), Swap::Refused(None));
    assert!(ok(all.insert_if_absent("brief", "3"), "an insertion").is_swapped());
    assert_eq!(on_disk(&store), 2);
}

/// Simulates a day in which rows are set, renewed, made permanent, deleted and left to expire.
pub(super) fn a_sweep_leaves_no_expired_row_and_loses_no_live_one(fixture: &StoreFixture) {
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    ok(all.set_default_ttl(Some(Duration::from_secs(3_600))), "a default");
    let mut live: BTreeMap<String, Option<u64>> = BTreeMap::new();
    let mut random = crate::random::Random::new(24);
    let step_ms = 20_000;
    for step in 0..24 * 3_600_000 / step_ms {
        let now_ms = fixture.clock().now_ms();
        let mut batch = store.batch();
        // Buffered, because this case does not test durability.
        batch.durability(Durability::Buffered);
        for _ in 0..3 {
            let key = format!("{:03}", random.below(400));
            if live.contains_key(&key) && random.below(8) == 0 {
                batch.delete(&all, &key);
                live.remove(&key);
                continue;
            }
            let after_ms = match random.below(10) {
                0 => None,
                1..4 => Some(1 + random.below(7_200_000) as u64),
                _ => Some(3_600_000),
            };
            match after_ms {
                None => batch.set_for_ever(&all, &key, "stays"),
                Some(3_600_000) => batch.set(&all, &key, "default"),
                Some(after_ms) => batch.set_with_ttl(&all, &key, "own", ms(after_ms)),
            };
            live.insert(key, after_ms.map(|after_ms| now_ms + after_ms));
        }
        ok(store.commit(&batch), "a commit");
        fixture.clock().advance(ms(step_ms));
        live.retain(|_, at_ms| at_ms.is_none_or(|at_ms| at_ms > now_ms + step_ms));
        if step % 360 == 359 {
            ok(store.sweep(), "a sweep");
            let found: Vec<String> = rows(&all, Scan::all()).into_iter().map(|(key, _)| key).collect();
            assert_eq!(found, live.keys().cloned().collect::<Vec<_>>(), "in step {step}");
            assert_eq!(on_disk(&store), live.len() as u64, "rows on disk in step {step}");
        }
    }
    fixture.clock().advance(Duration::from_secs(7_200));
    ok(store.sweep(), "a sweep");
    live.retain(|_, at_ms| at_ms.is_none());
    assert_eq!((on_disk(&store), ok(store.expiry_index_len(), "the index")), (live.len() as u64, 0));
}

pub(super) fn defaults_and_instants_survive_reopening(fixture: &StoreFixture) {
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    ok(all.set_default_ttl(Some(ms(100))), "a default");
    set(&all, "default", "1");
    ok(all.set_with_ttl("longer", "1", ms(300)), "setting");
    drop((all, store));
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    assert_eq!(all.default_ttl(), Some(ms(100)));
    assert_eq!(rows(&all, Scan::all().keys_only()).len(), 2);
    fixture.clock().advance(ms(100));
    drop((all, store));
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    assert_eq!(rows(&all, Scan::all().keys_only()), [("longer".into(), String::new())]);
    set(&all, "later", "1");
    fixture.clock().advance(ms(200));
    assert_eq!(ok(store.sweep(), "a sweep").rows, 3);
    assert_eq!(on_disk(&store), 0);
}

pub(super) fn watchers_distinguish_expiry_from_deletion(fixture: &StoreFixture) {
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    let mut watch = ok(all.watch_prefix(""), "a watch");
    ok(all.set_with_ttl("a", "1", ms(10)), "setting");
    ok(all.delete("b"), "deleting");
    fixture.clock().advance(ms(10));
    ok(store.sweep(), "a sweep");
    let mut kinds = Vec::new();
    while let Some(WatchEvent::Commit(commit)) = ok(watch.try_next(), "an event") {
        kinds.extend(commit.changes.into_iter().map(|change| change.kind));
    }
    assert_eq!(kinds, [ChangeKind::Set("1".into()), ChangeKind::Deleted, ChangeKind::Expired]);
}

pub(super) fn invalid_ttls_are_refused(fixture: &StoreFixture) {
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    refused(all.set_with_ttl("a", "1", Duration::ZERO), ErrorKind::InvalidInput, "a TTL of zero");
    refused(
        all.set_with_ttl("a", "1", Duration::MAX),
        ErrorKind::InvalidInput,
        "a TTL that overflows the clock",
    );
    let mut batch = store.batch();
    batch.set(&all, "b", "1").set_expiring_at(&all, "a", "1", fixture.clock().now_ms());
    refused(store.commit(&batch), ErrorKind::InvalidInput, "an instant in the past");
    fixture.clock().advance(ms(10_000));
    assert_eq!(rows(&all, Scan::all()), []);
    ok(all.set_with_ttl("c", "1", ms(5)), "setting");
    fixture.clock().set_ms(super::fixture::START_MS);
    refused(all.set_with_ttl("a", "1", ms(5)), ErrorKind::Unavailable, "a clock that steps back");
    assert_eq!(value(&all, "a"), None);
}
