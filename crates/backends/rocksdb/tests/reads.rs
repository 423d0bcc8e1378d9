//! Reads: which rows are seen, and which are walked over.

#![allow(clippy::unwrap_used, clippy::expect_used)] // Tests fail by panicking.

mod support;

use strongroom_core::{
    Durability, ErrorKind, KeyRange, KeyspaceHints, KeyspaceId, Scan, StorageBackend, WriteBatch,
};
use strongroom_rocksdb::{RocksDbBackend, RocksDbOptions};
use support::{fill, keys, keyspace, noise, open_error, put};

#[test]
fn the_last_operation_on_a_key_wins_in_memory_in_the_log_and_on_disk() {
    let home = tempfile::tempdir().unwrap();
    let mut backend = RocksDbBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    let large = [7; 5_000];
    fill(&backend, rows, 10, b"older");
    let mut batch = WriteBatch::new();
    batch.put(rows, b"a", &large).delete(rows, b"a").put(rows, b"a", b"3");
    batch.put(rows, b"b", b"1").put(rows, b"b", &large).delete(rows, b"b");
    batch.delete(rows, b"c").put(rows, b"c", b"");
    for _ in 0..100 {
        batch.put(rows, b"d", b"x").delete(rows, b"d");
    }
    batch.put(rows, b"d", &large);
    batch.delete(rows, &3_u32.to_be_bytes()).put(rows, &4_u32.to_be_bytes(), b"4");
    backend.commit(&batch, Durability::PowerSafe).unwrap();
    let check = |backend: &RocksDbBackend, when: &str| {
        let rows = backend.keyspace("rows").unwrap();
        let found = |key: &[u8]| backend.get(rows, key).unwrap();
        assert_eq!(found(b"a").as_deref(), Some(&b"3"[..]), "{when}");
        assert_eq!(found(b"b"), None, "{when}");
        assert_eq!(found(b"c").as_deref(), Some(&b""[..]), "{when}");
        assert_eq!(found(b"d").as_deref(), Some(&large[..]), "{when}");
        for scan in [Scan::all(), Scan::all().reverse(), Scan::all().keys_only()] {
            assert_eq!(keys(backend, rows, scan).len(), 9 + 3, "{when}");
        }
    };
    check(&backend, "in memory");
    drop(backend);
    backend = RocksDbBackend::new(home.path()).unwrap();
    check(&backend, "replayed from the log");
    backend.compact().unwrap();
    check(&backend, "on disk");
}

#[test]
fn shared_values_are_counted_and_outlive_the_backend() {
    let home = tempfile::tempdir().unwrap();
    let backend = RocksDbBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    put(&backend, rows, b"small", b"1", Durability::PowerSafe);
    put(&backend, rows, b"large", &vec![9; 100_000], Durability::PowerSafe);
    backend.compact().unwrap();
    let pinned = || backend.stats().unwrap().values_pinned;
    let small = backend.get(rows, b"small").unwrap().unwrap();
    assert_eq!(pinned(), 0);
    let value = backend.get(rows, b"large").unwrap().unwrap();
    let same = backend.snapshot().unwrap().get(rows, b"large").unwrap().unwrap();
    assert_eq!(pinned(), 2);
    assert_eq!(same.as_ptr(), value.as_ptr(), "copied instead of shared");
    put(&backend, rows, b"large", b"new", Durability::PowerSafe);
    drop(same);
    assert_eq!((pinned(), value.len()), (1, 100_000));
    drop(backend);
    // The value keeps RocksDB open.
    assert_eq!(value.len(), 100_000);
    assert_eq!(open_error(home.path()), ErrorKind::Locked);
    drop(value);
    let backend = RocksDbBackend::new(home.path()).unwrap();
    assert_eq!(backend.stats().unwrap().values_pinned, 0);
    assert_eq!(&small[..], b"1");
}

#[test]
fn values_of_the_largest_size_round_trip() {
    let home = tempfile::tempdir().unwrap();
    let backend = RocksDbBackend::new(home.path()).unwrap();
    let blobs = backend.create_keyspace("blobs", KeyspaceHints::large_values()).unwrap();
    let large = noise(16 * 1024 * 1024);
    put(&backend, blobs, b"a", &large, Durability::PowerSafe);
    for compacted in [false, true] {
        if compacted {
            backend.compact().unwrap();
        }
        let mut cursor = backend.snapshot().unwrap().cursor(blobs, Scan::all()).unwrap();
        assert!(cursor.advance().unwrap());
        assert!(cursor.value() == large);
        assert!(backend.get(blobs, b"a").unwrap().unwrap() == large);
    }
}

#[test]
fn prefixes_and_filters_hide_no_rows_in_either_direction() {
    let with_prefix = |len| RocksDbOptions::new().prefix_bytes(len).bloom_bits(10);
    let home = tempfile::tempdir().unwrap();
    // Opened with one prefix length after the other, so that files are written with each of them, or without.
    let mut expected: Vec<Vec<u8>> = Vec::new();
    let all_options = [RocksDbOptions::new(), with_prefix(2), with_prefix(1), with_prefix(3)];
    for (round, options) in all_options.into_iter().enumerate() {
        let backend = RocksDbBackend::open(home.path(), options).unwrap();
        let rows = keyspace(&backend);
        let mut batch = WriteBatch::new();
        let mark = u8::try_from(round).unwrap();
        for a in [0, b'a', b'b', 0xff] {
            for b in [0, b'a', 0xff] {
                for key in [vec![a, mark], vec![a, b, mark], vec![a, b, 0xff, mark], vec![a]] {
                    batch.put(rows, &key, b"v");
                    expected.push(key);
                }
            }
        }
        backend.commit(&batch, Durability::PowerSafe).unwrap();
        if round % 2 == 1 {
            backend.compact().unwrap();
        }
        expected.sort();
        expected.dedup();
        check_ranges(&backend, rows, &expected);
        drop(backend);
        let backend = RocksDbBackend::open(home.path(), with_prefix(2)).unwrap();
        check_ranges(&backend, backend.keyspace("rows").unwrap(), &expected);
        for key in &expected {
            assert!(backend.get(rows, key).unwrap().is_some(), "{key:x?}");
        }
    }
}

fn check_ranges(backend: &RocksDbBackend, rows: KeyspaceId, expected: &[Vec<u8>]) {
    let mut bounds: Vec<Vec<u8>> = expected.to_vec();
    bounds.extend([vec![], b"aa\0".to_vec(), b"c".to_vec(), b"\xff\xff\xff".to_vec()]);
    let mut ranges: Vec<_> = bounds.iter().map(|start| KeyRange::prefix(start)).collect();
    ranges.extend(bounds.iter().map(|start| KeyRange::from(start.clone())));
    for start in bounds.iter().step_by(3) {
        ranges.extend(bounds.iter().step_by(4).map(|end| KeyRange::between(start.clone(), end.clone())));
    }
    for range in ranges {
        let mut wanted: Vec<_> = expected.iter().filter(|key| range.contains(key)).cloned().collect();
        assert_eq!(keys(backend, rows, Scan::new(range.clone())), wanted, "{range:x?}");
        wanted.reverse();
        assert_eq!(keys(backend, rows, Scan::new(range.clone()).reverse()), wanted, "{range:x?}");
    }
}

#[test]
fn a_scan_does_not_walk_over_deleted_rows_after_its_end() {
    let home = tempfile::tempdir().unwrap();
    let backend = RocksDbBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    put(&backend, rows, b"a", b"1", Durability::Buffered);
    let mut batch = WriteBatch::new();
    for number in 0..300_000_u32 {
        batch.delete(rows, &[&b"b"[..], &number.to_be_bytes()].concat());
    }
    backend.commit(&batch, Durability::Buffered).unwrap();
    put(&backend, rows, b"c", b"1", Durability::Buffered);
    let time = |scan: Scan, found: usize| {
        let started = std::time::Instant::now();
        assert_eq!(keys(&backend, rows, scan).len(), found);
        started.elapsed()
    };
    let all = time(Scan::all(), 2);
    assert!(time(Scan::prefix(b"a"), 1) < all / 10);
    assert!(time(Scan::prefix(b"c").reverse(), 1) < all / 10);
}

#[test]
fn a_reader_never_sees_half_a_batch() {
    let home = tempfile::tempdir().unwrap();
    let backend = RocksDbBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    let other = backend.create_keyspace("other", KeyspaceHints::default()).unwrap();
    let write = |number: u32| {
        let mut batch = WriteBatch::new();
        for key in 0..50_u8 {
            batch.put(rows, &[key], &number.to_be_bytes()).put(other, &[key], &number.to_be_bytes());
        }
        backend.commit(&batch, Durability::Buffered).unwrap();
    };
    write(0);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| (1..2_000).for_each(write));
        while !writer.is_finished() {
            // The row that is read first is written last.
            let late = backend.get(other, &[49]).unwrap().unwrap();
            let early = backend.get(rows, &[0]).unwrap().unwrap();
            assert!(early >= late, "{early:?} {late:?}");
            let snapshot = backend.snapshot().unwrap();
            let first = snapshot.get(rows, &[0]).unwrap();
            assert_eq!(first, snapshot.get(other, &[49]).unwrap());
        }
    });
}
