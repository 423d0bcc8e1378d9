//! The tally of a keyspace: its row count, and a hash over all of its rows that does not depend on their order.
//!
//! Each row is hashed with 128-bit XXH3 over the keyspace's name, the key and the stored bytes, each preceded by
//! its length. The tally holds the wrapping sum of these hashes. So a row is added by adding its hash, and
//! removed by subtracting it. A tally that disagrees with its rows keeps disagreeing by the same amount, whatever
//! is written to other rows. It detects accidents, as checksums do, and not forgeries.
//!
//! | Bytes | Field |
//! |---|---|
//! | 0 | format: 1 |
//! | 1 | state: 1 live, 2 being dropped |
//! | 2–9 | number of rows, big-endian |
//! | 10–25 | sum of the rows' hashes, big-endian |
//! | 26–33 | XXH3 of the 26 bytes before it, with the XXH3 of the keyspace's name as seed, big-endian |

use strongroom_core::{Error, ErrorKind, Result};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed, xxh3_128};

/// The hint for missing rows. A tally is never adjusted to the rows that are left.
pub(crate) const HINT: &str = "restore a backup, or load the remaining rows into a new store";

const FORMAT: u8 = 1;
pub(crate) const CHECKSUM_START: usize = 26;
const BYTES: usize = 34;

/// The state of a keyspace, as its tally records it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// The keyspace exists, with these rows.
    Live,
    /// The keyspace is being dropped. It may exist, be missing, or have a part of its rows.
    Dropping,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) state: State,
    pub(crate) rows: u64,
    pub(crate) hash: u128,
}

impl Tally {
    pub(crate) const EMPTY: Self = Self { state: State::Live, rows: 0, hash: 0 };

    pub(crate) fn seal(self, keyspace: &str) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        bytes[0] = FORMAT;
        bytes[1] = match self.state {
            State::Live => 1,
            State::Dropping => 2,
        };
        bytes[2..10].copy_from_slice(&self.rows.to_be_bytes());
        bytes[10..CHECKSUM_START].copy_from_slice(&self.hash.to_be_bytes());
        let checksum = checksum(keyspace, &bytes[..CHECKSUM_START]);
        bytes[CHECKSUM_START..].copy_from_slice(&checksum.to_be_bytes());
        bytes
    }

    pub(crate) fn open(keyspace: &str, stored: &[u8]) -> Result<Self> {
        let damaged = || {
            Error::new(
                ErrorKind::Corruption,
                format!("the row count of keyspace {keyspace:?} fails its checksum"),
            )
            .in_keyspace(keyspace)
            .hint(HINT)
        };
        let Ok(bytes) = <[u8; BYTES]>::try_from(stored) else { return Err(damaged()) };
        if checksum(keyspace, &bytes[..CHECKSUM_START]).to_be_bytes() != bytes[CHECKSUM_START..] {
            return Err(damaged());
        }
        // Checked after the checksum: a flipped bit is damage, and not a later version.
        let state = match (bytes[0], bytes[1]) {
            (FORMAT, 1) => State::Live,
            (FORMAT, 2) => State::Dropping,
            _ => {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!("the row count of keyspace {keyspace:?} has an unknown format"),
                )
                .in_keyspace(keyspace)
                .hint("open the store with the version of Strongroom that wrote it"));
            }
        };
        let rows = bytes[2..10].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let hash = bytes[10..CHECKSUM_START].iter().fold(0, |number, byte| number << 8 | u128::from(*byte));
        Ok(Self { state, rows, hash })
    }

    pub(crate) fn add(&mut self, row: u128) {
        self.rows = self.rows.wrapping_add(1);
        self.hash = self.hash.wrapping_add(row);
    }

    /// Whether more rows were removed than were added. No store has enough rows to set the sign bit otherwise.
    pub(crate) fn is_below_zero(self) -> bool {
        self.rows.cast_signed() < 0
    }

    /// Wraps instead of failing: a tally that disagrees has to keep disagreeing.
    pub(crate) fn remove(&mut self, row: u128) {
        self.rows = self.rows.wrapping_sub(1);
        self.hash = self.hash.wrapping_sub(row);
    }
}

pub(crate) fn checksum(keyspace: &str, bytes: &[u8]) -> u64 {
    xxh3_64_with_seed(bytes, xxh3_64(keyspace.as_bytes()))
}

/// Hashes the rows of one keyspace.
#[derive(Debug)]
pub(crate) struct RowHasher {
    bytes: Vec<u8>,
    name_end: usize,
}

impl RowHasher {
    pub(crate) fn of(keyspace: &str) -> Self {
        let mut bytes = Vec::with_capacity(256);
        push(&mut bytes, keyspace.as_bytes());
        let name_end = bytes.len();
        Self { bytes, name_end }
    }

    pub(crate) fn hash(&mut self, key: &[u8], stored: &[u8]) -> u128 {
        self.bytes.truncate(self.name_end);
        push(&mut self.bytes, key);
        push(&mut self.bytes, stored);
        xxh3_128(&self.bytes)
    }
}

fn push(bytes: &mut Vec<u8>, piece: &[u8]) {
    bytes.extend_from_slice(&(piece.len() as u64).to_be_bytes());
    bytes.extend_from_slice(piece);
}

#[cfg(test)]
mod tests {
    use super::*;

    const TALLY: Tally =
        Tally { state: State::Live, rows: 258, hash: 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10 };

    #[test]
    fn a_sealed_tally_opens_and_every_flipped_bit_is_detected() {
        for state in [State::Live, State::Dropping] {
            let tally = Tally { state, ..TALLY };
            let sealed = tally.seal("events");
            assert_eq!(Tally::open("events", &sealed).unwrap(), tally);
            for bit in 0..sealed.len() * 8 {
                let mut damaged = sealed;
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(Tally::open("events", &damaged).unwrap_err().kind(), ErrorKind::Corruption);
            }
            assert!(Tally::open("events", &sealed[..33]).is_err());
            assert!(Tally::open("other", &sealed).is_err(), "another keyspace's");
        }
    }

    /// Frozen: existing stores hold these bytes.
    #[test]
    fn format_1_is_frozen() {
        let hex = TALLY.seal("events").iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        let row = RowHasher::of("events").hash(b"key", b"stored");
        assert_eq!(format!("{hex}\n{row:032x}\n"), include_str!("../../fixtures/tally-v1.hex"));
    }

    #[test]
    fn the_order_of_rows_does_not_matter_but_their_boundaries_do() {
        let mut hasher = RowHasher::of("k");
        let (a, b) = (hasher.hash(b"a", b"1"), hasher.hash(b"b", b"2"));
        let (mut forwards, mut back) = (Tally::EMPTY, Tally::EMPTY);
        forwards.add(a);
        forwards.add(b);
        back.add(b);
        back.add(a);
        assert_eq!(forwards, back);
        back.remove(a);
        back.remove(b);
        assert_eq!(back, Tally::EMPTY);
        assert_ne!(hasher.hash(b"ab", b"c"), hasher.hash(b"a", b"bc"));
        assert_ne!(RowHasher::of("ka").hash(b"b", b"c"), RowHasher::of("k").hash(b"ab", b"c"));
    }
}
