//! The contract: what every backend does, as three object-safe traits.
//!
//! A caller holds a `Box<dyn StorageBackend>` chosen at run time. Reads share the engine's bytes, cursors
//! lend them. Everything is synchronous, because embedded engines block; an async caller hops whole
//! closures to a blocking pool. ADR 0002 tells why the traits have this shape and what it costs.
//!
//! An adapter for an embedded engine implements [`Engine`](crate::Engine), which is smaller, and gets
//! this trait from [`Backend`](crate::Backend). A remote backend implements this trait itself.

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

/// One engine, opened: an ordered map for each keyspace, atomic batches over all of them, snapshots.
///
/// All methods may be called from any thread. A handle that saw a failed commit or a panicking engine is
/// poisoned: every later call answers [`Closed`](crate::ErrorKind::Closed).
pub trait StorageBackend: Send + Sync {
    /// Which engine this is and what it can do.
    fn engine(&self) -> &EngineInfo;

    /// Where its files are, if it has any.
    fn directory(&self) -> Option<&Path>;

    /// Whether writes through this handle are refused.
    fn is_read_only(&self) -> bool;

    /// Names of all keyspaces, sorted, the layers' own among them.
    fn keyspaces(&self) -> Result<Vec<String>>;

    /// The keyspace called `name`, or [`NotFound`](crate::ErrorKind::NotFound).
    fn keyspace(&self, name: &str) -> Result<KeyspaceId>;

    /// The keyspace called `name`, created if it is not there. Hints count at creation only. When this
    /// returns, a power-safe engine finds the keyspace again after a power cut.
    fn create_keyspace(&self, name: &str, hints: KeyspaceHints) -> Result<KeyspaceId>;

    /// The hints that the keyspace was created with, also after a reopening; its
    /// [`placement`](KeyspaceHints::placement) is the one that it got. A backend that keeps none answers the default
    /// ones.
    fn keyspace_hints(&self, keyspace: KeyspaceId) -> Result<KeyspaceHints> {
        let _ = keyspace;
        Ok(KeyspaceHints::default())
    }

    /// Removes a keyspace and all that is in it. Its id answers
    /// [`NotFound`](crate::ErrorKind::NotFound) from then on, in open snapshots too. The space of a packed keyspace
    /// with many rows comes back by and by ([`Stats::drops_unfinished`]).
    fn drop_keyspace(&self, keyspace: KeyspaceId) -> Result<()>;

    /// The value of `key`, newest state. The bytes are shared with the engine, not copied, where it lets
    /// them be shared: holding them may pin a page, a block or a read transaction, which
    /// [`Stats::values_pinned`] counts. Copy what is kept for long.
    fn get(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>>;

    /// A consistent view over all keyspaces. Opens in well under a millisecond whatever the store's size
    /// and blocks no writer.
    fn snapshot(&self) -> Result<Arc<dyn Snapshot>>;

    /// Commits `batch`: all of it or nothing, at the durability asked for or better.
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict): a condition did not hold, nothing was written.
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): a batch with this token was committed before.
    /// [`Unsupported`](crate::ErrorKind::Unsupported): the engine does not claim this durability.
    /// [`CommitUnknown`](crate::ErrorKind::CommitUnknown): it failed on the way; reopen and look.
    fn commit(&self, batch: &WriteBatch, durability: Durability) -> Result<()>;

    /// Whether a batch with this token was committed.
    fn committed(&self, token: CommitToken) -> Result<bool>;

    /// Forgets a token once its reply is known; tokens are kept until then.
    fn forget(&self, token: CommitToken) -> Result<()>;

    /// Removes every key in `range` and says how many there were. It goes in steps, each a commit of a
    /// bounded number of keys: it is not atomic, and after an error some keys may be gone. A key that is
    /// written meanwhile may be removed or stay.
    fn delete_range(&self, keyspace: KeyspaceId, range: &KeyRange, durability: Durability) -> Result<u64>;

    /// Makes all that was committed so far as durable as the engine can.
    fn flush(&self) -> Result<()>;

    /// Figures, cheap to get.
    fn stats(&self) -> Result<Stats>;

    /// Gives unused space back. May take long; blocks writers where the engine does.
    fn compact(&self) -> Result<()>;

    /// Copies one consistent state into `directory`, which must not exist or be empty, while readers and
    /// writers go on. The copy is durable when this returns, and opens like any other. A
    /// keyspace that is dropped meanwhile is left out.
    ///
    /// After an error nothing of it is left. A crash may leave a directory that does not open
    /// ([`Corruption`](crate::ErrorKind::Corruption)) and has to be removed.
    fn checkpoint(&self, directory: &Path) -> Result<()>;

    /// Has the engine check its own files. [`Corruption`](crate::ErrorKind::Corruption) if they are not as
    /// they were written. The engine may repair them, so a read-only handle refuses.
    fn verify(&self) -> Result<()>;
}

/// One consistent state of all keyspaces. Cheap to clone by [`Arc`], usable from many threads.
pub trait Snapshot: Send + Sync {
    /// The value of `key` in this state. See [`StorageBackend::get`] about the bytes.
    fn get(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>>;

    /// A cursor before the first row of `scan`. It keeps the snapshot alive.
    fn cursor(&self, keyspace: KeyspaceId, scan: Scan) -> Result<Box<dyn Cursor>>;
}

/// Is handed the rows of a scan, key and value, and says whether to go on.
pub type Visitor<'v> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'v;

/// Walks over the rows of a scan, lending one at a time.
///
/// A new cursor stands before its first row. An error never looks like the end: `advance` answers `Err`,
/// and goes on doing so. What `key` and `value` lend is valid until the next call that moves the cursor.
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
    /// Moves to the next row; `false` at the end.
    fn advance(&mut self) -> Result<bool>;

    /// The key of the row it stands on.
    ///
    /// # Panics
    /// Before the first `advance` and after the end there is no row (invariant 3).
    fn key(&self) -> &[u8];

    /// The value of the row it stands on; empty in a scan of keys only.
    ///
    /// # Panics
    /// As [`key`](Self::key).
    fn value(&self) -> &[u8];

    /// Key and value of the row it stands on, with one call.
    ///
    /// # Panics
    /// As [`key`](Self::key).
    fn row(&self) -> (&[u8], &[u8]) {
        (self.key(), self.value())
    }

    /// Walks on and hands each row to `visitor`, until it breaks or the rows end. Afterwards there
    /// may be no row to lend; `advance` or another visit goes on behind the last one that was handed over.
    ///
    /// It gives the rows that `advance` would, with fewer calls for each. `visitor` must not use the cursor's backend for
    /// anything that may wait for this scan.
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

    /// Stands before the first row at or after `key` in the scan's direction (in reverse: at or before
    /// it), within the scan's range. Works backwards and after the end too.
    fn seek(&mut self, key: &[u8]) -> Result<()>;
}
