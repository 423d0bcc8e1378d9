//! Watching: what was committed, in the order in which it was, as it happens.
//!
//! The leader of the pipeline publishes each commit when the engine has acknowledged it at the durability that was asked
//! for, before the next group begins. So events come in commit order, and none comes for a commit that failed. A
//! watcher has a bounded buffer of its own: when it does not read, nobody waits for it, and it is told how many commits
//! it has missed.

mod channel;
mod hub;
#[cfg(feature = "async")]
mod stream;

pub(crate) use hub::{Hub, Published, PublishedKind};

use crate::keyspace::Keyspace;
use crate::store::{Inner, Store};
use bytes::Bytes;
use channel::Channel;
use hub::Filter;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use strongroom_core::limits::check_key_against;
use strongroom_core::{Error, ErrorKind, KeyRange, Result};

/// How much a watcher's buffer holds unless told otherwise, in bytes of keys and values and some for each change.
pub const WATCH_BUFFER_BYTES_MAX: usize = 4 * 1_024 * 1_024;

/// What a watcher is told.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WatchEvent {
    /// A commit that changed something that is watched.
    Commit(WatchedCommit),
    /// So many commits were left out here, since the buffer was full. Read anew what matters, then go on.
    Lagged(u64),
}

/// A commit, as far as it is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WatchedCommit {
    /// Its sequence number.
    pub sequence: u64,
    /// What it did, in the order of its operations.
    pub changes: Vec<Change>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The keyspace's name.
    pub keyspace: Arc<str>,
    /// The key.
    pub key: Bytes,
    /// What became of it.
    pub kind: ChangeKind,
}

/// What became of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChangeKind {
    /// It was set to this value.
    Set(Bytes),
    /// It was deleted, whether it was there or not.
    Deleted,
    /// It had expired, and was removed from the disk.
    Expired,
}

/// Follows what is committed; ends when the store is closed. It does not keep the store open.
///
/// A blocking iterator; with the feature `async` also a stream. An error is the last item: the keyspace was dropped,
/// or the store's handle was poisoned and has to be opened again.
///
/// ```
/// # use strongroom_core::{Durability, MemoryBackend};
/// # use strongroom_store::{ChangeKind, Store, StoreOptions, WatchEvent};
/// # fn main() -> strongroom_core::Result<()> {
/// # let store = Store::new(MemoryBackend::in_memory(), StoreOptions::new().durability(Durability::Buffered))?;
/// let cities = store.create_keyspace("cities")?;
/// let mut watch = cities.watch_prefix("CH/")?;
/// cities.set("DE/Konstanz", "85000")?;
/// cities.set("CH/Zürich", "443037")?;
///
/// let Some(WatchEvent::Commit(commit)) = watch.next().transpose()? else { panic!() };
/// assert_eq!(&commit.changes[0].key[..], "CH/Zürich".as_bytes());
/// assert_eq!(commit.changes[0].kind, ChangeKind::Set("443037".into()));
/// # Ok(()) }
/// ```
pub struct Watch {
    channel: Arc<Channel>,
    hub: Arc<Hub>,
}

impl Keyspace {
    /// Follows the changes to one key, from the next commit on.
    pub fn watch(&self, key: impl AsRef<[u8]>) -> Result<Watch> {
        let key = key.as_ref();
        self.located("watch", || check_key_against(key, self.store().options.key_bytes_max))?;
        self.watch_with(KeyRange::from_bounds(key..=key), WATCH_BUFFER_BYTES_MAX)
    }

    /// Follows the changes to all keys that begin with `prefix`, from the next commit on; to all if it is empty.
    pub fn watch_prefix(&self, prefix: impl AsRef<[u8]>) -> Result<Watch> {
        self.watch_with(KeyRange::prefix(prefix.as_ref()), WATCH_BUFFER_BYTES_MAX)
    }

    /// Follows the changes to the keys in `range`, with a buffer of so many bytes. A commit that does not fit into the
    /// whole buffer is left out and counted as lag.
    pub fn watch_with(&self, range: KeyRange, buffer_bytes_max: usize) -> Result<Watch> {
        self.located("watch", || self.store().watch(Filter::Range(self.id(), range), buffer_bytes_max))
    }
}

impl Store {
    /// Follows the changes in all keyspaces, those that are made later among them, with a buffer of so many bytes.
    pub fn watch_all(&self, buffer_bytes_max: usize) -> Result<Watch> {
        self.inner.located("watch", || self.inner.watch(Filter::All, buffer_bytes_max))
    }
}

impl Watch {
    fn new(hub: &Arc<Hub>, filter: Filter, buffer_bytes_max: usize) -> Self {
        let channel = Arc::new(Channel::new(buffer_bytes_max));
        hub.add(filter, Arc::clone(&channel));
        Self { channel, hub: Arc::clone(hub) }
    }

    /// The next event, if there is one now.
    pub fn try_next(&mut self) -> Result<Option<WatchEvent>> {
        self.next_timeout(Duration::ZERO)
    }

    /// The next event; none if none comes within `timeout` or the store is closed.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<WatchEvent>> {
        // Too far ahead for the clock: for ever.
        self.channel.wait(Instant::now().checked_add(timeout))
    }

    /// Whether nothing more will come.
    pub fn has_ended(&self) -> bool {
        self.channel.has_ended()
    }

    /// What its buffer holds, in bytes: never more than its bound.
    pub fn buffered_bytes(&self) -> usize {
        self.channel.bytes()
    }
}

impl Iterator for Watch {
    type Item = Result<WatchEvent>;

    /// Waits for the next event.
    fn next(&mut self) -> Option<Self::Item> {
        self.channel.wait(None).transpose()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.hub.remove(&self.channel);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("buffered_bytes", &self.buffered_bytes()).finish_non_exhaustive()
    }
}

impl Inner {
    fn watch(&self, filter: Filter, buffer_bytes_max: usize) -> Result<Watch> {
        if self.backend().is_read_only() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "a store that is opened to be read sees no commits",
            )
            .hint("watch where it is written"));
        }
        if let Filter::Range(keyspace, _) = &filter {
            self.keyspace_info(*keyspace)?;
        }
        Ok(Watch::new(&self.hub, filter, buffer_bytes_max))
    }
}
