//! Cuts off the last batch of the journal if a power cut has left it with a hole.
//!
//! A disk writes sectors in any order. So the end of a batch that was being written may exist while a part in
//! the middle is missing. fjall cuts off a batch without an end, but refuses the whole database for a batch
//! with an end and a wrong checksum. If that batch is the last in the newest journal, it was being written
//! during the power cut, so it is cut off too. If another batch follows, the journal is damaged, and is not
//! changed.
//!
//! The price: a bit that is flipped at rest in the very last batch looks the same. That commit is then lost,
//! instead of the database being refused, as in engines that cut their logs at the first damage. The store
//! above detects it by its high-water mark.
//!
//! The layout is that of `journal/entry.rs` in fjall 3.1: a batch is a start, entries, and an end with a
//! checksum over the entries' bytes.

use crate::error::translate_io;
use fjall::JournalRecoveryError;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use strongroom_core::Result;
use xxhash_rust::xxh3::xxh3_64;

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
/// The last bytes of an end.
const MAGIC: &[u8] = b"FJL\x03";

/// Bytes after the tag.
const START_BYTES: usize = 4 + 8;
const CLEAR_BYTES: usize = 8;
const END_BYTES: usize = 8 + MAGIC.len();
/// Kind of value, compression, keyspace, and the lengths of key, value and stored value.
const ITEM_BYTES: usize = 1 + 1 + 8 + 2 + 4 + 4;

/// Cuts off the last batch of the newest journal if it is torn. Returns whether it did.
pub(crate) fn cut_torn_batch(directory: &Path, refused: &fjall::Error) -> Result<bool> {
    let is_torn = matches!(
        refused,
        fjall::Error::JournalRecovery(
            JournalRecoveryError::ChecksumMismatch
                | JournalRecoveryError::InsufficientLength
                | JournalRecoveryError::TooManyItems
        )
    );
    if !is_torn {
        return Ok(false);
    }
    cut(directory).map_err(translate_io)
}

fn cut(directory: &Path) -> io::Result<bool> {
    let Some(journal) = newest(directory)? else { return Ok(false) };
    let Some(place) = torn_batch(&std::fs::read(&journal)?) else { return Ok(false) };
    let file = File::options().write(true).open(journal)?;
    file.set_len(place as u64)?;
    file.sync_all()?;
    Ok(true)
}

fn newest(directory: &Path) -> io::Result<Option<PathBuf>> {
    let mut newest = None;
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let number =
            path.file_name().and_then(|name| name.to_str()?.strip_suffix(".jnl")?.parse::<u64>().ok());
        newest = newest.max(number.map(|number| (number, path)));
    }
    Ok(newest.map(|(_, path)| path))
}

/// Returns the start of the last batch, if that batch has an end and is torn.
fn torn_batch(bytes: &[u8]) -> Option<usize> {
    let mut place = 0;
    loop {
        let (is_whole, end) = batch(bytes, place)?;
        if !is_whole {
            let follows = bytes[end..].windows(MAGIC.len()).any(|window| window == MAGIC);
            return (!follows).then_some(place);
        }
        place = end;
    }
}

/// Returns whether the batch at `place` is intact, and where it ends. `None`: there is no batch with an end.
fn batch(bytes: &[u8], place: usize) -> Option<(bool, usize)> {
    if *bytes.get(place)? != START {
        return None;
    }
    let count = number(bytes, place + 1, 4)?;
    let entries = place + 1 + START_BYTES;
    let (mut at, mut found) = (entries, 0);
    loop {
        let tag = *bytes.get(at)?;
        match tag {
            ITEM => {
                let lengths = at + 1 + 1 + 1 + 8;
                let (key, stored) = (number(bytes, lengths, 2)?, number(bytes, lengths + 6, 4)?);
                at = at.checked_add(1 + ITEM_BYTES)?.checked_add(key)?.checked_add(stored)?;
                found += 1;
            }
            CLEAR => {
                at += 1 + CLEAR_BYTES;
                found += 1;
            }
            END => {
                let checksum = bytes.get(at + 1..at + 9)?;
                let end = at + 1 + END_BYTES;
                if bytes.get(at + 9..end)? != MAGIC {
                    return None;
                }
                let is_whole = found == count && xxh3_64(bytes.get(entries..at)?).to_le_bytes() == checksum;
                return Some((is_whole, end));
            }
            _ => return None,
        }
    }
}

/// Returns a little-endian number of `len` bytes.
fn number(bytes: &[u8], place: usize, len: usize) -> Option<usize> {
    let bytes = bytes.get(place..place.checked_add(len)?)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}
