//! A keyspace or a tally that is missing or damaged.

use super::common::{complaint, filled, full, root, verify};
use super::support::pretend;
use strongroom_core::{ErrorKind, Options, StorageBackend};
use strongroom_store::{Integrity, StoreOptions};

#[test]
fn a_lost_keyspace_is_noticed_and_not_created_again() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path(), Integrity::Full);
    let backend = pretend::beneath(directory.path());
    backend.drop_keyspace(backend.keyspace("events").unwrap()).unwrap();
    drop(backend);
    let store = pretend::open(directory.path());
    assert!(complaint(&store).contains("keyspace \"events\" is lost"));
    for error in [store.keyspace("events").unwrap_err(), store.create_keyspace("events").unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Corruption, "{error}");
    }
    assert_eq!(store.keyspace("nothing").unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_damaged_tally_stops_commits_to_its_keyspace_only() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path(), Integrity::Full);
    let mut damaged = pretend::stored(directory.path(), "_integrity", b"events");
    damaged[9] ^= 1;
    for gone in [false, true] {
        pretend::tamper(directory.path(), "_integrity", |batch, id| {
            if gone {
                batch.delete(id, b"events")
            } else {
                batch.put(id, b"events", &damaged)
            };
        });
        let store = pretend::open(directory.path());
        complaint(&store);
        let events = store.keyspace("events").unwrap();
        assert_eq!(events.set("d", "1").unwrap_err().kind(), ErrorKind::Corruption);
        assert_eq!(events.delete("a").unwrap_err().kind(), ErrorKind::Corruption);
        assert!(events.has("a").unwrap() && !events.has("d").unwrap());
        store.default_keyspace().unwrap().set("k", "v").unwrap();
    }
    // A keyspace that cannot be repaired can be dropped.
    let store = pretend::open(directory.path());
    store.drop_keyspace("events").unwrap();
    store.create_keyspace("events").unwrap().set("new", "1").unwrap();
    verify(&store).unwrap();
}

/// Each row of the tallies is lost once, with and without rows in the keyspace that it counts.
#[test]
fn a_missing_tally_is_reported_and_stops_no_reads() {
    for name in ["default", "events", "emptied"] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        filled(path, Integrity::Full);
        let store = pretend::open(path);
        store.create_keyspace("emptied").unwrap();
        drop(store);
        pretend::tamper(path, "_integrity", |batch, id| {
            batch.delete(id, name.as_bytes());
        });
        let read_only = pretend::open_with(path, StoreOptions::new(), &Options::new().read_only()).unwrap();
        assert_eq!(read_only.keyspace("events").unwrap().get("a").unwrap().as_deref(), Some(&b"a"[..]));
        assert!(complaint(&read_only).contains(&format!("the row count of keyspace {name:?} is missing")));
        drop(read_only);
        // Neither writes elsewhere nor another opening hide the loss.
        for round in ["1", "2"] {
            let store = pretend::open(path);
            for other in ["default", "events", "emptied"] {
                let written = store.keyspace(other).unwrap().set("k", round);
                assert_eq!(written.is_err(), other == name, "{other} without the tally of {name}");
                if let Err(error) = written {
                    assert_eq!(error.kind(), ErrorKind::Corruption);
                    let text = error.to_string();
                    assert!(
                        text.contains(&format!("the row count of keyspace {name:?} is missing")),
                        "{text}"
                    );
                    assert!(text.contains("restore a backup"), "{text}");
                }
            }
            let said = complaint(&store);
            assert!(said.contains(&format!("the row count of keyspace {name:?} is missing")), "{said}");
        }
    }
}

#[test]
fn a_missing_tally_of_the_default_keyspace_is_reported_without_any_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    drop(full(path));
    // The rest is consistent, as if there had never been a tally.
    pretend::tamper(path, "_integrity", |batch, id| {
        batch.delete(id, b"default").put(id, b"_integrity", &root(&[]));
    });
    let store = pretend::open(path);
    assert!(complaint(&store).contains("the row count of keyspace \"default\" is missing"));
    let error = store.default_keyspace().unwrap().set("k", "1").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corruption);
}

#[test]
fn the_keyspace_of_the_tallies_is_not_created_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    filled(path, Integrity::Full);
    let backend = pretend::beneath(path);
    backend.drop_keyspace(backend.keyspace("_integrity").unwrap()).unwrap();
    drop(backend);
    for options in [Options::new().read_only(), Options::new()] {
        let error = pretend::open_with(path, StoreOptions::new(), &options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corruption);
    }
}

#[test]
fn a_damaged_or_missing_tally_of_the_tallies_is_reported_and_stops_no_commits() {
    for gone in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        filled(path, Integrity::Full);
        let mut damaged = pretend::stored(path, "_integrity", b"_integrity");
        damaged[9] ^= 1;
        pretend::tamper(path, "_integrity", |batch, id| {
            if gone {
                batch.delete(id, b"_integrity")
            } else {
                batch.put(id, b"_integrity", &damaged)
            };
        });
        let store = pretend::open(path);
        complaint(&store);
        store.keyspace("events").unwrap().set("d", "1").unwrap();
        store.create_keyspace("more").unwrap().set("k", "1").unwrap();
        store.drop_keyspace("events").unwrap();
        complaint(&store);
    }
}
