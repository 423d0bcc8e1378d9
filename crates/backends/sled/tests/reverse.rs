//! Reverse walks where sled would panic.

// Helpers of tests fail like tests.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use strongroom_core::{Durability, KeyRange, KeyspaceId, Scan, StorageBackend, WriteBatch};
use strongroom_sled::SledBackend;
use support::{keyspace, open, put, reopen_patiently, rows};
use tempfile::TempDir;

/// A newest-first key for one of many users: sled panics when it walks back over these.
fn newest_first_key(user: u32, seconds: u64) -> Vec<u8> {
    [&user.to_be_bytes()[..], &(u64::MAX - 1_700_000_000 - seconds).to_be_bytes()].concat()
}

fn load_newest_first(backend: &SledBackend, data: KeyspaceId) -> Vec<Vec<u8>> {
    let mut keys: Vec<_> =
        (1..40).flat_map(|user| (0..300).map(move |seconds| newest_first_key(user, seconds))).collect();
    let mut state = 1_u64;
    for place in (1..keys.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        keys.swap(place, (state >> 33) as usize % (place + 1));
    }
    let mut batch = WriteBatch::new();
    for some in keys.chunks(100) {
        batch.clear();
        for key in some {
            batch.put(data, key, &[0; 40]);
        }
        backend.commit(&batch, Durability::Buffered).unwrap();
    }
    keys.sort();
    keys
}

#[test]
fn a_reverse_scan_works_where_sled_would_panic() {
    let directory = TempDir::new().unwrap();
    let backend = open(directory.path());
    let data = keyspace(&backend, "data");
    let mut keys = load_newest_first(&backend, data);
    let forward = rows(&backend, data, Scan::all());
    assert!(forward == keys);
    keys.reverse();
    assert!(rows(&backend, data, Scan::all().reverse()) == keys);
    drop(backend);

    let backend = open(directory.path());
    let data = keyspace(&backend, "data");
    assert!(rows(&backend, data, Scan::all().reverse()) == keys, "recorded across a reopen");
    let one_user = Scan::prefix(&17_u32.to_be_bytes()).reverse();
    let wanted: Vec<_> = keys.iter().filter(|key| key.starts_with(&17_u32.to_be_bytes())).cloned().collect();
    assert_eq!(rows(&backend, data, one_user), wanted);
    let between = KeyRange::between(keys[700].clone(), keys[100].clone());
    assert!(rows(&backend, data, Scan::new(between).reverse()) == keys[101..=700]);
    assert_eq!(rows(&backend, data, Scan::prefix(b"none").reverse()), Vec::<Vec<u8>>::new());
}

#[test]
fn a_reverse_scan_continues_when_such_keys_are_written_meanwhile() {
    let directory = TempDir::new().unwrap();
    let backend = open(directory.path());
    let data = keyspace(&backend, "data");
    for number in 0..500_u32 {
        put(&backend, data, &[&[0xfe], &number.to_be_bytes()[..]].concat(), b"");
    }
    let mut cursor = backend.snapshot().unwrap().cursor(data, Scan::all().reverse()).unwrap();
    for number in (250..500_u32).rev() {
        assert!(cursor.advance().unwrap());
        assert_eq!(&cursor.key()[1..], number.to_be_bytes());
    }
    load_newest_first(&backend, data);
    for number in (0..250_u32).rev() {
        assert!(cursor.advance().unwrap());
        assert_eq!(&cursor.key()[1..], number.to_be_bytes());
    }
    assert!(!cursor.advance().unwrap());
}

#[test]
fn trees_of_raw_sled_are_walked_carefully() {
    let directory = TempDir::new().unwrap();
    let raw = sled::open(directory.path()).unwrap();
    let tree = raw.open_tree("theirs").unwrap();
    for number in 0..1_000_u32 {
        tree.insert(number.to_be_bytes(), &[]).unwrap();
    }
    drop((tree, raw));
    let backend = reopen_patiently(directory.path());
    let theirs = backend.keyspace("theirs").unwrap();
    let keys = rows(&backend, theirs, Scan::all().reverse());
    assert!(
        keys.iter().rev().map(Vec::as_slice).eq((0..1_000_u32).map(u32::to_be_bytes).collect::<Vec<_>>())
    );
}
