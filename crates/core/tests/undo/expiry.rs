//! Beyond the bound the oldest snapshots expire.

use super::support::{delete, keyspace, on_both, put, row, scan, undo_bytes};
use strongroom_core::{ErrorKind, Scan};

#[test]
fn beyond_the_bound_the_oldest_snapshots_expire_and_the_newer_survive() {
    const BOUND: u64 = 100_000;
    on_both(BOUND, |backend| {
        let data = keyspace(backend, "data");
        let rows: Vec<_> = (0..1_000).map(|number| (format!("{number:04}"), "old")).collect();
        let rows: Vec<_> = rows.iter().map(|(key, value)| (key.as_str(), *value)).collect();
        put(backend, data, &rows);

        let oldest = backend.snapshot().unwrap();
        let mut half_walked = oldest.cursor(data, Scan::all()).unwrap();
        let mut half_walked_back = oldest.cursor(data, Scan::all().reverse()).unwrap();
        assert!(half_walked.advance().unwrap() && half_walked_back.advance().unwrap());
        delete(backend, data, &["0001"]);
        let middle = backend.snapshot().unwrap();

        for number in 0..1_000 {
            put(backend, data, &[(&format!("{number:04}"), "new")]);
            assert!(undo_bytes(backend) <= BOUND, "{}", undo_bytes(backend));
            if number == 500 {
                assert_eq!(middle.get(data, b"0002").unwrap_err().kind(), ErrorKind::SnapshotExpired);
            }
        }
        let newest = backend.snapshot().unwrap();
        put(backend, data, &[("0000", "newest")]);

        assert_eq!(row(&*half_walked).0, b"0000", "the current row stays valid");
        for cursor in [&mut half_walked, &mut half_walked_back] {
            for _ in 0..2 {
                assert_eq!(cursor.advance().unwrap_err().kind(), ErrorKind::SnapshotExpired);
            }
        }
        for expired in [&oldest, &middle] {
            assert_eq!(expired.get(data, b"0000").unwrap_err().kind(), ErrorKind::SnapshotExpired);
            assert_eq!(expired.get(data, b"none").unwrap_err().kind(), ErrorKind::SnapshotExpired);
            let mut cursor = expired.cursor(data, Scan::prefix(b"none")).unwrap();
            assert_eq!(cursor.advance().unwrap_err().kind(), ErrorKind::SnapshotExpired);
        }
        assert_eq!(newest.get(data, b"0000").unwrap().as_deref(), Some(&b"new"[..]));
        assert_eq!(scan(&*newest, data, Scan::all()).len(), 1_000);
        drop((half_walked, half_walked_back, oldest, middle, newest));
        assert_eq!(undo_bytes(backend), 0);
    });
}

#[test]
fn no_more_snapshots_expire_than_necessary() {
    on_both(40_000, |backend| {
        let data = keyspace(backend, "data");
        put(backend, data, &[("k", "0")]);
        let large = "x".repeat(10_000);
        let mut snapshots = Vec::new();
        for _ in 0..10 {
            snapshots.push(backend.snapshot().unwrap());
            put(backend, data, &[("k", &large)]);
        }
        let alive: Vec<_> = snapshots.iter().map(|snapshot| snapshot.get(data, b"k").is_ok()).collect();
        let first_alive = alive.iter().position(|alive| *alive).unwrap();
        assert_eq!(first_alive, 7, "{alive:?}");
        assert!(alive[first_alive..].iter().all(|alive| *alive), "{alive:?}");
    });
}

#[test]
fn a_batch_larger_than_the_bound_expires_open_snapshots_and_commits() {
    on_both(10_000, |backend| {
        let data = keyspace(backend, "data");
        let keys: Vec<_> = (0..1_000).map(|number| format!("{number:04}")).collect();
        let rows: Vec<_> = keys.iter().map(|key| (key.as_str(), "old")).collect();
        put(backend, data, &rows);
        let expired = backend.snapshot().unwrap();
        put(backend, data, &rows);
        assert_eq!(expired.get(data, b"0000").unwrap_err().kind(), ErrorKind::SnapshotExpired);
        assert!(undo_bytes(backend) <= 10_000);
        // An expired snapshot keeps no memory for long, even while it is held.
        put(backend, data, &rows[..1]);
        assert_eq!(undo_bytes(backend), 0);
        let fresh = backend.snapshot().unwrap();
        assert_eq!(scan(&*fresh, data, Scan::all()).len(), 1_000);
    });
}
