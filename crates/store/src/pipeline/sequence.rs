//! Sequence numbers of commits, which are the versions of rows.
//!
//! They must never be used twice, and writing the last one with each commit would cost a row each time. So
//! they are reserved in blocks: the end of the block is written along with the first commit that needs it,
//! in the same atomic batch, and an opened store begins after the last block. That leaves gaps, which
//! nobody minds. The last commit before a store is closed gives back what is left of the block: so a reservation
//! beyond the high-water mark shows that the session before may have left commits without a mark.

use crate::expiry::{index, settings};
use crate::high_water::witness;
use strongroom_core::{Error, ErrorKind, KeyspaceHints, KeyspaceId, Result, StorageBackend, WriteBatch};

/// The store's own keyspace.
pub(crate) const META_KEYSPACE: &str = "_store";
/// What to do about a damaged row of the store's own. Without them it does not open.
pub(crate) const OWN_ROW_WAY_OUT: &str =
    "restore a backup of the whole directory: the store does not go on without this row";
const RESERVED_KEY: &[u8] = b"sequences reserved until";
const BLOCK: u64 = 1 << 20;

/// A copy is a draft: the pipeline keeps it only when the commit that it was used for is stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sequences {
    /// None for a read-only backend without one: nothing will be written.
    meta: Option<KeyspaceId>,
    last: u64,
    reserved_until: u64,
}

impl Sequences {
    /// Begins after what was reserved and after `floor`.
    pub(super) fn open(backend: &dyn StorageBackend, floor: u64) -> Result<Self> {
        let meta = if backend.is_read_only() {
            backend.keyspace(META_KEYSPACE).ok()
        } else {
            Some(backend.create_keyspace(META_KEYSPACE, KeyspaceHints::default())?)
        };
        let reserved_until = reserved_until(backend)?.max(floor);
        Ok(Self { meta, last: reserved_until, reserved_until })
    }

    /// The number of the newest commit.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// The store's own keyspace, if there is one.
    pub(super) fn meta(&self) -> Option<KeyspaceId> {
        self.meta
    }

    /// Gives back the numbers after the last one; only when nobody commits any more.
    pub(super) fn give_back(&mut self, batch: &mut WriteBatch, meta: KeyspaceId) {
        self.reserved_until = self.last;
        batch.put(meta, RESERVED_KEY, &self.last.to_be_bytes());
    }

    /// The next number; adds the reservation of a block to `batch` when one begins.
    pub(super) fn next(&mut self, batch: &mut WriteBatch) -> Result<u64> {
        let next = self
            .last
            .checked_add(1)
            .ok_or_else(|| Error::new(ErrorKind::Unavailable, "sequence numbers ran out"))?;
        if next > self.reserved_until {
            self.reserved_until = self.last.saturating_add(BLOCK);
            if let Some(meta) = self.meta {
                batch.put(meta, RESERVED_KEY, &self.reserved_until.to_be_bytes());
            }
        }
        self.last = next;
        Ok(next)
    }
}

/// No commit has a number beyond this one; zero if nothing was ever committed.
pub(crate) fn reserved_until(backend: &dyn StorageBackend) -> Result<u64> {
    match backend.keyspace(META_KEYSPACE) {
        Ok(meta) => backend.get(meta, RESERVED_KEY)?.map_or(Ok(0), |stored| parse(&stored)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

fn parse(stored: &[u8]) -> Result<u64> {
    <[u8; 8]>::try_from(stored).map(u64::from_be_bytes).map_err(|_| {
        Error::new(ErrorKind::Corruption, "the store's reserved sequence number is unreadable")
            .hint(OWN_ROW_WAY_OUT)
    })
}

/// Checks one of the layers' own rows, as far as this version knows it.
pub(crate) fn check_own_row(keyspace: &str, key: &[u8], stored: &[u8]) -> Result<()> {
    if keyspace != META_KEYSPACE {
        return Ok(());
    }
    if key == RESERVED_KEY {
        parse(stored)?;
    } else if key == witness::KEY {
        witness::parse(stored)?;
    } else if index::is_entry(key) {
        index::parse(key, stored)?;
    } else if let Some(name) = settings::name_of(key) {
        settings::parse(name, stored)?;
    }
    Ok(())
}
