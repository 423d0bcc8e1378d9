//! What an opening finds of the mark, and what it makes of it.

use super::file::{self, MarkFile, Reading};
use super::{HighWater, commit_witness, witness};
use crate::directory::StoreDirectory;
use crate::pipeline::reserved_until;
use crate::store::Inner;
use strongroom_core::{Durability, Error, ErrorKind, Result, Snapshot, StorageBackend};

/// More commits than are made within the lag of a mark.
const ACCEPTED_GAP: u64 = 1 << 20;

/// How a store's mark stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It has none: it is in memory, or was made before there were marks.
    NotKept,
    /// The store is being created, and so is its mark.
    New,
    /// The engine holds what the file says, and numbers up to `reserved_until` may have been used since.
    Good { sequence: u64, counter: u64, slot: usize, reserved_until: u64 },
    /// The caller goes on without what is lost, which was committed up to this number or a little further.
    Accepted { sequence: u64, accepted: Accepted },
}

/// What the caller has accepted: the file as it was, and the engine's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Accepted {
    reading: Reading,
    row: u64,
}

/// Looks at the mark and changes nothing.
///
/// [`Corruption`](ErrorKind::Corruption): commits that were acknowledged are missing, or the mark is.
pub(crate) fn look(
    backend: &dyn StorageBackend,
    directory: Option<&StoreDirectory>,
    accept_lost_tail: bool,
) -> Result<Standing> {
    let Some(directory) = directory.filter(|directory| is_kept(backend, directory)) else {
        return Ok(Standing::NotKept);
    };
    if !directory.is_finished() {
        return Ok(Standing::New);
    }
    // The file first: a writer beside us moves the row first, so that the row that is read later is not behind.
    let reading = file::read(directory.path(), directory.store_id())?;
    let row = witness::newest(backend)?;
    match (judge(directory, reading, row), reading) {
        // One that counts too high can never be written again; to accept it is to have a new one.
        (Ok(()), Reading::Mark { sequence, counter, slot }) if counter < u64::MAX || !accept_lost_tail => {
            let reserved_until = reserved_until(backend)?;
            Ok(Standing::Good { sequence, counter, slot, reserved_until })
        }
        (_, Reading::Mark { sequence, .. }) if accept_lost_tail => {
            Ok(Standing::Accepted { sequence, accepted: Accepted { reading, row } })
        }
        (_, _) if accept_lost_tail => {
            Ok(Standing::Accepted { sequence: row, accepted: Accepted { reading, row } })
        }
        (judged, _) => judged.map(|()| Standing::NotKept),
    }
}

/// What the file of an open store says, for [`check_snapshot`] to compare with a snapshot that is taken later.
pub(crate) fn read(store: &Inner) -> Result<Option<Reading>> {
    match &store.directory {
        Some(directory) if is_kept(store.backend(), directory) => {
            file::read(directory.path(), directory.store_id()).map(Some)
        }
        _ => Ok(None),
    }
}

/// Whether the state that the snapshot sees goes up to the mark that was read before.
pub(crate) fn check_snapshot(store: &Inner, reading: Option<Reading>, snapshot: &dyn Snapshot) -> Result<()> {
    let (Some(directory), Some(reading)) = (&store.directory, reading) else { return Ok(()) };
    let row = witness::in_snapshot(store.backend(), snapshot)?;
    // Who only reads makes no new mark, and finds again what it has accepted; more than that it has not.
    if store.accepted.is_some_and(|accepted| accepted.reading == reading && row >= accepted.row) {
        return Ok(());
    }
    judge(directory, reading, row)
}

/// Whether a store of this backend in this directory has a mark.
pub(crate) fn is_kept(backend: &dyn StorageBackend, directory: &StoreDirectory) -> bool {
    directory.has_high_water() && backend.engine().capabilities.persistent
}

/// Compares the file with the engine's row, which was read after it.
pub(crate) fn judge(directory: &StoreDirectory, reading: Reading, row: u64) -> Result<()> {
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
            file::file_name()
        ),
        Reading::Unreadable => format!(
            "the high-water mark of the store in {shown} is damaged (the file {}), so that a tail of \
             acknowledged commits may be missing",
            file::file_name()
        ),
        Reading::Foreign => format!(
            "the high-water mark of the store in {shown} is another store's (the file {}), so that a tail of \
             acknowledged commits may be missing",
            file::file_name()
        ),
    };
    Err(Error::new(ErrorKind::Corruption, message)
        .hint("restore a backup, or open it with accept_lost_tail=true to go on with what is there"))
}

impl Standing {
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
    pub(crate) fn settle(self, directory: &StoreDirectory, store: &Inner) -> Result<Option<HighWater>> {
        let (path, id) = (directory.path(), directory.store_id());
        let high_water = match self {
            Self::NotKept => return Ok(None),
            Self::New => {
                let row = witness::newest(store.backend())?;
                HighWater::new(MarkFile::create(path, id, row)?, row)
            }
            Self::Good { sequence, counter, slot, reserved_until } => {
                let high_water = HighWater::new(MarkFile::open(path, id, counter, slot)?, sequence);
                if reserved_until > sequence {
                    // The session before was not closed. What it left is marked like a commit of now, or it would
                    // stay without a mark until the next one, however long that takes.
                    high_water.note_commits(reserved_until, Durability::PowerSafe);
                }
                high_water
            }
            Self::Accepted { .. } => {
                let sequence = commit_witness(store, false)?;
                let high_water = HighWater::new(MarkFile::create(path, id, sequence)?, sequence);
                high_water.note_commits(sequence, Durability::PowerSafe);
                high_water
            }
        };
        Ok(Some(high_water))
    }
}
