//! The index of what expires: rows of the store's own keyspace.
//!
//! | Part | Bytes |
//! |---|---|
//! | key | `expiry `, the instant in milliseconds since 1970 (8, big-endian), XXH3 of these 8 bytes and the value (16, big-endian) |
//! | value | length of the keyspace's name (2, big-endian), the name, the key |
//!
//! The hash keeps rows apart that expire at the same instant, and is the checksum of instant and value.

use strongroom_core::{Error, ErrorKind, KeyRange, KeyspaceId, Result, WriteBatch};
use xxhash_rust::xxh3::xxh3_128;

const PREFIX: &[u8] = b"expiry ";
const INSTANT_BYTES: usize = 8;
const HASH_BYTES: usize = 16;
const NAME_LEN_BYTES: usize = 2;

/// A row of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) at_ms: u64,
    pub(crate) keyspace: String,
    pub(crate) key: Vec<u8>,
}

/// Adds the row of the index for a row that expires then.
pub(crate) fn put(batch: &mut WriteBatch, meta: KeyspaceId, at_ms: u64, keyspace: &str, key: &[u8]) {
    let value = value_of(keyspace, key);
    batch.put(meta, &key_of(at_ms, &value), &value);
}

/// The key of the row of the index for a row that expires then.
pub(crate) fn key_for(at_ms: u64, keyspace: &str, key: &[u8]) -> Vec<u8> {
    key_of(at_ms, &value_of(keyspace, key))
}

/// The index up to this instant.
pub(crate) fn until(now_ms: u64) -> KeyRange {
    let end = now_ms.checked_add(1).map(|end| [PREFIX, &end.to_be_bytes()].concat());
    match end {
        Some(end) => KeyRange::between(PREFIX, end),
        None => KeyRange::prefix(PREFIX),
    }
}

/// When the row with this key of the index is due, whatever else is wrong with it.
pub(crate) fn instant_of(key: &[u8]) -> Option<u64> {
    let instant = key.strip_prefix(PREFIX)?.get(..INSTANT_BYTES)?;
    Some(u64::from_be_bytes(instant.try_into().ok()?))
}

/// All of the index.
pub(crate) fn all() -> KeyRange {
    KeyRange::prefix(PREFIX)
}

/// Whether a row of the store's own belongs to the index.
pub(crate) fn is_entry(key: &[u8]) -> bool {
    key.starts_with(PREFIX)
}

/// Reads a row of the index.
pub(crate) fn parse(key: &[u8], value: &[u8]) -> Result<Entry> {
    parts(key, value).ok_or_else(|| {
        Error::new(ErrorKind::Corruption, "a row of the index of what expires is not as it was written")
            .hint("restore from a backup; what it was about is hidden when it expires, and not removed")
    })
}

fn parts(key: &[u8], value: &[u8]) -> Option<Entry> {
    let rest = key.strip_prefix(PREFIX)?;
    let (instant, hash) = rest.split_at_checked(INSTANT_BYTES)?;
    if hash != hash_of(instant, value) {
        return None;
    }
    let at_ms = u64::from_be_bytes(instant.try_into().ok()?);
    let (name_len, rest) = value.split_at_checked(NAME_LEN_BYTES)?;
    let name_len = u16::from_be_bytes(name_len.try_into().ok()?);
    let (name, key) = rest.split_at_checked(usize::from(name_len))?;
    Some(Entry { at_ms, keyspace: std::str::from_utf8(name).ok()?.to_owned(), key: key.to_vec() })
}

fn value_of(keyspace: &str, key: &[u8]) -> Vec<u8> {
    // The contract bounds names far below that.
    let name_len = u16::try_from(keyspace.len()).unwrap_or(u16::MAX);
    [&name_len.to_be_bytes(), keyspace.as_bytes(), key].concat()
}

pub(crate) fn key_of(at_ms: u64, value: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(PREFIX.len() + INSTANT_BYTES + HASH_BYTES);
    key.extend_from_slice(PREFIX);
    key.extend_from_slice(&at_ms.to_be_bytes());
    key.extend_from_slice(&hash_of(&at_ms.to_be_bytes(), value));
    key
}

fn hash_of(instant: &[u8], value: &[u8]) -> [u8; HASH_BYTES] {
    xxh3_128(&[instant, value].concat()).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_index_are_in_the_order_of_their_instants() {
        let key = |at_ms| key_for(at_ms, "rows", b"a");
        assert!(key(1) < key(2) && key(255) < key(256) && key(u64::MAX - 1) < key(u64::MAX));
        assert!(until(2).contains(&key(2)) && !until(2).contains(&key(3)));
        assert!(until(u64::MAX).contains(&key(u64::MAX)) && all().contains(&key(0)));
        assert_ne!(key_for(1, "rows", b"a"), key_for(1, "row", b"sa"));
    }

    #[test]
    fn what_was_written_is_read_and_every_flipped_bit_is_seen() {
        let (key, value) = (key_for(7, "rows", b"\x00\xff"), value_of("rows", b"\x00\xff"));
        let entry = Entry { at_ms: 7, keyspace: "rows".into(), key: b"\x00\xff".to_vec() };
        assert_eq!(parse(&key, &value).unwrap(), entry);
        for bit in 0..value.len() * 8 {
            let mut damaged = value.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(parse(&key, &damaged).is_err(), "bit {bit}");
        }
        for bit in PREFIX.len() * 8..key.len() * 8 {
            let mut damaged = key.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(parse(&damaged, &value).is_err(), "bit {bit} of the key");
        }
        assert!(parse(b"high water", &value).is_err());
        assert!(parse(&key[..20], &value).is_err());
    }
}
