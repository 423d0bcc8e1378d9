//! The rows of dropped packed keyspaces that are still to be removed.

use crate::packed::id::PackedId;
use crate::sync::lock;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

/// The dropped keyspaces that still have rows.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    unfinished: Mutex<VecDeque<Leftover>>,
    /// Their number, readable without the lock.
    count: AtomicUsize,
}

/// The remaining rows of one dropped keyspace.
#[derive(Debug)]
pub(super) struct Leftover {
    pub(super) table: usize,
    pub(super) id: PackedId,
    /// All rows before this key are removed. An engine may have to pass over deleted rows one by one, so each
    /// step continues where the last one ended.
    pub(super) from: Vec<u8>,
}

impl Leftovers {
    /// Adds the dropped keyspaces that were found when the backend was opened.
    pub(super) fn take_up(&self, dropped: Vec<(usize, PackedId)>) {
        for (table, id) in dropped {
            self.add(table, id, id.key(&[]));
        }
    }

    pub(super) fn add(&self, table: usize, id: PackedId, from: Vec<u8>) {
        let mut unfinished = lock(&self.unfinished);
        unfinished.push_back(Leftover { table, id, from });
        self.note(&unfinished);
    }

    #[inline]
    pub(super) fn unfinished(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Returns all of them for removal, or `None` if another thread is removing rows.
    pub(super) fn take_turn(&self) -> Option<MutexGuard<'_, VecDeque<Leftover>>> {
        self.unfinished.try_lock().ok()
    }

    /// Publishes the new count. Call it after the list has changed.
    pub(super) fn note(&self, unfinished: &VecDeque<Leftover>) {
        self.count.store(unfinished.len(), Ordering::Relaxed);
    }
}
