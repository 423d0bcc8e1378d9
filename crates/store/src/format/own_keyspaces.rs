//! The store's own keyspaces: their names, and how their rows are written.

use strongroom_core::{Durability, ErrorKind, KeyspaceId, Result, StorageBackend, WriteBatch};

/// The keyspace that every store has.
pub const DEFAULT_KEYSPACE: &str = "default";

/// The store's own keyspace: sequence numbers, the high-water row, the expiry index, settings of keyspaces.
pub(crate) const OWN_KEYSPACE: &str = "_store";

/// The keyspace of the row counts and hashes, in a store with `integrity=full`.
pub(crate) const TALLIES_KEYSPACE: &str = "_integrity";

/// The hint for a damaged row that the store needs in order to open.
pub(crate) const OWN_ROW_HINT: &str =
    "restore a backup of the whole directory: the store does not open without this row";

/// Returns the store's own keyspace. None in a store that was never written.
pub(crate) fn own_keyspace(backend: &dyn StorageBackend) -> Result<Option<KeyspaceId>> {
    match backend.keyspace(OWN_KEYSPACE) {
        Ok(id) => Ok(Some(id)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Commits a batch of the store's own rows as durably as the engine can. The caller holds the commit lock.
pub(crate) fn commit_durably(backend: &dyn StorageBackend, batch: &WriteBatch) -> Result<()> {
    if backend.engine().capabilities.power_safe {
        return backend.commit(batch, Durability::PowerSafe);
    }
    backend.commit(batch, Durability::Buffered)?;
    backend.flush()
}
