//! The row that reserves sequence numbers: no commit has a number above the one that it holds (8 bytes, big-endian).

use super::own_keyspaces::{OWN_ROW_HINT, own_keyspace};
use strongroom_core::{Error, ErrorKind, KeyspaceId, Result, StorageBackend, WriteBatch};

pub(crate) const KEY: &[u8] = b"sequences reserved until";

/// Adds the row to `batch`.
pub(crate) fn put(batch: &mut WriteBatch, own: KeyspaceId, reserved_until: u64) {
    batch.put(own, KEY, &reserved_until.to_be_bytes());
}

/// Reads the highest reserved number. Zero if nothing was ever committed.
pub(crate) fn read(backend: &dyn StorageBackend) -> Result<u64> {
    let Some(own) = own_keyspace(backend)? else { return Ok(0) };
    backend.get(own, KEY)?.map_or(Ok(0), |stored| parse(&stored))
}

pub(crate) fn parse(stored: &[u8]) -> Result<u64> {
    <[u8; 8]>::try_from(stored).map(u64::from_be_bytes).map_err(|_| {
        Error::new(ErrorKind::Corruption, "the store's reserved sequence number is unreadable")
            .hint(OWN_ROW_HINT)
    })
}
