//! Finds keys that are stored already, by this load or before it.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use strongroom::{Keyspace, Result, Scan, Snapshot, Store};

/// Where a key was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Nowhere: the key is new.
    Nothing,
    /// In this row of the batch that is being collected.
    InBatch(u64),
    /// In the store.
    Stored,
}

/// The keys that a row must not repeat.
pub(super) struct Duplicates {
    /// Keys of the batch that is being collected, with their rows.
    batch: HashMap<Vec<u8>, u64>,
    /// The highest key of all, stored or in the batch. A higher key is new, so a file in key order needs no lookup in
    /// the store.
    highest: Vec<u8>,
    /// The keys of this load, if the keyspace was empty before.
    filter: Option<Filter>,
    /// Taken at the first lookup after a commit. Without it, each lookup would open a transaction.
    snapshot: Option<Snapshot>,
}

impl Duplicates {
    /// Starts with the current keys of `keyspace`.
    pub(super) fn of(keyspace: &Keyspace) -> Result<Self> {
        let mut rows = keyspace.scan(Scan::all().reverse().keys_only())?;
        let (highest, filter) =
            if rows.advance()? { (rows.key().to_vec(), None) } else { (Vec::new(), Some(Filter::new())) };
        Ok(Self { batch: HashMap::new(), highest, filter, snapshot: None })
    }

    /// Looks `key` up.
    pub(super) fn look(&mut self, store: &Store, keyspace: &Keyspace, key: &[u8]) -> Result<Found> {
        if key > self.highest.as_slice() {
            return Ok(Found::Nothing);
        }
        if let Some(row) = self.batch.get(key) {
            return Ok(Found::InBatch(*row));
        }
        if self.filter.as_ref().is_some_and(|filter| !filter.may_have(key)) {
            return Ok(Found::Nothing);
        }
        let snapshot = match &self.snapshot {
            Some(snapshot) => snapshot,
            None => self.snapshot.insert(store.snapshot()?),
        };
        Ok(if snapshot.has(keyspace, key)? { Found::Stored } else { Found::Nothing })
    }

    /// Records that `row` has `key`.
    pub(super) fn add(&mut self, key: &[u8], row: u64) {
        if key > self.highest.as_slice() {
            self.highest.clear();
            self.highest.extend_from_slice(key);
        }
        if let Some(filter) = &mut self.filter {
            filter.add(key);
        }
        self.batch.insert(key.to_vec(), row);
    }

    /// Clears the batch, which is about to be committed, and releases the snapshot: during a commit, it would make the
    /// engine keep the values that the commit replaces.
    pub(super) fn forget(&mut self) {
        self.batch.clear();
        self.snapshot = None;
    }
}

/// A Bloom filter of 16 MiB without false negatives, and with 1 % false positives after ten million keys. It saves the
/// lookup for nearly every row of a load into an empty keyspace, which is a third of the time on engines with expensive
/// lookups.
struct Filter {
    words: Vec<u64>,
    hasher: RandomState,
}

impl Filter {
    const WORDS_LOG2: u32 = 21;

    fn new() -> Self {
        Self { words: vec![0; 1 << Self::WORDS_LOG2], hasher: RandomState::new() }
    }

    /// The word of `key` and its bits in it. All bits are in one word, so a test is one memory access.
    fn place(&self, key: &[u8]) -> (usize, u64) {
        let hash = self.hasher.hash_one(key);
        let word = usize::try_from(hash >> (u64::BITS - Self::WORDS_LOG2)).unwrap_or(0);
        let bits = (0..4).fold(0, |bits, part| bits | 1 << (hash >> (6 * part) & 63));
        (word, bits)
    }

    fn add(&mut self, key: &[u8]) {
        let (word, bits) = self.place(key);
        self.words[word] |= bits;
    }

    fn may_have(&self, key: &[u8]) -> bool {
        let (word, bits) = self.place(key);
        self.words[word] & bits == bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_has_no_false_negatives_and_few_false_positives() {
        let mut filter = Filter::new();
        let key = |number: u32| number.to_le_bytes();
        (0..500_000).for_each(|number| filter.add(&key(number)));
        assert!((0..500_000).all(|number| filter.may_have(&key(number))));
        let wrong = (500_000..600_000).filter(|number| filter.may_have(&key(*number))).count();
        assert!(wrong < 100, "{wrong} of 100000 new keys are false positives");
    }
}
