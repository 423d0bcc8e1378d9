//! Which old values are kept for snapshots, and when they are dropped.

use super::support::{PLENTY, keyspace, on_both, put, scan, text, undo_bytes};
use std::sync::Arc;
use strongroom_core::Scan;

#[test]
fn nothing_is_kept_before_a_snapshot_or_after_it() {
    on_both(PLENTY, |backend| {
        let data = keyspace(backend, "data");
        put(backend, data, &[("a", "1")]);
        put(backend, data, &[("a", "2")]);
        assert_eq!(undo_bytes(backend), 0);
        let snapshot = backend.snapshot().unwrap();
        for number in 0..5_000 {
            put(backend, data, &[(&number.to_string(), "x"), ("a", "3")]);
        }
        assert!(undo_bytes(backend) > 5_000 * 100);
        // A cursor keeps the snapshot open, and so does a clone.
        let cursor = snapshot.cursor(data, Scan::all()).unwrap();
        let clone = Arc::clone(&snapshot);
        drop(snapshot);
        drop(clone);
        assert!(undo_bytes(backend) > 0);
        std::thread::scope(|scope| drop(scope.spawn(move || drop(cursor))));
        assert_eq!(undo_bytes(backend), 0);
        assert_eq!(backend.stats().unwrap().snapshots_open, 0);
    });
}

#[test]
fn short_snapshots_during_a_long_one_do_not_accumulate_values() {
    on_both(PLENTY, |backend| {
        let data = keyspace(backend, "data");
        put(backend, data, &[("hot", "0"), ("warm", "0")]);
        let long = backend.snapshot().unwrap();
        let mut kept = 0;
        let mut overlapping = backend.snapshot().unwrap();
        for round in 1..1_000 {
            // Two short ones: one that is dropped at once, and one that overlaps the next.
            drop(backend.snapshot().unwrap());
            put(backend, data, &[("hot", &round.to_string())]);
            overlapping = backend.snapshot().unwrap();
            if round == 10 {
                kept = undo_bytes(backend);
            }
        }
        assert!(undo_bytes(backend) <= kept, "{} > {kept}", undo_bytes(backend));
        assert_eq!(text(&scan(&*long, data, Scan::all())), "hot=0 warm=0");
        assert_eq!(text(&scan(&*overlapping, data, Scan::all())), "hot=999 warm=0");
        drop((long, overlapping));
        assert_eq!(undo_bytes(backend), 0);
    });
}
