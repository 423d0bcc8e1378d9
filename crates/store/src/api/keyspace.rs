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

/// Keys that one step of a range deletion removes at most, and their bytes.
const DELETE_STEP_KEYS: usize = 1_000;
const DELETE_STEP_BYTES: usize = 256 * 1_024;

/// A named ordered map inside a store. Cheap to clone, usable from many threads.
///
/// A write that is a method of the keyspace is a commit of its own, at the store's default durability; use a
/// [`Batch`](crate::Batch) to write several things at once, which is both atomic and much faster.
#[derive(Clone)]
pub struct Keyspace {
    handle: Arc<Handle>,
    info: Arc<KeyspaceInfo>,
}

impl Keyspace {
    pub(crate) fn new(handle: Arc<Handle>, info: Arc<KeyspaceInfo>) -> Self {
        Self { handle, info }
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

    pub(crate) fn base(&self) -> &Base {
        self.handle.base()
    }

    pub(crate) fn handle(&self) -> &Arc<Handle> {
        &self.handle
    }

    /// A request at the store's default durability.
    pub(crate) fn request(&self) -> Request {
        Request::new(self.base().options.durability)
    }

    pub(crate) fn commit(&self, request: &Request) -> Result<Commit> {
        self.handle.commit(request).map(|committed| Commit { sequence: committed.sequence })
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
            let base = self.base();
            check_key_against(key, base.options.key_bytes_max)?;
            let stored = base.backend().get(self.info.id, key)?;
            base.live_row(&self.info, key, stored, || base.time.now_ms())
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

    /// Sets `key` to `value`, which expires after `time_to_live`: from then on nothing reads it, and it is removed from the
    /// disk soon after. Counted in milliseconds, from the commit.
    ///
    /// [`InvalidInput`](strongroom_core::ErrorKind::InvalidInput): it is zero, or overflows the clock.
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

    /// The default TTL: of rows that are set without one.
    pub fn default_ttl(&self) -> Option<Duration> {
        self.info.settings.default_ttl_ms().map(Duration::from_millis)
    }

    /// Removes `key`; nothing happens if it is absent.
    pub fn delete(&self, key: impl AsRef<[u8]>) -> Result<()> {
        let key = key.as_ref();
        self.located("delete", || {
            let mut request = self.request();
            request.delete(self.info.id, key);
            self.commit(&request).map(drop)
        })
    }

    /// Removes every key in `range` and says how many there were. It goes in steps of at most 1,000 keys,
    /// each a commit of its own: it is not atomic, and after an error some keys may be gone. Run it again
    /// to finish. A key that is written meanwhile may be removed or stay.
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
                // Not held over the commit: an engine would keep what the snapshot sees.
                drop(rows);
                if request.ops.is_empty() {
                    return Ok(deleted);
                }
                self.commit(&request)?;
                deleted += request.ops.len() as u64;
            }
        })
    }

    /// The rows whose keys begin with `prefix`, in order; all rows if it is empty.
    #[track_caller]
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Result<Rows> {
        self.scan(Scan::prefix(prefix.as_ref()))
    }

    /// The rows in `range`, in order.
    #[track_caller]
    pub fn range(&self, range: KeyRange) -> Result<Rows> {
        self.scan(Scan::new(range))
    }

    /// The rows of `scan`, seen in one snapshot that is taken now.
    #[track_caller]
    pub fn scan(&self, scan: Scan) -> Result<Rows> {
        let by = ReadBy::caller(ReaderKind::Scan);
        self.located("scan", || Rows::new(&self.base().read_view(by)?, &self.handle, &self.info, scan))
    }

    /// The number of rows whose keys begin with `prefix`. It reads every key: its cost grows with the
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
