//! Many threads on one handle.

use crate::Fixture;
use crate::support::{
    all_rows, assert_same, commit, get, keyspace, numbered_rows, ok, put, row, rows_in, snapshot,
};
use std::sync::atomic::{AtomicU64, Ordering};
use strongroom_core::{CommitToken, Durability, ErrorKind, Expect, Scan, StorageBackend, WriteBatch};

const THREADS: u8 = 4;

pub(super) fn concurrent_increments_lose_no_update(fixture: &Fixture) {
    const INCREMENTS: u64 = 50;
    let backend = fixture.open();
    let counters = keyspace(&*backend, "counters");
    put(&*backend, counters, b"n", &0_u64.to_be_bytes());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..INCREMENTS {
                    increment(&*backend, counters);
                }
            });
        }
    });
    let total =
        get(&*backend, counters, b"n").and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
    let demand = "property 6: a condition is checked inside the commit: no increment is lost";
    assert_eq!(total, Some(u64::from(THREADS) * INCREMENTS), "{demand}");
}

/// Increments the counter by compare and swap, retrying after conflicts.
fn increment(backend: &dyn StorageBackend, counters: strongroom_core::KeyspaceId) {
    const TRIES_MAX: u32 = 100_000;
    for _ in 0..TRIES_MAX {
        let Some(found) = get(backend, counters, b"n") else { panic!("property 6: the counter exists") };
        let number = found.clone().try_into().map_or(0, u64::from_be_bytes);
        let mut batch = WriteBatch::new();
        batch.expect(counters, b"n", Expect::Equals(found)).put(counters, b"n", &(number + 1).to_be_bytes());
        match backend.commit(&batch, Durability::Buffered) {
            Ok(()) => return,
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => panic!("property 6: only a conflict may refuse an increment: {}", error.one_line()),
        }
    }
    panic!("property 6: no increment succeeded after {TRIES_MAX} tries");
}

pub(super) fn concurrent_batches_are_seen_whole(fixture: &Fixture) {
    const ROUNDS: u32 = 150;
    let backend = fixture.open();
    let (left, right) = (keyspace(&*backend, "left"), keyspace(&*backend, "right"));
    let write = |writer: u8, round: u32| {
        let value = round.to_be_bytes();
        let mut batch = WriteBatch::new();
        // One row stays and one moves between the keyspaces, so the number of rows is constant.
        batch.put(left, &[writer], &value).put(right, &[writer], &value);
        let (to, from) = if round.is_multiple_of(2) { (left, right) } else { (right, left) };
        batch.put(to, &[b'm', writer], &value).delete(from, &[b'm', writer]);
        commit(&*backend, &batch);
    };
    (0..2).for_each(|writer| write(writer, 0));
    let writing = AtomicU64::new(2);
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let (write, writing) = (&write, &writing);
            scope.spawn(move || {
                (1..ROUNDS).for_each(|round| write(writer, round));
                writing.fetch_sub(1, Ordering::SeqCst);
            });
        }
        for scan in [Scan::all(), Scan::all().reverse()] {
            let (backend, writing) = (&backend, &writing);
            scope.spawn(move || {
                let mut rounds = 0;
                while rounds < 20 || (writing.load(Ordering::SeqCst) > 0 && rounds < 2_000) {
                    let view = snapshot(&**backend);
                    let (lefts, rights) = (rows_in(&*view, left, &scan), rows_in(&*view, right, &scan));
                    let plain = |rows: &[crate::support::Row]| -> Vec<_> {
                        rows.iter().filter(|(key, _)| key.len() == 1).cloned().collect()
                    };
                    let demand = "property 6: a batch is visible completely or not at all, in all keyspaces";
                    assert_same(&plain(&lefts), &plain(&rights), demand);
                    assert_eq!(lefts.len() + rights.len(), 6, "{demand}: a moved row is in one place");
                    rounds += 1;
                }
            });
        }
    });
}

pub(super) fn concurrent_commits_with_one_token_happen_once(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    for round in 0..10_u8 {
        let committed = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for worker in 0..THREADS {
                let (backend, committed) = (&backend, &committed);
                scope.spawn(move || {
                    let mut batch = WriteBatch::new();
                    batch.put(letters, &[round, worker], b"").set_token(CommitToken([round; 16]));
                    match backend.commit(&batch, Durability::Buffered) {
                        Ok(()) => _ = committed.fetch_add(1, Ordering::SeqCst),
                        Err(error) => {
                            let demand = "property 6: a used token is AlreadyExists";
                            assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{demand}");
                        }
                    }
                });
            }
        });
        let demand = "property 6: of several commits with one token exactly one succeeds";
        assert_eq!(committed.load(Ordering::SeqCst), 1, "{demand}");
        let stored = crate::support::rows(&*backend, letters, &Scan::prefix(&[round]));
        assert_eq!(stored.len(), 1, "{demand}");
    }
}

pub(super) fn many_threads_write_and_read(fixture: &Fixture) {
    const ROWS: u32 = 120;
    let backend = fixture.open();
    let numbers = keyspace(&*backend, "numbers");
    std::thread::scope(|scope| {
        for worker in 0..THREADS {
            let backend = &backend;
            scope.spawn(move || {
                for (key, value) in numbered_rows(ROWS) {
                    let key = [&[worker][..], &key].concat();
                    put(&**backend, numbers, &key, &value);
                    let demand = "property 2: a thread reads what it wrote";
                    assert_eq!(get(&**backend, numbers, &key), Some(value), "{demand}");
                }
                let own = crate::support::rows(&**backend, numbers, &Scan::prefix(&[worker]));
                assert_eq!(own.len(), ROWS as usize, "property 2: a thread scans what it wrote");
            });
        }
    });
    let mut wanted = Vec::new();
    for worker in 0..THREADS {
        wanted.extend(
            numbered_rows(ROWS).iter().map(|(key, value)| row(&[&[worker][..], key].concat(), value)),
        );
    }
    let demand = "property 2: the writes of all threads are there";
    assert_same(&all_rows(&*backend, numbers), &wanted, demand);
    ok(backend.flush(), "a flush");
}
