//! The store's own keyspaces, and a check of any row in them.

use super::{expiry_index, high_water_row, keyspace_row, sequence_row};
use strongroom_core::{Durability, ErrorKind, KeyspaceId, Result, StorageBackend, WriteBatch};

/// The keyspace that every store has.
pub const DEFAULT_KEYSPACE: &str = "default";

/// The store's own keyspace: sequence numbers, the high-water row, the expiry index, settings of keyspaces.
pub(crate) const OWN_KEYSPACE: &str = "_store";

/// The keyspace of the row counts and hashes, in a store with `integrity=full`.
pub(crate) const TALLIES_KEYSPACE: &str = "_integrity";

/// What to do about a damaged row of the store's own. The store does not open without it.
pub(crate) const OWN_ROW_HINT: &str =
    "restore a backup of the whole directory: the store does not open without this row";

/// The store's own keyspace; none in a store that was never written.
pub(crate) fn own_keyspace(backend: &dyn StorageBackend) -> Result<Option<KeyspaceId>> {
    match backend.keyspace(OWN_KEYSPACE) {
        Ok(id) => Ok(Some(id)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Checks a row of the store's own, as far as this version knows it.
pub(crate) fn check(keyspace: &str, key: &[u8], stored: &[u8]) -> Result<()> {
    if keyspace != OWN_KEYSPACE {
        return Ok(());
    }
    if key == sequence_row::KEY {
        sequence_row::parse(stored)?;
    } else if key == high_water_row::KEY {
        high_water_row::parse(stored)?;
    } else if expiry_index::is_entry(key) {
        expiry_index::parse(key, stored)?;
    } else if let Some(name) = keyspace_row::name_of(key) {
        keyspace_row::parse(name, stored)?;
    }
    Ok(())
}

/// Commits a batch of the store's own rows as durably as the engine can. The caller holds the commit lock.
pub(crate) fn commit_durably(backend: &dyn StorageBackend, batch: &WriteBatch) -> Result<()> {
    if backend.engine().capabilities.power_safe {
        return backend.commit(batch, Durability::PowerSafe);
    }
    backend.commit(batch, Durability::Buffered)?;
    backend.flush()
}
