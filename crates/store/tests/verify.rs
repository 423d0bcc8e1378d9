//! `Store::verify`: what it reads, what it finds, how it is watched and stopped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Tests fail by panicking.

mod support;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use strongroom_core::{Durability, Error, ErrorKind, MemoryBackend, Options, StorageBackend};
use strongroom_store::{Integrity, Store, StoreOptions, Verified};
use support::hooked::{Hooks, hooked_over};
use support::pretend;

fn verify(store: &Store) -> Result<Verified, Error> {
    store.verify(&mut |_| ControlFlow::Continue(()))
}

fn fill(store: &Store, keyspace: &str, rows: u32) {
    let keyspace = store.create_keyspace(keyspace).unwrap();
    let mut batch = store.batch();
    for number in 0..rows {
        batch.set(&keyspace, number.to_be_bytes(), "12345");
    }
    store.commit(&batch).unwrap();
}

#[test]
fn an_intact_store_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let store = pretend::open(directory.path());
    fill(&store, "default", 10);
    fill(&store, "more", 5);
    store.create_keyspace("empty").unwrap();
    let verified = verify(&store).unwrap();
    assert_eq!((verified.keyspaces, verified.rows, verified.bytes), (3, 15, 15 * 9));
    assert!(!verified.stopped);
}

#[test]
fn the_watcher_sees_each_keyspace_and_every_thousandth_row_and_may_stop() {
    let directory = tempfile::tempdir().unwrap();
    let store = pretend::open(directory.path());
    fill(&store, "a", 2_500);
    fill(&store, "b", 10);
    let mut seen = Vec::new();
    store
        .verify(&mut |progress| {
            seen.push((progress.keyspace.to_owned(), progress.keyspaces_done, progress.rows));
            assert_eq!(progress.keyspaces, 3);
            ControlFlow::Continue(())
        })
        .unwrap();
    for wanted in [("a", 0, 0), ("a", 0, 1_000), ("a", 0, 2_000), ("b", 1, 2_500), ("default", 2, 2_510)] {
        let wanted = (wanted.0.to_owned(), wanted.1, wanted.2);
        assert!(seen.contains(&wanted), "{wanted:?} in {seen:?}");
    }
    let stop_at = |rows| {
        let stopped = store.verify(&mut |progress| {
            if progress.rows >= rows { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        stopped.unwrap()
    };
    let stopped = stop_at(1_000);
    assert!(stopped.stopped);
    assert_eq!((stopped.rows, stopped.keyspaces), (1_000, 0));
    // Also in the reverse scan, and between keyspaces.
    let stopped = stop_at(2_500);
    assert_eq!((stopped.stopped, stopped.rows, stopped.keyspaces), (true, 2_500, 0));
    let stopped = stop_at(2_510);
    assert_eq!((stopped.stopped, stopped.rows, stopped.keyspaces), (true, 2_510, 2));
}

#[test]
fn damage_is_found_and_named_by_its_key() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let store = pretend::open(path);
    fill(&store, "events", 3);
    drop(store);
    let mut damaged = pretend::stored(path, "events", &1_u32.to_be_bytes());
    *damaged.last_mut().unwrap() ^= 1;
    pretend::tamper(path, "events", |batch, id| {
        batch.put(id, &1_u32.to_be_bytes(), &damaged);
    });
    let store = pretend::open(path);
    let error = verify(&store).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corruption);
    let line = error.to_string();
    assert!(line.starts_with("pretend: verify: "), "{line}");
    assert!(line.contains(r"\x00\x00\x00\x01") && line.contains("\"events\""), "{line}");
    assert!(!line.contains("12345"), "no values in messages: {line}");
    assert_eq!(store.stats().unwrap().damaged_rows, 1);
}

#[test]
fn a_row_that_an_index_hides_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let (backend, gate) = support::gated(&directory.path().join("store"));
    let store = Store::new(backend, StoreOptions::new()).unwrap();
    let rows = store.default_keyspace().unwrap();
    for key in ["a", "hidden", "z"] {
        rows.set(key, "1").unwrap();
    }
    verify(&store).unwrap();
    gate.hides_from_gets.store(true, Ordering::SeqCst);
    let error = verify(&store).unwrap_err().to_string();
    assert!(error.contains("\"hidden\"") && error.contains("not found by its key"), "{error}");
    gate.hides_from_gets.store(false, Ordering::SeqCst);
    gate.hides_in_reverse.store(true, Ordering::SeqCst);
    let error = verify(&store).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corruption);
    assert!(error.to_string().contains("3 rows forwards and 2 in reverse"), "{error}");
}

#[test]
fn a_keyspace_that_is_dropped_meanwhile_is_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let store = pretend::open(directory.path());
    fill(&store, "passing", 3_000);
    fill(&store, "staying", 3);
    let verified = store.verify(&mut |progress| {
        if progress.keyspace == "passing" && progress.rows == 1_000 {
            store.drop_keyspace("passing").unwrap();
        }
        ControlFlow::Continue(())
    });
    assert_eq!(verified.unwrap().keyspaces, 2);
}

#[test]
fn a_check_that_an_engine_lacks_is_unsupported() {
    let directory = tempfile::tempdir().unwrap();
    let store = pretend::open(directory.path());
    assert_eq!(store.verify_engine().unwrap_err().kind(), ErrorKind::Unsupported);
}

/// Every report of damage has a hint.
#[test]
fn every_report_of_damage_has_a_hint() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    fill(&pretend::open(path), "more", 1);
    let stored = pretend::stored(path, "more", &[0; 4]);
    pretend::tamper(path, "more", |batch, id| {
        batch.put(id, &[0; 4], &stored[1..]);
    });
    let store = pretend::open(path);
    let more = store.keyspace("more").unwrap();
    let mut rows = more.prefix("").unwrap();
    let errors = [
        more.get([0; 4]).unwrap_err(),
        rows.advance().unwrap_err(),
        rows.advance().unwrap_err(),
        verify(&store).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Corruption);
        assert!(error.way_out().contains("`strongroom verify`"), "{error}");
    }
    drop((rows, more, store));
    for (key, value) in [(&b"high water"[..], &b"short"[..]), (b"sequences reserved until", b"short")] {
        let whole = pretend::engine_file(path);
        pretend::tamper(path, "_store", |batch, id| {
            batch.put(id, key, value);
        });
        let error = pretend::open_with(path, StoreOptions::new(), &Options::new()).unwrap_err();
        assert!(error.way_out().contains("restore a backup of the whole directory"), "{error}");
        pretend::put_back(path, &whole);
    }
    std::fs::remove_file(path.join(strongroom_testkit::PretendEngine::FILE)).unwrap();
    let error = pretend::open_with(path, StoreOptions::new(), &Options::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corruption);
    assert!(error.way_out().contains("restore a backup"), "{error}");
}

/// Returns a writer and a reader of the same memory, as if they were two processes, and the reader's hooks.
fn writer_and_reader(memory: &Arc<MemoryBackend>) -> (Store, Store, Hooks) {
    let full = || StoreOptions::new().integrity(Integrity::Full).durability(Durability::Buffered);
    let writer = Store::new(hooked_over(memory, false).0, full()).unwrap();
    fill(&writer, "staying", 3);
    let (backend, hooks) = hooked_over(memory, true);
    let reader = Store::new(backend, full()).unwrap();
    (writer, reader, hooks)
}

/// The names are read before and after the snapshot, and a keyspace of the snapshot can be missing in both.
#[test]
fn a_keyspace_that_exists_only_while_the_snapshot_is_taken_is_not_lost() {
    let memory = Arc::new(MemoryBackend::in_memory());
    let (writer, reader, hooks) = writer_and_reader(&memory);
    let calls = Arc::new(AtomicU32::new(0));
    let (creator, created) = (writer.clone(), Arc::clone(&calls));
    hooks.before_snapshot.set(move || {
        fill(&creator, "passing", 5);
        assert_eq!(created.fetch_add(1, Ordering::SeqCst), 0);
    });
    let dropped = Arc::clone(&calls);
    hooks.after_snapshot.set(move || {
        writer.drop_keyspace("passing").unwrap();
        assert_eq!(dropped.fetch_add(1, Ordering::SeqCst), 1);
    });
    let verified = verify(&reader).unwrap();
    assert_eq!((verified.keyspaces, verified.rows), (2, 3), "default and staying");
    assert_eq!(calls.load(Ordering::SeqCst), 2, "created before the snapshot, and dropped after it");
}

#[test]
fn a_keyspace_that_is_lost_beside_a_writer_is_found() {
    let memory = Arc::new(MemoryBackend::in_memory());
    let (_writer, reader, _) = writer_and_reader(&memory);
    memory.drop_keyspace(memory.keyspace("staying").unwrap()).unwrap();
    let error = verify(&reader).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corruption);
    assert!(error.to_string().contains("staying"), "{error}");
}
