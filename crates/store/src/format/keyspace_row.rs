//! The settings of a keyspace: a row in the store's own keyspace.
//!
//! | Part | Bytes |
//! |---|---|
//! | key | `keyspace `, the name |
//! | value | format: 1 (1); flags: bit 0 says that rows may expire (1); the default TTL in milliseconds, 0 for none (8, big-endian); XXH3 of the name and the bytes before (8, big-endian) |

use super::own_keyspaces::{commit_durably, own_keyspace};
use strongroom_core::{Error, ErrorKind, KeyspaceId, Result, Snapshot, StorageBackend, WriteBatch};
use xxhash_rust::xxh3::xxh3_64;

const PREFIX: &[u8] = b"keyspace ";
const FORMAT: u8 = 1;
const MAY_EXPIRE: u8 = 1;
const BYTES: usize = 10;

/// The content of the row. The default stands for a missing row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct KeyspaceRow {
    /// Rows of the keyspace may expire, so that a scan of keys has to read headers too.
    pub(crate) may_expire: bool,
    pub(crate) default_ttl_ms: Option<u64>,
}

/// The row's key.
pub(crate) fn key(name: &str) -> Vec<u8> {
    [PREFIX, name.as_bytes()].concat()
}

/// Returns the keyspace's name, if the key is one of these rows.
pub(crate) fn name_of(key: &[u8]) -> Option<&[u8]> {
    key.strip_prefix(PREFIX)
}

/// Adds the row to `batch`.
pub(crate) fn put(batch: &mut WriteBatch, own: KeyspaceId, name: &str, row: KeyspaceRow) {
    let mut value = vec![FORMAT, if row.may_expire { MAY_EXPIRE } else { 0 }];
    value.extend_from_slice(&row.default_ttl_ms.unwrap_or(0).to_be_bytes());
    value.extend_from_slice(&checksum(name.as_bytes(), &value).to_be_bytes());
    batch.put(own, &key(name), &value);
}

/// Reads the row in the newest state.
pub(crate) fn read(backend: &dyn StorageBackend, name: &str) -> Result<KeyspaceRow> {
    let Some(own) = own_keyspace(backend)? else { return Ok(KeyspaceRow::default()) };
    backend
        .get(own, &key(name))?
        .map_or_else(|| Ok(KeyspaceRow::default()), |stored| parse(name.as_bytes(), &stored))
}

/// As [`read`], in a snapshot.
pub(crate) fn in_snapshot(
    snapshot: &dyn Snapshot,
    own: Option<KeyspaceId>,
    name: &str,
) -> Result<KeyspaceRow> {
    let stored = own.map_or(Ok(None), |own| snapshot.get(own, &key(name)))?;
    stored.map_or_else(|| Ok(KeyspaceRow::default()), |stored| parse(name.as_bytes(), &stored))
}

/// Removes the row of a dropped keyspace, before another of the same name is created. The caller holds the commit lock.
pub(crate) fn remove(backend: &dyn StorageBackend, name: &str) -> Result<()> {
    let Some(own) = own_keyspace(backend)? else { return Ok(()) };
    if backend.get(own, &key(name))?.is_none() {
        return Ok(());
    }
    let mut batch = WriteBatch::new();
    batch.delete(own, &key(name));
    commit_durably(backend, &batch)
}

/// Parses and verifies a row.
pub(crate) fn parse(name: &[u8], value: &[u8]) -> Result<KeyspaceRow> {
    let damaged = || {
        let name = name.escape_ascii();
        Error::new(ErrorKind::Corruption, format!("the settings of keyspace \"{name}\" fail their checksum"))
            .hint("restore a backup")
    };
    let (content, sum) = value.split_at_checked(BYTES).ok_or_else(damaged)?;
    if sum != checksum(name, content).to_be_bytes() {
        return Err(damaged());
    }
    if content[0] != FORMAT || content[1] & !MAY_EXPIRE != 0 {
        let name = name.escape_ascii();
        return Err(Error::new(ErrorKind::Unsupported, format!("keyspace \"{name}\" has unknown settings"))
            .hint("open the store with the version of Strongroom that wrote it"));
    }
    let ttl_ms = content[2..].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    Ok(KeyspaceRow {
        may_expire: content[1] & MAY_EXPIRE != 0,
        default_ttl_ms: Some(ttl_ms).filter(|ttl_ms| *ttl_ms > 0),
    })
}

/// Returns the content with a valid checksum. Only the fuzzer forges rows.
#[cfg(any(test, fuzzing))]
pub(crate) fn resealed(name: &[u8], value: &[u8]) -> Vec<u8> {
    let content = &value[..value.len().min(BYTES)];
    [content, &checksum(name, content).to_be_bytes()].concat()
}

fn checksum(name: &[u8], content: &[u8]) -> u64 {
    xxh3_64(&[name, content].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use strongroom_core::Op;

    const OWN: KeyspaceId = KeyspaceId::from_index(0);

    fn written(name: &str, row: KeyspaceRow) -> (Vec<u8>, Vec<u8>) {
        let mut batch = WriteBatch::new();
        put(&mut batch, OWN, name, row);
        let Some((_, Op::Put { key, value })) = batch.ops().next() else { panic!() };
        (key.to_vec(), value.to_vec())
    }

    #[test]
    fn settings_round_trip_and_every_flipped_bit_is_detected() {
        for (may_expire, default_ttl_ms) in [(false, None), (true, Some(90_000)), (true, Some(u64::MAX))] {
            let row = KeyspaceRow { may_expire, default_ttl_ms };
            let (key, value) = written("rows", row);
            assert_eq!(parse(name_of(&key).unwrap(), &value).unwrap(), row);
            for bit in 0..value.len() * 8 {
                let mut damaged = value.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(parse(b"rows", &damaged).unwrap_err().kind(), ErrorKind::Corruption, "bit {bit}");
            }
            assert!(parse(b"other", &value).is_err(), "another keyspace's");
        }
        assert!(parse(b"rows", b"").is_err());
    }
}
