//! Snapshots and scans.

use super::StoreFixture;
use super::support::{keyspace, rows, set, text};
use crate::support::ok;
use std::thread;
use strongroom_core::{KeyRange, Scan};

pub(super) fn a_snapshot_shows_one_state_of_all_keyspaces(fixture: &StoreFixture) {
    let store = fixture.open();
    let (left, right) = (keyspace(&store, "left"), keyspace(&store, "right"));
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for number in 0..60 {
                let mut batch = store.batch();
                batch.set(&left, "number", number.to_string()).set(&right, "number", number.to_string());
                ok(store.commit(&batch), "a commit");
            }
        });
        while !writer.is_finished() {
            let snapshot = ok(store.snapshot(), "a snapshot");
            let read = |keyspace| {
                ok(snapshot.get(keyspace, "number"), "reading a snapshot").map(|value| text(&value))
            };
            assert_eq!(read(&left), read(&right), "two keyspaces of one snapshot");
        }
    });
}

pub(super) fn later_writes_do_not_change_a_snapshot(fixture: &StoreFixture) {
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    for number in 0..50 {
        set(&all, &format!("{number:02}"), "before");
    }
    let snapshot = ok(store.snapshot(), "a snapshot");
    let mut walking = ok(snapshot.prefix(&all, ""), "a scan");
    assert!(ok(walking.advance(), "the first row"));
    ok(all.delete_range(KeyRange::between("10", "40")), "deleting a range");
    set(&all, "05", "after");
    set(&all, "zz", "after");
    let mut seen = 1;
    while ok(walking.advance(), "a row") {
        assert_eq!(walking.value(), b"before");
        seen += 1;
    }
    assert_eq!(seen, 50, "rows of the snapshot");
    assert!(ok(snapshot.has(&all, "20"), "reading a snapshot") && !ok(all.has("20"), "reading"));
}

pub(super) fn a_reverse_scan_gives_the_same_rows_backwards(fixture: &StoreFixture) {
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    for key in ["b", "a\u{ff}", "a", "aa", "c"] {
        set(&all, key, key);
    }
    let forwards = rows(&all, Scan::all());
    let mut backwards = rows(&all, Scan::all().reverse());
    backwards.reverse();
    assert_eq!((forwards.len(), &forwards), (5, &backwards));
}

pub(super) fn a_reverse_scan_stays_in_its_prefix(fixture: &StoreFixture) {
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    let keys: [&[u8]; 7] = [b"a", b"a\xff", b"a\xff\xff", b"a\xff\xff\x01", b"b", b"`\xff", b"\xff"];
    for key in keys {
        ok(all.set(key, "x"), "setting a key");
    }
    let scan = |prefix: &[u8]| {
        let found = ok(all.scan(Scan::prefix(prefix).reverse()), "a scan");
        found.map(|row| ok(row, "a row").0).collect::<Vec<_>>()
    };
    assert_eq!(scan(b"a\xff"), [&b"a\xff\xff\x01"[..], b"a\xff\xff", b"a\xff"]);
    assert_eq!(scan(b"\xff"), [b"\xff"]);
    assert_eq!(scan(b"").len(), keys.len());
}
