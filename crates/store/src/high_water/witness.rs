//! The engine's witness: a row in the store's own keyspace with the sequence number of the commit that wrote
//! it. A store that was never marked has none, which counts as zero.

use crate::pipeline::{META_KEYSPACE, OWN_ROW_WAY_OUT};
use bytes::Bytes;
use strongroom_core::{Error, ErrorKind, KeyspaceId, Result, Snapshot, StorageBackend, WriteBatch};

pub(crate) const KEY: &[u8] = b"high water";

/// Adds the row to the commit with this sequence number.
pub(crate) fn put(batch: &mut WriteBatch, meta: KeyspaceId, sequence: u64) {
    batch.put(meta, KEY, &sequence.to_be_bytes());
}

/// The newest one.
pub(crate) fn newest(backend: &dyn StorageBackend) -> Result<u64> {
    read(backend, |meta| backend.get(meta, KEY))
}

/// The one in a snapshot.
pub(crate) fn in_snapshot(backend: &dyn StorageBackend, snapshot: &dyn Snapshot) -> Result<u64> {
    read(backend, |meta| snapshot.get(meta, KEY))
}

fn read(backend: &dyn StorageBackend, get: impl FnOnce(KeyspaceId) -> Result<Option<Bytes>>) -> Result<u64> {
    match backend.keyspace(META_KEYSPACE) {
        Ok(meta) => get(meta)?.map_or(Ok(0), |stored| parse(&stored)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

pub(crate) fn parse(stored: &[u8]) -> Result<u64> {
    <[u8; 8]>::try_from(stored).map(u64::from_be_bytes).map_err(|_| {
        Error::new(ErrorKind::Corruption, "the store's own row of its high-water mark is unreadable")
            .hint(OWN_ROW_WAY_OUT)
    })
}
