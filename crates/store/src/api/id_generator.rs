//! Generated ids: increasing numbers that are never repeated.

use super::keyspace::Keyspace;
use crate::sync::{Mutex, PoisonError};
use std::fmt;
use std::ops::Range;
use strongroom_core::{Error, ErrorKind, Result};

/// Generates increasing numbers from 1, each only once.
///
/// The counter under its key is raised by a whole block before the first number of the block is returned. So most
/// numbers need no commit. After a crash the rest of a block is never used: there are gaps, and no repetitions.
/// Several generators over one key share its numbers, and each returns increasing ones.
///
/// The counter never expires, whatever the keyspace's default TTL is. When the keyspace is dropped, its
/// generators return [`NotFound`](ErrorKind::NotFound): a new keyspace of the same name begins again at 1.
///
/// The store's default durability applies: with less than power-safe, numbers may repeat after a power cut. A
/// generator may be used by many threads.
///
/// ```
/// # use strongroom_core::{Durability, MemoryBackend};
/// # use strongroom_store::{Store, StoreOptions};
/// # fn main() -> strongroom_core::Result<()> {
/// # let store = Store::new(MemoryBackend::in_memory(), StoreOptions::new().durability(Durability::Buffered))?;
/// let events = store.create_keyspace("counters")?.id_generator("events", 100)?;
/// assert_eq!(events.next_id()?, 1);
/// assert_eq!(events.next_range(10)?, 2..12);
/// # Ok(()) }
/// ```
pub struct IdGenerator {
    keyspace: Keyspace,
    key: Vec<u8>,
    block: u64,
    left: Mutex<Range<u64>>,
}

impl Keyspace {
    /// Returns a generator whose counter is the value of `key`. It reserves `block` numbers at a time.
    ///
    /// Returns [`InvalidInput`](ErrorKind::InvalidInput) if `block` is 0 or beyond a counter's range.
    pub fn id_generator(&self, key: impl AsRef<[u8]>, block: u64) -> Result<IdGenerator> {
        if block == 0 || i64::try_from(block).is_err() {
            let message = format!("an id generator cannot reserve blocks of {block} numbers");
            let refused = Error::new(ErrorKind::InvalidInput, message)
                .hint("choose at least 1 and at most 9,223,372,036,854,775,807; some hundreds are usual");
            return self.located("make a generator", || Err(refused));
        }
        Ok(IdGenerator { keyspace: self.clone(), key: key.as_ref().to_vec(), block, left: Mutex::new(0..0) })
    }
}

impl IdGenerator {
    /// Returns the next number.
    pub fn next_id(&self) -> Result<u64> {
        Ok(self.next_range(1)?.start)
    }

    /// Returns the next `count` numbers, without a gap between them.
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput): the value of the key is not a counter, or the numbers are used up.
    /// [`NotFound`](ErrorKind::NotFound): the keyspace was dropped.
    pub fn next_range(&self, count: u64) -> Result<Range<u64>> {
        let too_many = || {
            let refused = Error::new(ErrorKind::InvalidInput, format!("cannot generate {count} ids at once"))
                .hint("ask for fewer: a counter ends at 9,223,372,036,854,775,807");
            self.keyspace.located("generate ids", || Err(refused))
        };
        let Ok(wanted) = i64::try_from(self.block.max(count)) else { return too_many() };
        // Held over the commit: otherwise concurrent callers would reserve a block each.
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        // The rest of a block is invalid once its keyspace is dropped.
        self.keyspace.located("generate ids", || self.keyspace.base().catalog.check(self.keyspace.id()))?;
        if left.end - left.start < count {
            let last = self.keyspace.increment_permanent(&self.key, wanted)?;
            let negative = || {
                Error::new(ErrorKind::InvalidInput, "the counter of the id generator is negative")
                    .hint("set it to the largest number that was given out")
            };
            let first = last.checked_sub(wanted).and_then(|before| before.checked_add(1));
            let first = first.and_then(|first| u64::try_from(first).ok()).filter(|first| *first > 0);
            let first = first.ok_or_else(negative)?;
            // The rest of the previous block is discarded, since the two need not be adjacent.
            *left = first..last.unsigned_abs() + 1;
        }
        let range = left.start..left.start + count;
        left.start = range.end;
        Ok(range)
    }
}

impl fmt::Debug for IdGenerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdGenerator").field("block", &self.block).finish_non_exhaustive()
    }
}
