//! Sequence numbers of commits, which are the versions of rows, and the commit lock that guards them.
//!
//! A number is never used twice. Storing the last number with each commit would cost a row each time, so numbers
//! are reserved in blocks: the first commit of a block also writes the block's end, in the same atomic batch. An
//! opened store starts after the last block. That leaves gaps, which are harmless.
//!
//! The last commit before a store is closed returns the unused rest of its block. So a reservation above the
//! high-water mark shows that the previous session was not closed, and may have left commits without a mark.

use crate::format::own_keyspaces::{OWN_KEYSPACE, own_keyspace};
use crate::format::sequence_row;
use crate::sync::{Mutex, MutexGuard};
use strongroom_core::{Error, ErrorKind, KeyspaceHints, KeyspaceId, Result, StorageBackend, WriteBatch};

const BLOCK: u64 = 1 << 20;

/// A copy is a draft. It is kept only if the engine stores the commit that used it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sequences {
    /// The store's own keyspace. None for a read-only backend without one, where nothing is written.
    own: Option<KeyspaceId>,
    last: u64,
    reserved_until: u64,
}

impl Sequences {
    /// Starts after the reserved numbers, and after `floor`.
    pub(crate) fn open(backend: &dyn StorageBackend, floor: u64) -> Result<Self> {
        let own = if backend.is_read_only() {
            own_keyspace(backend)?
        } else {
            Some(backend.create_keyspace(OWN_KEYSPACE, KeyspaceHints::default())?)
        };
        let reserved_until = sequence_row::read(backend)?.max(floor);
        Ok(Self { own, last: reserved_until, reserved_until })
    }

    /// Returns the number of the newest commit.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Returns the store's own keyspace, if there is one.
    pub(crate) fn own_keyspace(&self) -> Option<KeyspaceId> {
        self.own
    }

    /// Returns the unused rest of the block. Only for the last commit of the store.
    pub(crate) fn give_back(&mut self, batch: &mut WriteBatch) {
        self.reserved_until = self.last;
        if let Some(own) = self.own {
            sequence_row::put(batch, own, self.last);
        }
    }

    /// Returns the next number. Adds the reservation of a block to `batch` if a new block begins.
    pub(crate) fn next(&mut self, batch: &mut WriteBatch) -> Result<u64> {
        let next = self
            .last
            .checked_add(1)
            .ok_or_else(|| Error::new(ErrorKind::Unavailable, "sequence numbers ran out"))?;
        if next > self.reserved_until {
            self.reserved_until = self.last.saturating_add(BLOCK);
            if let Some(own) = self.own {
                sequence_row::put(batch, own, self.reserved_until);
            }
        }
        self.last = next;
        Ok(next)
    }
}

/// The exclusive right to write to the engine. The leader of a group holds it, or a change of keyspaces.
#[derive(Debug)]
pub(crate) struct CommitLock(Mutex<Sequences>);

impl CommitLock {
    pub(crate) fn new(sequences: Sequences) -> Self {
        Self(Mutex::new(sequences))
    }

    /// Returns [`Closed`](ErrorKind::Closed) if a holder panicked: which numbers the engine has stored is then
    /// unknown.
    pub(crate) fn acquire(&self) -> Result<MutexGuard<'_, Sequences>> {
        self.0.lock().map_err(|_| Error::new(ErrorKind::Closed, "an earlier commit of this store panicked"))
    }
}
