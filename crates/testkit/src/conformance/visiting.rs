//! Visits: the rows of a cursor, passed to a closure.

use crate::Fixture;
use crate::support::{
    assert_same, awkward_rows, expected, keyspace, load, numbered_rows, ok, refused, rest_of, snapshot,
};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use strongroom_core::{Cursor, ErrorKind, KeyRange, Scan};

/// Visits up to `count` rows and returns them.
#[track_caller]
fn visited(cursor: &mut dyn Cursor, count: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    let visit = cursor.visit(&mut |key, value| {
        rows.push((key.to_vec(), value.to_vec()));
        if rows.len() < count { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    ok(visit, "visiting rows");
    rows
}

fn scans() -> Vec<Scan> {
    let ranges = [
        KeyRange::all(),
        KeyRange::prefix(b"a"),
        KeyRange::between([1], [0xfe]),
        KeyRange::between("b", "a"),
    ];
    ranges.into_iter().flat_map(|range| [Scan::new(range.clone()), Scan::new(range).reverse()]).collect()
}

pub(super) fn a_visit_passes_the_same_rows_as_a_cursor(fixture: &Fixture) {
    let backend = fixture.open();
    let bytes = keyspace(&*backend, "bytes");
    let stored = awkward_rows(3);
    load(&*backend, bytes, &stored);
    let view = snapshot(&*backend);
    for scan in scans() {
        let mut cursor = ok(view.cursor(bytes, scan.clone()), "a cursor");
        let demand = format!("property 5: a visit passes the rows that advance lends ({scan:?})");
        assert_same(&visited(&mut *cursor, usize::MAX), &expected(&stored, &scan), &demand);
        assert!(
            !ok(cursor.advance(), "advancing"),
            "property 5: after a complete visit the cursor is at its end"
        );
    }
    let mut cursor = ok(view.cursor(bytes, Scan::all().keys_only()), "a cursor");
    let with_values = visited(&mut *cursor, usize::MAX).into_iter().filter(|(_, value)| !value.is_empty());
    assert_eq!(with_values.count(), 0, "property 5: a visit of keys only passes empty values");
}

pub(super) fn a_stopped_visit_can_be_resumed(fixture: &Fixture) {
    let backend = fixture.open();
    let numbers = keyspace(&*backend, "numbers");
    let stored = numbered_rows(700);
    load(&*backend, numbers, &stored);
    let view = snapshot(&*backend);
    for scan in [Scan::all(), Scan::all().reverse()] {
        let mut cursor = ok(view.cursor(numbers, scan.clone()), "a cursor");
        let mut rows = Vec::new();
        for count in [1, 255, 1, 2, 256] {
            rows.extend(visited(&mut *cursor, count));
            assert!(ok(cursor.advance(), "advancing after a visit"));
            rows.push((cursor.key().to_vec(), cursor.value().to_vec()));
        }
        rows.extend(rest_of(&mut *cursor));
        let demand = "property 5: a visit and advance each continue where the other stopped";
        assert_same(&rows, &expected(&stored, &scan), demand);
    }
}

pub(super) fn a_visitor_that_panics_breaks_nothing(fixture: &Fixture) {
    let backend = fixture.open();
    let numbers = keyspace(&*backend, "numbers");
    load(&*backend, numbers, &numbered_rows(10));
    let mut cursor = ok(snapshot(&*backend).cursor(numbers, Scan::all()), "a cursor");
    let message = catch_unwind(AssertUnwindSafe(|| cursor.visit(&mut |_, _| panic!("the caller's own"))));
    let message = message.err().and_then(|panic| panic.downcast_ref::<&str>().map(ToString::to_string));
    let demand = "property 11: a panic of the visitor reaches the caller and does not poison the handle";
    assert_eq!(message.as_deref(), Some("the caller's own"), "{demand}");
    let mut cursor = ok(snapshot(&*backend).cursor(numbers, Scan::all()), demand);
    assert_same(&visited(&mut *cursor, usize::MAX), &numbered_rows(10), demand);
}

pub(super) fn a_visit_over_a_dropped_keyspace_is_refused(fixture: &Fixture) {
    let backend = fixture.open();
    let numbers = keyspace(&*backend, "numbers");
    load(&*backend, numbers, &numbered_rows(600));
    let mut cursor = ok(snapshot(&*backend).cursor(numbers, Scan::all()), "a cursor");
    assert_same(&visited(&mut *cursor, 2), &numbered_rows(2), "property 5: a visit passes rows in order");
    ok(backend.drop_keyspace(numbers), "dropping a keyspace");
    let visit = cursor.visit(&mut |_, _| ControlFlow::Continue(()));
    refused(visit, ErrorKind::NotFound, "property 7: a visit over a dropped keyspace is NotFound");
}
