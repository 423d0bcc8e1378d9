//! The catalogue of keyspaces on disk, format 1.
//!
//! It lies in the engine's table [`TABLES`]`[0]`, under the id 0. After the four bytes of the id, a key is one of
//!
//! | key | value |
//! |---|---|
//! | `k` and a name | the keyspace of this name: its kind, its hints, and where its rows are |
//! | `d` and an id | a keyspace that was dropped and whose rows are not all removed yet |
//! | `n` | the next id that nobody has had |
//!
//! A value is a version (1), fields, and a checksum over key, version and fields: eight bytes of FNV-1a, most
//! significant first, as all numbers here. A flipped bit in an id would give a keyspace the rows of another, and a
//! raw backend has no checksums of its own.
//!
//! | of | fields |
//! |---|---|
//! | a packed keyspace | `1`, hints, table, id (4 bytes) |
//! | a keyspace with a table of its own, kept for its hints alone | `0`, hints |
//! | a dropped keyspace | table |
//! | the next id | id (4 bytes) |
//!
//! Hints are a byte: 1 append-only, 2 large values. A row of a keyspace with a table of its own may outlive that table,
//! when a crash comes in between; it means nothing then.

use super::id::PackedId;
use crate::keyspace::{KeyspaceHints, Placement, check_keyspace_name};
use crate::{Error, ErrorKind, Result};

/// The engine's tables that packed keyspaces share, with the hints that they are created with: engines that keep large
/// values apart do so for those that asked for it, and not for the others.
pub(crate) const TABLES: [(&str, KeyspaceHints); 2] = [
    ("_packed", KeyspaceHints { append_only: false, large_values: false, placement: Placement::Auto }),
    ("_packed_large", KeyspaceHints { append_only: false, large_values: true, placement: Placement::Auto }),
];

/// Which of [`TABLES`] suits a keyspace.
pub(crate) fn table_for(hints: KeyspaceHints) -> usize {
    usize::from(hints.large_values)
}

/// Which of [`TABLES`] has this name.
pub(crate) fn table_named(name: &str) -> Option<usize> {
    TABLES.iter().position(|(table, _)| *table == name)
}

/// The first id of a keyspace: 0 is the catalogue's.
pub(crate) const FIRST_ID: u32 = 1;

const VERSION: u8 = 1;
const OWN_TABLE: u8 = 0;
const PACKED: u8 = 1;
const APPEND_ONLY: u8 = 1;
const LARGE_VALUES: u8 = 2;
const CHECKSUM_BYTES: usize = 8;

/// What the catalogue says of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record {
    /// It has a table of its own, and hints that are not the default ones.
    OwnTable(KeyspaceHints),
    /// It is packed.
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
    /// The key that the row of the keyspace `name` has in the engine.
    pub(crate) fn keyspace_key(name: &str) -> Vec<u8> {
        PackedId::CATALOGUE.key(&[b"k", name.as_bytes()].concat())
    }

    /// Key and value in the engine.
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

    /// Reads a row, whose `key` is without the id.
    pub(crate) fn decode(key: &[u8], value: &[u8]) -> Result<Self> {
        let (body, found) = value.split_last_chunk::<CHECKSUM_BYTES>().ok_or_else(damaged)?;
        if *found != checksum(&PackedId::CATALOGUE.key(key), body) {
            return Err(damaged());
        }
        let (version, fields) = body.split_first().ok_or_else(damaged)?;
        if *version != VERSION {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("the catalogue of keyspaces has format {version}, known is {VERSION}"),
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
    // There are two.
    u8::try_from(table).unwrap_or(u8::MAX)
}

fn table_place(byte: u8) -> Result<usize> {
    let place = usize::from(byte);
    if place < TABLES.len() { Ok(place) } else { Err(damaged()) }
}

/// FNV-1a: every changed byte changes it, since each step is one-to-one.
fn checksum(key: &[u8], body: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    key.iter().chain(body).fold(0xcbf2_9ce4_8422_2325, step).to_be_bytes()
}

/// The catalogue is not as it was written.
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
    fn rows_come_back_and_a_flipped_bit_is_damage() {
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

    /// Format 1 is frozen: what these bytes say has to stay what it is.
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
    fn a_later_format_is_told_apart_from_damage() {
        let (key, mut value) = Row::NextId(9).encode();
        value[0] = 2;
        let body = value.len() - CHECKSUM_BYTES;
        let sum = checksum(&key, &value[..body]);
        value[body..].copy_from_slice(&sum);
        assert_eq!(Row::decode(&key[4..], &value).unwrap_err().kind(), ErrorKind::Unsupported);
    }
}
