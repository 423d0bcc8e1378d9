//! The stored form of a value: a small header with a checksum, then the value itself. Version 1.
//!
//! | Bytes | Field |
//! |---|---|
//! | 0 | format of the envelope: 1 |
//! | 1 | flags: bit 0 says that an expiry follows; all others are 0 in version 1 |
//! | 2–9 | version: sequence number of the commit, big-endian, never 0 |
//! | 10–17 | checksum, big-endian |
//! | 18–25 | expiry in milliseconds since 1970, big-endian, only if bit 0 is set |
//! | rest | the value |
//!
//! The first ten bytes identify the row's version, so that a condition "the value starts with" on a backend is a
//! compare-and-swap by version. The checksum covers the keyspace's name, the key, the header and the value. So a
//! row that an engine returns under another key, or in another keyspace, fails like a flipped bit. It is built
//! from 64-bit XXH3, which detects accidents and not forgeries:
//!
//! ```text
//! keyspace = xxh3(name)
//! seed     = (keyspace + version * 0x9E3779B97F4A7C15) xor (format << 8 | flags)
//! checksum = rotate_left(xxh3(key, seed), 32) xor xxh3(bytes 18 to the end)
//! ```

use bytes::{Buf, Bytes};
use strongroom_core::{Error, ErrorKind, Result};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

const FORMAT: u8 = 1;
const FLAG_EXPIRES: u8 = 1;
const CHECKSUM_START: usize = 10;
const HEADER_BYTES: usize = 18;
const EXPIRY_BYTES: usize = 8;
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The largest size of an envelope without its value, in bytes.
pub(crate) const ENVELOPE_BYTES_MAX: usize = HEADER_BYTES + EXPIRY_BYTES;

/// The hash of a keyspace's name, which is part of each checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyspaceSeed(u64);

impl KeyspaceSeed {
    pub(crate) fn of(name: &str) -> Self {
        Self(xxh3_64(name.as_bytes()))
    }
}

/// The version and the expiry in a row's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) version: u64,
    pub(crate) expires_at_ms: Option<u64>,
}

impl Meta {
    /// For a row whose header was not read.
    pub(crate) const NONE: Self = Self { version: 0, expires_at_ms: None };

    /// Whether the row has expired at `now_ms`.
    pub(crate) fn has_expired_by(self, now_ms: u64) -> bool {
        self.expires_at_ms.is_some_and(|at_ms| at_ms <= now_ms)
    }
}

/// The bytes before a value, sealed when its commit has a sequence number.
#[derive(Debug)]
pub(crate) struct Header {
    bytes: [u8; ENVELOPE_BYTES_MAX],
    len: usize,
}

impl Header {
    pub(crate) fn seal(keyspace: KeyspaceSeed, key: &[u8], meta: Meta, value: &[u8]) -> Self {
        let mut bytes = [0; ENVELOPE_BYTES_MAX];
        let flags = if meta.expires_at_ms.is_some() { FLAG_EXPIRES } else { 0 };
        bytes[0] = FORMAT;
        bytes[1] = flags;
        bytes[2..CHECKSUM_START].copy_from_slice(&meta.version.to_be_bytes());
        let body = match meta.expires_at_ms {
            None => xxh3_64(value),
            Some(expires_at_ms) => {
                bytes[HEADER_BYTES..].copy_from_slice(&expires_at_ms.to_be_bytes());
                // Expiry and value are hashed in one piece. Hashing them one after the other would be another
                // format.
                xxh3_64(&[&bytes[HEADER_BYTES..], value].concat())
            }
        };
        let checksum = combine(keyspace, key, flags, meta.version, body);
        bytes[CHECKSUM_START..HEADER_BYTES].copy_from_slice(&checksum.to_be_bytes());
        let len = HEADER_BYTES + if flags == 0 { 0 } else { EXPIRY_BYTES };
        Self { bytes, len }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Opens what is stored for `key`, and verifies the checksum. Returns the header's content and the offset of the
/// value.
pub(crate) fn open(keyspace: KeyspaceSeed, key: &[u8], stored: &[u8]) -> Result<(Meta, usize), Damage> {
    let (start, rest) = stored.split_first_chunk().ok_or(Damage::Short)?;
    let (version, rest) = rest.split_first_chunk().ok_or(Damage::Short)?;
    let (checksum, body) = rest.split_first_chunk().ok_or(Damage::Short)?;
    let [format, flags] = *start;
    if format != FORMAT {
        return Err(Damage::Format(format));
    }
    let (version, checksum) = (u64::from_be_bytes(*version), u64::from_be_bytes(*checksum));
    if combine(keyspace, key, flags, version, xxh3_64(body)) != checksum {
        return Err(Damage::Checksum);
    }
    // Checked after the checksum: a flipped bit is damage, and not a later version.
    if flags & !FLAG_EXPIRES != 0 {
        return Err(Damage::Flags(flags));
    }
    if flags & FLAG_EXPIRES == 0 {
        return Ok((Meta { version, expires_at_ms: None }, HEADER_BYTES));
    }
    let (expiry, _) = body.split_first_chunk().ok_or(Damage::Short)?;
    Ok((Meta { version, expires_at_ms: Some(u64::from_be_bytes(*expiry)) }, ENVELOPE_BYTES_MAX))
}

/// As [`open`], for shared bytes: the value is a slice of them, not a copy.
pub(crate) fn open_shared(
    keyspace: KeyspaceSeed,
    key: &[u8],
    mut stored: Bytes,
) -> Result<(Meta, Bytes), Damage> {
    let (meta, value_start) = open(keyspace, key, &stored)?;
    stored.advance(value_start);
    Ok((meta, stored))
}

/// Writes a valid checksum into a stored row, whatever else is wrong with it. Returns `false` if it is too short
/// for one. Only the fuzzer forges rows.
#[cfg(any(test, fuzzing))]
pub(crate) fn reseal(keyspace: KeyspaceSeed, key: &[u8], stored: &mut [u8]) -> bool {
    let Some((header, body)) = stored.split_at_mut_checked(HEADER_BYTES) else { return false };
    let checksum = combine(keyspace, key, header[1], be_u64(&header[2..CHECKSUM_START]), xxh3_64(body));
    header[CHECKSUM_START..].copy_from_slice(&checksum.to_be_bytes());
    true
}

fn combine(keyspace: KeyspaceSeed, key: &[u8], flags: u8, version: u64, body: u64) -> u64 {
    let fixed = u64::from(FORMAT) << 8 | u64::from(flags);
    let seed = keyspace.0.wrapping_add(version.wrapping_mul(GOLDEN)) ^ fixed;
    xxh3_64_with_seed(key, seed).rotate_left(32) ^ body
}

#[cfg(any(test, fuzzing))]
fn be_u64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// What is wrong with an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Damage {
    /// Shorter than a header.
    Short,
    /// A format that this version does not know.
    Format(u8),
    /// Flags that this version does not know.
    Flags(u8),
    /// The checksum does not match.
    Checksum,
}

/// The hint for a damaged row.
pub(crate) const HINT: &str = "restore a backup; run `strongroom verify` to look for more damage";

impl Damage {
    /// The error for a damaged row. It names the key, so that the row can be inspected, and never the value.
    #[cold]
    pub(crate) fn into_error(self, keyspace: &str, key: &[u8]) -> Error {
        let shown = key.escape_ascii();
        let error = |kind, what: String| {
            Error::new(kind, format!("the row with key \"{shown}\" in keyspace {keyspace:?} {what}"))
                .in_keyspace(keyspace)
                .with_key(key)
        };
        let damaged = |what| error(ErrorKind::Corruption, what).hint(HINT);
        match self {
            Self::Short => damaged("is too short to hold a value".into()),
            Self::Checksum => damaged("fails its checksum".into()),
            Self::Format(format) => damaged(format!("has the unknown envelope format {format}")),
            Self::Flags(flags) => {
                error(ErrorKind::Unsupported, format!("has the unknown envelope flags {flags:#04x}"))
                    .hint("open the store with the version of Strongroom that wrote it")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(keyspace: &str, key: &[u8], meta: Meta, value: &[u8]) -> Vec<u8> {
        let header = Header::seal(KeyspaceSeed::of(keyspace), key, meta, value);
        [header.as_bytes(), value].concat()
    }

    #[test]
    fn a_sealed_row_opens() {
        for expires_at_ms in [None, Some(0), Some(u64::MAX)] {
            for value in [&b""[..], b"v", &[7; 1_000]] {
                let meta = Meta { version: 42, expires_at_ms };
                let stored = sealed("default", b"key", meta, value);
                let opened = open_shared(KeyspaceSeed::of("default"), b"key", stored.into());
                assert_eq!(opened, Ok((meta, Bytes::copy_from_slice(value))));
            }
        }
    }

    #[test]
    fn every_flipped_bit_is_detected() {
        let meta = Meta { version: 7, expires_at_ms: Some(1_700_000_000_000) };
        let stored = sealed("default", b"key", meta, b"value");
        for bit in 0..stored.len() * 8 {
            let mut damaged = stored.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let seen = open(KeyspaceSeed::of("default"), b"key", &damaged).unwrap_err();
            assert!(matches!(seen, Damage::Checksum | Damage::Format(_)), "bit {bit}: {seen:?}");
        }
        for len in 0..stored.len() {
            assert!(open(KeyspaceSeed::of("default"), b"key", &stored[..len]).is_err(), "length {len}");
        }
    }

    #[test]
    fn a_row_under_another_key_or_keyspace_is_detected() {
        let stored = sealed("default", b"key", Meta { version: 7, expires_at_ms: None }, b"value");
        assert!(open(KeyspaceSeed::of("default"), b"kez", &stored).is_err());
        assert!(open(KeyspaceSeed::of("other"), b"key", &stored).is_err());
    }

    /// Frozen: existing stores hold these bytes. A change here is a new format, not an edit.
    #[test]
    fn version_1_is_frozen() {
        let hex = |bytes: Vec<u8>| {
            Bytes::from(bytes).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
        };
        let plain = sealed("default", b"key", Meta { version: 1, expires_at_ms: None }, b"value");
        let expiring =
            sealed("events", b"\xff\x00", Meta { version: 258, expires_at_ms: Some(1_700_000_000_000) }, b"");
        assert_eq!(hex(plain), include_str!("../../fixtures/envelope-v1-plain.hex").trim());
        assert_eq!(hex(expiring), include_str!("../../fixtures/envelope-v1-expiring.hex").trim());
    }
}
