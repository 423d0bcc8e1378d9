//! The backend contract, as three object-safe traits.
//!
//! A caller holds a `Box<dyn StorageBackend>` chosen at run time. Reads share the engine's bytes; cursors lend
//! them. Every call is synchronous, because embedded engines block. An async caller moves whole closures to a
//! blocking pool. ADR 0002 explains the shape of the traits and its cost.
//!
//! An adapter for an embedded engine implements [`Engine`](crate::Engine), which is smaller, and gets this
//! trait from [`Backend`](crate::Backend). A remote backend implements this trait itself.

use crate::Result;
use crate::batch::{CommitToken, WriteBatch};
use crate::capabilities::EngineInfo;
use crate::durability::Durability;
use crate::keyspace::{KeyspaceHints, KeyspaceId};
use crate::range::{KeyRange, Scan};
use crate::stats::Stats;
use bytes::Bytes;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// An open engine: one ordered map per keyspace, atomic batches over all of them, and snapshots.
///
/// All methods may be called from any thread. A failed commit or a panic in the engine poisons the handle:
/// every later call returns [`Closed`](crate::ErrorKind::Closed).
pub trait StorageBackend: Send + Sync {
    /// Returns the engine's name, version and capabilities.
    fn engine(&self) -> &EngineInfo;

    /// Returns the directory of the engine's files, if it has any.
    fn directory(&self) -> Option<&Path>;

    /// Returns whether writes through this handle are refused.
    fn is_read_only(&self) -> bool;

    /// Returns the names of all keyspaces, sorted, including those of the layers above.
    fn keyspaces(&self) -> Result<Vec<String>>;

    /// Returns the keyspace called `name`, or [`NotFound`](crate::ErrorKind::NotFound).
    fn keyspace(&self, name: &str) -> Result<KeyspaceId>;

    /// Returns the keyspace called `name` and creates it if it is missing. Hints count at creation only. When
    /// this returns, a keyspace of a power-safe engine survives a power cut.
    fn create_keyspace(&self, name: &str, hints: KeyspaceHints) -> Result<KeyspaceId>;

    /// Returns the hints that the keyspace was created with; they are stored with it.
    /// [`placement`](KeyspaceHints::placement) is the placement that the keyspace got. A backend that stores no
    /// hints returns the defaults.
    fn keyspace_hints(&self, keyspace: KeyspaceId) -> Result<KeyspaceHints> {
        let _ = keyspace;
        Ok(KeyspaceHints::default())
    }

    /// Removes a keyspace and its rows. From then on its id returns [`NotFound`](crate::ErrorKind::NotFound),
    /// in open snapshots too. The space of a packed keyspace with many rows is reclaimed gradually
    /// ([`Stats::drops_unfinished`]).
    fn drop_keyspace(&self, keyspace: KeyspaceId) -> Result<()>;

    /// Returns the newest value of `key`. Where the engine allows it, the bytes are shared with the engine and
    /// not copied. Holding them may then pin a page, a block or a read transaction, which
    /// [`Stats::values_pinned`] counts. Copy a value that you keep for long.
    fn get(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>>;

    /// Opens a consistent view over all keyspaces. This takes well under a millisecond whatever the store's
    /// size, and blocks no writer.
    fn snapshot(&self) -> Result<Arc<dyn Snapshot>>;

    /// Commits `batch` atomically, with the requested durability or better. The errors that a caller can act
    /// on:
    ///
    /// - [`Conflict`](crate::ErrorKind::Conflict): a condition did not hold. Nothing was written.
    /// - [`AlreadyExists`](crate::ErrorKind::AlreadyExists): a batch with this token was committed before.
    /// - [`Unsupported`](crate::ErrorKind::Unsupported): the engine does not claim this durability.
    /// - [`CommitUnknown`](crate::ErrorKind::CommitUnknown): the engine failed during the commit. Reopen the
    ///   store and check.
    fn commit(&self, batch: &WriteBatch, durability: Durability) -> Result<()>;

    /// Returns whether a batch with this token was committed.
    fn committed(&self, token: CommitToken) -> Result<bool>;

    /// Removes a token. Tokens are kept until then; call this once the commit's result is known.
    fn forget(&self, token: CommitToken) -> Result<()>;

    /// Removes every key in `range` and returns how many there were. It commits in steps of a bounded number of
    /// keys, so it is not atomic: after an error some keys may be removed. A key that is written concurrently
    /// may be removed or stay.
    fn delete_range(&self, keyspace: KeyspaceId, range: &KeyRange, durability: Durability) -> Result<u64>;

    /// Makes all earlier commits as durable as the engine can.
    fn flush(&self) -> Result<()>;

    /// Returns statistics. Cheap.
    fn stats(&self) -> Result<Stats>;

    /// Reclaims unused space. May take long, and blocks writers if the engine does.
    fn compact(&self) -> Result<()>;

    /// Copies one consistent state into `directory`, which must be missing or empty. Readers and writers are
    /// not blocked. The copy is durable when this returns, and opens like any other store. A keyspace that is
    /// dropped meanwhile is left out.
    ///
    /// After an error nothing is left of the copy. A crash may leave a directory that does not open
    /// ([`Corruption`](crate::ErrorKind::Corruption)); remove it.
    fn checkpoint(&self, directory: &Path) -> Result<()>;

    /// Runs the engine's own integrity check. Returns [`Corruption`](crate::ErrorKind::Corruption) if the files
    /// are damaged. The engine may repair them, so a read-only handle refuses.
    fn verify(&self) -> Result<()>;
}

/// One consistent state of all keyspaces. Clones share it through the [`Arc`]; many threads may use it.
pub trait Snapshot: Send + Sync {
    /// Returns the value of `key` in this state. See [`StorageBackend::get`] about the bytes.
    fn get(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>>;

    /// Returns a cursor before the first row of `scan`. The cursor keeps the snapshot open.
    fn cursor(&self, keyspace: KeyspaceId, scan: Scan) -> Result<Box<dyn Cursor>>;
}

/// Receives the key and value of each row of a scan, and says whether to continue.
pub type Visitor<'v> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'v;

/// Walks over the rows of a scan and lends one at a time.
///
/// A new cursor is before its first row. An error is never reported as the end: `advance` returns `Err`, and so
/// does every later call. The slices from `key` and `value` are valid until the next call that moves the
/// cursor.
///
/// ```
/// # use strongroom_core::{Durability, KeyspaceHints, MemoryBackend, Scan, StorageBackend, WriteBatch};
/// # fn main() -> strongroom_core::Result<()> {
/// # let backend = MemoryBackend::in_memory();
/// # let events = backend.create_keyspace("events", KeyspaceHints::default())?;
/// # let mut batch = WriteBatch::new();
/// # backend.commit(batch.put(events, b"1", b"inception"), Durability::Buffered)?;
/// let mut cursor = backend.snapshot()?.cursor(events, Scan::all().reverse())?;
/// while cursor.advance()? {
///     println!("{:?} {:?}", cursor.key(), cursor.value());
/// }
/// # Ok(()) }
/// ```
pub trait Cursor: Send {
    /// Moves to the next row. Returns `false` at the end.
    fn advance(&mut self) -> Result<bool>;

    /// Returns the key of the current row.
    ///
    /// # Panics
    /// Before the first `advance` and after the end, when there is no current row (invariant 3).
    fn key(&self) -> &[u8];

    /// Returns the value of the current row; empty in a keys-only scan.
    ///
    /// # Panics
    /// As [`key`](Self::key).
    fn value(&self) -> &[u8];

    /// Returns key and value of the current row in one call.
    ///
    /// # Panics
    /// As [`key`](Self::key).
    fn row(&self) -> (&[u8], &[u8]) {
        (self.key(), self.value())
    }

    /// Passes each following row to `visitor`, until it breaks or the rows end. There may be no current row
    /// afterwards. `advance` or another visit continues after the last row that was passed.
    ///
    /// It visits the rows that `advance` would, with fewer calls per row. `visitor` must not call the cursor's
    /// backend for anything that may wait for this scan.
    ///
    /// ```
    /// # use std::ops::ControlFlow;
    /// # use strongroom_core::{KeyspaceHints, MemoryBackend, Scan, StorageBackend};
    /// # fn main() -> strongroom_core::Result<()> {
    /// # let backend = MemoryBackend::in_memory();
    /// # let events = backend.create_keyspace("events", KeyspaceHints::default())?;
    /// let mut bytes = 0;
    /// backend.snapshot()?.cursor(events, Scan::all())?.visit(&mut |key, value| {
    ///     bytes += key.len() + value.len();
    ///     ControlFlow::Continue(())
    /// })?;
    /// # Ok(()) }
    /// ```
    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<()> {
        while self.advance()? {
            let (key, value) = self.row();
            if visitor(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Moves before the first row at or after `key` in the scan's direction (in reverse: at or before it),
    /// within the scan's range. It may also move backwards, and works after the end.
    fn seek(&mut self, key: &[u8]) -> Result<()>;
}
