//! A keyspace of a store: a named ordered map.

use super::rows::Rows;
use crate::base::Base;
use crate::catalog::KeyspaceInfo;
use crate::handle::Handle;
use crate::readers::ReaderKind;
use crate::request::{Commit as _, Expiry, Request};
use crate::row::{Commit, Row};
use crate::sync::Arc;
use crate::view::ReadBy;
use bytes::Bytes;
use std::fmt;
use std::time::Duration;
use strongroom_core::limits::check_key_against;
use strongroom_core::{Error, KeyRange, KeyspaceId, Result, Scan, WriteBatch};

/// Maximum keys and bytes of one step of a range deletion.
const DELETE_STEP_KEYS: usize = 1_000;
const DELETE_STEP_BYTES: usize = 256 * 1_024;

/// A named, ordered map in a store. Cheap to clone; many threads may use it.
///
/// Each write method is a commit of its own, at the store's default durability. Use a [`Batch`](crate::Batch) to
/// write several keys at once, which is both atomic and much faster.
#[derive(Clone)]
pub struct Keyspace {
    handle: Arc<Handle>,
    info: Arc<KeyspaceInfo>,
}

impl Keyspace {
    pub(crate) fn new(handle: Arc<Handle>, info: Arc<KeyspaceInfo>) -> Self {
        Self { handle, info }
    }

    /// Returns the keyspace's name.
    pub fn name(&self) -> &str {
        &self.info.name
    }

    pub(crate) fn id(&self) -> KeyspaceId {
        self.info.id
    }

    pub(crate) fn info(&self) -> &Arc<KeyspaceInfo> {
        &self.info
    }

    pub(crate) fn base(&self) -> &Base {
        self.handle.base()
    }

    pub(crate) fn handle(&self) -> &Arc<Handle> {
        &self.handle
    }

    /// Returns an empty request at the store's default durability.
    pub(crate) fn request(&self) -> Request {
        Request::new(self.base().options.durability)
    }

    pub(crate) fn commit(&self, request: &Request) -> Result<Commit> {
        self.handle.commit(request).map(|committed| Commit { sequence: committed.sequence })
    }

    /// Returns the value of `key`, or none if it is absent. Its checksum is verified. The bytes are shared with
    /// the engine where the engine allows it: copy a value that is kept for long.
    ///
    /// Returns [`Corruption`](strongroom_core::ErrorKind::Corruption) if the stored value is not what was
    /// written.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>> {
        Ok(self.get_row(key)?.map(|row| row.value))
    }

    /// Returns the value of `key` with its version and its expiry.
    pub fn get_row(&self, key: impl AsRef<[u8]>) -> Result<Option<Row>> {
        let key = key.as_ref();
        self.located("get", || {
            let base = self.base();
            check_key_against(key, base.options.key_bytes_max)?;
            let stored = base.backend().get(self.info.id, key)?;
            base.live_row(&self.info, key, stored, || base.time.now_ms())
        })
    }

    /// Returns whether `key` is present. Its checksum is verified, as in [`get`](Self::get).
    pub fn has(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        Ok(self.get_row(key)?.is_some())
    }

    /// Sets `key` to `value`.
    pub fn set(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.set_with(key.as_ref(), value.as_ref(), Expiry::Default)
    }

    /// Sets `key` to `value`, which expires `time_to_live` after the commit, in milliseconds rounded up. From
    /// then on no read returns it, and it is removed from disk soon after.
    ///
    /// [`InvalidInput`](strongroom_core::ErrorKind::InvalidInput): the TTL is zero, or overflows the clock.
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
            let mut request = self.request();
            request.put(self.info.id, key, value, expiry);
            self.commit(&request).map(drop)
        })
    }

    /// Returns the default TTL, which applies to rows that are set without one.
    pub fn default_ttl(&self) -> Option<Duration> {
        self.info.settings.default_ttl_ms().map(Duration::from_millis)
    }

    /// Deletes `key`. Does nothing if it is absent.
    pub fn delete(&self, key: impl AsRef<[u8]>) -> Result<()> {
        let key = key.as_ref();
        self.located("delete", || {
            let mut request = self.request();
            request.delete(self.info.id, key);
            self.commit(&request).map(drop)
        })
    }

    /// Deletes every key in `range`, and returns how many there were. It works in steps of at most 1,000 keys,
    /// each a commit of its own. So it is not atomic: after an error some keys may be deleted, and running it
    /// again finishes the rest. A key that is written meanwhile may be deleted or stay.
    pub fn delete_range(&self, range: KeyRange) -> Result<u64> {
        self.located("delete range", || {
            let mut left = range;
            let mut deleted = 0;
            let mut request = self.request();
            loop {
                request.clear();
                let mut rows = self.scan(Scan::new(left.clone()).keys_only())?;
                let has_room =
                    |ops: &WriteBatch| ops.len() < DELETE_STEP_KEYS && ops.bytes() < DELETE_STEP_BYTES;
                while has_room(&request.ops) && rows.advance()? {
                    request.delete(self.info.id, rows.key());
                    left = left.after_position(rows.key(), strongroom_core::Direction::Forward);
                }
                // Released before the commit, or the engine would have to keep what the snapshot sees.
                drop(rows);
                if request.ops.is_empty() {
                    return Ok(deleted);
                }
                self.commit(&request)?;
                deleted += request.ops.len() as u64;
            }
        })
    }

    /// Returns the rows whose keys begin with `prefix`, in key order. An empty prefix means all rows.
    #[track_caller]
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Result<Rows> {
        self.scan(Scan::prefix(prefix.as_ref()))
    }

    /// Returns the rows in `range`, in key order.
    #[track_caller]
    pub fn range(&self, range: KeyRange) -> Result<Rows> {
        self.scan(Scan::new(range))
    }

    /// Returns the rows of `scan`, in a snapshot that is taken now.
    #[track_caller]
    pub fn scan(&self, scan: Scan) -> Result<Rows> {
        let by = ReadBy::caller(ReaderKind::Scan);
        self.located("scan", || Rows::new(&self.base().read_view(by)?, &self.handle, &self.info, scan))
    }

    /// Returns the number of rows whose keys begin with `prefix`. Reads every key, so its cost grows with their
    /// number.
    #[track_caller]
    pub fn count(&self, prefix: impl AsRef<[u8]>) -> Result<u64> {
        let mut rows = self.scan(Scan::prefix(prefix.as_ref()).keys_only())?;
        let mut count = 0;
        while rows.advance()? {
            count += 1;
        }
        Ok(count)
    }

    pub(crate) fn located<T>(&self, operation: &'static str, f: impl FnOnce() -> Result<T>) -> Result<T> {
        f().map_err(|error: Error| error.at(self.base().engine().name, operation))
    }
}

impl fmt::Debug for Keyspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyspace").field("name", &self.info.name).finish_non_exhaustive()
    }
}
