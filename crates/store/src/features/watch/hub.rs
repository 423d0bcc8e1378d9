//! The watches of a store, and the delivery of events to them.

use super::channel::{Channel, EVENT_BYTES, weight_of_change};
use super::event::{Change, ChangeKind, KeyspaceChangeKind, WatchEvent, WatchedCommit, WatchedKeyspace};
use crate::stage::{Cause, Write};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};
use bytes::Bytes;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;
use strongroom_core::{Error, ErrorKind, KeyRange, KeyspaceId};

#[derive(Debug, Clone)]
pub(crate) enum Filter {
    All,
    Range(KeyspaceId, KeyRange),
}

#[derive(Default)]
pub(crate) struct Hub {
    watchers: Mutex<Watchers>,
    /// The number of watchers, so that a commit without watchers takes no lock.
    count: AtomicUsize,
    /// Wakers to be called when no lock is held that they may need.
    to_wake: Mutex<Vec<Waker>>,
}

#[derive(Default)]
struct Watchers {
    all: Vec<Watcher>,
    /// The handle is poisoned, and nothing more will be committed.
    is_over: bool,
}

struct Watcher {
    filter: Filter,
    channel: Arc<Channel>,
}

impl Hub {
    pub(crate) fn add(&self, filter: Filter, channel: Arc<Channel>) {
        let mut watchers = self.lock();
        if watchers.is_over {
            // The channel is new, so it has no waker yet.
            let _ = channel.end(Some(over()));
            return;
        }
        watchers.all.push(Watcher { filter, channel });
        self.count.store(watchers.all.len(), Ordering::Release);
    }

    pub(crate) fn remove(&self, channel: &Arc<Channel>) {
        self.keep(|watcher| !Arc::ptr_eq(&watcher.channel, channel));
    }

    /// Whether there are watchers. One that is added now sees the next commit.
    pub(crate) fn is_watched(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }

    /// Notifies the watchers of a commit. Only the leader calls it, in commit order.
    pub(super) fn publish<'c>(&self, sequence: u64, writes: &(impl Iterator<Item = Write<'c>> + Clone)) {
        let mut to_wake = Vec::new();
        for watcher in &self.lock().all {
            let wanted = writes.clone().filter(|write| watcher.filter.wants(write));
            let (mut changes, mut weight) = (0, EVENT_BYTES);
            for write in wanted.clone() {
                changes += 1;
                weight += weight_of_change(write.key, write.value.map_or(0, <[u8]>::len));
            }
            if changes > 0 {
                // Copied only if the buffer has room.
                let event =
                    || WatchEvent::Commit(WatchedCommit { sequence, changes: wanted.map(change).collect() });
                to_wake.extend(watcher.channel.push(weight, event));
            }
        }
        self.remember(to_wake);
    }

    /// Notifies the watchers of all keyspaces, and ends the watches of a dropped one.
    pub(super) fn publish_keyspace(&self, id: KeyspaceId, event: &WatchedKeyspace) {
        let is_dropped = event.kind == KeyspaceChangeKind::Dropped;
        let mut to_wake = Vec::new();
        self.keep(|watcher| match &watcher.filter {
            Filter::All => {
                let weight = EVENT_BYTES + event.keyspace.len();
                to_wake.extend(watcher.channel.push(weight, || WatchEvent::Keyspace(event.clone())));
                true
            }
            Filter::Range(watched, _) if is_dropped && *watched == id => {
                to_wake.extend(watcher.channel.end(Some(dropped(&event.keyspace))));
                false
            }
            Filter::Range(..) => true,
        });
        self.remember(to_wake);
    }

    /// Wakes the tasks whose watches have new events. The caller holds no lock and does not lead, since a waker
    /// may drop the watch or the store, or commit. A panic of a waker is ignored.
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

    /// Ends all watches, because the store is closed.
    pub(crate) fn close(&self) {
        let mut to_wake = Vec::new();
        self.keep(|watcher| {
            to_wake.extend(watcher.channel.end(None));
            false
        });
        self.remember(to_wake);
    }

    /// Ends all watches with an error, because the handle is poisoned: whether more is committed is unknown.
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
    Error::new(ErrorKind::Closed, "a commit failed and poisoned the store's handle")
}

/// The error for a watch whose keyspace was dropped.
fn dropped(name: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("keyspace {name:?} was dropped"))
        .in_keyspace(name)
        .hint("create the keyspace again, and watch the new one")
}

impl Filter {
    fn wants(&self, write: &Write<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Range(keyspace, range) => *keyspace == write.keyspace.id && range.contains(write.key),
        }
    }
}

fn change(write: Write<'_>) -> Change {
    let kind = match (write.value, write.cause) {
        (Some(value), _) => ChangeKind::Set(Bytes::copy_from_slice(value)),
        (None, Cause::Request) => ChangeKind::Deleted,
        (None, Cause::Expired) => ChangeKind::Expired,
    };
    Change {
        keyspace: Arc::clone(&write.keyspace.name),
        key: Bytes::copy_from_slice(write.key),
        kind,
        expires_at_ms: write.expires_at_ms,
    }
}
