//! Every kind of write keeps the tallies.

use super::common::{filled, full, open_with, verify, with};
use super::support::{files, gated, pretend, wait_until};
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use strongroom_core::{Durability, ErrorKind, KeyRange, MemoryBackend, Options};
use strongroom_store::{Integrity, Keyspace, Store};

#[test]
fn every_kind_of_write_keeps_the_tallies() {
    let directory = tempfile::tempdir().unwrap();
    let store = full(directory.path());
    let (a, b) = (store.create_keyspace("a").unwrap(), store.create_keyspace("b").unwrap());
    let rows = |store: &Store| verify(store).unwrap().rows;
    let mut batch = store.batch();
    batch.set(&a, "k", "1").set(&a, "k", "2").delete(&a, "k").set(&a, "k", "3").set(&b, "k", "1");
    batch.delete(&b, "absent").delete(&b, "absent").set(&a, "empty", "");
    store.commit(&batch).unwrap();
    assert_eq!(rows(&store), 3);
    // The same again: overwrites, and a delete of a row that the batch itself has set.
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

/// Commits that wait at the gate and become one group.
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

#[test]
fn the_integrity_of_a_store_cannot_change() {
    for (made, wanted) in [(Integrity::Full, Integrity::Rows), (Integrity::Rows, Integrity::Full)] {
        let directory = tempfile::tempdir().unwrap();
        filled(directory.path(), made);
        let before = files(directory.path());
        let error = pretend::open_with(directory.path(), with(wanted), &Options::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let text = error.to_string();
        assert!(text.contains(&format!("was made with integrity={made}")), "{text}");
        assert_eq!(files(directory.path()), before);
        assert_eq!(pretend::open(directory.path()).integrity(), made);
        assert_eq!(open_with(directory.path(), made).integrity(), made);
    }
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(pretend::open(directory.path()).integrity(), Integrity::Rows, "the default");
}
