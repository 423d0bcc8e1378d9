//! What was written to a disk, in order, and what a power cut leaves of it.
//!
//! A disk promises one thing: what was written before a flush began is there once the flush is acknowledged.
//! Everything else is its own choice. It may keep a write that nobody flushed, lose it, keep some of its sectors,
//! or keep a later one and lose an earlier one. A [`Crash`] is one such choice, and a storage engine must live with
//! every one of them.

use std::sync::Arc;

use super::image::Image;
use crate::random::Random;

/// The unit that a disk writes whole or not at all, in bytes.
pub const SECTOR_BYTES: usize = 512;

/// One thing that happened to a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Data was written, or a range was zeroed or discarded, which reads as zeros. A large range is several entries.
    Write {
        /// Where on the disk, in bytes.
        offset: u64,
        /// What was written.
        data: Arc<[u8]>,
    },
    /// A flush began that was acknowledged later. It covers the writes before it; one that arrived while it went on
    /// stands after it and is not covered. A flush that failed is not in the log: it covers nothing.
    Flush,
    /// A child wrote to the mark file: one `write` call, one mark. What it had been told before is in the log
    /// before it.
    Mark(Vec<u8>),
}

/// What becomes of the writes that no flush has covered when the power is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Crash {
    /// All are lost.
    DropUnflushed,
    /// All are kept.
    KeepAll,
    /// Each sector of each is kept with one probability, which is drawn for each image.
    RandomSectors,
    /// Some are kept, in another order: a later write may be there and an earlier one not, and of two writes to one
    /// sector the earlier one may be what is left.
    Reordered,
    /// All but the last are whole; of the last some sectors are there, one at least is not.
    TornLast,
}

impl Crash {
    /// All kinds.
    pub const ALL: [Crash; 5] =
        [Crash::DropUnflushed, Crash::KeepAll, Crash::RandomSectors, Crash::Reordered, Crash::TornLast];

    /// The kind's name, as a report says it.
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

/// All that happened to one disk from its mount to its unmount.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The disk before it was mounted.
    pub base: Image,
    /// What happened, in order. The first entries are the mount's own, the last the unmount's.
    pub log: Vec<Entry>,
    /// The file system was still in use when it was unmounted, so that it was cut off: the log is right as far as it
    /// goes, and the last of what was written may be missing from it.
    pub cut_off: bool,
}

impl Recording {
    /// A recording of what happened to `base`.
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

    /// What the disk holds if the power is cut after the first `cut` entries of the log. Everything before the last
    /// flush among them is there; `kind` and `random` decide about the rest.
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

    /// The disk with everything that was written.
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

/// Applies what `kind` keeps of the unflushed writes.
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

/// Writes some of the sectors of one write, from its front or, as some disks do, from its back; never all.
fn tear(image: &mut Image, offset: u64, data: &[u8], random: &mut Random) {
    let all: Vec<_> = sectors(offset, data).collect();
    let kept = random.below(all.len());
    let kept = if random.chance(0.25) { &all[all.len() - kept..] } else { &all[..kept] };
    for (offset, sector) in kept {
        image.write(*offset, sector);
    }
}

/// The sectors that a write touches, each with its offset.
fn sectors(offset: u64, data: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let mut at = offset;
    let mut rest = data;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        // Below `SECTOR_BYTES`, so that it fits.
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
