//! The catalogue of keyspaces on disk, format 1.
//!
//! The catalogue is stored in the engine's table [`TABLES`]`[0]`, under the id 0. After the four bytes of the
//! id, a key is one of
//!
//! | key | value |
//! |---|---|
//! | `k` and a name | the keyspace of this name: its kind, its hints, and the location of its rows |
//! | `d` and an id | a dropped keyspace whose rows are not all removed yet |
//! | `n` | the next unused id |
//!
//! A value is a version (1), fields, and a checksum over key, version and fields: eight bytes of FNV-1a. All
//! numbers are big-endian. A flipped bit in an id would give a keyspace the rows of another, and a raw backend
//! has no checksums of its own.
//!
//! | row | fields |
//! |---|---|
//! | a packed keyspace | `1`, hints, table, id (4 bytes) |
//! | a keyspace with a table of its own, stored only for its hints | `0`, hints |
//! | a dropped keyspace | table |
//! | the next id | id (4 bytes) |
//!
//! Hints are one byte: 1 append-only, 2 large values. After a crash the row of a keyspace with a table of its
//! own may remain without that table. Such a row is ignored.

use super::id::PackedId;
use crate::keyspace::{KeyspaceHints, Placement, check_keyspace_name};
use crate::{Error, ErrorKind, Result};

/// The engine's tables that packed keyspaces share, with their creation hints. Engines that separate large
/// values then do so for the keyspaces that asked for it, and not for the others.
pub(crate) const TABLES: [(&str, KeyspaceHints); 2] = [
    ("_packed", KeyspaceHints { append_only: false, large_values: false, placement: Placement::Auto }),
    ("_packed_large", KeyspaceHints { append_only: false, large_values: true, placement: Placement::Auto }),
];

/// Returns the index in [`TABLES`] for a keyspace with these hints.
pub(crate) fn table_for(hints: KeyspaceHints) -> usize {
    usize::from(hints.large_values)
}

/// Returns the index in [`TABLES`] of the table called `name`.
pub(crate) fn table_named(name: &str) -> Option<usize> {
    TABLES.iter().position(|(table, _)| *table == name)
}

/// The first id of a keyspace. 0 is the catalogue's.
pub(crate) const FIRST_ID: u32 = 1;

const VERSION: u8 = 1;
const OWN_TABLE: u8 = 0;
const PACKED: u8 = 1;
const APPEND_ONLY: u8 = 1;
const LARGE_VALUES: u8 = 2;
const CHECKSUM_BYTES: usize = 8;

/// The catalogue's entry for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record {
    /// A table of its own, with hints that are not the defaults.
    OwnTable(KeyspaceHints),
    /// A packed keyspace.
    Packed { table: usize, id: PackedId, hints: KeyspaceHints },
}

/// A row of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Row {
    Keyspace(String, Record),
    Dropped { table: usize, id: PackedId },
    NextId(u32),
}

impl Row {
    /// Returns the engine's key for the row of keyspace `name`.
    pub(crate) fn keyspace_key(name: &str) -> Vec<u8> {
        PackedId::CATALOGUE.key(&[b"k", name.as_bytes()].concat())
    }

    /// Returns the engine's key and value.
    pub(crate) fn encode(&self) -> (Vec<u8>, Vec<u8>) {
        let (key, fields) = match self {
            Self::Keyspace(name, Record::OwnTable(hints)) => {
                (Self::keyspace_key(name), vec![OWN_TABLE, flags(*hints)])
            }
            Self::Keyspace(name, Record::Packed { table, id, hints }) => {
                let mut fields = vec![PACKED, flags(*hints), table_byte(*table)];
                fields.extend_from_slice(&id.prefix());
                (Self::keyspace_key(name), fields)
            }
            Self::Dropped { table, id } => {
                (PackedId::CATALOGUE.key(&[b"d", &id.prefix()[..]].concat()), vec![table_byte(*table)])
            }
            Self::NextId(id) => (PackedId::CATALOGUE.key(b"n"), id.to_be_bytes().to_vec()),
        };
        let mut value = vec![VERSION];
        value.extend_from_slice(&fields);
        let checksum = checksum(&key, &value);
        value.extend_from_slice(&checksum);
        (key, value)
    }

    /// Parses a row. `key` is without the id.
    pub(crate) fn decode(key: &[u8], value: &[u8]) -> Result<Self> {
        let (body, found) = value.split_last_chunk::<CHECKSUM_BYTES>().ok_or_else(damaged)?;
        if *found != checksum(&PackedId::CATALOGUE.key(key), body) {
            return Err(damaged());
        }
        let (version, fields) = body.split_first().ok_or_else(damaged)?;
        if *version != VERSION {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("the catalogue of keyspaces has format {version}; this build reads format {VERSION}"),
            )
            .hint("open it with the version that wrote it, or a later one"));
        }
        let (kind, rest) = key.split_first().ok_or_else(damaged)?;
        match kind {
            b'k' => Ok(Self::Keyspace(name(rest)?, record(fields)?)),
            b'd' => {
                let id = rest.try_into().map(u32::from_be_bytes).map_err(|_| damaged())?;
                let [table] = fields else { return Err(damaged()) };
                Ok(Self::Dropped { table: table_place(*table)?, id: PackedId(id) })
            }
            b'n' if rest.is_empty() => {
                let id = fields.try_into().map(u32::from_be_bytes).map_err(|_| damaged())?;
                Ok(Self::NextId(id))
            }
            _ => Err(damaged()),
        }
    }
}

fn name(bytes: &[u8]) -> Result<String> {
    let name = std::str::from_utf8(bytes).map_err(|_| damaged())?;
    check_keyspace_name(name).map_err(|_| damaged())?;
    Ok(name.to_owned())
}

fn record(fields: &[u8]) -> Result<Record> {
    match fields {
        [OWN_TABLE, flags] => Ok(Record::OwnTable(hints(*flags, Placement::Dedicated)?)),
        [PACKED, flags, table, id @ ..] => {
            let id = id.try_into().map(u32::from_be_bytes).map_err(|_| damaged())?;
            let hints = hints(*flags, Placement::Packed)?;
            Ok(Record::Packed { table: table_place(*table)?, id: PackedId(id), hints })
        }
        _ => Err(damaged()),
    }
}

fn flags(hints: KeyspaceHints) -> u8 {
    let mut flags = 0;
    if hints.append_only {
        flags |= APPEND_ONLY;
    }
    if hints.large_values {
        flags |= LARGE_VALUES;
    }
    flags
}

fn hints(flags: u8, placement: Placement) -> Result<KeyspaceHints> {
    if flags & !(APPEND_ONLY | LARGE_VALUES) != 0 {
        return Err(damaged());
    }
    Ok(KeyspaceHints {
        append_only: flags & APPEND_ONLY != 0,
        large_values: flags & LARGE_VALUES != 0,
        placement,
    })
}

fn table_byte(table: usize) -> u8 {
    // There are only two tables.
    u8::try_from(table).unwrap_or(u8::MAX)
}

fn table_place(byte: u8) -> Result<usize> {
    let place = usize::from(byte);
    if place < TABLES.len() { Ok(place) } else { Err(damaged()) }
}

/// FNV-1a. Each step is one-to-one, so a change of any single byte changes the checksum.
fn checksum(key: &[u8], body: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    key.iter().chain(body).fold(0xcbf2_9ce4_8422_2325, step).to_be_bytes()
}

/// Returns the error for a damaged catalogue.
#[cold]
pub(crate) fn damaged() -> Error {
    Error::new(ErrorKind::Corruption, "the catalogue of packed keyspaces is damaged")
        .hint("restore from a backup")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    fn rows() -> Vec<Row> {
        let large = KeyspaceHints { placement: Placement::Packed, ..KeyspaceHints::large_values() };
        let events = KeyspaceHints { placement: Placement::Dedicated, ..KeyspaceHints::append_only() };
        vec![
            Row::Keyspace("events.2026".into(), Record::OwnTable(events)),
            Row::Keyspace("a".into(), Record::Packed { table: 1, id: PackedId(0x0102_0304), hints: large }),
            Row::Dropped { table: 0, id: PackedId(7) },
            Row::NextId(0x0102_0305),
        ]
    }

    fn push_hex(text: &mut String, bytes: &[u8], end: char) {
        for byte in bytes {
            write!(text, "{byte:02x}").unwrap();
        }
        text.push(end);
    }

    #[test]
    fn rows_round_trip_and_a_flipped_bit_is_detected() {
        for row in rows() {
            let (key, value) = row.encode();
            assert_eq!(Row::decode(&key[4..], &value).unwrap(), row);
            for place in 0..value.len() * 8 {
                let mut flipped = value.clone();
                flipped[place / 8] ^= 1 << (place % 8);
                let error = Row::decode(&key[4..], &flipped).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Corruption, "{row:?}, bit {place}");
            }
            for place in 0..(key.len() - 4) * 8 {
                let mut flipped = key[4..].to_vec();
                flipped[place / 8] ^= 1 << (place % 8);
                assert!(Row::decode(&flipped, &value).is_err(), "{row:?}, bit {place} of the key");
            }
            for length in 0..value.len() {
                assert!(Row::decode(&key[4..], &value[..length]).is_err());
            }
        }
    }

    /// Format 1 is frozen: later versions have to read these bytes the same way.
    #[test]
    fn format_1_is_frozen() {
        let mut written = String::new();
        for row in rows() {
            let (key, value) = row.encode();
            push_hex(&mut written, &key, ' ');
            push_hex(&mut written, &value, '\n');
        }
        assert_eq!(written, include_str!("../../fixtures/catalogue-v1.hex"));
    }

    #[test]
    fn a_later_format_is_unsupported_and_not_damage() {
        let (key, mut value) = Row::NextId(9).encode();
        value[0] = 2;
        let body = value.len() - CHECKSUM_BYTES;
        let sum = checksum(&key, &value[..body]);
        value[body..].copy_from_slice(&sum);
        assert_eq!(Row::decode(&key[4..], &value).unwrap_err().kind(), ErrorKind::Unsupported);
    }
}
