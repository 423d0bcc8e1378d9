//! What dropped packed keyspaces have left behind.

use crate::packed::id::PackedId;
use crate::sync::lock;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

/// What is still to be removed.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    unfinished: Mutex<VecDeque<Leftover>>,
    /// How many there are, to be seen without the lock.
    count: AtomicUsize,
}

/// What is left of one keyspace.
#[derive(Debug)]
pub(super) struct Leftover {
    pub(super) table: usize,
    pub(super) id: PackedId,
    /// Everything before it is gone. An engine may pass over what it has deleted row by row, so each step goes on
    /// where the last one ended.
    pub(super) from: Vec<u8>,
}

impl Leftovers {
    /// What was found at the opening.
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

    /// All of them, for whoever removes rows; none if somebody does already.
    pub(super) fn take_turn(&self) -> Option<MutexGuard<'_, VecDeque<Leftover>>> {
        self.unfinished.try_lock().ok()
    }

    /// To be called when there are fewer.
    pub(super) fn note(&self, unfinished: &VecDeque<Leftover>) {
        self.count.store(unfinished.len(), Ordering::Relaxed);
    }
}
