//! Seeks in both directions, to any key, from any position.

use crate::Fixture;
use crate::support::{
    Row, assert_same, awkward_keys, awkward_rows, expected, keyspace, load, numbered_rows, ok, refused,
    rest_of, row, snapshot,
};
use strongroom_core::{Cursor, Direction, ErrorKind, KeyRange, Scan};

/// The rows that a cursor over `scan` must return after a seek to `key`.
fn after_seek(stored: &[Row], scan: &Scan, key: &[u8]) -> Vec<Row> {
    let ahead = |row: &Row| match scan.direction {
        Direction::Forward => row.0.as_slice() >= key,
        Direction::Reverse => row.0.as_slice() <= key,
    };
    expected(stored, scan).into_iter().filter(ahead).collect()
}

/// Seeks one cursor to every key in turn and compares the remaining rows.
fn assert_seeks(cursor: &mut dyn Cursor, stored: &[Row], scan: &Scan, keys: &[Vec<u8>]) {
    for key in keys {
        ok(cursor.seek(key), "a seek");
        let demand =
            format!("property 5: a seek positions before the first row from {key:x?} on ({scan:x?})");
        assert_same(&rest_of(cursor), &after_seek(stored, scan, key), &demand);
    }
}

/// Checks seeks on a cursor that has not moved, and on one at its second row.
fn assert_fresh_seeks(fixture: &Fixture, scan: &Scan) {
    let backend = fixture.open();
    let bytes = keyspace(&*backend, "bytes");
    let stored: Vec<_> = awkward_rows(2).into_iter().step_by(2).collect();
    load(&*backend, bytes, &stored);
    let view = snapshot(&*backend);
    for key in awkward_keys(2) {
        let wanted = after_seek(&stored, scan, &key);
        for steps in [0, 2] {
            let mut cursor = ok(view.cursor(bytes, scan.clone()), "a cursor");
            for _ in 0..steps {
                ok(cursor.advance(), "advancing a cursor");
            }
            ok(cursor.seek(&key), "a seek");
            let demand = format!("property 5: a seek to {key:x?} after {steps} rows ({:?})", scan.direction);
            assert_same(&rest_of(&mut *cursor), &wanted, &demand);
        }
    }
}

pub(super) fn a_seek_stands_before_the_first_row_at_or_after(fixture: &Fixture) {
    assert_fresh_seeks(fixture, &Scan::all());
}

pub(super) fn a_seek_in_reverse_stands_before_the_last_row_at_or_before(fixture: &Fixture) {
    assert_fresh_seeks(fixture, &Scan::all().reverse());
}

pub(super) fn a_seek_stays_within_the_range(fixture: &Fixture) {
    let backend = fixture.open();
    let bytes = keyspace(&*backend, "bytes");
    let stored = awkward_rows(2);
    load(&*backend, bytes, &stored);
    let view = snapshot(&*backend);
    for range in [KeyRange::prefix(b"a"), KeyRange::between("a", "a\u{7f}"), KeyRange::prefix(b"\xff")] {
        for scan in [Scan::new(range.clone()), Scan::new(range.clone()).reverse()] {
            let mut cursor = ok(view.cursor(bytes, scan.clone()), "a cursor");
            assert_seeks(&mut *cursor, &stored, &scan, &awkward_keys(2));
        }
    }
}

pub(super) fn a_seek_works_backwards_and_after_the_end(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    let stored: Vec<Row> = (b'b'..=b'y').map(|letter| row(&[letter], &[letter, letter])).collect();
    load(&*backend, letters, &stored);
    let view = snapshot(&*backend);
    let targets: Vec<Vec<u8>> =
        [&b"m"[..], b"c", b"z", b"a", b"y", b"b", b"\xff", b"\0", b"m", b"m\0", b"lz"]
            .map(<[u8]>::to_vec)
            .to_vec();
    for scan in [Scan::all(), Scan::all().reverse()] {
        let mut cursor = ok(view.cursor(letters, scan.clone()), "a cursor");
        // Each comparison reads to the end, so every seek but the first starts there.
        assert_seeks(&mut *cursor, &stored, &scan, &targets);
        for key in &targets {
            ok(cursor.seek(key), "a seek");
            ok(cursor.seek(key), "the same seek again");
            let found = if ok(cursor.advance(), "advancing a cursor") {
                vec![row(cursor.key(), cursor.value())]
            } else {
                Vec::new()
            };
            let mut wanted = after_seek(&stored, &scan, key);
            wanted.truncate(1);
            assert_same(&found, &wanted, "property 5: a seek from the middle of a scan, in either direction");
        }
    }
}

pub(super) fn a_seek_to_an_empty_key_is_refused_and_moves_nothing(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    let stored = [row(b"a", b"1"), row(b"b", b"2"), row(b"c", b"3")];
    load(&*backend, letters, &stored);
    let mut cursor = ok(snapshot(&*backend).cursor(letters, Scan::all()), "a cursor");
    let demand = "property 4: an empty key is InvalidInput everywhere";
    refused(cursor.seek(b""), ErrorKind::InvalidInput, demand);
    assert!(ok(cursor.advance(), "advancing after a refused seek"), "property 5: the first row is there");
    refused(cursor.seek(b""), ErrorKind::InvalidInput, demand);
    assert_eq!(cursor.key(), b"a", "property 5: a refused seek does not move the cursor");
    assert_eq!(rest_of(&mut *cursor), stored[1..], "property 5: a refused seek does not move the cursor");
}

pub(super) fn a_seek_over_many_rows_lands_where_it_should(fixture: &Fixture) {
    let backend = fixture.open();
    let numbers = keyspace(&*backend, "numbers");
    let stored: Vec<Row> = numbered_rows(4_000).into_iter().step_by(2).collect();
    load(&*backend, numbers, &stored);
    let view = snapshot(&*backend);
    for scan in [Scan::all(), Scan::all().reverse().keys_only()] {
        let mut cursor = ok(view.cursor(numbers, scan.clone()), "a cursor");
        // Forwards and backwards, over more and less than a block.
        for number in
            [0_u32, 1, 2, 255, 256, 257, 3_000, 2_999, 10, 511, 512, 513, 3_998, 3_999, 5_000, 1_024]
        {
            let key = number.to_be_bytes();
            ok(cursor.seek(&key), "a seek");
            let mut found = Vec::new();
            while found.len() < 300 && ok(cursor.advance(), "advancing a cursor") {
                found.push(row(cursor.key(), cursor.value()));
            }
            let mut wanted = after_seek(&stored, &scan, &key);
            wanted.truncate(300);
            assert_same(
                &found,
                &wanted,
                &format!("property 5: a seek to row {number} ({:?})", scan.direction),
            );
        }
    }
}
