//! Snapshots: one state of all keyspaces, unaffected by later writes.

use crate::Fixture;
use crate::support::{
    Row, all_rows, assert_same, awkward_rows, commit, delete, get, keyspace, load, numbered_rows, ok, put,
    refused, rest_of, row, rows_in, snapshot,
};
use std::sync::mpsc;
use std::time::Duration;
use strongroom_core::{
    Durability, ErrorKind, KeyRange, KeyspaceId, Scan, Snapshot, StorageBackend, WriteBatch,
};

/// How long to wait for a thread before it counts as blocked.
const PATIENCE: Duration = Duration::from_secs(30);

/// Compares a snapshot with its expected rows: in both directions, by prefix and by key.
#[track_caller]
fn assert_sees(view: &dyn Snapshot, keyspace: KeyspaceId, wanted: &[Row], demand: &str) {
    assert_same(&rows_in(view, keyspace, &Scan::all()), wanted, demand);
    let mut backwards = rows_in(view, keyspace, &Scan::all().reverse());
    backwards.reverse();
    assert_same(&backwards, wanted, &format!("{demand} (in reverse)"));
    for (key, value) in wanted {
        let found = ok(view.get(keyspace, key), "a get in a snapshot");
        assert_eq!(found.as_deref(), Some(value.as_slice()), "{demand} (get)");
    }
    let with_prefix: Vec<_> = wanted.iter().filter(|(key, _)| key.starts_with(b"a")).cloned().collect();
    assert_same(&rows_in(view, keyspace, &Scan::prefix(b"a")), &with_prefix, &format!("{demand} (prefix)"));
}

pub(super) fn a_snapshot_sees_no_later_write(fixture: &Fixture) {
    let backend = fixture.open();
    let bytes = keyspace(&*backend, "bytes");
    let stored: Vec<_> = awkward_rows(2).into_iter().step_by(2).collect();
    load(&*backend, bytes, &stored);
    let view = snapshot(&*backend);
    // Several overwrites, deletes and inserts before, between and after the rows.
    for (place, (key, _)) in awkward_rows(2).into_iter().enumerate() {
        match place % 6 {
            0 => delete(&*backend, bytes, &key),
            1 | 2 => put(&*backend, bytes, &key, b"later"),
            3 => {
                put(&*backend, bytes, &key, b"later");
                delete(&*backend, bytes, &key);
            }
            4 => {
                delete(&*backend, bytes, &key);
                put(&*backend, bytes, &key, b"later still");
            }
            _ => {}
        }
    }
    put(&*backend, bytes, b"\xff\xff\xff", b"after the last");
    let demand = "property 7: a snapshot sees no later write, delete or insert";
    assert_sees(&*view, bytes, &stored, demand);
    assert_eq!(ok(view.get(bytes, b"\xff\xff\xff"), "a get"), None, "{demand}");
    let newest = all_rows(&*backend, bytes);
    assert!(newest != stored, "property 7: reads outside the snapshot see the newest state");
    assert_sees(&*snapshot(&*backend), bytes, &newest, "property 7: a new snapshot sees the newest state");
}

pub(super) fn a_snapshot_is_consistent_across_keyspaces(fixture: &Fixture) {
    let backend = fixture.open();
    let places = ["one", "two", "three"].map(|name| keyspace(&*backend, name));
    let write = |round: u8| {
        let mut batch = WriteBatch::new();
        for place in places {
            batch
                .put(place, b"round", &[round])
                .put(place, &[round], b"x")
                .delete(place, &[round.wrapping_sub(3)]);
        }
        commit(&*backend, &batch);
    };
    let mut views = Vec::new();
    for round in 0..20 {
        write(round);
        views.push((round, snapshot(&*backend)));
    }
    for place in &places[1..] {
        delete(&*backend, *place, b"round");
    }
    for (round, view) in &views {
        for place in places {
            let found = ok(view.get(place, b"round"), "a get in a snapshot");
            let demand = "property 7: a snapshot is one state of all keyspaces";
            assert_eq!(found.as_deref(), Some(&[*round][..]), "{demand}");
            let kept: Vec<Row> =
                (round.saturating_sub(2)..=*round).map(|number| row(&[number], b"x")).collect();
            let numbers = Scan::new(KeyRange::between(Vec::new(), b"r".to_vec()));
            assert_same(&rows_in(&**view, place, &numbers), &kept, demand);
        }
    }
}

pub(super) fn snapshots_of_several_ages_each_see_their_own(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    let mut views: Vec<(_, Vec<Row>)> = vec![(snapshot(&*backend), Vec::new())];
    for round in 0..12_u8 {
        put(&*backend, letters, b"a", &[round]);
        put(&*backend, letters, &[b'a', round % 5], &[round]);
        delete(&*backend, letters, &[b'a', (round + 2) % 5]);
        views.push((snapshot(&*backend), all_rows(&*backend, letters)));
    }
    let demand = "property 7: snapshots of several ages each see their own state";
    // Closed in an order that follows neither age nor its reverse.
    for place in [6, 0, 10, 3, 3, 7, 0, 5, 1, 2, 1, 0, 0] {
        for (view, wanted) in &views {
            assert_sees(&**view, letters, wanted, demand);
        }
        views.remove(place);
    }
    assert!(views.is_empty(), "every snapshot was closed");
}

pub(super) fn a_cursor_keeps_its_snapshot_alive(fixture: &Fixture) {
    let backend = fixture.open();
    let numbers = keyspace(&*backend, "numbers");
    let stored = numbered_rows(1_000);
    load(&*backend, numbers, &stored);
    let view = snapshot(&*backend);
    let mut forward = ok(view.cursor(numbers, Scan::all()), "a cursor");
    let mut reverse = ok(view.cursor(numbers, Scan::all().reverse()), "a cursor");
    drop(view);
    for (key, _) in stored.iter().step_by(3) {
        delete(&*backend, numbers, key);
    }
    load(&*backend, numbers, &[row(b"\xff", b"new"), row(&stored[1].0, b"changed")]);
    // Closing another snapshot must not release what the cursors need.
    drop(snapshot(&*backend));
    let demand = "property 7: a cursor keeps its snapshot alive";
    assert_same(&rest_of(&mut *forward), &stored, demand);
    let mut backwards = rest_of(&mut *reverse);
    backwards.reverse();
    assert_same(&backwards, &stored, demand);
    ok(forward.seek(&stored[900].0), "a seek");
    assert_same(&rest_of(&mut *forward), &stored[900..], "property 7: a seek stays in the cursor's snapshot");
}

pub(super) fn a_cursor_sees_no_write_that_happens_while_it_walks(fixture: &Fixture) {
    let backend = fixture.open();
    let numbers = keyspace(&*backend, "numbers");
    // Only even numbers, so that odd ones can be inserted.
    let stored: Vec<_> = numbered_rows(1_200).into_iter().step_by(2).collect();
    for scan in [Scan::all(), Scan::all().reverse()] {
        ok(backend.delete_range(numbers, &KeyRange::all(), Durability::Buffered), "deleting a range");
        load(&*backend, numbers, &stored);
        let mut cursor = ok(snapshot(&*backend).cursor(numbers, scan.clone()), "a cursor");
        let mut seen: Vec<Row> = Vec::new();
        while ok(cursor.advance(), "advancing a cursor") {
            let place = u32::from_be_bytes(cursor.key().try_into().unwrap_or([0xff; 4]));
            seen.push(row(cursor.key(), cursor.value()));
            // Writes just before, just after and far after the position of the cursor.
            let mut batch = WriteBatch::new();
            batch.put(numbers, &place.wrapping_add(1).to_be_bytes(), b"new");
            batch.put(numbers, &place.wrapping_sub(1).to_be_bytes(), b"new");
            batch
                .delete(numbers, &(place + 2).to_be_bytes())
                .delete(numbers, &place.wrapping_sub(2).to_be_bytes());
            batch.put(numbers, &(1_198 - place).to_be_bytes(), b"changed");
            commit(&*backend, &batch);
            assert!(
                seen.len() <= stored.len(),
                "property 7: a cursor sees no row that is inserted during its scan"
            );
        }
        let demand =
            format!("property 7: a cursor sees one state despite later writes ({:?})", scan.direction);
        assert_same(&seen, &crate::support::expected(&stored, &scan), &demand);
    }
}

pub(super) fn a_snapshot_does_not_see_a_deleted_range(fixture: &Fixture) {
    let backend = fixture.open();
    let numbers = keyspace(&*backend, "numbers");
    let stored = numbered_rows(3_000);
    load(&*backend, numbers, &stored);
    let view = snapshot(&*backend);
    let mut cursor = ok(view.cursor(numbers, Scan::all()), "a cursor");
    assert!(ok(cursor.advance(), "advancing a cursor"), "property 7: there is a first row");
    let deleted = backend.delete_range(numbers, &KeyRange::all(), Durability::Buffered);
    assert_eq!(
        ok(deleted, "deleting a range"),
        3_000,
        "property 7: an open snapshot does not block a delete"
    );
    let demand = "property 7: a snapshot does not see a range that is deleted after it";
    assert_same(&rest_of(&mut *cursor), &stored[1..], demand);
    assert_same(&rows_in(&*view, numbers, &Scan::all()), &stored, demand);
    assert_eq!(all_rows(&*backend, numbers), [], "property 7: the newest state has no rows");
}

pub(super) fn a_later_keyspace_is_empty_in_a_snapshot(fixture: &Fixture) {
    let backend = fixture.open();
    let early = keyspace(&*backend, "early");
    put(&*backend, early, b"a", b"1");
    let view = snapshot(&*backend);
    let late = keyspace(&*backend, "late");
    put(&*backend, late, b"a", b"2");
    let demand = "property 7: a keyspace that was created later is empty in a snapshot";
    assert_eq!(ok(view.get(late, b"a"), "a get"), None, "{demand}");
    assert_eq!(rows_in(&*view, late, &Scan::all()), [], "{demand}");
    assert_eq!(rows_in(&*view, late, &Scan::all().reverse()), [], "{demand}");
    assert_eq!(
        rows_in(&*view, early, &Scan::all()),
        [row(b"a", b"1")],
        "{demand}, and others are not affected"
    );
    assert_eq!(
        get(&*backend, late, b"a").as_deref(),
        Some(&b"2"[..]),
        "property 7: the newest state has the keyspace"
    );
}

pub(super) fn a_dropped_keyspace_is_not_found_in_a_snapshot(fixture: &Fixture) {
    let backend = fixture.open();
    let (kept, dropped) = (keyspace(&*backend, "kept"), keyspace(&*backend, "dropped"));
    put(&*backend, kept, b"a", b"1");
    load(&*backend, dropped, &numbered_rows(600));
    let view = snapshot(&*backend);
    let mut walking = ok(view.cursor(dropped, Scan::all()), "a cursor");
    assert!(ok(walking.advance(), "advancing a cursor"), "property 7: there is a first row");
    ok(backend.drop_keyspace(dropped), "dropping a keyspace under a snapshot");
    let demand = "property 7: a dropped keyspace is NotFound in open snapshots too";
    refused(view.get(dropped, b"a"), ErrorKind::NotFound, demand);
    refused(view.cursor(dropped, Scan::all()), ErrorKind::NotFound, demand);
    refused(walking.advance(), ErrorKind::NotFound, &format!("{demand} (an open cursor)"));
    refused(walking.seek(b"\0"), ErrorKind::NotFound, &format!("{demand} (a seek)"));
    let again = keyspace(&*backend, "dropped");
    put(&*backend, again, b"a", b"new");
    refused(view.get(dropped, b"a"), ErrorKind::NotFound, &format!("{demand}, recreated or not"));
    assert_eq!(
        rows_in(&*view, again, &Scan::all()),
        [],
        "property 7: the recreated keyspace counts as a later one"
    );
    assert_eq!(
        rows_in(&*view, kept, &Scan::all()),
        [row(b"a", b"1")],
        "property 7: other keyspaces stay readable"
    );
}

pub(super) fn a_snapshot_outlives_its_handle(fixture: &Fixture) {
    let backend = fixture.open();
    let numbers = keyspace(&*backend, "numbers");
    let stored = numbered_rows(600);
    load(&*backend, numbers, &stored);
    let view = snapshot(&*backend);
    delete(&*backend, numbers, &stored[0].0);
    let mut cursor = ok(view.cursor(numbers, Scan::all()), "a cursor");
    drop(backend);
    assert_same(&rest_of(&mut *cursor), &stored, "property 7: a cursor owns what it needs");
    assert_same(
        &rows_in(&*view, numbers, &Scan::all()),
        &stored,
        "property 7: a snapshot owns what it needs",
    );
    drop((view, cursor));
    drop(fixture.open());
}

/// Runs `work` in a thread; panics if it takes longer than [`PATIENCE`].
fn in_time(demand: &str, work: impl FnOnce() + Send + 'static) {
    let (done, wait) = mpsc::channel();
    let worker = std::thread::spawn(move || {
        work();
        let _ = done.send(());
    });
    match wait.recv_timeout(PATIENCE) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{demand}: it was still blocked after {PATIENCE:?}"),
        // The thread is done or has panicked; joining shows which.
        _ => worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
    }
}

pub(super) fn a_snapshot_blocks_no_writer(fixture: &Fixture) {
    let backend: std::sync::Arc<dyn StorageBackend> = fixture.open().into();
    let numbers = keyspace(&*backend, "numbers");
    let stored = numbered_rows(500);
    load(&*backend, numbers, &stored);
    let view = snapshot(&*backend);
    let mut cursor = ok(view.cursor(numbers, Scan::all()), "a cursor");
    assert!(ok(cursor.advance(), "advancing a cursor"), "property 7: there is a first row");
    let held = ok(backend.get(numbers, &stored[0].0), "a get");
    let writer = std::sync::Arc::clone(&backend);
    let strongest = fixture.durability();
    in_time("property 7: neither a snapshot, a cursor nor a held value blocks a writer", move || {
        for number in 0..20_u32 {
            put(&*writer, numbers, &number.to_be_bytes(), b"written under a snapshot");
        }
        ok(writer.commit(WriteBatch::new().put(numbers, b"z", b"1"), strongest), "a durable commit");
        ok(writer.flush(), "a flush");
        let late = keyspace(&*writer, "late");
        ok(writer.drop_keyspace(late), "dropping a keyspace");
    });
    assert_same(&rest_of(&mut *cursor), &stored[1..], "property 7: the snapshot has not changed");
    assert!(held.is_some(), "property 3: the held value is still there");
}

pub(super) fn a_snapshot_is_shared_by_threads(fixture: &Fixture) {
    let backend = fixture.open();
    let numbers = keyspace(&*backend, "numbers");
    let stored = numbered_rows(800);
    load(&*backend, numbers, &stored);
    let view = snapshot(&*backend);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..3 {
                    assert_same(
                        &rows_in(&*view, numbers, &Scan::all()),
                        &stored,
                        "property 7: one state for all threads",
                    );
                }
            });
        }
        scope.spawn(|| {
            for (key, _) in stored.iter().step_by(5) {
                delete(&*backend, numbers, key);
            }
        });
    });
}
