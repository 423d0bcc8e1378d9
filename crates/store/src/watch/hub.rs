//! Who watches what.

use super::channel::Channel;
use super::{Change, ChangeKind, WatchedCommit};
use bytes::Bytes;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
            channel.end(Some(over()));
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
        for watcher in &self.lock().all {
            let changes: Vec<Change> =
                ops.clone().filter(|op| watcher.filter.wants(op)).map(|op| op.change()).collect();
            if !changes.is_empty() {
                watcher.channel.push(WatchedCommit { sequence, changes });
            }
        }
    }

    /// Ends the watchers of a keyspace.
    pub(crate) fn end_keyspace(&self, keyspace: KeyspaceId, why: impl Fn() -> Error) {
        self.keep(|watcher| {
            let is_gone = matches!(watcher.filter, Filter::Range(watched, _) if watched == keyspace);
            if is_gone {
                watcher.channel.end(Some(why()));
            }
            !is_gone
        });
    }

    /// The store is closed.
    pub(crate) fn close(&self) {
        self.keep(|watcher| {
            watcher.channel.end(None);
            false
        });
    }

    /// A commit has failed with the handle: what comes to be is not known here any more.
    pub(crate) fn fail(&self) {
        self.lock().is_over = true;
        self.keep(|watcher| {
            watcher.channel.end(Some(over()));
            false
        });
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
    fn change(&self) -> Change {
        let kind = match self.kind {
            PublishedKind::Set(value) => ChangeKind::Set(Bytes::copy_from_slice(value)),
            PublishedKind::Deleted => ChangeKind::Deleted,
            PublishedKind::Expired => ChangeKind::Expired,
        };
        Change { keyspace: Arc::clone(self.keyspace), key: Bytes::copy_from_slice(self.key), kind }
    }
}
