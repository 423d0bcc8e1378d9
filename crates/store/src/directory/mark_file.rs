//! The file `STRONGROOM.highwater` next to the marker: two slots of fixed size, written alternately and in place.
//!
//! | Bytes of a slot | Field |
//! |---|---|
//! | 0–7 | `highwtr1`: magic number and format |
//! | 8–23 | the store's id |
//! | 24–31 | counter, big-endian: the slot with the higher one is the newer |
//! | 32–39 | sequence number, big-endian |
//! | 40–47 | XXH3 of the 40 bytes before it, big-endian |
//!
//! The slots begin 4,096 bytes apart, so that no sector or page holds both. A torn write damages only the slot
//! that it writes, which is never the newest good one (invariant 10).

use super::marker::StoreId;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind as IoKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use strongroom_core::files::sync_directory;
use strongroom_core::{Error, ErrorKind, MARKER_FILE, Result};
use xxhash_rust::xxh3::xxh3_64;

const MAGIC: &[u8; 8] = b"highwtr1";
pub(crate) const SLOT_BYTES: usize = 48;
pub(crate) const SLOT_SPACING: usize = 4_096;
const FILE_BYTES: usize = 2 * SLOT_SPACING;

/// Name of the file in a store's directory.
pub(crate) fn file_name() -> String {
    format!("{MARKER_FILE}.highwater")
}

/// The content of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) counter: u64,
    pub(crate) sequence: u64,
}

/// The content of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// The newest mark, and the slot that holds it.
    Mark { sequence: u64, counter: u64, slot: usize },
    /// The file does not exist.
    Gone,
    /// No slot is readable.
    Unreadable,
    /// It is the mark of another store.
    Foreign,
}

/// The file, open for writing.
#[derive(Debug)]
pub(crate) struct MarkFile {
    path: PathBuf,
    file: File,
    store: StoreId,
    counter: u64,
    /// The slot that holds the newest mark. The other is written next.
    newest: usize,
    /// After a failed write the content of the slot is unknown, and the system may not report a failed sync
    /// again. So nothing more is written until the store is reopened.
    has_failed: bool,
}

impl Slot {
    pub(crate) fn seal(self, store: StoreId) -> [u8; SLOT_BYTES] {
        let mut bytes = [0; SLOT_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..24].copy_from_slice(&store.0);
        bytes[24..32].copy_from_slice(&self.counter.to_be_bytes());
        bytes[32..40].copy_from_slice(&self.sequence.to_be_bytes());
        let checksum = xxh3_64(&bytes[..40]);
        bytes[40..].copy_from_slice(&checksum.to_be_bytes());
        bytes
    }

    /// Returns none if the slot is torn or was never written.
    pub(crate) fn open(bytes: &[u8]) -> Option<(Self, StoreId)> {
        let (slot, _) = bytes.split_first_chunk::<SLOT_BYTES>()?;
        if &slot[..8] != MAGIC || xxh3_64(&slot[..40]).to_be_bytes() != slot[40..] {
            return None;
        }
        let number =
            |from: usize| slot[from..from + 8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let mut id = [0; 16];
        id.copy_from_slice(&slot[8..24]);
        Some((Self { counter: number(24), sequence: number(32) }, StoreId(id)))
    }
}

/// Reads the mark of `store` in `directory`.
pub(crate) fn read(directory: &Path, store: StoreId) -> Result<Reading> {
    let path = directory.join(file_name());
    let mut bytes = Vec::with_capacity(FILE_BYTES);
    match File::open(&path).and_then(|file| file.take(FILE_BYTES as u64).read_to_end(&mut bytes)) {
        Ok(_) => Ok(parse(&bytes, store)),
        Err(error) if error.kind() == IoKind::NotFound => Ok(Reading::Gone),
        Err(error) => Err(Error::from_io(format!("cannot read {}", path.display()), error)),
    }
}

pub(crate) fn parse(bytes: &[u8], store: StoreId) -> Reading {
    let mut best = Reading::Unreadable;
    for slot in 0..2 {
        let Some((found, id)) = bytes.get(slot * SLOT_SPACING..).and_then(Slot::open) else { continue };
        let newer = match best {
            Reading::Mark { counter, .. } => found.counter > counter,
            _ => true,
        };
        if id != store {
            return Reading::Foreign;
        }
        if newer {
            best = Reading::Mark { sequence: found.sequence, counter: found.counter, slot };
        }
    }
    best
}

impl MarkFile {
    /// Writes a new file in place of any existing one. The file and its name are durable when this returns.
    pub(crate) fn create(directory: &Path, store: StoreId, sequence: u64) -> Result<Self> {
        let path = directory.join(file_name());
        let scratch = directory.join(format!("{}.new", file_name()));
        let mut bytes = vec![0; FILE_BYTES];
        // Both slots hold the mark, so that one is good if a later write tears the other.
        for (slot, counter) in [(0, 1), (1, 2)] {
            let start = slot * SLOT_SPACING;
            bytes[start..start + SLOT_BYTES].copy_from_slice(&Slot { counter, sequence }.seal(store));
        }
        let write = || -> io::Result<File> {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&scratch)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&scratch, &path)?;
            sync_directory(directory)?;
            Ok(file)
        };
        let file =
            write().map_err(|error| Error::from_io(format!("cannot write {}", path.display()), error))?;
        Ok(Self { path, file, store, counter: 2, newest: 1, has_failed: false })
    }

    /// Opens the file that [`read`] has read.
    pub(crate) fn open(directory: &Path, store: StoreId, counter: u64, newest: usize) -> Result<Self> {
        let path = directory.join(file_name());
        let file = OpenOptions::new()
            .write(true)
            .open(&path)
            .map_err(|error| Error::from_io(format!("cannot open {}", path.display()), error))?;
        Ok(Self { path, file, store, counter, newest, has_failed: false })
    }

    /// Writes the mark and makes it durable.
    pub(crate) fn write(&mut self, sequence: u64) -> Result<()> {
        if self.has_failed {
            return Err(Error::new(
                ErrorKind::Closed,
                format!("an earlier write to {} failed", self.path.display()),
            ));
        }
        let slot = 1 - self.newest;
        // Counters begin at 2 and never get there, so this mark was not written by a store.
        let counter = self.counter.checked_add(1).ok_or_else(|| {
            Error::new(
                ErrorKind::Corruption,
                format!("the counter in {} is at its maximum", self.path.display()),
            )
            .hint("open the store with accept_lost_tail=true, which writes a new mark")
        })?;
        let bytes = Slot { counter, sequence }.seal(self.store);
        let written = self
            .file
            .seek(SeekFrom::Start((slot * SLOT_SPACING) as u64))
            .and_then(|_| self.file.write_all(&bytes))
            .and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            self.has_failed = true;
            return Err(Error::from_io(format!("cannot write {}", self.path.display()), error));
        }
        (self.counter, self.newest) = (counter, slot);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: StoreId = StoreId([0x5a; 16]);

    impl MarkFile {
        /// Replaces the handle by one that cannot write, as if the disk refused.
        pub(crate) fn break_handle(&mut self) -> File {
            let cannot_write = File::open(&self.path).unwrap();
            std::mem::replace(&mut self.file, cannot_write)
        }
    }

    fn mark_of(directory: &Path) -> u64 {
        match read(directory, STORE).unwrap() {
            Reading::Mark { sequence, .. } => sequence,
            other => panic!("{other:?}"),
        }
    }

    fn spoil(directory: &Path, slot: usize) {
        let path = directory.join(file_name());
        let mut bytes = fs::read(&path).unwrap();
        bytes[slot * SLOT_SPACING + 35] ^= 1;
        fs::write(&path, bytes).unwrap();
    }

    #[test]
    fn the_newest_mark_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        assert_eq!(read(path, STORE).unwrap(), Reading::Gone);
        let mut file = MarkFile::create(path, STORE, 7).unwrap();
        assert_eq!(mark_of(path), 7);
        for sequence in [8, 9, 300] {
            file.write(sequence).unwrap();
            assert_eq!(mark_of(path), sequence);
        }
        // A lower number can be the newer mark, after an accepted loss.
        file.write(5).unwrap();
        assert_eq!(mark_of(path), 5);
        assert_eq!(read(path, StoreId([1; 16])).unwrap(), Reading::Foreign);
    }

    /// Frozen: existing stores hold these bytes.
    #[test]
    fn format_1_is_frozen() {
        let bytes = Slot { counter: 3, sequence: 258 }.seal(STORE);
        let hex = bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        assert_eq!(hex, include_str!("../../fixtures/high-water-v1.hex").trim());
    }

    #[test]
    fn a_torn_slot_leaves_the_other_and_is_overwritten_next() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let mut file = MarkFile::create(path, STORE, 1).unwrap();
        file.write(2).unwrap();
        file.write(3).unwrap();
        let Reading::Mark { slot, .. } = read(path, STORE).unwrap() else { panic!() };
        spoil(path, slot);
        let Reading::Mark { sequence: 2, counter, slot: left } = read(path, STORE).unwrap() else { panic!() };
        assert_ne!(left, slot);
        let mut again = MarkFile::open(path, STORE, counter, left).unwrap();
        again.write(4).unwrap();
        assert_eq!(mark_of(path), 4);
        // The torn slot was overwritten, so the older mark is still in the other.
        spoil(path, slot);
        assert_eq!(mark_of(path), 2);
        spoil(path, left);
        assert_eq!(read(path, STORE).unwrap(), Reading::Unreadable);
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_of_a_slot_is_detected() {
        let bytes = Slot { counter: 3, sequence: 258 }.seal(STORE);
        assert!(Slot::open(&bytes).is_some());
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Slot::open(&damaged).is_none(), "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert!(Slot::open(&bytes[..len]).is_none(), "length {len}");
        }
    }

    #[test]
    fn a_counter_at_its_maximum_is_an_error_and_does_not_wrap() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        drop(MarkFile::create(path, STORE, 7).unwrap());
        let mut bytes = fs::read(path.join(file_name())).unwrap();
        bytes[..SLOT_BYTES].copy_from_slice(&Slot { counter: u64::MAX, sequence: 7 }.seal(STORE));
        fs::write(path.join(file_name()), &bytes).unwrap();
        let Reading::Mark { counter, slot, .. } = read(path, STORE).unwrap() else { panic!() };
        let error = MarkFile::open(path, STORE, counter, slot).unwrap().write(8).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corruption);
        assert!(error.to_string().contains("is at its maximum"), "{error}");
        assert_eq!(fs::read(path.join(file_name())).unwrap(), bytes, "nothing was written");
    }

    #[test]
    fn after_a_failed_write_nothing_more_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = MarkFile::create(directory.path(), STORE, 1).unwrap();
        let can_write = file.break_handle();
        assert!(file.write(2).is_err());
        file.file = can_write;
        assert_eq!(file.write(3).unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(mark_of(directory.path()), 1);
    }
}
