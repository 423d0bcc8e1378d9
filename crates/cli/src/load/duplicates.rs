//! Finds keys that are stored already, whether by this load or before it.

use std::collections::HashMap;
use strongroom::{Keyspace, Result, Scan, Snapshot, Store};

/// Where a key was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Nowhere: it is new.
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
    /// The highest key of all, stored or in the batch. What lies above it is new, so a file in the order of
    /// its keys needs no look into the store.
    highest: Vec<u8>,
    /// Taken at the first look after a commit: a snapshot spares each look the opening of a transaction.
    snapshot: Option<Snapshot>,
}

impl Duplicates {
    /// Of what is in `keyspace` now.
    pub(super) fn of(keyspace: &Keyspace) -> Result<Self> {
        let mut rows = keyspace.scan(Scan::all().reverse().keys_only())?;
        let highest = if rows.advance()? { rows.key().to_vec() } else { Vec::new() };
        Ok(Self { batch: HashMap::new(), highest, snapshot: None })
    }

    /// Looks for `key`.
    pub(super) fn look(&mut self, store: &Store, keyspace: &Keyspace, key: &[u8]) -> Result<Found> {
        if key > self.highest.as_slice() {
            return Ok(Found::Nothing);
        }
        if let Some(row) = self.batch.get(key) {
            return Ok(Found::InBatch(*row));
        }
        let snapshot = match &self.snapshot {
            Some(snapshot) => snapshot,
            None => self.snapshot.insert(store.snapshot()?),
        };
        Ok(if snapshot.has(keyspace, key)? { Found::Stored } else { Found::Nothing })
    }

    /// Notes that `row` has `key`.
    pub(super) fn add(&mut self, key: &[u8], row: u64) {
        if key > self.highest.as_slice() {
            self.highest.clear();
            self.highest.extend_from_slice(key);
        }
        self.batch.insert(key.to_vec(), row);
    }

    /// Forgets the batch, which is about to be committed, and lets go of the snapshot: held over a commit, it
    /// would make the engine keep what the commit replaces.
    pub(super) fn forget(&mut self) {
        self.batch.clear();
        self.snapshot = None;
    }
}
