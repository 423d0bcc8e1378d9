//! Helpers for the cases of the store.

use crate::support::ok;
use std::time::Duration;
use strongroom_core::{Error, ErrorKind, Scan};
use strongroom_store::{Keyspace, Store, Transaction};

/// Returns a keyspace, created if it does not exist.
#[track_caller]
pub(super) fn keyspace(store: &Store, name: &str) -> Keyspace {
    ok(store.create_keyspace(name), "creating a keyspace")
}

#[track_caller]
pub(super) fn set(rows: &Keyspace, key: &str, value: &str) {
    ok(rows.set(key, value), "setting a key");
}

/// Returns a value as text.
#[track_caller]
pub(super) fn value(rows: &Keyspace, key: &str) -> Option<String> {
    ok(rows.get(key), "reading a key").map(|value| text(&value))
}

#[track_caller]
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Returns the keys and values of a scan as text.
#[track_caller]
pub(super) fn rows(keyspace: &Keyspace, scan: Scan) -> Vec<(String, String)> {
    let mut rows = ok(keyspace.scan(scan), "a scan");
    let mut all = Vec::new();
    while ok(rows.advance(), "a scan's next row") {
        all.push((text(rows.key()), text(rows.value())));
    }
    all
}

/// Returns the keys of a prefix in a transaction.
#[track_caller]
pub(super) fn keys_in(transaction: &Transaction, keyspace: &Keyspace, prefix: &str) -> Vec<String> {
    let rows = ok(transaction.prefix(keyspace, prefix), "a scan in a transaction");
    rows.map(|row| text(&ok(row, "a row in a transaction").0)).collect()
}

/// Panics unless `result` is an error of this kind.
#[track_caller]
pub(super) fn refused<T>(result: Result<T, Error>, kind: ErrorKind, what: &str) {
    match result {
        Ok(_) => panic!("{what}: it succeeded, but must be refused as {kind}"),
        Err(error) => assert_eq!(error.kind(), kind, "{what}: {}", error.one_line()),
    }
}

pub(super) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
