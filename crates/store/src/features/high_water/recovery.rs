//! Recovery of the high-water mark: its state when a store is opened, and what the opening does about it.

use super::mark::{Mark, commit_row};
use crate::base::Base;
use crate::directory::StoreDirectory;
use crate::directory::mark_file::{self, MarkFile, Reading};
use crate::format::{high_water_row, sequence_row};
use crate::request::Commit;
use strongroom_core::{Durability, Error, ErrorKind, Result, Snapshot, StorageBackend};

/// More commits than can be made while the mark lags.
const ACCEPTED_GAP: u64 = 1 << 20;

/// The state of a store's high-water mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecoveryStatus {
    /// The store has no mark: it is in memory, or has a format without one.
    NotKept,
    /// The store is being created, and so is its mark.
    New,
    /// The engine has the commit in the file. Numbers up to `reserved_until` may have been used since.
    Good { sequence: u64, counter: u64, slot: usize, reserved_until: u64 },
    /// The caller continues without the lost commits, which had numbers up to this one or slightly above.
    Accepted { sequence: u64, accepted: Accepted },
}

/// The loss that the caller has accepted: the file as it was, and the engine's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Accepted {
    reading: Reading,
    row: u64,
}

/// Reads the high-water mark. Changes nothing.
///
/// Returns [`Corruption`](ErrorKind::Corruption) if acknowledged commits are missing, or the mark is.
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
    // The file first: another process writes the row before the file, so a row that is read later does not lag.
    let reading = mark_file::read(directory.path(), directory.store_id())?;
    let row = high_water_row::newest(backend)?;
    match (compare(directory, reading, row), reading) {
        // A counter at its maximum can never be written again, so accepting the loss replaces the mark.
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
        (compared, _) => compared.map(|()| RecoveryStatus::NotKept),
    }
}

/// Reads the file of an open store, to compare it with a snapshot that is taken later ([`check_snapshot`]).
pub(crate) fn read(base: &Base) -> Result<Option<Reading>> {
    match &base.directory {
        Some(directory) if is_kept(base.backend(), directory) => {
            mark_file::read(directory.path(), directory.store_id()).map(Some)
        }
        _ => Ok(None),
    }
}

/// Checks that the snapshot has the commits up to the mark that was read before it. `accepted` is the loss that
/// the opening has accepted.
pub(crate) fn check_snapshot(
    base: &Base,
    accepted: Option<Accepted>,
    reading: Option<Reading>,
    snapshot: &dyn Snapshot,
) -> Result<()> {
    let (Some(directory), Some(reading)) = (&base.directory, reading) else { return Ok(()) };
    let row = high_water_row::in_snapshot(base.backend(), snapshot)?;
    // A read-only store gets no new mark, so it finds the accepted loss again. A greater loss is not accepted.
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
            "a tail of acknowledged commits is missing: the high-water mark of the store in {shown} is at \
             commit {sequence}, but its engine's high-water row is at {row}"
        ),
        Reading::Gone => format!(
            "the high-water mark of the store in {shown} is missing (the file {}), so a tail of acknowledged \
             commits may be missing too",
            mark_file::file_name()
        ),
        Reading::Unreadable => format!(
            "the high-water mark of the store in {shown} is damaged (the file {}), so a tail of \
             acknowledged commits may be missing",
            mark_file::file_name()
        ),
        Reading::Foreign => format!(
            "the high-water mark of the store in {shown} belongs to another store (the file {}), so a tail of \
             acknowledged commits may be missing",
            mark_file::file_name()
        ),
    };
    Err(Error::new(ErrorKind::Corruption, message)
        .hint("restore a backup, or open it with accept_lost_tail=true to continue without the lost commits"))
}

impl RecoveryStatus {
    /// Returns the loss that the opening has accepted, if any.
    pub(crate) fn accepted(self) -> Option<Accepted> {
        match self {
            Self::Accepted { accepted, .. } => Some(accepted),
            _ => None,
        }
    }

    /// Returns the highest number that a new commit must not get.
    pub(crate) fn sequence_floor(self) -> u64 {
        match self {
            Self::NotKept | Self::New => 0,
            Self::Good { sequence, .. } => sequence,
            // Versions that were assigned since the mark are lost with their rows, and must not be assigned
            // again.
            Self::Accepted { sequence, .. } => sequence.saturating_add(ACCEPTED_GAP),
        }
    }

    /// Prepares the mark for writing. For a new store, the file is complete and durable when this returns.
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
                    // The previous session was not closed. Its commits are marked like new ones. Otherwise they
                    // would have no mark until the next commit, however late that comes.
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
