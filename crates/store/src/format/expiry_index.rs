//! The expiry index: rows in the store's own keyspace that list the expiring rows, in the order of time.
//!
//! | Part | Bytes |
//! |---|---|
//! | key | `expiry `, the time in milliseconds since 1970 (8, big-endian), XXH3 of these 8 bytes and the value (16, big-endian) |
//! | value | length of the keyspace's name (2, big-endian), the name, the key |
//!
//! The hash distinguishes rows that expire at the same time. It is also the checksum of time and value.
//!
//! The time of an entry is the row's expiry, or that expiry rounded down to a power of four that is at most a
//! quarter of the TTL ([`entry_time_ms`]). So a row that is rewritten again and again replaces its own entry most
//! of the time. However often it is written, it has at most 17 entries for each power of four between its
//! shortest and its longest TTL. An entry that is due before its row is replaced by one with the exact time.

use strongroom_core::{Error, ErrorKind, KeyRange, KeyspaceId, Result, WriteBatch};
use xxhash_rust::xxh3::xxh3_128;

const PREFIX: &[u8] = b"expiry ";
const TIME_BYTES: usize = 8;
const HASH_BYTES: usize = 16;
const NAME_LEN_BYTES: usize = 2;

/// An entry of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// When it is due.
    pub(crate) time_ms: u64,
    pub(crate) keyspace: String,
    pub(crate) key: Vec<u8>,
}

/// Returns the time of the entry for a row that is written at `now_ms` and expires at `at_ms`. It is later than
/// `now_ms` and not later than `at_ms`.
pub(crate) fn entry_time_ms(at_ms: u64, now_ms: u64) -> u64 {
    let quarter_ms = at_ms.saturating_sub(now_ms) / 4;
    let step_ms = steps_ms().take_while(|step_ms| *step_ms <= quarter_ms).last().unwrap_or(1);
    at_ms - at_ms % step_ms
}

/// Returns the times that the entry for a row with this expiry may have, whatever its TTL was. The exact time is
/// first.
pub(crate) fn entry_times_ms(at_ms: u64) -> impl Iterator<Item = u64> {
    let mut times_ms: Vec<u64> = steps_ms().map(|step_ms| at_ms - at_ms % step_ms).collect();
    times_ms.dedup();
    times_ms.into_iter()
}

/// Returns the times after `now_ms` that the entry of a row with this expiry may have, whatever its TTL was. These are few:
/// the TTL was at least what is left of it.
pub(crate) fn entry_times_after(at_ms: u64, now_ms: u64) -> impl Iterator<Item = u64> {
    let quarter_ms = at_ms.saturating_sub(now_ms) / 4;
    // `entry_time_ms` rounds by the largest step that is at most a quarter of the TTL. The sweep uses the exact time.
    let mut times_ms: Vec<u64> = steps_ms()
        .filter(|step_ms| *step_ms == 1 || *step_ms > quarter_ms / 4)
        .map(|step_ms| at_ms - at_ms % step_ms)
        .take_while(|time_ms| *time_ms > now_ms)
        .collect();
    times_ms.dedup();
    times_ms.into_iter()
}

fn steps_ms() -> impl Iterator<Item = u64> {
    (0..u64::BITS / 2).map(|power| 1 << (2 * power))
}

/// Adds an entry to `batch`.
pub(crate) fn put(batch: &mut WriteBatch, own: KeyspaceId, time_ms: u64, keyspace: &str, key: &[u8]) {
    let (entry_key, value) = entry(time_ms, keyspace, key);
    batch.put(own, &entry_key, &value);
}

/// Returns the key and the value of an entry.
pub(crate) fn entry(time_ms: u64, keyspace: &str, key: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let value = value_of(keyspace, key);
    (key_of(time_ms, &value), value)
}

/// The range of the entries that are due at `now_ms`.
pub(crate) fn until(now_ms: u64) -> KeyRange {
    let end = now_ms.checked_add(1).map(|end| [PREFIX, &end.to_be_bytes()].concat());
    match end {
        Some(end) => KeyRange::between(PREFIX, end),
        None => KeyRange::prefix(PREFIX),
    }
}

/// Returns when the entry with this key is due. Does not verify the checksum.
pub(crate) fn time_ms_of(key: &[u8]) -> Option<u64> {
    let time = key.strip_prefix(PREFIX)?.get(..TIME_BYTES)?;
    Some(u64::from_be_bytes(time.try_into().ok()?))
}

/// The range of the whole index.
pub(crate) fn all() -> KeyRange {
    KeyRange::prefix(PREFIX)
}

/// Whether one of the store's own rows belongs to the index.
pub(crate) fn is_entry(key: &[u8]) -> bool {
    key.starts_with(PREFIX)
}

/// Parses and verifies a row of the index.
pub(crate) fn parse(key: &[u8], value: &[u8]) -> Result<Entry> {
    parts(key, value).ok_or_else(|| {
        Error::new(ErrorKind::Corruption, "an entry of the expiry index fails its checksum")
            .hint("restore a backup; until then its row is hidden once it expires, but stays on disk")
    })
}

fn parts(key: &[u8], value: &[u8]) -> Option<Entry> {
    let rest = key.strip_prefix(PREFIX)?;
    let (time, hash) = rest.split_at_checked(TIME_BYTES)?;
    if hash != hash_of(time, value) {
        return None;
    }
    let time_ms = u64::from_be_bytes(time.try_into().ok()?);
    let (name_len, rest) = value.split_at_checked(NAME_LEN_BYTES)?;
    let name_len = u16::from_be_bytes(name_len.try_into().ok()?);
    let (name, key) = rest.split_at_checked(usize::from(name_len))?;
    Some(Entry { time_ms, keyspace: std::str::from_utf8(name).ok()?.to_owned(), key: key.to_vec() })
}

fn value_of(keyspace: &str, key: &[u8]) -> Vec<u8> {
    // The contract limits names to far less than that.
    let name_len = u16::try_from(keyspace.len()).unwrap_or(u16::MAX);
    [&name_len.to_be_bytes(), keyspace.as_bytes(), key].concat()
}

pub(crate) fn key_of(time_ms: u64, value: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(PREFIX.len() + TIME_BYTES + HASH_BYTES);
    key.extend_from_slice(PREFIX);
    key.extend_from_slice(&time_ms.to_be_bytes());
    key.extend_from_slice(&hash_of(&time_ms.to_be_bytes(), value));
    key
}

fn hash_of(time: &[u8], value: &[u8]) -> [u8; HASH_BYTES] {
    xxh3_128(&[time, value].concat()).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_of_a_row_is_among_the_few_that_it_may_have() {
        let written_ms = 1_764_000_000_123;
        for ttl_ms in (0..40).map(|power| 3_u64.pow(power) + 7).take_while(|ttl_ms| *ttl_ms < 1 << 50) {
            let at_ms = written_ms + ttl_ms;
            let entry_ms = entry_time_ms(at_ms, written_ms);
            for part in 0..=20 {
                let now_ms = written_ms + ttl_ms / 20 * part;
                let times_ms: Vec<u64> = entry_times_after(at_ms, now_ms).collect();
                assert!(entry_ms <= now_ms || times_ms.contains(&entry_ms), "{ttl_ms} {part}");
                assert!(now_ms >= at_ms || times_ms.contains(&at_ms), "the sweep's own");
                assert!(times_ms.len() <= 6, "{ttl_ms} {part}: {times_ms:?}");
            }
        }
    }

    #[test]
    fn entries_are_in_the_order_of_their_times() {
        let key = |time_ms| entry(time_ms, "rows", b"a").0;
        assert!(key(1) < key(2) && key(255) < key(256) && key(u64::MAX - 1) < key(u64::MAX));
        assert!(until(2).contains(&key(2)) && !until(2).contains(&key(3)));
        assert!(until(u64::MAX).contains(&key(u64::MAX)) && all().contains(&key(0)));
        assert_ne!(entry(1, "rows", b"a").0, entry(1, "row", b"sa").0);
    }

    #[test]
    fn the_time_of_an_entry_can_be_recomputed_and_few_entries_are_pending() {
        for (ttl_ms, pending_max) in [(1, 2), (3, 4), (90_000, 17), (86_400_000, 17)] {
            let times_ms: std::collections::BTreeSet<u64> = (0..5_000)
                .map(|step| {
                    let now_ms = 1_700_000_000_000 + step * ttl_ms / 5_000;
                    let at_ms = now_ms + ttl_ms;
                    let time_ms = entry_time_ms(at_ms, now_ms);
                    assert!(now_ms < time_ms && time_ms <= at_ms, "{time_ms} for {at_ms} at {now_ms}");
                    assert!(entry_times_ms(at_ms).any(|other_ms| other_ms == time_ms));
                    time_ms
                })
                .collect();
            assert!(times_ms.len() <= pending_max, "{} entries within a TTL of {ttl_ms} ms", times_ms.len());
        }
        assert_eq!(entry_time_ms(u64::MAX, 0), 15 << 60);
        assert_eq!(entry_times_ms(5).collect::<Vec<_>>(), [5, 4, 0]);
    }

    #[test]
    fn an_entry_round_trips_and_every_flipped_bit_is_detected() {
        let (key, value) = entry(7, "rows", b"\x00\xff");
        let entry = Entry { time_ms: 7, keyspace: "rows".into(), key: b"\x00\xff".to_vec() };
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
