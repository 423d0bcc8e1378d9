//! Rows that are missing, of an earlier version, or were never written.

use super::common::{complaint, filled, verify};
use super::support::pretend;
use std::ops::ControlFlow;
use strongroom_core::{KeyRange, StorageBackend};
use strongroom_store::Integrity;

#[test]
fn a_missing_row_is_noticed_only_with_integrity_full() {
    for integrity in [Integrity::Full, Integrity::Rows] {
        let directory = tempfile::tempdir().unwrap();
        filled(directory.path(), integrity);
        pretend::tamper(directory.path(), "events", |batch, id| {
            batch.delete(id, b"b");
        });
        let store = pretend::open(directory.path());
        assert_eq!(store.integrity(), integrity);
        if integrity == Integrity::Full {
            let said = complaint(&store);
            assert!(said.contains("\"events\" has 2 rows, but 3 were written"), "{said}");
            // The tally keeps disagreeing, whatever is written, even to the missing row.
            let events = store.keyspace("events").unwrap();
            events.set("b", "again").unwrap();
            events.delete("a").unwrap();
            assert!(complaint(&store).contains("\"events\" has 2 rows, but 3 were written"));
        } else {
            let verified = verify(&store).unwrap();
            assert_eq!((verified.rows, verified.integrity), (2, Integrity::Rows));
        }
    }
}

#[test]
fn a_row_of_an_earlier_version_is_noticed_only_with_integrity_full() {
    for integrity in [Integrity::Full, Integrity::Rows] {
        let directory = tempfile::tempdir().unwrap();
        filled(directory.path(), integrity);
        let earlier = pretend::stored(directory.path(), "events", b"b");
        pretend::open(directory.path()).keyspace("events").unwrap().set("b", "newer").unwrap();
        pretend::tamper(directory.path(), "events", |batch, id| {
            batch.put(id, b"b", &earlier);
        });
        let store = pretend::open(directory.path());
        match integrity {
            Integrity::Full => assert!(complaint(&store).contains("other rows than were written")),
            _ => assert!(verify(&store).is_ok()),
        }
    }
}

#[test]
fn a_row_that_was_never_written_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path(), Integrity::Full);
    let stored = pretend::stored(directory.path(), "events", b"b");
    // Under its own key in a keyspace without rows: its checksum does not match there.
    pretend::tamper(directory.path(), "default", |batch, id| {
        batch.put(id, b"b", &stored);
    });
    assert!(complaint(&pretend::open(directory.path())).contains("checksum"));
    pretend::tamper(directory.path(), "default", |batch, id| {
        batch.delete(id, b"b");
    });
    verify(&pretend::open(directory.path())).unwrap();
}

/// A row that came back and was deleted leaves a tally below zero, which wraps. It is reported like any other.
#[test]
fn a_row_that_came_back_and_was_deleted_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    filled(path, Integrity::Full);
    let stored = pretend::stored(path, "events", b"a");
    let store = pretend::open(path);
    store.default_keyspace().unwrap().set("k", "v").unwrap();
    let events = store.keyspace("events").unwrap();
    events.delete_range(KeyRange::all()).unwrap();
    drop((store, events));
    pretend::tamper(path, "events", |batch, id| {
        batch.put(id, b"a", &stored);
    });
    let store = pretend::open(path);
    store.keyspace("events").unwrap().delete("a").unwrap();
    let said = complaint(&store);
    assert!(said.contains("\"events\" has 0 rows, but its row count is -1"), "{said}");
    let mut expected = None;
    let _ = store.verify(&mut |progress| {
        expected = progress.rows_expected;
        ControlFlow::Continue(())
    });
    assert_eq!(expected, Some(1), "the row in the default keyspace");
}

/// One fault may take a keyspace's newest rows together with its tally, since both are in the same piece of an
/// engine's log.
#[test]
fn rows_that_are_lost_together_with_their_tally_are_noticed() {
    for lost_keyspace in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        filled(path, Integrity::Full);
        let earlier = pretend::stored(path, "_integrity", b"events");
        let store = pretend::open(path);
        store.keyspace("events").unwrap().set("d", "1").unwrap();
        drop(store);
        // Later commits are there, and so is the high-water mark.
        let store = pretend::open(path);
        store.default_keyspace().unwrap().set("k", "v").unwrap();
        drop(store);
        if lost_keyspace {
            let backend = pretend::beneath(path);
            backend.drop_keyspace(backend.keyspace("events").unwrap()).unwrap();
        } else {
            pretend::tamper(path, "events", |batch, id| {
                batch.delete(id, b"d");
            });
        }
        pretend::tamper(path, "_integrity", |batch, id| {
            if lost_keyspace {
                batch.delete(id, b"events")
            } else {
                batch.put(id, b"events", &earlier)
            };
        });
        let store = pretend::open(path);
        complaint(&store);
    }
}
