//! Helpers for the cases: short forms of writes and reads, and awkward keys.

use std::fmt::Debug;
use strongroom_core::{
    Cursor, Direction, Durability, Error, ErrorKind, KeyspaceHints, KeyspaceId, Result, Scan, Snapshot,
    StorageBackend, WriteBatch,
};

/// A row of a scan.
pub(crate) type Row = (Vec<u8>, Vec<u8>);

/// Unwraps `result`; panics with `doing` if it is an error.
#[track_caller]
pub(crate) fn ok<T>(result: Result<T>, doing: &str) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{doing} must succeed: {}", error.one_line()),
    }
}

/// Returns the error in `result`; panics if it is `Ok` or of another kind.
#[track_caller]
pub(crate) fn refused<T>(result: Result<T>, kind: ErrorKind, demand: &str) -> Error {
    match result {
        Ok(_) => panic!("{demand}: it succeeded, but must be refused as {kind}"),
        Err(error) if error.kind() == kind => error,
        Err(error) => panic!("{demand}: {kind} expected, found {}: {}", error.kind(), error.one_line()),
    }
}

/// Returns a keyspace, created if it does not exist.
#[track_caller]
pub(crate) fn keyspace(backend: &dyn StorageBackend, name: &str) -> KeyspaceId {
    ok(backend.create_keyspace(name, KeyspaceHints::default()), "creating a keyspace")
}

/// Commits with buffered durability.
#[track_caller]
pub(crate) fn commit(backend: &dyn StorageBackend, batch: &WriteBatch) {
    ok(backend.commit(batch, Durability::Buffered), "a buffered commit");
}

/// Writes one row.
#[track_caller]
pub(crate) fn put(backend: &dyn StorageBackend, keyspace: KeyspaceId, key: &[u8], value: &[u8]) {
    commit(backend, WriteBatch::new().put(keyspace, key, value));
}

/// Deletes one row.
#[track_caller]
pub(crate) fn delete(backend: &dyn StorageBackend, keyspace: KeyspaceId, key: &[u8]) {
    commit(backend, WriteBatch::new().delete(keyspace, key));
}

/// Writes rows in one batch.
#[track_caller]
pub(crate) fn load(backend: &dyn StorageBackend, keyspace: KeyspaceId, rows: &[Row]) {
    let mut batch = WriteBatch::new();
    for (key, value) in rows {
        batch.put(keyspace, key, value);
    }
    commit(backend, &batch);
}

/// Returns the newest value of a key.
#[track_caller]
pub(crate) fn get(backend: &dyn StorageBackend, keyspace: KeyspaceId, key: &[u8]) -> Option<Vec<u8>> {
    ok(backend.get(keyspace, key), "a get").map(|value| value.to_vec())
}

/// Opens a snapshot.
#[track_caller]
pub(crate) fn snapshot(backend: &dyn StorageBackend) -> std::sync::Arc<dyn Snapshot> {
    ok(backend.snapshot(), "a snapshot")
}

/// Returns the rows of a scan in a snapshot.
#[track_caller]
pub(crate) fn rows_in(snapshot: &dyn Snapshot, keyspace: KeyspaceId, scan: &Scan) -> Vec<Row> {
    let mut cursor = ok(snapshot.cursor(keyspace, scan.clone()), "a cursor");
    rest_of(&mut *cursor)
}

/// Returns the rows of a scan of the newest state.
#[track_caller]
pub(crate) fn rows(backend: &dyn StorageBackend, keyspace: KeyspaceId, scan: &Scan) -> Vec<Row> {
    rows_in(&*snapshot(backend), keyspace, scan)
}

/// Returns every row of a keyspace.
#[track_caller]
pub(crate) fn all_rows(backend: &dyn StorageBackend, keyspace: KeyspaceId) -> Vec<Row> {
    rows(backend, keyspace, &Scan::all())
}

/// Returns the remaining rows of a cursor; panics if the cursor does not end.
#[track_caller]
pub(crate) fn rest_of(cursor: &mut dyn Cursor) -> Vec<Row> {
    const ROWS_MAX: usize = 1_000_000;
    let mut rows = Vec::new();
    while ok(cursor.advance(), "advancing a cursor") {
        rows.push((cursor.key().to_vec(), cursor.value().to_vec()));
        assert!(rows.len() < ROWS_MAX, "property 5: a cursor must reach its end");
    }
    rows
}

/// Panics with the first difference, instead of two long lists.
#[track_caller]
pub(crate) fn assert_same<T: PartialEq + Debug>(found: &[T], wanted: &[T], demand: &str) {
    let difference = found.iter().zip(wanted).position(|(found, wanted)| found != wanted);
    if let Some(place) = difference {
        panic!("{demand}: at index {place} {:?} expected, found {:?}", wanted[place], found[place]);
    }
    let (found_len, wanted_len) = (found.len(), wanted.len());
    assert!(
        found_len == wanted_len,
        "{demand}: {wanted_len} expected, found {found_len}; first surplus or missing element: {:?}",
        found.get(wanted_len).or_else(|| wanted.get(found_len))
    );
}

/// The expected rows of a scan over sorted `rows`, computed independently of the range logic of the core.
pub(crate) fn expected(rows: &[Row], scan: &Scan) -> Vec<Row> {
    let after_start = |key: &[u8]| key >= scan.range.start();
    let before_end = |key: &[u8]| scan.range.end().is_none_or(|end| key < end);
    let value = |value: &Vec<u8>| if scan.keys_only { Vec::new() } else { value.clone() };
    let mut found: Vec<Row> = rows
        .iter()
        .filter(|(key, _)| after_start(key) && before_end(key))
        .map(|(key, bytes)| (key.clone(), value(bytes)))
        .collect();
    if scan.direction == Direction::Reverse {
        found.reverse();
    }
    found
}

/// Every key of up to `length` bytes over an alphabet of error-prone bytes, sorted.
pub(crate) fn awkward_keys(length: usize) -> Vec<Vec<u8>> {
    const ALPHABET: [u8; 6] = [0x00, 0x01, b'a', 0x7f, 0x80, 0xff];
    let mut keys: Vec<Vec<u8>> = Vec::new();
    let mut longest: Vec<Vec<u8>> = vec![Vec::new()];
    for _ in 0..length {
        longest = longest
            .iter()
            .flat_map(|key| ALPHABET.iter().map(move |byte| [key.as_slice(), &[*byte]].concat()))
            .collect();
        keys.extend_from_slice(&longest);
    }
    keys.sort();
    keys
}

/// [`awkward_keys`] with values; every fifth value is empty.
pub(crate) fn awkward_rows(length: usize) -> Vec<Row> {
    let value =
        |place: usize| if place.is_multiple_of(5) { Vec::new() } else { place.to_be_bytes().to_vec() };
    awkward_keys(length).into_iter().enumerate().map(|(place, key)| (key, value(place))).collect()
}

/// `count` rows with keys in order.
pub(crate) fn numbered_rows(count: u32) -> Vec<Row> {
    (0..count).map(|number| (number.to_be_bytes().to_vec(), format!("value {number}").into_bytes())).collect()
}

/// A row from literals.
pub(crate) fn row(key: &[u8], value: &[u8]) -> Row {
    (key.to_vec(), value.to_vec())
}
