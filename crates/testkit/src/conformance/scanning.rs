//! Scans: order, bounds, both directions.

use crate::Fixture;
use crate::support::{
    all_rows, assert_same, awkward_keys, awkward_rows, commit, expected, keyspace, load, numbered_rows, ok,
    put, rest_of, row, rows, rows_in, snapshot,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use strongroom_core::{Cursor, Direction, KeyRange, Scan, WriteBatch, just_after};

pub(super) fn order_is_bytewise(fixture: &Fixture) {
    let backend = fixture.open();
    let bytes = keyspace(&*backend, "bytes");
    let sorted: [&[u8]; 12] = [
        b"\x00",
        b"\x00\x00",
        b"\x00\xff",
        b"\x01",
        b"A",
        b"a",
        b"a\x00",
        b"aa",
        b"b",
        b"\x7f",
        b"\x80",
        b"\xff\xff",
    ];
    // Written in an order that is neither ascending nor descending.
    for place in [5, 0, 11, 3, 9, 1, 7, 10, 2, 8, 4, 6] {
        put(&*backend, bytes, sorted[place], &[]);
    }
    let wanted: Vec<_> = sorted.iter().map(|key| row(key, b"")).collect();
    let demand = "property 4: order is bytewise, unsigned, a shorter key before a longer one";
    assert_same(&all_rows(&*backend, bytes), &wanted, demand);
}

pub(super) fn a_prefix_scan_loses_no_key(fixture: &Fixture) {
    let backend = fixture.open();
    let bytes = keyspace(&*backend, "bytes");
    let stored = awkward_rows(3);
    load(&*backend, bytes, &stored);
    let view = snapshot(&*backend);
    let mut prefixes = awkward_keys(2);
    prefixes.extend([vec![], b"\xff\xff\xff".to_vec(), b"a\xff\xff".to_vec(), b"a\xff\xff\xff".to_vec()]);
    for prefix in prefixes {
        let mut wanted: Vec<_> = stored.iter().filter(|(key, _)| key.starts_with(&prefix)).cloned().collect();
        let demand = format!("property 5: a prefix scan returns the keys with that prefix ({prefix:x?})");
        assert_same(&rows_in(&*view, bytes, &Scan::prefix(&prefix)), &wanted, &demand);
        wanted.reverse();
        let demand = format!("{demand} in reverse");
        assert_same(&rows_in(&*view, bytes, &Scan::prefix(&prefix).reverse()), &wanted, &demand);
    }
}

pub(super) fn ranges_are_half_open(fixture: &Fixture) {
    let backend = fixture.open();
    let bytes = keyspace(&*backend, "bytes");
    // Every second key, so that bounds fall on rows and between them.
    let stored: Vec<_> = awkward_rows(2).into_iter().step_by(2).collect();
    load(&*backend, bytes, &stored);
    let view = snapshot(&*backend);
    let bounds = awkward_keys(2);
    for (place, start) in bounds.iter().enumerate() {
        let open = [KeyRange::from(start.clone()), KeyRange::between(Vec::new(), start.clone())];
        let closed =
            bounds[place..].iter().step_by(3).map(|end| KeyRange::between(start.clone(), end.clone()));
        for range in open.into_iter().chain(closed) {
            for scan in [Scan::new(range.clone()), Scan::new(range.clone()).reverse()] {
                let demand = format!("property 5: a range includes its start and not its end ({scan:x?})");
                assert_same(&rows_in(&*view, bytes, &scan), &expected(&stored, &scan), &demand);
            }
        }
    }
}

pub(super) fn empty_and_inverted_ranges_hold_nothing(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    load(&*backend, letters, &[row(b"a", b"1"), row(b"b", b"2"), row(b"c", b"3")]);
    let ranges = [
        KeyRange::between("b", "b"),
        KeyRange::between("c", "a"),
        KeyRange::between("", ""),
        KeyRange::between("aa", "b"),
        KeyRange::from("d"),
        KeyRange::prefix(b"cc"),
    ];
    for range in ranges {
        for scan in
            [Scan::new(range.clone()), Scan::new(range.clone()).reverse(), Scan::new(range).keys_only()]
        {
            let mut cursor = ok(snapshot(&*backend).cursor(letters, scan.clone()), "a cursor over nothing");
            assert_eq!(rest_of(&mut *cursor), [], "property 5: an empty range has no rows ({scan:x?})");
            ok(cursor.seek(b"b"), "a seek in an empty range");
            assert_eq!(rest_of(&mut *cursor), [], "property 5: a seek does not leave the range ({scan:x?})");
        }
    }
}

pub(super) fn reverse_gives_the_same_rows_backwards(fixture: &Fixture) {
    let backend = fixture.open();
    let bytes = keyspace(&*backend, "bytes");
    let stored = awkward_rows(3);
    load(&*backend, bytes, &stored);
    let view = snapshot(&*backend);
    let ranges = [
        KeyRange::all(),
        KeyRange::prefix(b"a"),
        KeyRange::prefix(b"\xff"),
        KeyRange::between("a", "a\u{7f}"),
        KeyRange::from(b"\x80".to_vec()),
        KeyRange::between(b"\x01".to_vec(), b"\xff\xff\xff".to_vec()),
    ];
    for range in ranges {
        let forward = rows_in(&*view, bytes, &Scan::new(range.clone()));
        let mut backward = rows_in(&*view, bytes, &Scan::new(range.clone()).reverse());
        backward.reverse();
        assert!(!forward.is_empty(), "property 5: the range has rows ({range:x?})");
        let demand = format!("property 5: a reverse scan returns the same rows in reverse ({range:x?})");
        assert_same(&backward, &forward, &demand);
    }
}

pub(super) fn a_paged_scan_skips_nothing(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    let mut stored = awkward_rows(3);
    for key in [&b"ab"[..], b"aab", b"aaaa", b"a\x00\x00\x00"] {
        stored.push(row(key, b"page"));
    }
    stored.sort();
    load(&*backend, letters, &stored);
    for page_rows in [1, 7] {
        let mut seen = Vec::new();
        let mut start = Vec::new();
        loop {
            // Takes a new snapshot for each page, as a stateless server would.
            let mut cursor =
                ok(snapshot(&*backend).cursor(letters, Scan::new(KeyRange::from(start))), "a cursor");
            let page = take(&mut *cursor, page_rows);
            let Some((last, _)) = page.last() else { break };
            start = just_after(last);
            seen.extend(page);
            assert!(seen.len() <= stored.len(), "property 5: paging must reach its end");
        }
        assert_same(&seen, &stored, "property 5: resuming after a key does not skip keys that begin with it");

        let mut seen = Vec::new();
        let mut left = KeyRange::all();
        loop {
            let mut cursor =
                ok(snapshot(&*backend).cursor(letters, Scan::new(left.clone()).reverse()), "a cursor");
            let page = take(&mut *cursor, page_rows);
            let Some((last, _)) = page.last() else { break };
            left = left.after_position(last, Direction::Reverse);
            seen.extend(page);
            assert!(seen.len() <= stored.len(), "property 5: paging must reach its end");
        }
        seen.reverse();
        assert_same(&seen, &stored, "property 5: resuming a reverse scan skips nothing");
    }
}

fn take(cursor: &mut dyn Cursor, count: usize) -> Vec<crate::support::Row> {
    let mut found = Vec::new();
    while found.len() < count && ok(cursor.advance(), "advancing a cursor") {
        found.push((cursor.key().to_vec(), cursor.value().to_vec()));
    }
    found
}

pub(super) fn a_scan_of_many_rows_sees_each_once(fixture: &Fixture) {
    let backend = fixture.open();
    let numbers = keyspace(&*backend, "numbers");
    // A few thousand rows cross the boundaries of blocks of any sensible size.
    let stored = numbered_rows(5_000);
    load(&*backend, numbers, &stored);
    for range in [KeyRange::all(), KeyRange::between(stored[1].0.clone(), stored[4_998].0.clone())] {
        for scan in [Scan::new(range.clone()), Scan::new(range.clone()).reverse()] {
            let demand =
                format!("property 5: a long scan sees each row once, in order ({:?})", scan.direction);
            assert_same(&rows(&*backend, numbers, &scan), &expected(&stored, &scan), &demand);
        }
    }
    // Ranges that end just before, at and after common block sizes.
    for count in [1, 2, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 512, 513, 1_000, 1_023, 1_024, 1_025] {
        let scan = Scan::new(KeyRange::between(Vec::new(), stored[count].0.clone()));
        let found = rows(&*backend, numbers, &scan);
        assert_same(&found, &stored[..count], &format!("property 5: a scan of {count} rows sees each once"));
    }
}

pub(super) fn a_cursor_at_its_end_stays_there(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    load(&*backend, letters, &[row(b"a", b"1"), row(b"b", b"2"), row(b"c", b"3")]);
    let range = KeyRange::between("a", "c");
    for scan in [Scan::all(), Scan::new(range.clone()), Scan::new(range).reverse(), Scan::prefix(b"z")] {
        let mut cursor = ok(snapshot(&*backend).cursor(letters, scan), "a cursor");
        rest_of(&mut *cursor);
        put(&*backend, letters, b"d", b"4");
        for _ in 0..5 {
            let more = ok(cursor.advance(), "advancing after the end");
            assert!(!more, "property 5: a cursor stays at its end");
        }
    }
}

pub(super) fn a_cursor_on_no_row_lends_nothing(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    put(&*backend, letters, b"a", b"1");
    let mut cursor = ok(snapshot(&*backend).cursor(letters, Scan::all()), "a cursor");
    assert_lends_nothing(&*cursor, "before the first row");
    assert!(ok(cursor.advance(), "advancing a cursor"), "property 5: there is a row");
    ok(cursor.seek(b"a"), "a seek");
    assert_lends_nothing(&*cursor, "after a seek, before the next row");
    assert_eq!(
        rest_of(&mut *cursor),
        [row(b"a", b"1")],
        "property 5: a seek positions the cursor before its row"
    );
    assert_lends_nothing(&*cursor, "after the end");
}

fn assert_lends_nothing(cursor: &dyn Cursor, place: &str) {
    let demand = "property 5: a cursor that is not on a row panics instead of lending one (invariant 3)";
    let key = catch_unwind(AssertUnwindSafe(|| cursor.key().to_vec()));
    assert!(key.is_err(), "{demand}: key() {place}");
    let value = catch_unwind(AssertUnwindSafe(|| cursor.value().to_vec()));
    assert!(value.is_err(), "{demand}: value() {place}");
}

pub(super) fn keys_only_gives_keys_and_no_values(fixture: &Fixture) {
    let backend = fixture.open();
    let bytes = keyspace(&*backend, "bytes");
    let stored = awkward_rows(2);
    load(&*backend, bytes, &stored);
    let view = snapshot(&*backend);
    // Changes some rows, so that a layer that keeps old values must hide these too.
    put(&*backend, bytes, b"a", b"changed");
    put(&*backend, bytes, b"a\xff", b"changed");
    for scan in [Scan::all().keys_only(), Scan::prefix(b"a").keys_only().reverse()] {
        let demand = "property 5: a scan of keys only returns every key with an empty value";
        assert_same(&rows_in(&*view, bytes, &scan), &expected(&stored, &scan), demand);
    }
}

pub(super) fn a_scan_of_nothing_ends_at_once(fixture: &Fixture) {
    let backend = fixture.open();
    let empty = keyspace(&*backend, "empty");
    for scan in [Scan::all(), Scan::all().reverse(), Scan::prefix(b""), Scan::prefix(b"\xff").reverse()] {
        assert_eq!(rows(&*backend, empty, &scan), [], "property 5: an empty keyspace has no rows");
    }
}

pub(super) fn large_rows_are_lent_one_after_another(fixture: &Fixture) {
    let backend = fixture.open();
    let blobs = keyspace(&*backend, "blobs");
    // More bytes than a fetching cursor should buffer at once, with small rows in between.
    for number in 0..40_u8 {
        let length = if number % 4 == 0 { 200_000 } else { 10 };
        commit(&*backend, WriteBatch::new().put(blobs, &[number], &vec![number; length]));
    }
    for scan in [Scan::all(), Scan::all().reverse()] {
        let mut numbers: Vec<u8> = match scan.direction {
            Direction::Forward => (0..40).collect(),
            Direction::Reverse => (0..40).rev().collect(),
        };
        let mut cursor = ok(snapshot(&*backend).cursor(blobs, scan), "a cursor");
        numbers.retain(|number| {
            let more = ok(cursor.advance(), "advancing a cursor");
            let length = if number % 4 == 0 { 200_000 } else { 10 };
            let right = more && cursor.key() == [*number] && cursor.value() == vec![*number; length];
            assert!(right, "property 5: row {number} of a scan over large values is lent completely");
            false
        });
        assert!(!ok(cursor.advance(), "advancing a cursor"), "property 5: the scan ends after its last row");
    }
}
