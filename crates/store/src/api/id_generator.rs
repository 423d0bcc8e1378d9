//! Generated ids: rising numbers that are never given out twice.

use super::keyspace::Keyspace;
use crate::sync::{Mutex, PoisonError};
use std::fmt;
use std::ops::Range;
use strongroom_core::{Error, ErrorKind, Result};

/// Gives out rising numbers, from 1, each once. The counter under its key is raised by a whole block before the first
/// number of it is given out; so a number costs no commit as a rule, and after a crash the rest of a block is never
/// used: there are gaps, and no repetitions. Several generators over one key share its numbers, and each gives out
/// rising ones.
///
/// The counter never expires, whatever the keyspace's default TTL is. When the keyspace is dropped, its generators answer
/// [`NotFound`](ErrorKind::NotFound): a keyspace of the same name that is created later begins again at 1.
///
/// How safe it is depends on the store's default durability: with less than power-safe, a power cut may bring numbers
/// back. Usable from many threads.
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
    /// A generator whose counter is the value of `key`, which takes `block` numbers at a time.
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput): `block` is 0 or beyond a counter's range.
    pub fn id_generator(&self, key: impl AsRef<[u8]>, block: u64) -> Result<IdGenerator> {
        if block == 0 || i64::try_from(block).is_err() {
            let refused = Error::new(ErrorKind::InvalidInput, format!("a block of {block} numbers"))
                .hint("choose at least one; some hundreds are a good start");
            return self.located("make a generator", || Err(refused));
        }
        Ok(IdGenerator { keyspace: self.clone(), key: key.as_ref().to_vec(), block, left: Mutex::new(0..0) })
    }
}

impl IdGenerator {
    /// The next number.
    pub fn next_id(&self) -> Result<u64> {
        Ok(self.next_range(1)?.start)
    }

    /// The next `count` numbers, without a gap between them.
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput): the value of the key is not a counter, or the numbers are used up.
    /// [`NotFound`](ErrorKind::NotFound): the keyspace was dropped.
    pub fn next_range(&self, count: u64) -> Result<Range<u64>> {
        let too_many = || {
            let refused = Error::new(ErrorKind::InvalidInput, format!("{count} numbers at once"))
                .hint("ask for fewer: a counter ends at 9,223,372,036,854,775,807");
            self.keyspace.located("generate ids", || Err(refused))
        };
        let Ok(wanted) = i64::try_from(self.block.max(count)) else { return too_many() };
        // Held over the commit: whoever comes meanwhile would need a block of its own.
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        // Numbers that are left of a block are worthless without the keyspace that they were for.
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
            // The rest of the block before is dropped: the two need not be adjacent.
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
