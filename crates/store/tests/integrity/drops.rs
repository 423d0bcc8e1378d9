//! Interrupted drops.

use super::common::{filled, open_faulty, root, tally, verify};
use super::support::pretend;
use strongroom_core::{ErrorKind, Options, StorageBackend};
use strongroom_store::{Integrity, Store, StoreOptions};
use strongroom_testkit::fault::{Faults, How};

#[test]
fn an_interrupted_drop_is_finished_by_the_next_opening() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    filled(path, Integrity::Full);
    let live = pretend::stored(path, "_integrity", b"events");
    assert_eq!(tally("events", 1, &live), live, "the test knows the format");
    let default = pretend::stored(path, "_integrity", b"default");
    let all = root(&[("default", &default), ("events", &live)]);
    assert_eq!(pretend::stored(path, "_integrity", b"_integrity"), all, "so is the tally of the tallies");
    pretend::tamper(path, "_integrity", |batch, id| {
        let dropping = tally("events", 2, &live);
        let all = root(&[("default", &default), ("events", &dropping)]);
        batch.put(id, b"events", &dropping).put(id, b"_integrity", &all);
    });
    // A read-only opening finishes nothing, and reports nothing.
    let read_only = pretend::open_with(path, StoreOptions::new(), &Options::new().read_only()).unwrap();
    verify(&read_only).unwrap();
    drop(read_only);
    let store = pretend::open(path);
    assert_eq!(store.keyspaces(), ["default"]);
    verify(&store).unwrap();
    let events = store.create_keyspace("events").unwrap();
    assert!(!events.has("a").unwrap());
    drop((store, events));
    // Interrupted later: the keyspace is already missing.
    let events = pretend::stored(path, "_integrity", b"events");
    pretend::tamper(path, "_integrity", |batch, id| {
        let dropping = tally("other", 2, &live);
        let all = root(&[("default", &default), ("events", &events), ("other", &dropping)]);
        batch.put(id, b"other", &dropping).put(id, b"_integrity", &all);
    });
    let store = pretend::open(path);
    verify(&store).unwrap();
    store.create_keyspace("other").unwrap().set("k", "v").unwrap();
    assert_eq!(verify(&store).unwrap().keyspaces, 3);
}

/// The engine is busy when an interrupted drop has to be finished.
#[test]
fn a_drop_that_cannot_be_finished_yet_stays_hidden_until_the_next_opening() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    filled(path, Integrity::Full);
    let live = pretend::stored(path, "_integrity", b"events");
    let default = pretend::stored(path, "_integrity", b"default");
    pretend::tamper(path, "_integrity", |batch, id| {
        let dropping = tally("events", 2, &live);
        let all = root(&[("default", &default), ("events", &dropping)]);
        batch.put(id, b"events", &dropping).put(id, b"_integrity", &all);
    });
    let check_hidden = |store: &Store| {
        assert_eq!(store.keyspaces(), ["default"]);
        assert_eq!(store.keyspace("events").unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(verify(store).unwrap().keyspaces, 1);
    };
    check_hidden(&pretend::open_with(path, StoreOptions::new(), &Options::new().read_only()).unwrap());
    let faults = Faults::new();
    let open = |how| {
        faults.fail_at_operation("drop_keyspace", 1, how);
        open_faulty(path, StoreOptions::new(), &faults)
    };
    assert!(open(How::Error).is_err(), "any other failure fails the opening");
    let store = open(How::Unavailable).unwrap();
    assert_eq!(faults.injected(), Some("drop_keyspace"));
    check_hidden(&store);
    // A new keyspace must not have the rows that the engine still holds, so it is not created while they cannot
    // be dropped.
    faults.fail_at_operation("drop_keyspace", 1, How::Unavailable);
    assert_eq!(store.create_keyspace("events").unwrap_err().kind(), ErrorKind::Unavailable);
    check_hidden(&store);
    drop(store);
    assert!(pretend::beneath(path).keyspace("events").is_ok());
    let store = open(How::Unavailable).unwrap();
    let events = store.create_keyspace("events").unwrap();
    assert!(!events.has("a").unwrap());
    verify(&store).unwrap();
    drop((store, events));
    let store = pretend::open(path);
    assert_eq!(store.keyspaces(), ["default", "events"]);
    assert_eq!(verify(&store).unwrap().rows, 0);
}
