//! The high-water row, the engine's half of the high-water mark. It holds the sequence number of the commit that
//! wrote it (8 bytes, big-endian). A store that was never marked has no such row, which counts as zero.

use super::own_keyspaces::{OWN_ROW_HINT, own_keyspace};
use bytes::Bytes;
use strongroom_core::{Error, ErrorKind, KeyspaceId, Result, Snapshot, StorageBackend, WriteBatch};

pub(crate) const KEY: &[u8] = b"high water";

/// Adds the row to the commit with this sequence number.
pub(crate) fn put(batch: &mut WriteBatch, own: KeyspaceId, sequence: u64) {
    batch.put(own, KEY, &sequence.to_be_bytes());
}

/// Reads the number in the newest state.
pub(crate) fn newest(backend: &dyn StorageBackend) -> Result<u64> {
    read(backend, |own| backend.get(own, KEY))
}

/// Reads the number in a snapshot.
pub(crate) fn in_snapshot(backend: &dyn StorageBackend, snapshot: &dyn Snapshot) -> Result<u64> {
    read(backend, |own| snapshot.get(own, KEY))
}

fn read(backend: &dyn StorageBackend, get: impl FnOnce(KeyspaceId) -> Result<Option<Bytes>>) -> Result<u64> {
    let Some(own) = own_keyspace(backend)? else { return Ok(0) };
    get(own)?.map_or(Ok(0), |stored| parse(&stored))
}

pub(crate) fn parse(stored: &[u8]) -> Result<u64> {
    <[u8; 8]>::try_from(stored).map(u64::from_be_bytes).map_err(|_| {
        Error::new(ErrorKind::Corruption, "the store's high-water row is unreadable").hint(OWN_ROW_HINT)
    })
}
