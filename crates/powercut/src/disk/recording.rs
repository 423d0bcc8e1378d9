//! The ordered log of a disk, and the images that a power cut may leave.
//!
//! A disk promises one thing: once a flush is acknowledged, all writes before its start are durable. Everything else
//! is undefined. The disk may keep an unflushed write, lose it, keep some of its sectors, or keep a later write and
//! lose an earlier one. A [`Crash`] is one such choice, and a storage engine must survive all of them.

use std::sync::Arc;

use super::image::Image;
use crate::random::Random;

/// The unit that a disk writes atomically, in bytes.
pub const SECTOR_BYTES: usize = 512;

/// One entry of a disk's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Data was written, or a range was zeroed or discarded, which reads as zeros. A large range is several entries.
    Write {
        /// Offset on the disk, in bytes.
        offset: u64,
        /// The bytes written.
        data: Arc<[u8]>,
    },
    /// The start of a flush that was acknowledged later. It covers the writes before it. A write that arrived during
    /// the flush comes after it and is not covered. A failed flush covers nothing and is not in the log.
    Flush,
    /// One `write` call of a child to the mark file. Requests that were answered before it come before it in the log.
    Mark(Vec<u8>),
}

/// What happens to unflushed writes when the power is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Crash {
    /// All are lost.
    DropUnflushed,
    /// All are kept.
    KeepAll,
    /// Each sector is kept with the same probability, which is drawn per image.
    RandomSectors,
    /// Some are kept, in another order: a later write may survive without an earlier one, and of two writes to one
    /// sector the earlier one may win.
    Reordered,
    /// All but the last are complete; the last one lacks at least one sector.
    TornLast,
}

impl Crash {
    /// All kinds.
    pub const ALL: [Crash; 5] =
        [Crash::DropUnflushed, Crash::KeepAll, Crash::RandomSectors, Crash::Reordered, Crash::TornLast];

    /// The kind's name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Crash::DropUnflushed => "drop-unflushed",
            Crash::KeepAll => "keep-all",
            Crash::RandomSectors => "random-sectors",
            Crash::Reordered => "reordered",
            Crash::TornLast => "torn-last",
        }
    }
}

/// The history of one disk from its mount to its unmount.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The disk before it was mounted.
    pub base: Image,
    /// The log, in order. The first entries come from the mount, the last from the unmount.
    pub log: Vec<Entry>,
    /// Whether the file system was still in use at the unmount and was cut off. The log is then correct, but may lack
    /// the last writes.
    pub cut_off: bool,
}

impl Recording {
    /// Creates a recording from an image and the log of what happened to it.
    pub fn new(base: Image, log: Vec<Entry>) -> Recording {
        Recording { base, log, cut_off: false }
    }

    /// The marks, each with its index in the log, in order.
    pub fn marks(&self) -> impl Iterator<Item = (usize, &[u8])> {
        self.log.iter().enumerate().filter_map(|(index, entry)| match entry {
            Entry::Mark(mark) => Some((index, mark.as_slice())),
            _ => None,
        })
    }

    /// Returns the disk after a power cut that follows the first `cut` entries of the log. All writes before the last
    /// flush among them are kept; `kind` and `random` decide about the rest.
    pub fn crash(&self, cut: usize, kind: Crash, random: &mut Random) -> Image {
        let happened = &self.log[..cut.min(self.log.len())];
        let flushed = happened.iter().rposition(|entry| *entry == Entry::Flush).unwrap_or(0);
        let (durable, pending) = happened.split_at(flushed);
        let mut image = self.base.clone();
        for (offset, data) in writes(durable) {
            image.write(offset, data);
        }
        keep_some(&mut image, &writes(pending).collect::<Vec<_>>(), kind, random);
        image
    }

    /// Returns the disk with all writes applied.
    pub fn last(&self) -> Image {
        let mut image = self.base.clone();
        for (offset, data) in writes(&self.log) {
            image.write(offset, data);
        }
        image
    }
}

fn writes(entries: &[Entry]) -> impl Iterator<Item = (u64, &[u8])> {
    entries.iter().filter_map(|entry| match entry {
        Entry::Write { offset, data } => Some((*offset, &data[..])),
        _ => None,
    })
}

/// Applies the unflushed writes that `kind` keeps.
fn keep_some(image: &mut Image, pending: &[(u64, &[u8])], kind: Crash, random: &mut Random) {
    match kind {
        Crash::DropUnflushed => {}
        Crash::KeepAll => {
            for (offset, data) in pending {
                image.write(*offset, data);
            }
        }
        Crash::RandomSectors => {
            let kept = 0.1 + 0.8 * random.fraction();
            for (offset, data) in pending {
                for (offset, sector) in sectors(*offset, data) {
                    if random.chance(kept) {
                        image.write(offset, sector);
                    }
                }
            }
        }
        Crash::Reordered => {
            let mut order: Vec<_> = pending.iter().collect();
            random.shuffle(&mut order);
            order.truncate(random.below(order.len() + 1));
            for (offset, data) in order {
                image.write(*offset, data);
            }
        }
        Crash::TornLast => {
            let Some(((offset, data), whole)) = pending.split_last() else { return };
            for (offset, data) in whole {
                image.write(*offset, data);
            }
            tear(image, *offset, data, random);
        }
    }
}

/// Writes some but not all sectors of one write, from its front or, as some disks do, from its back.
fn tear(image: &mut Image, offset: u64, data: &[u8], random: &mut Random) {
    let all: Vec<_> = sectors(offset, data).collect();
    let kept = random.below(all.len());
    let kept = if random.chance(0.25) { &all[all.len() - kept..] } else { &all[..kept] };
    for (offset, sector) in kept {
        image.write(*offset, sector);
    }
}

/// The sectors that a write touches, with their offsets.
fn sectors(offset: u64, data: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let mut at = offset;
    let mut rest = data;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        // Fits, because it is below `SECTOR_BYTES`.
        let within = usize::try_from(at % SECTOR_BYTES as u64).unwrap_or(0);
        let (sector, after) = rest.split_at((SECTOR_BYTES - within).min(rest.len()));
        let sector_at = at;
        at += sector.len() as u64;
        rest = after;
        Some((sector_at, sector))
    })
}

#[cfg(test)]
#[path = "recording_tests.rs"]
mod tests;
