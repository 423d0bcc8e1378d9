//! The store's id in the engine, which reveals that the files of two stores were mixed in a directory.
//!
//! The marker holds the id in plain text, and a row of the store's own keyspace holds it in the engine. Copies of
//! a store keep both. A store of an older version has no such row, so the files of any store pass with its
//! marker. It gets the row when it is next opened for writing.

use super::{StoreDirectory, StoreId};
use crate::format::own_keyspaces::{OWN_KEYSPACE, commit_durably, own_keyspace};
use strongroom_core::files::MARKER_FILE;
use strongroom_core::{Error, ErrorKind, Result, StorageBackend, WriteBatch};

const KEY: &[u8] = b"store id";

/// Compares the engine's row with the marker. Returns whether there is a row.
///
/// Returns [`Corruption`](ErrorKind::Corruption) if the engine's files belong to another store.
pub(crate) fn check(backend: &dyn StorageBackend, directory: &StoreDirectory) -> Result<bool> {
    let Some(own) = own_keyspace(backend)? else { return Ok(false) };
    let Some(stored) = backend.get(own, KEY)? else { return Ok(false) };
    let marked = directory.store_id();
    if stored[..] == marked.0 {
        return Ok(true);
    }
    let shown = directory.path().display();
    let found = match <[u8; 16]>::try_from(&stored[..]) {
        Ok(id) => format!("store {}", StoreId(id)),
        Err(_) => "a store whose id is unreadable".to_owned(),
    };
    let message = format!(
        "the engine's files in {shown} belong to {found}, and its file {MARKER_FILE} belongs to store {marked}"
    );
    Err(Error::new(ErrorKind::Corruption, message)
        .hint("the files of two stores were mixed: restore the whole directory from one backup"))
}

/// Writes the row of a store that has none.
pub(crate) fn settle(backend: &dyn StorageBackend, directory: &StoreDirectory) -> Result<()> {
    if backend.is_read_only() || check(backend, directory)? {
        return Ok(());
    }
    let mut batch = WriteBatch::new();
    batch.put(backend.keyspace(OWN_KEYSPACE)?, KEY, &directory.store_id().0);
    commit_durably(backend, &batch)
}
