//! The state of the high-water mark when a store is opened, and what follows from it.

use super::mark::{Mark, commit_row};
use crate::base::Base;
use crate::directory::StoreDirectory;
use crate::directory::mark_file::{self, MarkFile, Reading};
use crate::format::{high_water_row, sequence_row};
use crate::request::Commit;
use strongroom_core::{Durability, Error, ErrorKind, Result, Snapshot, StorageBackend};

/// More commits than can be made within the lag of a mark.
const ACCEPTED_GAP: u64 = 1 << 20;

/// The state of a store's mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecoveryStatus {
    /// It has none: it is in memory, or was created before there were marks.
    NotKept,
    /// The store is being created, and so is its mark.
    New,
    /// The engine holds what the file says, and numbers up to `reserved_until` may have been used since.
    Good { sequence: u64, counter: u64, slot: usize, reserved_until: u64 },
    /// The caller goes on without the lost commits, which had numbers up to this one or a little above.
    Accepted { sequence: u64, accepted: Accepted },
}

/// The loss that the caller has accepted: the file as it was, and the engine's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Accepted {
    reading: Reading,
    row: u64,
}

/// Reads the mark and changes nothing.
///
/// [`Corruption`](ErrorKind::Corruption): acknowledged commits are missing, or the mark is.
pub(crate) fn check(
    backend: &dyn StorageBackend,
    directory: Option<&StoreDirectory>,
    accept_lost_tail: bool,
) -> Result<RecoveryStatus> {
    let Some(directory) = directory.filter(|directory| is_kept(backend, directory)) else {
        return Ok(RecoveryStatus::NotKept);
    };
    if !directory.is_finished() {
        return Ok(RecoveryStatus::New);
    }
    // The file first: a writer beside us writes the row first, so the row that is read later does not lag.
    let reading = mark_file::read(directory.path(), directory.store_id())?;
    let row = high_water_row::newest(backend)?;
    match (compare(directory, reading, row), reading) {
        // A counter at its maximum can never be written again; to accept the mark is to replace it.
        (Ok(()), Reading::Mark { sequence, counter, slot }) if counter < u64::MAX || !accept_lost_tail => {
            let reserved_until = sequence_row::read(backend)?;
            Ok(RecoveryStatus::Good { sequence, counter, slot, reserved_until })
        }
        (_, Reading::Mark { sequence, .. }) if accept_lost_tail => {
            Ok(RecoveryStatus::Accepted { sequence, accepted: Accepted { reading, row } })
        }
        (_, _) if accept_lost_tail => {
            Ok(RecoveryStatus::Accepted { sequence: row, accepted: Accepted { reading, row } })
        }
        (judged, _) => judged.map(|()| RecoveryStatus::NotKept),
    }
}

/// What the file of an open store says, for [`check_snapshot`] to compare with a snapshot that is taken later.
pub(crate) fn read(base: &Base) -> Result<Option<Reading>> {
    match &base.directory {
        Some(directory) if is_kept(base.backend(), directory) => {
            mark_file::read(directory.path(), directory.store_id()).map(Some)
        }
        _ => Ok(None),
    }
}

/// Whether the snapshot reaches up to the mark that was read before it was taken. `accepted`: the loss that the opening
/// has accepted.
pub(crate) fn check_snapshot(
    base: &Base,
    accepted: Option<Accepted>,
    reading: Option<Reading>,
    snapshot: &dyn Snapshot,
) -> Result<()> {
    let (Some(directory), Some(reading)) = (&base.directory, reading) else { return Ok(()) };
    let row = high_water_row::in_snapshot(base.backend(), snapshot)?;
    // A reader makes no new mark and finds the accepted loss again; a greater one was not accepted.
    if accepted.is_some_and(|accepted| accepted.reading == reading && row >= accepted.row) {
        return Ok(());
    }
    compare(directory, reading, row)
}

/// Whether a store of this backend in this directory has a mark.
pub(crate) fn is_kept(backend: &dyn StorageBackend, directory: &StoreDirectory) -> bool {
    directory.has_high_water() && backend.engine().capabilities.persistent
}

/// Compares the file with the engine's row, which was read after it.
fn compare(directory: &StoreDirectory, reading: Reading, row: u64) -> Result<()> {
    let shown = directory.path().display();
    let message = match reading {
        Reading::Mark { sequence, .. } if row >= sequence => return Ok(()),
        Reading::Mark { sequence, .. } => format!(
            "a tail of acknowledged commits is missing: the store in {shown} was marked at commit {sequence}, \
             and its engine's last mark is {row}"
        ),
        Reading::Gone => format!(
            "the high-water mark of the store in {shown} is gone (the file {}), so that a tail of acknowledged \
             commits may be missing",
            mark_file::file_name()
        ),
        Reading::Unreadable => format!(
            "the high-water mark of the store in {shown} is damaged (the file {}), so that a tail of \
             acknowledged commits may be missing",
            mark_file::file_name()
        ),
        Reading::Foreign => format!(
            "the high-water mark of the store in {shown} is another store's (the file {}), so that a tail of \
             acknowledged commits may be missing",
            mark_file::file_name()
        ),
    };
    Err(Error::new(ErrorKind::Corruption, message)
        .hint("restore a backup, or open it with accept_lost_tail=true to go on with what is there"))
}

impl RecoveryStatus {
    /// What the opening has accepted, if it had to.
    pub(crate) fn accepted(self) -> Option<Accepted> {
        match self {
            Self::Accepted { accepted, .. } => Some(accepted),
            _ => None,
        }
    }

    /// No commit may get a number up to this one.
    pub(crate) fn sequence_floor(self) -> u64 {
        match self {
            Self::NotKept | Self::New => 0,
            Self::Good { sequence, .. } => sequence,
            // Versions that were given out since the mark are lost with their rows, and must not come again.
            Self::Accepted { sequence, .. } => sequence.saturating_add(ACCEPTED_GAP),
        }
    }

    /// Makes the mark ready to be written. For a new store the file is complete and durable when this returns.
    pub(crate) fn settle(
        self,
        directory: &StoreDirectory,
        base: &Base,
        pipeline: &dyn Commit,
    ) -> Result<Option<Mark>> {
        let (path, id) = (directory.path(), directory.store_id());
        let mark = match self {
            Self::NotKept => return Ok(None),
            Self::New => {
                let row = high_water_row::newest(base.backend())?;
                Mark::new(MarkFile::create(path, id, row)?, row)
            }
            Self::Good { sequence, counter, slot, reserved_until } => {
                let mark = Mark::new(MarkFile::open(path, id, counter, slot)?, sequence);
                if reserved_until > sequence {
                    // The session before was not closed. What it left is marked like a commit of now, or it would
                    // stay without a mark until the next one, however long that takes.
                    mark.note_commits(reserved_until, Durability::PowerSafe);
                }
                mark
            }
            Self::Accepted { .. } => {
                let sequence = commit_row(base, pipeline, false)?;
                let mark = Mark::new(MarkFile::create(path, id, sequence)?, sequence);
                mark.note_commits(sequence, Durability::PowerSafe);
                mark
            }
        };
        Ok(Some(mark))
    }
}
