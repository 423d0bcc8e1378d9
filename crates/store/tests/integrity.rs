//! `integrity = full`: what is missing is noticed, and nothing else is taken for missing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Tests fail by panicking.

mod support;

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::Ordering;
use strongroom_core::{
    Backend, Durability, ErrorKind, KeyRange, MemoryBackend, MemoryOptions, Options, Result, StorageBackend,
    TypedOptions as _, Undo,
};
use strongroom_store::{Integrity, Keyspace, Store, StoreOptions, Verified};
use strongroom_testkit::PretendEngine;
use strongroom_testkit::fault::{Faults, FaultyEngine, FaultyOptions, How};
use support::{gated, pretend, wait_until};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed, xxh3_128};

fn with(integrity: Integrity) -> StoreOptions {
    StoreOptions::new().integrity(integrity)
}

fn open_with(path: &Path, integrity: Integrity) -> Store {
    pretend::open_with(path, with(integrity), &Options::new()).unwrap()
}

fn full(path: &Path) -> Store {
    open_with(path, Integrity::Full)
}

fn verify(store: &Store) -> Result<Verified> {
    store.verify(&mut |_| ControlFlow::Continue(()))
}

/// What it says, if it finds something.
fn complaint(store: &Store) -> String {
    let error = verify(store).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corruption, "{error}");
    error.to_string()
}

/// A store with the rows a, b and c in "events".
fn filled(path: &Path, integrity: Integrity) {
    let store = open_with(path, integrity);
    let events = store.create_keyspace("events").unwrap();
    for key in ["a", "b", "c"] {
        events.set(key, key).unwrap();
    }
}

/// A tally as it is stored: state 1 is live, 2 is being dropped.
fn tally(keyspace: &str, state: u8, stored: &[u8]) -> Vec<u8> {
    let mut bytes = stored[..26].to_vec();
    bytes[1] = state;
    let checksum = xxh3_64_with_seed(&bytes, xxh3_64(keyspace.as_bytes()));
    bytes.extend_from_slice(&checksum.to_be_bytes());
    bytes
}

/// The tally of the tallies.
fn root(tallies: &[(&str, &[u8])]) -> Vec<u8> {
    let mut hash = 0_u128;
    for (name, stored) in tallies {
        let pieces = [b"_integrity", name.as_bytes(), stored];
        let bytes: Vec<u8> =
            pieces.iter().flat_map(|piece| [&(piece.len() as u64).to_be_bytes(), *piece].concat()).collect();
        hash = hash.wrapping_add(xxh3_128(&bytes));
    }
    let rows = tallies.len() as u64;
    let bytes = [&[1, 1][..], &rows.to_be_bytes(), &hash.to_be_bytes()].concat();
    tally("_integrity", 1, &bytes)
}

#[test]
fn a_row_that_is_gone_is_noticed_with_full_and_not_without() {
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
            assert!(said.contains("\"events\" has 2 rows, and 3 were written"), "{said}");
            // It goes on disagreeing, whatever is written, also to the row that is gone.
            let events = store.keyspace("events").unwrap();
            events.set("b", "again").unwrap();
            events.delete("a").unwrap();
            assert!(complaint(&store).contains("\"events\" has 2 rows, and 3 were written"));
        } else {
            let verified = verify(&store).unwrap();
            assert_eq!((verified.rows, verified.integrity), (2, Integrity::Rows));
        }
    }
}

#[test]
fn a_row_of_an_earlier_time_is_noticed_with_full_and_not_without() {
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
    // Under its own key in a keyspace without rows: its checksum does not fit there.
    pretend::tamper(directory.path(), "default", |batch, id| {
        batch.put(id, b"b", &stored);
    });
    assert!(complaint(&pretend::open(directory.path())).contains("checksum"));
    pretend::tamper(directory.path(), "default", |batch, id| {
        batch.delete(id, b"b");
    });
    verify(&pretend::open(directory.path())).unwrap();
}

#[test]
fn every_kind_of_write_keeps_the_tallies() {
    let directory = tempfile::tempdir().unwrap();
    let store = full(directory.path());
    let (a, b) = (store.create_keyspace("a").unwrap(), store.create_keyspace("b").unwrap());
    let rows = |store: &Store| verify(store).unwrap().rows;
    let mut batch = store.batch();
    batch.set(&a, "k", "1").set(&a, "k", "2").delete(&a, "k").set(&a, "k", "3").set(&b, "k", "1");
    batch.delete(&b, "nobody").delete(&b, "nobody").set(&a, "empty", "");
    store.commit(&batch).unwrap();
    assert_eq!(rows(&store), 3);
    // The same again: overwrites, and a delete of what the batch itself has set.
    batch.set(&b, "passing", "1").delete(&b, "passing").delete(&a, "empty");
    store.commit(&batch).unwrap();
    assert_eq!(rows(&store), 2);
    batch.clear();
    batch.expect_absent(&a, "k").set(&a, "refused", "1");
    assert_eq!(store.commit(&batch).unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(rows(&store), 2);
    batch.clear();
    for number in 0..2_500_u32 {
        batch.set(&a, number.to_be_bytes(), "x");
    }
    store.commit(&batch).unwrap();
    let range = KeyRange::between(5_u32.to_be_bytes(), 2_400_u32.to_be_bytes());
    assert_eq!(a.delete_range(range).unwrap(), 2_395);
    let mut expected = None;
    let verified = store.verify(&mut |progress| {
        expected = progress.rows_expected;
        ControlFlow::Continue(())
    });
    assert_eq!((verified.unwrap().rows, expected), (107, Some(107)));
    store.drop_keyspace("b").unwrap();
    assert_eq!(rows(&store), 106);
    let again = store.create_keyspace("b").unwrap();
    assert_eq!(rows(&store), 106);
    again.set("k", "1").unwrap();
    drop((store, a, b, again));
    let store = pretend::open(directory.path());
    assert_eq!((rows(&store), store.integrity()), (107, Integrity::Full));
}

#[test]
fn a_store_in_memory_keeps_tallies_too() {
    let options = with(Integrity::Full).durability(Durability::Buffered);
    let store = Store::new(MemoryBackend::in_memory(), options).unwrap();
    store.default_keyspace().unwrap().set("k", "v").unwrap();
    let verified = verify(&store).unwrap();
    assert_eq!((verified.rows, verified.integrity), (1, Integrity::Full));
    assert_eq!(store.keyspaces(), ["default"]);
}

/// Commits that wait at the gate and go as one group.
#[test]
fn members_of_a_group_see_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let (backend, gate) = gated(&directory.path().join("store"));
    let store = Store::new(backend, with(Integrity::Full)).unwrap();
    let rows = store.default_keyspace().unwrap();
    gate.close();
    let commit = |change: fn(&mut strongroom_store::Batch, &Keyspace)| {
        let mut batch = store.batch();
        change(&mut batch, &rows);
        let store = store.clone();
        let thread = std::thread::spawn(move || store.commit(&batch));
        std::thread::sleep(std::time::Duration::from_millis(20));
        thread
    };
    let leader = commit(|batch, rows| {
        batch.set(rows, "leader", "1");
    });
    wait_until("the leader at the gate", || gate.waiting.load(Ordering::SeqCst) == 1);
    let applied = gate.applied.load(Ordering::SeqCst);
    let members = vec![
        leader,
        commit(|batch, rows| {
            batch.set(rows, "k", "1");
        }),
        commit(|batch, rows| {
            batch.expect_absent(rows, "k").set(rows, "refused", "1");
        }),
        commit(|batch, rows| {
            batch.set(rows, "k", "22").set(rows, "leader", "2");
        }),
        commit(|batch, rows| {
            batch.delete(rows, "k");
        }),
        commit(|batch, rows| {
            batch.set(rows, "k", "333");
        }),
    ];
    gate.open();
    let ok: Vec<bool> = members.into_iter().map(|member| member.join().unwrap().is_ok()).collect();
    assert_eq!(ok, [true, true, false, true, true, true]);
    assert_eq!(gate.applied.load(Ordering::SeqCst) - applied, 2, "they were one group");
    assert_eq!(verify(&store).unwrap().rows, 2);
}

#[test]
fn many_threads_keep_the_tallies() {
    let directory = tempfile::tempdir().unwrap();
    let (backend, _gate) = gated(&directory.path().join("store"));
    let store = Store::new(backend, with(Integrity::Full)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            let store = &store;
            scope.spawn(move || {
                let rows = store.default_keyspace().unwrap();
                for number in 0..100_u32 {
                    let key = ((number * 7 + thread) % 50).to_be_bytes();
                    if number % 3 == 0 {
                        rows.delete(key).unwrap();
                    } else {
                        rows.set(key, "x").unwrap();
                    }
                    if number % 20 == thread {
                        store.create_keyspace("passing").unwrap();
                        let _ = store.drop_keyspace("passing");
                    }
                    if number % 25 == 0 {
                        verify(store).unwrap();
                    }
                }
            });
        }
    });
    verify(&store).unwrap();
}

#[test]
fn a_keyspace_that_is_lost_is_noticed_and_not_made_anew() {
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
fn a_damaged_tally_stops_commits_to_its_keyspace_alone() {
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
    // What is beyond repair may be dropped.
    let store = pretend::open(directory.path());
    store.drop_keyspace("events").unwrap();
    store.create_keyspace("events").unwrap().set("new", "1").unwrap();
    verify(&store).unwrap();
}

/// Each row of the tallies is lost in turn, with and without rows in the keyspace that it counts.
#[test]
fn a_tally_that_is_gone_is_reported_and_keeps_nobody_from_reading() {
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
        assert!(complaint(&read_only).contains(&format!("the tally of keyspace {name:?} is gone")));
        drop(read_only);
        // Nothing that is written elsewhere, and no other opening, hides the loss.
        for round in ["1", "2"] {
            let store = pretend::open(path);
            for other in ["default", "events", "emptied"] {
                let written = store.keyspace(other).unwrap().set("k", round);
                assert_eq!(written.is_err(), other == name, "{other} without the tally of {name}");
                if let Err(error) = written {
                    assert_eq!(error.kind(), ErrorKind::Corruption);
                    let text = error.to_string();
                    assert!(text.contains(&format!("the tally of keyspace {name:?} is gone")), "{text}");
                    assert!(text.contains("restore a backup"), "{text}");
                }
            }
            let said = complaint(&store);
            assert!(said.contains(&format!("the tally of keyspace {name:?} is gone")), "{said}");
        }
    }
}

#[test]
fn a_store_without_any_tally_of_its_default_keyspace_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    drop(full(path));
    // What is left agrees with itself: there was never a tally.
    pretend::tamper(path, "_integrity", |batch, id| {
        batch.delete(id, b"default").put(id, b"_integrity", &root(&[]));
    });
    let store = pretend::open(path);
    assert!(complaint(&store).contains("the tally of keyspace \"default\" is gone"));
    let error = store.default_keyspace().unwrap().set("k", "1").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corruption);
}

#[test]
fn the_whole_keyspace_of_the_tallies_is_not_made_anew() {
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
fn it_cannot_change() {
    for (made, wanted) in [(Integrity::Full, Integrity::Rows), (Integrity::Rows, Integrity::Full)] {
        let directory = tempfile::tempdir().unwrap();
        filled(directory.path(), made);
        let before = support::files(directory.path());
        let error = pretend::open_with(directory.path(), with(wanted), &Options::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let text = error.to_string();
        assert!(text.contains(&format!("was made with integrity={made}")), "{text}");
        assert_eq!(support::files(directory.path()), before);
        assert_eq!(pretend::open(directory.path()).integrity(), made);
        assert_eq!(open_with(directory.path(), made).integrity(), made);
    }
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(pretend::open(directory.path()).integrity(), Integrity::Rows, "the default");
}

#[test]
fn a_drop_that_was_cut_short_is_finished_by_the_next_opening() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    filled(path, Integrity::Full);
    let live = pretend::stored(path, "_integrity", b"events");
    assert_eq!(tally("events", 1, &live), live, "the test knows the format");
    let default = pretend::stored(path, "_integrity", b"default");
    let all = root(&[("default", &default), ("events", &live)]);
    assert_eq!(pretend::stored(path, "_integrity", b"_integrity"), all, "that of the whole, too");
    pretend::tamper(path, "_integrity", |batch, id| {
        let dropping = tally("events", 2, &live);
        let all = root(&[("default", &default), ("events", &dropping)]);
        batch.put(id, b"events", &dropping).put(id, b"_integrity", &all);
    });
    // Who may not write finishes nothing and complains about nothing.
    let read_only = pretend::open_with(path, StoreOptions::new(), &Options::new().read_only()).unwrap();
    verify(&read_only).unwrap();
    drop(read_only);
    let store = pretend::open(path);
    assert_eq!(store.keyspaces(), ["default"]);
    verify(&store).unwrap();
    let events = store.create_keyspace("events").unwrap();
    assert!(!events.has("a").unwrap());
    drop((store, events));
    // Cut short later: the keyspace is gone already.
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

/// The engine is busy while an interrupted drop is to be finished.
#[test]
fn a_drop_that_cannot_be_finished_yet_waits_for_the_next_opening_unseen() {
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
    let unseen = |store: &Store| {
        assert_eq!(store.keyspaces(), ["default"]);
        assert_eq!(store.keyspace("events").unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(verify(store).unwrap().keyspaces, 1);
    };
    unseen(&pretend::open_with(path, StoreOptions::new(), &Options::new().read_only()).unwrap());
    let faults = Faults::new();
    let open = |how| {
        faults.fail_at_operation("drop_keyspace", 1, how);
        open_faulty(path, StoreOptions::new(), &faults)
    };
    assert!(open(How::Error).is_err(), "any other failure is one of the opening");
    let store = open(How::Unavailable).unwrap();
    assert_eq!(faults.injected(), Some("drop_keyspace"));
    unseen(&store);
    // Made anew, it has none of the rows that the engine still holds; while these cannot go, it is not made.
    faults.fail_at_operation("drop_keyspace", 1, How::Unavailable);
    assert_eq!(store.create_keyspace("events").unwrap_err().kind(), ErrorKind::Unavailable);
    unseen(&store);
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

#[test]
fn a_copy_has_its_tallies() {
    let directory = tempfile::tempdir().unwrap();
    let (path, copy) = (directory.path().join("one"), directory.path().join("copy"));
    filled(&path, Integrity::Full);
    let store = pretend::open(&path);
    store.checkpoint(&copy).unwrap();
    store.keyspace("events").unwrap().set("later", "1").unwrap();
    let copied = pretend::open(&copy);
    let verified = verify(&copied).unwrap();
    assert_eq!((verified.rows, verified.integrity), (3, Integrity::Full));
    copied.keyspace("events").unwrap().delete("a").unwrap();
    assert_eq!(verify(&copied).unwrap().rows, 2);
}

/// A life of a store, in which something fails. Says what was acknowledged before.
fn life(store: &Store, acknowledged: &mut Vec<&'static str>) -> Result<()> {
    let events = store.create_keyspace("events")?;
    acknowledged.push("created");
    events.set("a", "1")?;
    acknowledged.push("set");
    let mut batch = store.batch();
    batch.set(&events, "a", "2").set(&events, "b", "1").durability(Durability::Buffered);
    store.commit(&batch)?;
    store.drop_keyspace("events")?;
    acknowledged.push("dropped");
    let events = store.create_keyspace("events")?;
    acknowledged.push("created again");
    events.set("c", "1")?;
    acknowledged.push("set again");
    Ok(())
}

/// Every call of the engine fails once, and the power is cut there, or the process just ends.
#[test]
fn no_end_at_any_step_gives_a_false_alarm_or_loses_what_was_acknowledged() {
    // Side by side: they wait for the disk.
    std::thread::scope(|scope| {
        for how in [How::Error, How::ErrorAfterwards] {
            scope.spawn(move || {
                let calls = (1..1_000).take_while(|number| a_life_ends_well(how, *number)).count();
                assert!(calls > 40, "{calls} calls");
            });
        }
    });
}

/// A store on an engine whose calls fail on demand.
fn open_faulty(path: &Path, options: StoreOptions, faults: &Faults) -> Result<Store> {
    type FaultyBackend = Backend<Undo<FaultyEngine<PretendEngine>>>;
    let info = <Undo<PretendEngine> as strongroom_core::Engine>::INFO;
    Store::open(path, &info, options, &Options::new(), |path, common| {
        let options = FaultyOptions::<MemoryOptions>::new(faults.clone()).with_common(common.clone());
        Ok(Box::new(FaultyBackend::open(path, options)?) as Box<dyn StorageBackend>)
    })
}

/// Whether there was such a call.
fn a_life_ends_well(how: How, number: u64) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let (path, cut) = (directory.path().join("store"), directory.path().join("cut"));
    let faults = Faults::new();
    faults.fail_at(number, how);
    let opened = open_faulty(&path, with(Integrity::Full), &faults);
    let Ok(store) = opened else {
        // A creation that failed goes on, or begins anew.
        verify(&full(&path)).unwrap();
        return true;
    };
    let mut acknowledged = Vec::new();
    let lived = life(&store, &mut acknowledged);
    // The state that a power cut leaves now: what was synced, and no closing.
    fs::create_dir(&cut).unwrap();
    for name in ["STRONGROOM", "STRONGROOM.highwater", PretendEngine::FILE] {
        fs::copy(path.join(name), cut.join(name)).unwrap();
    }
    drop(store);
    for path in [&path, &cut] {
        check_what_is_left(path, acknowledged.last().copied());
    }
    if faults.injected().is_none() {
        lived.unwrap();
    }
    faults.injected().is_some()
}

fn check_what_is_left(path: &Path, acknowledged: Option<&str>) {
    let store = full(path);
    verify(&store).unwrap();
    let is_there = store.keyspace("events").is_ok();
    let has = |key: &str| is_there && store.keyspace("events").unwrap().has(key).unwrap();
    match acknowledged {
        Some("created") => assert!(is_there),
        // The drop was begun and may be done.
        Some("set") => assert!(has("a") || !is_there),
        Some("dropped") => assert!(!has("a")),
        Some("created again") => assert!(is_there && !has("a")),
        Some("set again") => assert!(has("c") && !has("a")),
        _ => {}
    }
    store.create_keyspace("events").unwrap().set("d", "1").unwrap();
    verify(&store).unwrap();
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
    assert!(said.contains("\"events\" has 0 rows, and its tally is at -1"), "{said}");
    let mut expected = None;
    let _ = store.verify(&mut |progress| {
        expected = progress.rows_expected;
        ControlFlow::Continue(())
    });
    assert_eq!(expected, Some(1), "the row in the default keyspace");
}

/// One fault may take a keyspace's newest rows together with its tally: both are in the same piece of an engine's log.
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
        // Later commits are there, and so is the mark.
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

#[test]
fn a_tally_of_the_tallies_that_is_damaged_or_gone_is_reported_and_stops_nobody() {
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
