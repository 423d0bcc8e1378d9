//! Failing engines. These cases run where the fixture can make calls under the backend fail.

use crate::Fixture;
use crate::fault::{Faults, How};
use crate::history::run_history;
use crate::support::{
    all_rows, assert_same, keyspace, load, numbered_rows, ok, put, refused, rest_of, row, snapshot,
};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use strongroom_core::{
    Cursor, Durability, ErrorKind, KeyRange, KeyspaceHints, KeyspaceId, Result, Scan, StorageBackend,
    WriteBatch,
};

/// The disarmed faults of the fixture. All cases here declare that they need them.
fn switch(fixture: &Fixture) -> Faults {
    let faults = fixture.faults().cloned().unwrap_or_default();
    faults.disarm();
    faults
}

/// Advances to the end or to an error; returns the number of rows before it.
fn walk(cursor: &mut dyn Cursor) -> (usize, Result<()>) {
    let mut rows = 0;
    loop {
        match cursor.advance() {
            Ok(true) if rows < 1_000_000 => rows += 1,
            Ok(true) => panic!("property 5: a cursor must reach its end"),
            Ok(false) => return (rows, Ok(())),
            Err(error) => return (rows, Err(error)),
        }
    }
}

pub(super) fn an_error_under_a_cursor_is_never_the_end(fixture: &Fixture) {
    let faults = switch(fixture);
    let backend = fixture.open();
    let numbers = keyspace(&*backend, "numbers");
    load(&*backend, numbers, &numbered_rows(600));
    let demand = "property 5: an I/O error is never reported as the end";
    for scan in [Scan::all(), Scan::all().reverse(), Scan::new(KeyRange::from(vec![0, 0, 0, 5])).keys_only()]
    {
        let wanted = walk(&mut *ok(snapshot(&*backend).cursor(numbers, scan.clone()), "a cursor")).0;
        for number in [1, 2, 3, 5, 64, 256, 257, 400, 595, 596, 600, 601] {
            faults.fail_at_operation("advance", number, How::Error);
            let mut cursor = ok(snapshot(&*backend).cursor(numbers, scan.clone()), "a cursor");
            let (rows, result) = walk(&mut *cursor);
            match (faults.injected().is_some(), result) {
                (true, Err(error)) => {
                    assert_eq!(error.kind(), ErrorKind::Io, "property 11: an I/O error has the kind Io");
                }
                (true, Ok(())) => panic!("{demand}: the scan ended after {rows} of {wanted} rows"),
                (false, Ok(())) => assert_eq!(rows, wanted, "{demand}"),
                (false, Err(error)) => panic!("{demand}: an error without a fault: {}", error.one_line()),
            }
        }
    }
    faults.disarm();
    assert_same(
        &all_rows(&*backend, numbers),
        &numbered_rows(600),
        "property 5: a new cursor reads all rows",
    );
}

pub(super) fn an_error_under_a_visit_is_never_the_end(fixture: &Fixture) {
    let faults = switch(fixture);
    let backend = fixture.open();
    let numbers = keyspace(&*backend, "numbers");
    load(&*backend, numbers, &numbered_rows(600));
    let demand = "property 5: an I/O error is never reported as the end of a visit";
    for number in [1, 2, 256, 257, 600] {
        faults.fail_at_operation("advance", number, How::Error);
        let mut cursor = ok(snapshot(&*backend).cursor(numbers, Scan::all()), "a cursor");
        let visit = cursor.visit(&mut |_, _| ControlFlow::Continue(()));
        if faults.injected().is_some() {
            refused(visit, ErrorKind::Io, demand);
            assert!(cursor.advance().is_err(), "property 5: a failed cursor keeps failing");
        } else {
            ok(visit, demand);
        }
    }
    faults.disarm();
}

pub(super) fn a_failed_cursor_keeps_failing(fixture: &Fixture) {
    let faults = switch(fixture);
    let backend = fixture.open();
    let numbers = keyspace(&*backend, "numbers");
    load(&*backend, numbers, &numbered_rows(300));
    let mut cursor = ok(snapshot(&*backend).cursor(numbers, Scan::all()), "a cursor");
    faults.fail_at_operation("advance", 1, How::Error);
    let (_, result) = walk(&mut *cursor);
    assert!(result.is_err(), "property 5: an I/O error is never reported as the end");
    for _ in 0..3 {
        let demand = "property 5: a failed cursor keeps failing, and neither ends nor continues";
        assert!(cursor.advance().is_err(), "{demand}");
        let lent = catch_unwind(AssertUnwindSafe(|| cursor.key().to_vec()));
        assert!(lent.is_err(), "{demand}, and lends nothing (invariant 3)");
    }
    faults.disarm();
    ok(cursor.seek(&[0, 0, 0, 0]), "a seek, which restarts the cursor");
    assert_same(&rest_of(&mut *cursor), &numbered_rows(300), "property 5: a seek restarts a failed cursor");
}

/// Asserts that every call on a poisoned handle returns `Closed`.
#[track_caller]
fn assert_poisoned(backend: &dyn StorageBackend, keyspace: KeyspaceId) {
    let demand = "property 8: a poisoned handle returns Closed from every call";
    let kind = ErrorKind::Closed;
    let mut batch = WriteBatch::new();
    batch.put(keyspace, b"k", b"v");
    refused(backend.commit(&batch, Durability::Buffered), kind, demand);
    refused(backend.commit(&WriteBatch::new(), Durability::Buffered), kind, demand);
    refused(backend.get(keyspace, b"k"), kind, demand);
    refused(backend.snapshot().map(drop), kind, demand);
    refused(backend.flush(), kind, demand);
    refused(backend.keyspaces(), kind, demand);
    refused(backend.keyspace("numbers"), kind, demand);
    refused(backend.create_keyspace("another", KeyspaceHints::default()), kind, demand);
    refused(backend.drop_keyspace(keyspace), kind, demand);
    refused(backend.delete_range(keyspace, &KeyRange::all(), Durability::Buffered), kind, demand);
    refused(backend.stats(), kind, demand);
    let token = strongroom_core::CommitToken([9; 16]);
    refused(backend.committed(token), kind, &format!("{demand} (committed)"));
    refused(backend.forget(token), kind, &format!("{demand} (forget)"));
}

pub(super) fn a_failed_commit_is_unknown_and_poisons_the_handle(fixture: &Fixture) {
    for how in [How::Error, How::ErrorAfterwards, How::Panic] {
        let faults = switch(fixture);
        let backend = fixture.open();
        let numbers = keyspace(&*backend, "numbers");
        put(&*backend, numbers, b"a", b"1");
        let view = snapshot(&*backend);
        let mut cursor = ok(view.cursor(numbers, Scan::all()), "a cursor");
        faults.fail_at_operation("apply", 1, how);
        let mut batch = WriteBatch::new();
        batch.put(numbers, b"b", b"2");
        let demand = "property 8: an error after the commit was handed to the engine is CommitUnknown";
        refused(backend.commit(&batch, Durability::Buffered), ErrorKind::CommitUnknown, demand);
        faults.disarm();
        assert_poisoned(&*backend, numbers);
        let demand = "property 8: snapshots and cursors of a poisoned handle return Closed too";
        refused(view.get(numbers, b"a"), ErrorKind::Closed, demand);
        refused(cursor.advance(), ErrorKind::Closed, demand);
        drop((cursor, view, backend));
        // Reopening recovers the store.
        let backend = fixture.open();
        let numbers = keyspace(&*backend, "numbers");
        put(&*backend, numbers, b"c", b"3");
        assert!(
            all_rows(&*backend, numbers).contains(&row(b"c", b"3")),
            "property 8: a reopened handle works"
        );
    }
}

pub(super) fn a_failed_flush_poisons_the_handle(fixture: &Fixture) {
    let faults = switch(fixture);
    let backend = fixture.open();
    let numbers = keyspace(&*backend, "numbers");
    put(&*backend, numbers, b"a", b"1");
    faults.fail_at_operation("flush", 1, How::Error);
    let demand = "property 8: after a failed flush the stored state is unknown";
    refused(backend.flush(), ErrorKind::CommitUnknown, demand);
    faults.disarm();
    assert_poisoned(&*backend, numbers);
}

pub(super) fn a_panicking_engine_is_caught_and_poisons_the_handle(fixture: &Fixture) {
    for operation in ["get", "cursor", "advance"] {
        let faults = switch(fixture);
        let backend = fixture.open();
        let numbers = keyspace(&*backend, "numbers");
        load(&*backend, numbers, &numbered_rows(10));
        let view = snapshot(&*backend);
        faults.fail_at_operation(operation, 1, How::Panic);
        let demand = format!("property 11: a panic of the engine in {operation} is caught");
        let caught = catch_unwind(AssertUnwindSafe(|| -> Result<()> {
            backend.get(numbers, b"k")?;
            let mut cursor = view.cursor(numbers, Scan::all())?;
            walk(&mut *cursor).1
        }));
        let Ok(result) = caught else { panic!("{demand}: it was not caught") };
        let error = refused(result, ErrorKind::Corruption, &demand);
        let text = error.one_line();
        assert!(
            !text.contains(crate::fault::INJECTED),
            "property 11: a panic's text is not repeated: {text}"
        );
        faults.disarm();
        assert_poisoned(&*backend, numbers);
    }
}

pub(super) fn an_engine_that_panics_while_it_writes_leaves_the_commit_unknown(fixture: &Fixture) {
    let faults = switch(fixture);
    let backend = fixture.open();
    let numbers = keyspace(&*backend, "numbers");
    load(&*backend, numbers, &numbered_rows(10));
    faults.fail_at_operation("apply", 1, How::Panic);
    let demand = "property 11: a panic of the engine in a commit is caught, and its outcome unknown";
    let mut batch = WriteBatch::new();
    batch.put(numbers, b"k", b"v");
    let caught = catch_unwind(AssertUnwindSafe(|| backend.commit(&batch, Durability::Buffered)));
    let Ok(result) = caught else { panic!("{demand}: it was not caught") };
    let text = refused(result, ErrorKind::CommitUnknown, demand).one_line();
    assert!(!text.contains(crate::fault::INJECTED), "property 11: a panic's text is not repeated: {text}");
    faults.disarm();
    assert_poisoned(&*backend, numbers);
}

pub(super) fn no_fault_beneath_a_history_is_swallowed(fixture: &Fixture) {
    let faults = switch(fixture);
    let mut number = 1;
    loop {
        // Each attempt uses its own directory and starts with an empty store.
        let directory = fixture.beside(&format!("attempt-{number}"));
        let backend = ok(fixture.try_open_at(&directory), "opening the backend");
        faults.fail_at(number, How::Error);
        let result = catch_unwind(AssertUnwindSafe(|| run_history(7, 25, &*backend)));
        let Ok(result) = result else { panic!("property 11: fault {number} made the backend panic") };
        match (faults.injected(), result) {
            (Some(operation), Ok(())) => {
                panic!("property 11: the error of call {number}, {operation}, was swallowed")
            }
            (None, Err(error)) => {
                panic!("property 11: a history without a fault failed: {}", error.one_line())
            }
            (Some(_), Err(_)) => {}
            (None, Ok(())) => break,
        }
        faults.disarm();
        drop(backend);
        let _ = std::fs::remove_dir_all(&directory);
        // Tries every early call, and later ones in growing steps.
        number += 1 + number / 20;
        assert!(number < 100_000, "a history of 25 steps must make fewer calls");
    }
    faults.disarm();
}
