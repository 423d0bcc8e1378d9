//! The store's id in the engine: a directory in which the files of two stores were mixed is refused.
//!
//! The marker holds the id in plain text, and a row of the store's own keyspace holds it in the engine. Copies of a
//! store keep both. A store of an older version has no such row, so that any engine's files pass with its marker; it
//! gets the row when it is next opened to be written.

use super::{StoreDirectory, StoreId};
use crate::format::own_keyspaces::{OWN_KEYSPACE, commit_durably, own_keyspace};
use strongroom_core::files::MARKER_FILE;
use strongroom_core::{Error, ErrorKind, Result, StorageBackend, WriteBatch};

const KEY: &[u8] = b"store id";

/// Compares the engine's row with the marker. Says whether there is one.
///
/// [`Corruption`](ErrorKind::Corruption): the engine's files are another store's.
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
        "the engine's files in {shown} are those of {found}, and its file {MARKER_FILE} is that of store {marked}"
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
