//! Detection of damaged and missing rows.

use super::StoreFixture;
use super::support::{keyspace, refused, set};
use crate::support::ok;
use std::ops::ControlFlow;
use strongroom_core::{Durability, ErrorKind, Scan, WriteBatch};
use strongroom_store::{Integrity, Store};

fn verify(store: &Store) -> strongroom_core::Result<u64> {
    store.verify(&mut |_| ControlFlow::Continue(())).map(|verified| verified.rows)
}

/// Changes a row directly in the engine while the store is closed; `None` deletes it.
fn change_in_engine(fixture: &StoreFixture, key: &[u8], change: impl FnOnce(Vec<u8>) -> Option<Vec<u8>>) {
    let engine = fixture.open_engine();
    let rows = ok(engine.keyspace("rows"), "opening the keyspace in the engine");
    let stored = ok(engine.get(rows, key), "reading from the engine")
        .map(|stored| stored.to_vec())
        .unwrap_or_default();
    let mut batch = WriteBatch::new();
    match change(stored) {
        Some(changed) => batch.put(rows, key, &changed),
        None => batch.delete(rows, key),
    };
    ok(engine.commit(&batch, Durability::Buffered), "writing to the engine");
    ok(engine.flush(), "flushing the engine");
}

pub(super) fn damaged_values_are_never_returned(fixture: &StoreFixture) {
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    for key in ["a", "b", "c"] {
        set(&all, key, "value");
    }
    drop((all, store));
    change_in_engine(fixture, b"b", |mut stored| {
        if let Some(last) = stored.last_mut() {
            *last ^= 1;
        }
        Some(stored)
    });
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    refused(all.get("b"), ErrorKind::Corruption, "a flipped bit");
    let mut scan = ok(all.prefix(""), "a scan");
    assert!(ok(scan.advance(), "the row before"));
    refused(scan.advance(), ErrorKind::Corruption, "a flipped bit in a scan");
    refused(scan.advance(), ErrorKind::Corruption, "the scan after an error");
    refused(verify(&store), ErrorKind::Corruption, "verifying");
    assert!(ok(all.has("c"), "reading another row"));
}

pub(super) fn a_sound_store_verifies(fixture: &StoreFixture) {
    let store = fixture.open();
    let (all, other) = (keyspace(&store, "rows"), keyspace(&store, "other"));
    for number in 0..50 {
        set(&all, &number.to_string(), "value");
    }
    set(&other, "a", "");
    ok(other.set_with_ttl("b", "1", super::support::ms(5)), "setting");
    assert_eq!(ok(verify(&store), "verifying"), 52);
    assert_eq!(ok(keyspace(&store, "rows").scan(Scan::all()), "a scan").count(), 50);
}

pub(super) fn a_missing_row_is_detected(fixture: &StoreFixture) {
    let store = fixture.open_with(fixture.options().integrity(Integrity::Full));
    let all = keyspace(&store, "rows");
    for key in ["a", "b", "c"] {
        set(&all, key, "value");
    }
    assert_eq!(ok(verify(&store), "verifying"), 3);
    drop((all, store));
    change_in_engine(fixture, b"b", |_| None);
    refused(verify(&fixture.open()), ErrorKind::Corruption, "verifying without a row");
}
