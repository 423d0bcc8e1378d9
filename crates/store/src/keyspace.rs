//! A keyspace of a store: a named ordered map.

use crate::batch::Batch;
use crate::envelope::{self, KeyspaceSeed};
use crate::expiry::Expiry;
use crate::expiry::settings::{self, Settings};
use crate::handle::Handle;
use crate::rows::Rows;
use crate::store::{Inner, Row};
use bytes::Bytes;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use strongroom_core::limits::{check_key_against, check_value_against};
use strongroom_core::{Error, KeyRange, KeyspaceId, Result, Scan, is_reserved_keyspace};

/// Keys that one step of a range deletion removes at most, and their bytes.
const DELETE_STEP_KEYS: usize = 1_000;
const DELETE_STEP_BYTES: usize = 256 * 1_024;

/// A named ordered map inside a store. Cheap to clone, usable from many threads.
///
/// A write that is a method of the keyspace is a commit of its own, at the store's default durability; use a
/// [`Batch`] to write several things at once, which is both atomic and much faster.
#[derive(Clone)]
pub struct Keyspace {
    store: Arc<Handle>,
    info: Arc<KeyspaceInfo>,
}

/// What a store knows about one of its keyspaces.
#[derive(Debug)]
pub(crate) struct KeyspaceInfo {
    pub(crate) name: Arc<str>,
    pub(crate) id: KeyspaceId,
    pub(crate) seed: KeyspaceSeed,
    pub(crate) settings: Settings,
}

impl KeyspaceInfo {
    /// Whether it is the layers' own.
    pub(crate) fn is_reserved(&self) -> bool {
        is_reserved_keyspace(&self.name)
    }

    pub(crate) fn open(&self, key: &[u8], stored: Bytes) -> Result<Row> {
        match envelope::open_shared(self.seed, key, stored) {
            Ok((meta, value)) => Ok(Row { value, version: meta.version, expires_at_ms: meta.expires_at_ms }),
            Err(damage) => Err(damage.into_error(&self.name, key)),
        }
    }
}

impl Keyspace {
    pub(crate) fn new(store: Arc<Handle>, info: Arc<KeyspaceInfo>) -> Self {
        Self { store, info }
    }

    /// The keyspace's name.
    pub fn name(&self) -> &str {
        &self.info.name
    }

    pub(crate) fn id(&self) -> KeyspaceId {
        self.info.id
    }

    pub(crate) fn info(&self) -> &Arc<KeyspaceInfo> {
        &self.info
    }

    pub(crate) fn store(&self) -> &Inner {
        &self.store
    }

    pub(crate) fn store_instance(&self) -> u64 {
        self.store.instance
    }

    /// The value of `key`, none if it is absent. The checksum was verified. The bytes are shared with the
    /// engine where it lets them be shared: copy what is kept for long.
    ///
    /// [`Corruption`](strongroom_core::ErrorKind::Corruption): the stored value is not what was written.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>> {
        Ok(self.get_row(key)?.map(|row| row.value))
    }

    /// The value of `key` with its version, and when it expires.
    pub fn get_row(&self, key: impl AsRef<[u8]>) -> Result<Option<Row>> {
        let key = key.as_ref();
        self.located("get", || {
            check_key_against(key, self.store.options.key_bytes_max)?;
            let stored = self.store.backend().get(self.info.id, key)?;
            self.store.open_live(&self.info, key, stored, || self.store.time.now_ms())
        })
    }

    /// Whether `key` is there. Its checksum is verified, as in [`get`](Self::get).
    pub fn has(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        Ok(self.get_row(key)?.is_some())
    }

    /// Sets `key` to `value`.
    pub fn set(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.set_with(key.as_ref(), value.as_ref(), Expiry::Default)
    }

    /// Sets `key` to `value`, which is gone when `time_to_live` is over: from that instant on nothing reads it, and it
    /// is removed from the disk soon after. Counted in milliseconds, from the commit.
    ///
    /// [`InvalidInput`](strongroom_core::ErrorKind::InvalidInput): it is zero, or ends behind the end of the clock.
    /// [`Unavailable`](strongroom_core::ErrorKind::Unavailable): the clock has stepped back.
    pub fn set_with_ttl(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        time_to_live: Duration,
    ) -> Result<()> {
        self.set_with(key.as_ref(), value.as_ref(), Expiry::after(time_to_live))
    }

    fn set_with(&self, key: &[u8], value: &[u8], expiry: Expiry) -> Result<()> {
        self.located("set", || {
            check_key_against(key, self.store.options.key_bytes_max)?;
            check_value_against(value, self.store.options.value_bytes_max)?;
            let mut batch = self.batch();
            batch.set_with(self, key, value, expiry);
            self.store.commit(&batch).map(drop)
        })
    }

    /// How long rows live that are set from now on without a word about it; none: for ever. Kept with the keyspace.
    pub fn set_default_ttl(&self, time_to_live: Option<Duration>) -> Result<()> {
        self.located("set default time to live", || {
            let expiry = time_to_live.map_or(Expiry::Never, Expiry::after);
            expiry.check()?;
            let ttl_ms = if let Expiry::After(ttl_ms) = expiry { Some(ttl_ms) } else { None };
            settings::set_default_ttl(&self.store, &self.info, ttl_ms)
        })
    }

    /// How long rows live that are set without a word about it.
    pub fn default_ttl(&self) -> Option<Duration> {
        self.info.settings.default_ttl_ms().map(Duration::from_millis)
    }

    /// Removes `key`; nothing happens if it is absent.
    pub fn delete(&self, key: impl AsRef<[u8]>) -> Result<()> {
        let key = key.as_ref();
        self.located("delete", || {
            check_key_against(key, self.store.options.key_bytes_max)?;
            let mut batch = self.batch();
            batch.delete(self, key);
            self.store.commit(&batch).map(drop)
        })
    }

    /// Removes every key in `range` and says how many there were. It goes in steps of at most 1,000 keys,
    /// each a commit of its own: it is not atomic, and after an error some keys may be gone. Run it again
    /// to finish. A key that is written meanwhile may be removed or stay.
    pub fn delete_range(&self, range: KeyRange) -> Result<u64> {
        self.located("delete range", || {
            let mut left = range;
            let mut deleted = 0;
            let mut batch = self.batch();
            loop {
                batch.clear();
                let mut rows = self.scan(Scan::new(left.clone()).keys_only())?;
                while batch.len() < DELETE_STEP_KEYS && batch.bytes() < DELETE_STEP_BYTES && rows.advance()? {
                    batch.delete(self, rows.key());
                    left = left.after_position(rows.key(), strongroom_core::Direction::Forward);
                }
                // Not held over the commit: an engine would keep what the snapshot sees.
                drop(rows);
                if batch.is_empty() {
                    return Ok(deleted);
                }
                self.store.commit(&batch)?;
                deleted += batch.len() as u64;
            }
        })
    }

    /// The rows whose keys begin with `prefix`, in order; all rows if it is empty.
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Result<Rows> {
        self.scan(Scan::prefix(prefix.as_ref()))
    }

    /// The rows in `range`, in order.
    pub fn range(&self, range: KeyRange) -> Result<Rows> {
        self.scan(Scan::new(range))
    }

    /// The rows of `scan`, seen in one snapshot that is taken now.
    pub fn scan(&self, scan: Scan) -> Result<Rows> {
        self.located("scan", || {
            let (snapshot, now_ms) = self.store.look()?;
            Rows::new(&*snapshot, now_ms, &self.store, &self.info, scan)
        })
    }

    /// The number of rows whose keys begin with `prefix`. It reads every key: its cost grows with the
    /// number.
    pub fn count(&self, prefix: impl AsRef<[u8]>) -> Result<u64> {
        let mut rows = self.scan(Scan::prefix(prefix.as_ref()).keys_only())?;
        let mut count = 0;
        rows.visit(|_, _| {
            count += 1;
            ControlFlow::Continue(())
        })?;
        Ok(count)
    }

    fn batch(&self) -> Batch {
        Batch::new(self.store.instance, self.store.options.durability)
    }

    pub(crate) fn located<T>(&self, operation: &'static str, f: impl FnOnce() -> Result<T>) -> Result<T> {
        f().map_err(|error: Error| error.at(self.store.info().name, operation))
    }
}

impl fmt::Debug for Keyspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyspace").field("name", &self.info.name).finish_non_exhaustive()
    }
}
