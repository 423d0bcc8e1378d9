//! The portable limits: anything beyond them is refused before the engine is called.

use crate::Fixture;
use crate::support::{all_rows, assert_same, commit, get, keyspace, ok, put, refused, row, rows, snapshot};
use strongroom_core::limits::{
    KEY_BYTES_MAX, KEY_OVERHEAD_BYTES_MAX, VALUE_BYTES_MAX, VALUE_OVERHEAD_BYTES_MAX,
};
use strongroom_core::{
    Durability, ErrorKind, Expect, KeyRange, KeyspaceId, Scan, StorageBackend, WriteBatch,
};

/// The longest key and largest value of a backend: the limits of applications plus the overhead of the layers.
const KEY_MAX: usize = KEY_BYTES_MAX + KEY_OVERHEAD_BYTES_MAX;
const VALUE_MAX: usize = VALUE_BYTES_MAX + VALUE_OVERHEAD_BYTES_MAX;

/// Asserts that every call with `key` is refused and writes nothing.
fn assert_key_refused(backend: &dyn StorageBackend, keyspace: KeyspaceId, key: &[u8]) {
    let length = key.len();
    let demand = format!("property 4: a key of {length} bytes is InvalidInput");
    let refuse = |batch: &WriteBatch, what: &str| {
        let result = backend.commit(batch, Durability::Buffered);
        refused(result, ErrorKind::InvalidInput, &format!("{demand} in a {what}"));
    };
    refused(backend.get(keyspace, key), ErrorKind::InvalidInput, &format!("{demand} in a get"));
    let view = snapshot(backend);
    refused(view.get(keyspace, key), ErrorKind::InvalidInput, &format!("{demand} in a snapshot's get"));
    refuse(WriteBatch::new().put(keyspace, b"before", b"1").put(keyspace, key, b"v"), "put");
    refuse(WriteBatch::new().put(keyspace, b"before", b"1").delete(keyspace, key), "delete");
    refuse(
        WriteBatch::new().put(keyspace, b"before", b"1").expect(keyspace, key, Expect::Absent),
        "condition",
    );
    let demand = "property 4: a refused batch writes nothing, and the backend still works";
    assert_eq!(get(backend, keyspace, b"before"), None, "{demand}");
    put(backend, keyspace, b"after", b"2");
    assert_eq!(all_rows(backend, keyspace), [row(b"after", b"2")], "{demand}");
}

pub(super) fn an_empty_key_is_refused_everywhere(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    assert_key_refused(&*backend, letters, b"");
}

pub(super) fn a_key_beyond_the_limit_is_refused(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    for length in [KEY_MAX + 1, 65_536, 1_000_000] {
        assert_key_refused(&*backend, letters, &vec![b'k'; length]);
    }
    // A bound is not a stored key, and may be any bytes.
    let long = vec![b'z'; KEY_MAX + 1];
    let scan = Scan::new(KeyRange::between(Vec::new(), long.clone()));
    let demand = "property 5: a bound may be longer than any key";
    assert_eq!(rows(&*backend, letters, &scan), [row(b"after", b"2")], "{demand}");
    assert_eq!(rows(&*backend, letters, &Scan::new(KeyRange::from(long))), [], "{demand}");
}

pub(super) fn a_value_beyond_the_limit_is_refused(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    let demand = "property 4: a value beyond the limit is InvalidInput";
    let large = vec![0; VALUE_MAX + 1];
    let mut batch = WriteBatch::new();
    batch.put(letters, b"before", b"1").put(letters, b"k", &large);
    refused(backend.commit(&batch, Durability::Buffered), ErrorKind::InvalidInput, demand);
    assert_eq!(all_rows(&*backend, letters), [], "property 4: a refused batch writes nothing");
    put(&*backend, letters, b"k", b"small");
    assert_eq!(all_rows(&*backend, letters), [row(b"k", b"small")], "property 4: the backend still works");
}

pub(super) fn the_limits_can_be_reached(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    let largest = vec![b'v'; VALUE_MAX];
    let mut wanted = vec![
        (vec![0], b"shortest, first".to_vec()),
        (vec![0; KEY_MAX], b"longest, first".to_vec()),
        (vec![b'a'; KEY_BYTES_MAX], b"an application's longest".to_vec()),
        (vec![0xff; KEY_MAX], b"longest, last".to_vec()),
    ];
    let mut batch = WriteBatch::new();
    for (key, value) in &wanted {
        batch.put(letters, key, value);
    }
    batch.expect(letters, &[0xff; KEY_MAX], Expect::Absent);
    commit(&*backend, &batch);
    let demand = "property 4: the limits can be reached";
    assert_same(&all_rows(&*backend, letters), &wanted, demand);
    wanted.reverse();
    assert_same(&rows(&*backend, letters, &Scan::all().reverse()), &wanted, demand);
    let last = rows(&*backend, letters, &Scan::prefix(&[0xff; KEY_MAX]));
    assert_same(&last, &wanted[..1], demand);
    put(&*backend, letters, b"k", &largest);
    let found = ok(backend.get(letters, b"k"), "getting the largest value");
    assert!(found.is_some_and(|found| *found == *largest), "{demand} (value)");
}

pub(super) fn a_refused_batch_changes_nothing_and_the_store_reopens(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    put(&*backend, letters, b"kept", b"1");
    for key in [&b""[..], &vec![0; KEY_MAX + 1], &vec![0; 65_536]] {
        let batch = WriteBatch::new().put(letters, b"never", b"2").put(letters, key, b"3").clone();
        let demand = "property 4: a key beyond the limits is InvalidInput";
        refused(backend.commit(&batch, fixture.durability()), ErrorKind::InvalidInput, demand);
    }
    ok(backend.flush(), "a flush");
    drop(backend);
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    // fjall 3.1 writes an empty key to its journal before it panics, so a late check damages the store permanently.
    let demand = "property 4: the limit is checked before any engine is called";
    assert_eq!(all_rows(&*backend, letters), [row(b"kept", b"1")], "{demand}");
}
