//! Sequence numbers of commits, which are the versions of rows, and the lock that gives them out.
//!
//! A number must never be used twice, and writing the last one with each commit would cost a row each time. So numbers
//! are reserved in blocks: the end of the block is written with the first commit that needs it, in the same atomic
//! batch, and an opened store begins after the last block. That leaves gaps, which do no harm. The last commit before a
//! store is closed gives back the rest of its block: so a reservation above the high-water mark shows that the session
//! before may have left commits without a mark.

use crate::format::own_keyspaces::{OWN_KEYSPACE, own_keyspace};
use crate::format::sequence_row;
use crate::sync::{Mutex, MutexGuard};
use strongroom_core::{Error, ErrorKind, KeyspaceHints, KeyspaceId, Result, StorageBackend, WriteBatch};

const BLOCK: u64 = 1 << 20;

/// A copy is a draft: it is kept only when the commit that it was used for is stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sequences {
    /// The store's own keyspace. None for a read-only backend without one: nothing will be written.
    own: Option<KeyspaceId>,
    last: u64,
    reserved_until: u64,
}

impl Sequences {
    /// Begins after what was reserved and after `floor`.
    pub(crate) fn open(backend: &dyn StorageBackend, floor: u64) -> Result<Self> {
        let own = if backend.is_read_only() {
            own_keyspace(backend)?
        } else {
            Some(backend.create_keyspace(OWN_KEYSPACE, KeyspaceHints::default())?)
        };
        let reserved_until = sequence_row::read(backend)?.max(floor);
        Ok(Self { own, last: reserved_until, reserved_until })
    }

    /// The number of the newest commit.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// The store's own keyspace, if there is one.
    pub(crate) fn own_keyspace(&self) -> Option<KeyspaceId> {
        self.own
    }

    /// Gives back the numbers after the last one; only when nobody commits any more.
    pub(crate) fn give_back(&mut self, batch: &mut WriteBatch) {
        self.reserved_until = self.last;
        if let Some(own) = self.own {
            sequence_row::put(batch, own, self.last);
        }
    }

    /// The next number; adds the reservation of a block to `batch` when one begins.
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

/// Who holds it writes to the engine, and nobody else does: the leader of a group, or a change of keyspaces.
#[derive(Debug)]
pub(crate) struct CommitLock(Mutex<Sequences>);

impl CommitLock {
    pub(crate) fn new(sequences: Sequences) -> Self {
        Self(Mutex::new(sequences))
    }

    /// [`Closed`](ErrorKind::Closed): a holder panicked, so nobody knows which numbers the engine holds.
    pub(crate) fn acquire(&self) -> Result<MutexGuard<'_, Sequences>> {
        self.0.lock().map_err(|_| Error::new(ErrorKind::Closed, "an earlier commit of this store panicked"))
    }
}
