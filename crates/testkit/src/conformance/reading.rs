//! Single rows: reads return exactly what was written.

use crate::Fixture;
use crate::support::{
    all_rows, assert_same, awkward_rows, delete, get, keyspace, load, ok, put, row, snapshot,
};
use crate::support::{numbered_rows, rows_in};
use strongroom_core::Scan;
use strongroom_core::limits::VALUE_BYTES_MAX;

pub(super) fn a_value_comes_back_until_it_is_replaced(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    assert_eq!(get(&*backend, letters, b"a"), None, "property 4: a key that was never written is absent");
    put(&*backend, letters, b"a", b"first");
    assert_eq!(
        get(&*backend, letters, b"a").as_deref(),
        Some(&b"first"[..]),
        "property 4: a get returns the value of the put"
    );
    put(&*backend, letters, b"a", b"second and longer");
    put(&*backend, letters, b"a", b"3");
    assert_eq!(get(&*backend, letters, b"a").as_deref(), Some(&b"3"[..]), "property 4: the last put wins");
    assert_eq!(get(&*backend, letters, b"aa"), None, "property 4: a longer key is another key");
    assert_eq!(get(&*backend, letters, b"a\0"), None, "property 4: a longer key is another key");
}

pub(super) fn an_empty_value_is_not_an_absent_one(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    put(&*backend, letters, b"empty", b"");
    let demand = "property 4: an empty value is not an absent one";
    assert_eq!(get(&*backend, letters, b"empty"), Some(Vec::new()), "{demand}");
    assert_eq!(get(&*backend, letters, b"absent"), None, "{demand}");
    let view = snapshot(&*backend);
    assert_eq!(ok(view.get(letters, b"empty"), "a get").as_deref(), Some(&[][..]), "{demand} (snapshot)");
    assert_eq!(ok(view.get(letters, b"absent"), "a get"), None, "{demand} (snapshot)");
    assert_eq!(rows_in(&*view, letters, &Scan::all()), [row(b"empty", b"")], "{demand} (scan)");
    put(&*backend, letters, b"empty", b"full");
    put(&*backend, letters, b"empty", b"");
    assert_eq!(get(&*backend, letters, b"empty"), Some(Vec::new()), "{demand} (written over a full one)");
}

pub(super) fn a_delete_leaves_nothing_behind(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    put(&*backend, letters, b"a", b"1");
    put(&*backend, letters, b"b", b"");
    put(&*backend, letters, b"c", b"3");
    delete(&*backend, letters, b"a");
    delete(&*backend, letters, b"b");
    let demand = "property 4: a deleted key is absent, and not empty";
    assert_eq!(get(&*backend, letters, b"a"), None, "{demand}");
    assert_eq!(get(&*backend, letters, b"b"), None, "{demand}");
    assert_eq!(all_rows(&*backend, letters), [row(b"c", b"3")], "{demand}");
    let keys = crate::support::rows(&*backend, letters, &Scan::all().keys_only().reverse());
    assert_eq!(keys, [row(b"c", b"")], "{demand} (keys only)");
    put(&*backend, letters, b"a", b"back");
    assert_eq!(
        get(&*backend, letters, b"a").as_deref(),
        Some(&b"back"[..]),
        "property 4: a deleted key can be written again"
    );
}

pub(super) fn deleting_an_absent_key_is_no_error(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    put(&*backend, letters, b"b", b"2");
    delete(&*backend, letters, b"a");
    delete(&*backend, letters, b"a");
    let demand = "property 4: deleting an absent key changes nothing";
    assert_eq!(all_rows(&*backend, letters), [row(b"b", b"2")], "{demand}");
}

pub(super) fn the_same_key_in_two_keyspaces_is_two_rows(fixture: &Fixture) {
    let backend = fixture.open();
    let (left, right) = (keyspace(&*backend, "left"), keyspace(&*backend, "right"));
    put(&*backend, left, b"k", b"l");
    put(&*backend, right, b"k", b"r");
    let demand = "property 4: each keyspace is a separate map";
    assert_eq!(all_rows(&*backend, left), [row(b"k", b"l")], "{demand}");
    delete(&*backend, left, b"k");
    assert_eq!(get(&*backend, left, b"k"), None, "{demand}");
    assert_eq!(all_rows(&*backend, right), [row(b"k", b"r")], "{demand}");
}

pub(super) fn keys_and_values_may_contain_any_byte(fixture: &Fixture) {
    let backend = fixture.open();
    let bytes = keyspace(&*backend, "bytes");
    let mut wanted: Vec<_> = (0..=u8::MAX).map(|byte| (vec![byte], vec![byte, 0, byte])).collect();
    wanted.extend(awkward_rows(3).into_iter().filter(|(key, _)| key.len() > 1));
    wanted.sort();
    load(&*backend, bytes, &wanted);
    for (key, value) in &wanted {
        let found = get(&*backend, bytes, key);
        assert_eq!(found.as_ref(), Some(value), "property 4: keys and values may be any bytes ({key:x?})");
    }
    assert_same(&all_rows(&*backend, bytes), &wanted, "property 4: keys and values may be any bytes");
}

pub(super) fn large_values_come_back_whole(fixture: &Fixture) {
    let backend = fixture.open();
    let blobs = keyspace(&*backend, "blobs");
    // A pattern instead of one byte, so that a wrong page shows.
    let pattern = |bytes: usize| -> Vec<u8> { (0..=250).cycle().take(bytes).collect() };
    for (key, bytes) in [(b"a", 4_096), (b"b", 65_536), (b"c", 1 << 20), (b"d", VALUE_BYTES_MAX)] {
        put(&*backend, blobs, key, &pattern(bytes));
    }
    for (key, bytes) in [(b"d", VALUE_BYTES_MAX), (b"c", 1 << 20), (b"b", 65_536), (b"a", 4_096)] {
        let found = ok(backend.get(blobs, key), "getting a large value");
        let whole = found.is_some_and(|found| *found == *pattern(bytes));
        assert!(whole, "property 4: a value of {bytes} bytes comes back as it was written");
    }
    let lengths: Vec<usize> = all_rows(&*backend, blobs).iter().map(|(_, value)| value.len()).collect();
    assert_eq!(
        lengths,
        [4_096, 65_536, 1 << 20, VALUE_BYTES_MAX],
        "property 4: a scan lends large values completely"
    );
    put(&*backend, blobs, b"d", b"small again");
    assert_eq!(
        get(&*backend, blobs, b"d").as_deref(),
        Some(&b"small again"[..]),
        "property 4: the last put wins"
    );
}

pub(super) fn many_small_rows_come_back(fixture: &Fixture) {
    let backend = fixture.open();
    let numbers = keyspace(&*backend, "numbers");
    let wanted = numbered_rows(10_000);
    for part in wanted.chunks(1_000) {
        load(&*backend, numbers, part);
    }
    for (key, value) in wanted.iter().step_by(7) {
        assert_eq!(
            get(&*backend, numbers, key).as_ref(),
            Some(value),
            "property 4: a get returns the value of the put"
        );
    }
    assert_same(&all_rows(&*backend, numbers), &wanted, "property 4: a scan sees every row");
}

pub(super) fn a_held_value_outlives_its_overwrite_and_its_delete(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    let long = vec![7; 10_000];
    put(&*backend, letters, b"a", b"first");
    put(&*backend, letters, b"b", &long);
    let held = [ok(backend.get(letters, b"a"), "a get"), ok(backend.get(letters, b"b"), "a get")];
    put(&*backend, letters, b"a", b"FIRST");
    delete(&*backend, letters, b"b");
    for number in 0..200_u32 {
        put(&*backend, letters, &number.to_be_bytes(), &[9; 500]);
    }
    ok(backend.flush(), "a flush");
    let demand = "property 3: bytes that were read do not change while they are held";
    assert_eq!(held[0].as_deref(), Some(&b"first"[..]), "{demand}");
    assert_eq!(held[1].as_deref(), Some(&long[..]), "{demand}");
}

pub(super) fn a_held_value_outlives_snapshot_and_handle(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    put(&*backend, letters, b"a", b"live");
    let view = snapshot(&*backend);
    let held = [ok(backend.get(letters, b"a"), "a get"), ok(view.get(letters, b"a"), "a get")];
    let copies = held.clone();
    drop(view);
    drop(held);
    drop(backend);
    for copy in &copies {
        let demand = "property 3: a held value owns what it needs";
        assert_eq!(copy.as_deref(), Some(&b"live"[..]), "{demand}");
    }
    drop(copies);
    // Nothing is pinned any more, so the store must open.
    drop(fixture.open());
}
