//! Checks any of the store's own rows.

use super::own_keyspaces::OWN_KEYSPACE;
use super::{expiry_index, high_water_row, keyspace_row, sequence_row};
use strongroom_core::Result;

/// Checks one of the store's own rows, if this version knows its kind.
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
