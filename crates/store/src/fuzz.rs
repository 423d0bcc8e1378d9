//! Properties that hold for any bytes that a parser of this crate is given.
//!
//! Each function takes arbitrary bytes and panics if a property is broken. The module is compiled for the fuzzer
//! (`--cfg fuzzing`, which `cargo fuzz` sets) and for the tests below, which run the stored corpus on every
//! toolchain. So the parsers stay private, and no feature of a published crate exposes them.
#![allow(clippy::panic, clippy::missing_panics_doc, reason = "a panic reports a broken property")]

use crate::directory::mark_file::{Reading, SLOT_BYTES, SLOT_SPACING, Slot, parse as parse_mark};
use crate::directory::marker::Marker;
use crate::format::envelope::{self, Damage, Header, KeyspaceSeed, Meta};
use crate::format::tally::{self, RowHasher, Tally};
use crate::format::{expiry_index, keyspace_row};
use crate::{Store, StoreId, StoreOptions};
use std::path::Path;
use strongroom_core::{
    Durability, Error, ErrorKind, KeyspaceHints, KeyspaceId, MemoryBackend, Op, StorageBackend as _,
    WriteBatch,
};
use xxhash_rust::xxh3::xxh3_64;

/// The file `STRONGROOM`: a marker that parses is written the same, to the byte. A valid checksum alone is not
/// enough.
pub fn marker(bytes: &[u8]) {
    marker_text(bytes);
    // The fuzzer cannot guess a checksum, so it is computed here to reach the code after the check.
    if let Ok(text) = std::str::from_utf8(bytes) {
        let checked = text.find("checksum: ").map_or(text, |start| &text[..start]);
        let sealed = format!("{checked}checksum: {:016x}\n", xxh3_64(checked.as_bytes()));
        marker_text(sealed.as_bytes());
    }
}

fn marker_text(bytes: &[u8]) {
    let path = Path::new("STRONGROOM");
    match Marker::parse(bytes, path) {
        Ok(marker) => assert_eq!(marker.to_text().as_bytes(), bytes, "one marker has two forms"),
        Err(error) => check_kind(&error),
    }
}

/// The envelope of a value: opening and sealing round-trip, and a flipped bit is detected.
pub fn envelope(bytes: &[u8]) {
    let (name, rest) = split(bytes);
    let (key, stored) = split(rest);
    let name = String::from_utf8_lossy(name);
    let seed = KeyspaceSeed::of(&name);
    envelope_opens(seed, &name, key, stored);
    // Again with a valid checksum, whatever the flags say.
    let mut forged = stored.to_vec();
    if envelope::reseal(seed, key, &mut forged) {
        envelope_opens(seed, &name, key, &forged);
    }
    envelope_sealed(seed, key, stored);
}

fn envelope_opens(seed: KeyspaceSeed, name: &str, key: &[u8], stored: &[u8]) {
    match envelope::open(seed, key, stored) {
        Ok((meta, value_start)) => {
            let value = &stored[value_start..];
            let header = Header::seal(seed, key, meta, value);
            assert_eq!([header.as_bytes(), value].concat(), stored, "one row has two envelopes");
        }
        Err(damage) => check_kind(&damage.into_error(name, key)),
    }
}

/// Uses the bytes as a version, perhaps an expiry, a bit to flip, and a value.
fn envelope_sealed(seed: KeyspaceSeed, key: &[u8], bytes: &[u8]) {
    let Some((numbers, value)) = bytes.split_at_checked(18) else { return };
    let number = |at: usize| numbers[at..at + 8].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    let meta = Meta { version: number(2), expires_at_ms: (numbers[1] & 1 == 1).then(|| number(10)) };
    let header = Header::seal(seed, key, meta, value);
    let mut stored = [header.as_bytes(), value].concat();
    let value_start = header.as_bytes().len();
    assert_eq!(envelope::open(seed, key, &stored), Ok((meta, value_start)), "a sealed row does not open");
    let bit = usize::from(numbers[0]) * 8 + usize::from(numbers[1] >> 1 & 7);
    let place = bit / 8 % stored.len();
    stored[place] ^= 1 << (bit % 8);
    match envelope::open(seed, key, &stored) {
        Err(Damage::Checksum | Damage::Format(_)) => {}
        other => panic!("with a flipped bit in byte {place} it opens as {other:?}"),
    }
}

/// The row of reserved sequence numbers: a store that opens assigns only versions that were never assigned
/// before.
///
/// # Panics
///
/// Also if the memory engine refuses the row, which it has no reason to do.
pub fn sequence_row(bytes: &[u8]) {
    let backend = with_row("_store", b"sequences reserved until", bytes);
    let store = match Store::new(backend, StoreOptions::new().durability(Durability::Buffered)) {
        Ok(store) => store,
        Err(error) => return check_kind(&error),
    };
    let reserved = <[u8; 8]>::try_from(bytes).map(u64::from_be_bytes);
    let Ok(reserved) = reserved else { panic!("a row of {} bytes was parsed as a number", bytes.len()) };
    let written = store.default_keyspace().and_then(|keyspace| {
        let mut batch = store.batch();
        batch.set(&keyspace, b"key", b"value");
        store.commit(&batch)
    });
    match written {
        Ok(commit) => assert!(commit.sequence > reserved, "a sequence number is used twice"),
        // The numbers ran out.
        Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}"),
    }
}

/// The high-water file, as its two slots: the newest readable slot of this store counts.
pub fn high_water(bytes: &[u8]) {
    let (first, second) = bytes.split_at(bytes.len().min(SLOT_BYTES));
    high_water_slots(first, second);
    let sealed = |slot: &[u8]| {
        let mut slot = slot.to_vec();
        if let Some((checked, checksum)) = slot.split_last_chunk_mut::<8>() {
            *checksum = xxh3_64(checked).to_be_bytes();
        }
        slot
    };
    high_water_slots(&sealed(first), second);
    high_water_slots(&sealed(first), &sealed(second));
}

fn high_water_slots(first: &[u8], second: &[u8]) {
    let slots = [first, second];
    let mut file = vec![0; SLOT_SPACING];
    file[..first.len()].copy_from_slice(first);
    file.extend_from_slice(second);
    // The id of the last slot, so that the first one may be foreign.
    let opened = slots.map(Slot::open);
    let id = opened[1].or(opened[0]).map_or(StoreId([0x5a; 16]), |(_, id)| id);
    match parse_mark(&file, id) {
        Reading::Mark { sequence, counter, slot } => {
            let written = Slot { counter, sequence }.seal(id);
            assert_eq!(written, slots[slot][..SLOT_BYTES], "one mark has two forms");
            for (other, owner) in opened.into_iter().flatten() {
                assert!(owner == id && other.counter <= counter, "the newest mark is {other:?}");
            }
        }
        Reading::Unreadable => assert_eq!(opened, [None, None], "a readable slot is not read"),
        Reading::Foreign => {
            assert!(
                opened.into_iter().flatten().any(|(_, owner)| owner != id),
                "the mark is the store's own"
            );
        }
        Reading::Gone => panic!("the file exists"),
    }
}

/// The tally of a keyspace: opening and sealing round-trip, and a row that is added and removed leaves no trace.
pub fn tally(bytes: &[u8]) {
    let (name, stored) = split(bytes);
    let name = String::from_utf8_lossy(name);
    tally_opens(&name, stored);
    let mut forged = stored.to_vec();
    if let Some((checked, checksum)) = forged.split_at_mut_checked(tally::CHECKSUM_START) {
        let fits = tally::checksum(&name, checked).to_be_bytes();
        checksum.iter_mut().zip(fits).for_each(|(byte, fits)| *byte = fits);
        tally_opens(&name, &forged);
    }
}

fn tally_opens(name: &str, stored: &[u8]) {
    match Tally::open(name, stored) {
        Ok(tally) => {
            assert_eq!(tally.seal(name), stored, "one tally has two forms");
            let row = RowHasher::of(name).hash(stored, stored);
            let mut changed = tally;
            changed.add(row);
            assert_ne!(changed, tally, "a row is not counted");
            changed.remove(row);
            assert_eq!(changed, tally);
        }
        Err(error) => check_kind(&error),
    }
}

/// Entries of the expiry index, and the settings of keyspaces: what parses is written the same, to the byte.
pub fn expiry(bytes: &[u8]) {
    let (first, second) = split(bytes);
    index_row(first, second);
    // Again with a valid hash, to reach the code after the check.
    index_row(&expiry_index::key_of(bytes.len() as u64, second), second);
    settings_row(first, second);
    settings_row(first, &keyspace_row::resealed(first, second));
}

fn index_row(key: &[u8], value: &[u8]) {
    match expiry_index::parse(key, value) {
        Ok(entry) => {
            let mut batch = WriteBatch::new();
            expiry_index::put(&mut batch, OWN, entry.time_ms, &entry.keyspace, &entry.key);
            assert_same_row(&batch, key, value);
        }
        Err(error) => check_kind(&error),
    }
}

fn settings_row(name: &[u8], value: &[u8]) {
    match (keyspace_row::parse(name, value), std::str::from_utf8(name)) {
        (Ok(parsed), Ok(name)) => {
            let mut batch = WriteBatch::new();
            keyspace_row::put(&mut batch, OWN, name, parsed);
            assert_same_row(&batch, &keyspace_row::key(name), value);
        }
        // No keyspace has such a name.
        (Ok(_), Err(_)) => {}
        (Err(error), _) => check_kind(&error),
    }
}

const OWN: KeyspaceId = KeyspaceId::from_index(0);

fn assert_same_row(batch: &WriteBatch, key: &[u8], value: &[u8]) {
    let written = batch.ops().next().map(|(_, op)| op);
    assert_eq!(written, Some(Op::Put { key, value }), "one row has two forms");
}

/// An engine that holds one of the store's own rows.
fn with_row(keyspace: &str, key: &[u8], value: &[u8]) -> MemoryBackend {
    let backend = MemoryBackend::in_memory();
    let put = || -> Result<(), Error> {
        let keyspace = backend.create_keyspace(keyspace, KeyspaceHints::default())?;
        let mut batch = WriteBatch::new();
        batch.put(keyspace, key, value);
        backend.commit(&batch, Durability::Buffered).map(drop)
    };
    if let Err(error) = put() {
        panic!("the memory engine refuses a row: {error}");
    }
    backend
}

/// Bytes on disk are damaged or of a later version. No other kind of error is allowed.
fn check_kind(error: &Error) {
    let is_known = matches!(error.kind(), ErrorKind::Corruption | ErrorKind::Unsupported);
    assert!(is_known, "an error of kind {:?}: {error}", error.kind());
}

/// Splits the bytes at the length that the first byte gives.
fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let Some((len, rest)) = bytes.split_first() else { return (bytes, bytes) };
    rest.split_at(usize::from(*len).min(rest.len()))
}

#[cfg(test)]
#[path = "../../../fuzz/src/corpus.rs"]
mod corpus;

#[cfg(test)]
mod tests {
    use super::corpus::for_each;

    #[test]
    fn kept_markers() {
        for_each("marker", super::marker);
    }

    #[test]
    fn kept_envelopes() {
        for_each("envelope", super::envelope);
    }

    #[test]
    fn kept_sequence_rows() {
        for_each("sequence_row", super::sequence_row);
    }

    #[test]
    fn kept_high_water_marks() {
        for_each("high_water", super::high_water);
    }

    #[test]
    fn kept_tallies() {
        for_each("tally", super::tally);
    }

    #[test]
    fn kept_rows_about_expiry() {
        for_each("expiry", super::expiry);
    }
}
