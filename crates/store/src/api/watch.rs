//! Watches: handles that follow commits.

use super::keyspace::Keyspace;
use super::store::Store;
use crate::features::watch::channel::Channel;
use crate::features::watch::event::WatchEvent;
use crate::features::watch::hub::{Filter, Hub};
use crate::handle::Handle;
use crate::sync::Arc;
use std::fmt;
use std::time::{Duration, Instant};
use strongroom_core::limits::check_key_against;
use strongroom_core::{Error, ErrorKind, KeyRange, Result};

/// Default size of a watch's buffer, in bytes of keys and values, and some for each change.
pub const WATCH_BUFFER_BYTES_MAX: usize = 4 * 1_024 * 1_024;

/// Follows commits, until the store is closed. It does not keep the store open.
///
/// It is a blocking iterator, and with the feature `async` also a stream. An error is the last item: the keyspace
/// was dropped, or the store's handle was poisoned and the store has to be reopened.
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
    pub(super) channel: Arc<Channel>,
    hub: Arc<Hub>,
}

impl Keyspace {
    /// Follows the changes to one key, from the next commit on.
    pub fn watch(&self, key: impl AsRef<[u8]>) -> Result<Watch> {
        let key = key.as_ref();
        self.located("watch", || check_key_against(key, self.base().options.key_bytes_max))?;
        self.watch_with(KeyRange::from_bounds(key..=key), WATCH_BUFFER_BYTES_MAX)
    }

    /// Follows the changes to all keys that begin with `prefix`, from the next commit on. An empty prefix means
    /// all keys.
    pub fn watch_prefix(&self, prefix: impl AsRef<[u8]>) -> Result<Watch> {
        self.watch_with(KeyRange::prefix(prefix.as_ref()), WATCH_BUFFER_BYTES_MAX)
    }

    /// Follows the changes to the keys in `range`, with a buffer of `buffer_bytes_max` bytes. A commit that does
    /// not fit into the whole buffer is left out and counted in [`WatchEvent::Lagged`].
    pub fn watch_with(&self, range: KeyRange, buffer_bytes_max: usize) -> Result<Watch> {
        self.located("watch", || {
            self.base().catalog.check(self.id())?;
            Watch::new(self.handle(), Filter::Range(self.id(), range), buffer_bytes_max)
        })
    }
}

impl Store {
    /// Follows the changes in all keyspaces, including later ones, with a buffer of `buffer_bytes_max` bytes.
    /// Creations and drops of keyspaces are events too, in order with the commits.
    pub fn watch_all(&self, buffer_bytes_max: usize) -> Result<Watch> {
        self.base().located("watch", || Watch::new(&self.handle, Filter::All, buffer_bytes_max))
    }
}

impl Watch {
    fn new(handle: &Arc<Handle>, filter: Filter, buffer_bytes_max: usize) -> Result<Self> {
        if handle.base().backend().is_read_only() {
            return Err(Error::new(ErrorKind::Unsupported, "a read-only store cannot be watched")
                .hint("watch it in the process that writes it"));
        }
        let hub = Arc::clone(&handle.features.watch.hub);
        let channel = Arc::new(Channel::new(buffer_bytes_max));
        hub.add(filter, Arc::clone(&channel));
        Ok(Self { channel, hub })
    }

    /// Returns the next event if there is one, without waiting.
    pub fn try_next(&mut self) -> Result<Option<WatchEvent>> {
        self.next_timeout(Duration::ZERO)
    }

    /// Waits for the next event. Returns none if none comes within `timeout`, or the store is closed.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<WatchEvent>> {
        // A deadline beyond the range of the clock means no deadline.
        self.channel.wait(Instant::now().checked_add(timeout))
    }

    /// Returns whether no more events will come.
    pub fn has_ended(&self) -> bool {
        self.channel.has_ended()
    }

    /// Returns the size of the buffered events, in bytes. It never exceeds the buffer's bound.
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
