//! The rows of a scan.

use crate::catalog::KeyspaceInfo;
use crate::format::envelope::{self, Meta};
use crate::handle::Handle;
use crate::readers::ReaderGuard;
use crate::sync::Arc;
use crate::view::ReadView;
use bytes::Bytes;
use std::fmt;
use std::ops::ControlFlow;
use strongroom_core::{Cursor, Error, ErrorKind, Result, Scan};

/// Iterates over the rows of a scan. There are two ways to use it.
///
/// `advance` with `key` and `value` lends each row and allocates nothing:
///
/// ```
/// # use strongroom_core::{Durability, MemoryBackend};
/// # use strongroom_store::{Store, StoreOptions};
/// # fn main() -> strongroom_core::Result<()> {
/// # let store = Store::new(MemoryBackend::in_memory(), StoreOptions::new().durability(Durability::Buffered))?;
/// # let names = store.create_keyspace("names")?;
/// let mut rows = names.prefix("a")?;
/// while rows.advance()? {
///     println!("{:?} {:?}", rows.key(), rows.value());
/// }
/// # Ok(()) }
/// ```
///
/// As an iterator it returns owned rows: `for row in names.prefix("a")? { let (key, value) = row?; }`. It ends
/// after an error.
pub struct Rows {
    cursor: Box<dyn Cursor>,
    handle: Arc<Handle>,
    keyspace: Arc<KeyspaceInfo>,
    /// The read timestamp. Rows that have expired by then are skipped.
    now_ms: u64,
    keys_only: bool,
    /// The cursor returns only keys and no headers, which is possible if no row of the keyspace expires.
    is_blind: bool,
    meta: Meta,
    value_start: usize,
    /// A damaged row was met. Reported again until a seek, so that an error is never taken for the end.
    damaged: Option<String>,
    /// The iterator has returned an error and has ended.
    has_ended: bool,
    // Counts the scan as open. Declared last, so that the scan is open until the cursor is dropped.
    _reader: Arc<ReaderGuard>,
}

impl Rows {
    pub(crate) fn new(
        view: &ReadView,
        handle: &Arc<Handle>,
        keyspace: &Arc<KeyspaceInfo>,
        mut scan: Scan,
    ) -> Result<Self> {
        let keys_only = scan.keys_only;
        let is_blind = keys_only && !handle.base().may_expire(keyspace);
        scan.keys_only = is_blind;
        Ok(Self {
            cursor: view.snapshot.cursor(keyspace.id, scan)?,
            handle: Arc::clone(handle),
            keyspace: Arc::clone(keyspace),
            now_ms: view.now_ms,
            keys_only,
            is_blind,
            meta: Meta::NONE,
            value_start: 0,
            damaged: None,
            has_ended: false,
            _reader: Arc::clone(&view.reader),
        })
    }

    /// Moves to the next row. Returns `false` at the end. The row's checksum is verified, unless the scan is of
    /// keys only.
    pub fn advance(&mut self) -> Result<bool> {
        self.check_damage()?;
        while self.cursor.advance()? {
            if self.is_blind {
                return Ok(true);
            }
            let (key, stored) = self.cursor.row();
            match envelope::open(self.keyspace.seed, key, stored) {
                Ok((meta, _)) if meta.has_expired_by(self.now_ms) => {}
                Ok((meta, value_start)) => {
                    self.meta = meta;
                    self.value_start = value_start;
                    return Ok(true);
                }
                Err(damage) => {
                    let error = damage.into_error(&self.keyspace.name, key);
                    return Err(self.met_damage(error));
                }
            }
        }
        Ok(false)
    }

    fn check_damage(&self) -> Result<()> {
        match &self.damaged {
            None => Ok(()),
            Some(story) => Err(Error::new(ErrorKind::Corruption, format!("the scan failed before: {story}"))
                .hint(envelope::HINT)
                .at(self.handle.base().engine().name, "scan")),
        }
    }

    #[cold]
    fn met_damage(&mut self, error: Error) -> Error {
        let error = error.at(self.handle.base().engine().name, "scan");
        self.damaged = Some(error.story());
        self.handle.base().count_damaged(&error);
        error
    }

    /// Invariant 3: a row is not lent before it is verified.
    fn assert_verified(&self) {
        assert!(self.damaged.is_none(), "invariant 3: the cursor stands on no row");
    }

    /// Returns the key of the current row, valid until the next move.
    ///
    /// # Panics
    /// If there is no current row: before the first `advance`, or after the end (invariant 3).
    pub fn key(&self) -> &[u8] {
        self.assert_verified();
        self.cursor.key()
    }

    /// Returns the value of the current row, valid until the next move. Empty in a scan of keys only.
    ///
    /// # Panics
    /// As [`key`](Self::key).
    pub fn value(&self) -> &[u8] {
        self.row().1
    }

    /// Returns key and value of the current row in one call.
    ///
    /// # Panics
    /// As [`key`](Self::key).
    pub fn row(&self) -> (&[u8], &[u8]) {
        self.assert_verified();
        let (key, stored) = self.cursor.row();
        (key, if self.keys_only { &[] } else { &stored[self.value_start..] })
    }

    /// Returns the version of the current row: the sequence number of the commit that wrote it. May be 0 in a
    /// scan of keys only.
    pub fn version(&self) -> u64 {
        self.meta.version
    }

    /// Returns when the current row expires, in milliseconds since 1970. None if it does not expire.
    pub fn expires_at_ms(&self) -> Option<u64> {
        self.meta.expires_at_ms
    }

    /// Calls `visitor` with each following row, until it breaks or the rows end. It needs fewer calls for each
    /// row than `advance`. Checksums are verified. Afterwards there may be no current row; `advance` continues
    /// after the last visited row.
    ///
    /// ```
    /// # use std::ops::ControlFlow;
    /// # use strongroom_core::{Durability, MemoryBackend};
    /// # use strongroom_store::{Store, StoreOptions};
    /// # fn main() -> strongroom_core::Result<()> {
    /// # let store = Store::new(MemoryBackend::in_memory(), StoreOptions::new().durability(Durability::Buffered))?;
    /// # let names = store.create_keyspace("names")?;
    /// let mut longest = 0;
    /// names.prefix("a")?.visit(|_key, value| {
    ///     longest = longest.max(value.len());
    ///     ControlFlow::Continue(())
    /// })?;
    /// # Ok(()) }
    /// ```
    pub fn visit(&mut self, mut visitor: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>) -> Result<()> {
        self.visit_with_meta(|key, value, _| visitor(key, value))
    }

    pub(crate) fn visit_with_meta(
        &mut self,
        mut visitor: impl FnMut(&[u8], &[u8], Meta) -> ControlFlow<()>,
    ) -> Result<()> {
        self.check_damage()?;
        let (keyspace, keys_only, is_blind) = (&self.keyspace, self.keys_only, self.is_blind);
        let now_ms = self.now_ms;
        let mut damaged = None;
        self.cursor.visit(&mut |key, stored| {
            if is_blind {
                return visitor(key, &[], Meta::NONE);
            }
            match envelope::open(keyspace.seed, key, stored) {
                Ok((meta, _)) if meta.has_expired_by(now_ms) => ControlFlow::Continue(()),
                Ok((meta, _)) if keys_only => visitor(key, &[], meta),
                Ok((meta, value_start)) => visitor(key, &stored[value_start..], meta),
                Err(damage) => {
                    damaged = Some(damage.into_error(&keyspace.name, key));
                    ControlFlow::Break(())
                }
            }
        })?;
        match damaged {
            None => Ok(()),
            Some(error) => Err(self.met_damage(error)),
        }
    }

    /// Moves before the first row at or after `key` in the scan's direction, within its range.
    pub fn seek(&mut self, key: impl AsRef<[u8]>) -> Result<()> {
        self.damaged = None;
        self.has_ended = false;
        self.cursor.seek(key.as_ref())
    }
}

impl Iterator for Rows {
    type Item = Result<(Vec<u8>, Bytes)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended {
            return None;
        }
        match self.advance() {
            Ok(true) => Some(Ok((self.key().to_vec(), Bytes::copy_from_slice(self.value())))),
            Ok(false) => None,
            Err(error) => {
                self.has_ended = true;
                Some(Err(error))
            }
        }
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("keyspace", &self.keyspace.name).finish_non_exhaustive()
    }
}
