//! Who watches what.

use super::channel::{Channel, EVENT_BYTES, weight_of_change};
use super::{Change, ChangeKind, WatchedCommit};
use bytes::Bytes;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use strongroom_core::{Error, ErrorKind, KeyRange, KeyspaceId};

#[derive(Debug, Clone)]
pub(crate) enum Filter {
    All,
    Range(KeyspaceId, KeyRange),
}

/// An operation of a commit, as the pipeline has it.
pub(crate) struct Published<'c> {
    pub(crate) id: KeyspaceId,
    pub(crate) keyspace: &'c Arc<str>,
    pub(crate) key: &'c [u8],
    pub(crate) kind: PublishedKind<'c>,
}

#[derive(Clone, Copy)]
pub(crate) enum PublishedKind<'c> {
    Set(&'c [u8]),
    Deleted,
    Expired,
}

#[derive(Default)]
pub(crate) struct Hub {
    watchers: Mutex<Watchers>,
    /// Their number: a commit that nobody watches takes no lock.
    count: AtomicUsize,
    /// Tasks to be woken, when nothing is held that they may want.
    to_wake: Mutex<Vec<Waker>>,
}

#[derive(Default)]
struct Watchers {
    all: Vec<Watcher>,
    /// The handle can no longer be used, and nothing will be committed.
    is_over: bool,
}

struct Watcher {
    filter: Filter,
    channel: Arc<Channel>,
}

impl Hub {
    pub(super) fn add(&self, filter: Filter, channel: Arc<Channel>) {
        let mut watchers = self.lock();
        if watchers.is_over {
            // It is new: nobody waits for it yet.
            let _ = channel.end(Some(over()));
            return;
        }
        watchers.all.push(Watcher { filter, channel });
        self.count.store(watchers.all.len(), Ordering::Release);
    }

    pub(super) fn remove(&self, channel: &Arc<Channel>) {
        self.keep(|watcher| !Arc::ptr_eq(&watcher.channel, channel));
    }

    /// Whether anybody has to be told. One that comes now sees the next commit.
    pub(crate) fn is_watched(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }

    /// Tells everybody what a commit did. Only the leader does, in commit order.
    pub(crate) fn publish<'c, I>(&self, sequence: u64, ops: &I)
    where
        I: Iterator<Item = Published<'c>> + Clone,
    {
        let mut to_wake = Vec::new();
        for watcher in &self.lock().all {
            let wanted = ops.clone().filter(|op| watcher.filter.wants(op));
            let (mut changes, mut weight) = (0, EVENT_BYTES);
            for op in wanted.clone() {
                changes += 1;
                weight += op.weight();
            }
            if changes > 0 {
                // Copied only if there is room.
                let commit = || WatchedCommit { sequence, changes: wanted.map(|op| op.change()).collect() };
                to_wake.extend(watcher.channel.push(weight, commit));
            }
        }
        self.remember(to_wake);
    }

    /// Wakes the tasks whose watches have something new. The caller holds no lock and leads nothing: a waker may drop the
    /// watch, the store, or commit. One that panics is its own affair.
    pub(crate) fn wake(&self) {
        let to_wake = std::mem::take(&mut *self.to_wake.lock().unwrap_or_else(PoisonError::into_inner));
        for waker in to_wake {
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
    }

    fn remember(&self, to_wake: Vec<Waker>) {
        if !to_wake.is_empty() {
            self.to_wake.lock().unwrap_or_else(PoisonError::into_inner).extend(to_wake);
        }
    }

    /// Ends the watchers of a keyspace.
    pub(crate) fn end_keyspace(&self, keyspace: KeyspaceId, why: impl Fn() -> Error) {
        let mut to_wake = Vec::new();
        self.keep(|watcher| {
            let is_gone = matches!(watcher.filter, Filter::Range(watched, _) if watched == keyspace);
            if is_gone {
                to_wake.extend(watcher.channel.end(Some(why())));
            }
            !is_gone
        });
        self.remember(to_wake);
    }

    /// The store is closed.
    pub(crate) fn close(&self) {
        let mut to_wake = Vec::new();
        self.keep(|watcher| {
            to_wake.extend(watcher.channel.end(None));
            false
        });
        self.remember(to_wake);
    }

    /// A commit has failed with the handle: what comes to be is not known here any more.
    pub(crate) fn fail(&self) {
        self.lock().is_over = true;
        let mut to_wake = Vec::new();
        self.keep(|watcher| {
            to_wake.extend(watcher.channel.end(Some(over())));
            false
        });
        self.remember(to_wake);
    }

    fn keep(&self, is_kept: impl FnMut(&Watcher) -> bool) {
        let mut watchers = self.lock();
        watchers.all.retain(is_kept);
        self.count.store(watchers.all.len(), Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, Watchers> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn over() -> Error {
    Error::new(ErrorKind::Closed, "a commit failed, and the store's handle cannot be used any more")
}

impl Filter {
    fn wants(&self, op: &Published<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Range(keyspace, range) => *keyspace == op.id && range.contains(op.key),
        }
    }
}

impl Published<'_> {
    fn weight(&self) -> usize {
        let value_len = if let PublishedKind::Set(value) = self.kind { value.len() } else { 0 };
        weight_of_change(self.key, value_len)
    }

    fn change(&self) -> Change {
        let kind = match self.kind {
            PublishedKind::Set(value) => ChangeKind::Set(Bytes::copy_from_slice(value)),
            PublishedKind::Deleted => ChangeKind::Deleted,
            PublishedKind::Expired => ChangeKind::Expired,
        };
        Change { keyspace: Arc::clone(self.keyspace), key: Bytes::copy_from_slice(self.key), kind }
    }
}
