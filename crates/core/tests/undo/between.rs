//! Commits in the middle of reads, and reads in the middle of commits.

use super::fresh::{FreshEngine, HOOK, Hook, Moment};
use super::support::{PLENTY, Scratch, delete, keyspace, put, scan, text, undo_bytes};
use crate::support;
use std::cell::RefCell;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;
use strongroom_core::{
    Backend, Direction, Durability, ErrorKind, KeyspaceId, MemoryOptions, Options, Result, Scan, Snapshot,
    StorageBackend, TypedOptions, Undo, WriteBatch,
};

/// Opens a snapshot, and commits a batch in the middle of its `reads`-th read.
fn read_with_a_commit_between(
    undo_bytes_max: u64,
    reads: usize,
    moment: Moment,
    read: impl FnOnce(&dyn Snapshot, KeyspaceId) -> Result<()>,
) -> Result<()> {
    let scratch = Scratch::new();
    let options = MemoryOptions::from_options(&Options::new().undo_bytes_max(undo_bytes_max)).unwrap();
    let backend = Arc::new(Backend::<Undo<FreshEngine>>::open(&scratch.0, options).unwrap());
    let data = keyspace(&*backend, "data");
    put(&*backend, data, &[("b", "old"), ("d", "old"), ("f", "old")]);
    let snapshot = backend.snapshot().unwrap();
    let writer = Arc::clone(&backend);
    let commit = move || {
        let mut batch = WriteBatch::new();
        batch.delete(data, b"b").put(data, b"d", b"new").put(data, b"f", b"new");
        batch.put(data, b"a", b"new").put(data, b"c", b"new").put(data, b"g", b"new");
        writer.commit(&batch, Durability::Buffered).unwrap();
    };
    HOOK.set(Some((reads, moment, Box::new(commit))));
    let outcome = read(&*snapshot, data);
    HOOK.set(None);
    outcome
}

#[test]
fn a_commit_in_the_middle_of_a_read_is_not_seen() {
    for moment in [Moment::BeforeRead, Moment::AfterRead] {
        for reads in 0..5 {
            for scan in [Scan::all(), Scan::all().reverse()] {
                read_with_a_commit_between(PLENTY, reads, moment, |snapshot, data| {
                    let mut rows = support::scan(snapshot, data, scan.clone());
                    if scan.direction == Direction::Reverse {
                        rows.reverse();
                    }
                    assert_eq!(text(&rows), "b=old d=old f=old", "{moment:?} {reads} {scan:?}");
                    Ok(())
                })
                .unwrap();
            }
        }
        for (key, wanted) in [("a", None), ("b", Some("old")), ("d", Some("old"))] {
            read_with_a_commit_between(PLENTY, 0, moment, |snapshot, data| {
                let found = snapshot.get(data, key.as_bytes())?;
                assert_eq!(found.as_deref(), wanted.map(str::as_bytes), "{moment:?} {key}");
                Ok(())
            })
            .unwrap();
        }
    }
}

#[test]
fn a_snapshot_that_expires_in_the_middle_of_a_read_reports_it() {
    for moment in [Moment::BeforeRead, Moment::AfterRead] {
        for reads in 0..3 {
            for scan in [Scan::all(), Scan::all().reverse()] {
                let outcome = read_with_a_commit_between(0, reads, moment, |snapshot, data| {
                    let mut cursor = snapshot.cursor(data, scan.clone())?;
                    while cursor.advance()? {
                        assert_eq!(cursor.value(), b"old", "{moment:?} {reads} {scan:?}");
                    }
                    Ok(())
                });
                assert_eq!(outcome.unwrap_err().kind(), ErrorKind::SnapshotExpired);
            }
        }
        for key in ["a", "b", "d"] {
            let outcome = read_with_a_commit_between(0, 0, moment, |snapshot, data| {
                snapshot.get(data, key.as_bytes()).map(drop)
            });
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::SnapshotExpired, "{moment:?} {key}");
        }
    }
}

#[test]
fn a_snapshot_that_opens_while_a_batch_is_being_applied_includes_it() {
    let scratch = Scratch::new();
    let backend = Arc::new(Backend::<Undo<FreshEngine>>::new(&scratch.0).unwrap());
    let rows = keyspace(&*backend, "rows");
    put(&*backend, rows, &[("a", "old"), ("b", "old")]);
    let (opened, snapshots) = mpsc::channel();
    let (read, values) = mpsc::channel();
    let other = Arc::clone(&backend);
    let hook: Hook = Box::new(move || {
        let reader = Arc::clone(&other);
        thread::spawn(move || {
            let snapshot = reader.snapshot().unwrap();
            opened.send(Arc::clone(&snapshot)).unwrap();
            // Waits for the batch, which waits for nothing.
            let value = snapshot.get(rows, b"a").unwrap();
            drop(snapshot);
            read.send(value).unwrap();
        });
    });
    HOOK.set(Some((
        0,
        Moment::BeforeApply,
        Box::new(move || {
            hook();
            let snapshot = snapshots.recv_timeout(Duration::from_secs(20)).unwrap();
            SEEN.set(Some(snapshot));
        }),
    )));
    put(&*backend, rows, &[("a", "new"), ("c", "new")]);
    assert_eq!(values.recv_timeout(Duration::from_secs(20)).unwrap().as_deref(), Some(&b"new"[..]));
    let snapshot = SEEN.take().unwrap();
    // The state after that batch and before the next.
    put(&*backend, rows, &[("a", "newer"), ("b", "newer")]);
    delete(&*backend, rows, &["c"]);
    assert_eq!(
        text(&scan(&*snapshot, rows, Scan::all())),
        text(&[
            (b"a".to_vec(), b"new".to_vec()),
            (b"b".to_vec(), b"old".to_vec()),
            (b"c".to_vec(), b"new".to_vec()),
        ])
    );
    drop(snapshot);
    assert_eq!(undo_bytes(&*backend), 0);
}

thread_local! {
    static SEEN: RefCell<Option<Arc<dyn Snapshot>>> = const { RefCell::new(None) };
}
