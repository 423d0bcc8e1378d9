//! What an adapter for an embedded engine implements: as little as possible.
//!
//! An [`Engine`] translates. It sees a keyspace as a table. Several keyspaces of the contract may share a
//! table; their keys then begin with four more bytes. [`Backend`](crate::Backend) guarantees the following to
//! every engine:
//!
//! - It never passes an empty or overlong key, a dropped keyspace, or a durability that the engine does not
//!   claim.
//! - It makes no call after a failed commit.
//! - It has checked the conditions of a batch before `apply`.
//! - It runs one `apply` at a time (but see [`Engine::CONCURRENT_COMMITS`]).
//!
//! It also catches panics.
//!
//! An engine without snapshots of its own implements [`LiveEngine`] instead; [`Undo`](crate::Undo) makes an
//! `Engine` of it.

use crate::batch::{Op, WriteBatch};
use crate::capabilities::EngineInfo;
use crate::durability::Durability;
use crate::files::Directory;
use crate::keyspace::KeyspaceHints;
use crate::options::Options;
use crate::packed::batch::Packing;
use crate::range::Scan;
use crate::read_view::{ViewRelease, ViewSharing};
use crate::stats::{Gauge, Stats};
use crate::{Error, ErrorKind, Result};
use bytes::Bytes;
use std::path::Path;
use std::task::Poll;

/// The typed options of one engine.
pub trait TypedOptions: Clone + Default + Send + Sync + 'static {
    /// Converts the common options. Refuses those that the engine does not know or cannot honour.
    fn from_options(options: &Options) -> Result<Self>;

    /// Returns the common part.
    fn common(&self) -> &Options;

    /// Returns the same options with another common part. Options that the engine parsed from
    /// [`Options::engine`] stay, whatever `common` says about them.
    #[must_use]
    fn with_common(self, common: Options) -> Self;

    /// Returns the options for a copy in another directory, without those that belong to one directory alone.
    /// Most engines have none of these.
    #[must_use]
    fn for_checkpoint(self) -> Self {
        self
    }
}

/// What an engine needs to open, besides its options.
#[derive(Debug)]
pub struct OpenContext<'c, O> {
    /// The directory for the engine's files: an absolute path without symbolic links. It exists.
    pub directory: &'c Path,
    /// The same directory, open. An engine that opens files by path while it runs does so below
    /// [`pinned_path`](Directory::pinned_path), and keeps a clone for as long as it is open.
    pub home: &'c Directory,
    /// The engine's options.
    pub options: &'c O,
    /// Counts values that pin resources of the engine.
    pub pins: Gauge,
    /// Releases the shared read view when it blocks the engine. See [`Engine::VIEW`].
    pub view: ViewRelease,
}

/// A cursor of an engine: like [`Cursor`](crate::Cursor) without `seek`. It is never called again after it
/// returned `false` or an error.
pub trait EngineCursor: Send + 'static {
    /// Moves to the next row. Returns `false` at the end.
    fn advance(&mut self) -> Result<bool>;
    /// Returns the key of the current row.
    fn key(&self) -> &[u8];
    /// Returns the value of the current row.
    fn value(&self) -> &[u8];
}

/// A snapshot of an engine. It owns what it needs, so it may outlive its `Engine`.
pub trait EngineSnapshot: Send + Sync + 'static {
    /// The engine's handle to a keyspace.
    type Keyspace;
    /// The engine's cursor.
    type Cursor: EngineCursor;

    /// Returns the value of `key`.
    fn get(&self, keyspace: &Self::Keyspace, key: &[u8]) -> Result<Option<Bytes>>;

    /// As [`get`](Self::get), but returns `Pending` if it would have to wait for another thread that uses the
    /// snapshot. Override it if one thread at a time may use a snapshot ([`ViewSharing::InTurns`]).
    #[inline]
    fn try_get(&self, keyspace: &Self::Keyspace, key: &[u8]) -> Result<Poll<Option<Bytes>>> {
        self.get(keyspace, key).map(Poll::Ready)
    }

    /// Returns a cursor before the first row of `scan`, whose range is not empty.
    fn cursor(&self, keyspace: &Self::Keyspace, scan: &Scan) -> Result<Self::Cursor>;
}

/// A batch for an engine: operations with the engine's own keyspace handles.
#[derive(Debug)]
pub struct EngineBatch<'b, K> {
    batch: &'b WriteBatch,
    keyspaces: &'b [K],
    /// Set for a batch with packed keyspaces.
    packing: Option<&'b Packing>,
    is_unseen: bool,
}

impl<'b, K> EngineBatch<'b, K> {
    pub(crate) fn new(batch: &'b WriteBatch, keyspaces: &'b [K], packing: Option<&'b Packing>) -> Self {
        Self { batch, keyspaces, packing, is_unseen: false }
    }

    /// A batch over rows that no snapshot can read.
    pub(crate) fn unseen(batch: &'b WriteBatch, keyspaces: &'b [K]) -> Self {
        Self { batch, keyspaces, packing: None, is_unseen: true }
    }

    /// Returns whether no snapshot can read the rows that the batch replaces, because they belong to dropped
    /// keyspaces.
    pub(crate) fn is_unseen(&self) -> bool {
        self.is_unseen
    }

    /// Returns the distinct keyspaces of the batch.
    pub fn keyspaces(&self) -> &'b [K] {
        self.keyspaces
    }

    /// Returns the operations in order, each with the index of its keyspace in [`keyspaces`](Self::keyspaces).
    pub fn ops(&self) -> impl ExactSizeIterator<Item = (usize, Op<'b>)> + Clone + use<'b, K> {
        let packing = self.packing;
        self.batch.ops().enumerate().map(move |(number, op)| match packing {
            None => op,
            Some(packing) => packing.op(number, op),
        })
    }

    /// Returns an upper bound on the bytes of keys and values together.
    pub fn bytes(&self) -> usize {
        self.batch.bytes() + self.packing.map_or(0, Packing::added_bytes)
    }

    /// Returns the same batch with other handles, one for each of [`keyspaces`](Self::keyspaces).
    ///
    /// # Panics
    /// If the number of handles differs (invariant 5).
    pub fn with_keyspaces<'c, L>(&self, keyspaces: &'c [L]) -> EngineBatch<'c, L>
    where
        'b: 'c,
    {
        assert_eq!(keyspaces.len(), self.keyspaces.len(), "invariant 5: one handle for each keyspace");
        EngineBatch { batch: self.batch, keyspaces, packing: self.packing, is_unseen: self.is_unseen }
    }
}

/// The engine side of [`StorageBackend`](crate::StorageBackend), for engines with snapshots of their own.
pub trait Engine: Sized + Send + Sync + 'static {
    /// Name, version and capabilities.
    const INFO: EngineInfo;
    /// The engine's options.
    type Options: TypedOptions;
    /// A cheap handle to a keyspace.
    type Keyspace: Clone + Send + Sync + 'static;
    /// A snapshot.
    type Snapshot: EngineSnapshot<Keyspace = Self::Keyspace>;

    /// Whether [`apply`](Self::apply) may run on several threads at once, for batches without conditions. For
    /// engines that gain by it because concurrent commits share a sync.
    const CONCURRENT_COMMITS: bool = false;

    /// Whether gets share a snapshot. For engines that would open a read transaction for each get. The snapshot
    /// is held between commits and while the next one is applied, until a few seconds after its last use. An
    /// engine that is blocked by it asks for its release ([`OpenContext::view`]). During a compaction or an
    /// integrity check none is held.
    const VIEW: ViewSharing = ViewSharing::Never;

    /// Opens the engine, and creates its files unless the options forbid it.
    fn open(context: OpenContext<'_, Self::Options>) -> Result<Self>;

    /// Returns whether the engine's files are in `directory`. Reads only.
    fn exists(directory: &Path) -> bool;

    /// Returns the names of all keyspaces, in any order.
    fn keyspace_names(&self) -> Result<Vec<String>>;

    /// Opens a keyspace, and creates it as durably as the engine can if it is missing. `Unavailable` means that
    /// nothing changed. Any other error of a creation poisons the handle.
    fn open_keyspace(&self, name: &str, hints: KeyspaceHints) -> Result<Self::Keyspace>;

    /// Returns how many keyspaces the engine can hold, besides the two tables of packed ones. Further keyspaces
    /// are packed.
    fn keyspaces_max(&self) -> usize {
        usize::MAX
    }

    /// Returns whether `keyspace` is still the one called `name`: another process may have dropped it and
    /// created another. Called only by a read-only handle of an engine with
    /// [`shared_reads`](crate::Capabilities::shared_reads).
    fn is_current(&self, name: &str, keyspace: &Self::Keyspace) -> Result<bool> {
        let _ = (name, keyspace);
        Ok(true)
    }

    /// Removes a keyspace. `Unavailable` means that nothing changed. Any other error poisons the handle.
    fn drop_keyspace(&self, name: &str, keyspace: &Self::Keyspace) -> Result<()>;

    /// Returns the newest value of `key`.
    fn get(&self, keyspace: &Self::Keyspace, key: &[u8]) -> Result<Option<Bytes>>;

    /// Opens a consistent view.
    fn snapshot(&self) -> Result<Self::Snapshot>;

    /// Applies a batch atomically with the requested durability. `Unavailable` means that nothing changed and
    /// that the batch may be retried later. Any other error makes the outcome unknown.
    fn apply(&self, batch: &EngineBatch<'_, Self::Keyspace>, durability: Durability) -> Result<()>;

    /// Makes all applied batches as durable as the engine can.
    fn flush(&self) -> Result<()>;

    /// Fills in the figures that the engine knows.
    fn stats(&self, stats: &mut Stats) -> Result<()>;

    /// Reclaims space. Called only if declared. `Unavailable` and `Unsupported` mean that nothing changed. Any
    /// other error poisons the handle.
    fn compact(&self) -> Result<()> {
        Err(Error::new(ErrorKind::Unsupported, "the engine does not compact on demand"))
    }

    /// Copies one consistent state durably into `directory` by the engine's own means, concurrently with
    /// writers. The directory is empty except for the marker file. Returns `false` if the engine has no such
    /// means; the rows are then copied one by one. Called only if declared.
    fn checkpoint(&self, directory: &Path) -> Result<bool> {
        let _ = directory;
        Ok(false)
    }

    /// Checks the engine's files. Called only if declared.
    fn verify(&self) -> Result<()> {
        Err(Error::new(ErrorKind::Unsupported, "the engine has no integrity check"))
    }

    /// Returns why the open engine does not claim power-safe commits, in a few words, or `None` if it claims
    /// them. Most engines return what [`INFO`](Self::INFO) says; it may depend on the file system.
    fn unclaimed(&self) -> Option<&'static str> {
        (!Self::INFO.capabilities.power_safe).then_some(Self::INFO.unclaimed)
    }
}

/// The engine side for engines without snapshots. As [`Engine`], but reads see the newest state, and the sync
/// is a separate step, so that no snapshot has to wait for it.
pub trait LiveEngine: Sized + Send + Sync + 'static {
    /// Name, version and capabilities.
    const INFO: EngineInfo;
    /// The engine's options.
    type Options: TypedOptions;
    /// A cheap handle to a keyspace.
    type Keyspace: Clone + Send + Sync + 'static;
    /// A cursor over the newest state. It may or may not see concurrent writes. It visits each row that is not
    /// written meanwhile exactly once.
    type Cursor: EngineCursor;

    /// See [`Engine::open`].
    fn open(context: OpenContext<'_, Self::Options>) -> Result<Self>;
    /// See [`Engine::exists`].
    fn exists(directory: &Path) -> bool;
    /// See [`Engine::keyspace_names`].
    fn keyspace_names(&self) -> Result<Vec<String>>;
    /// See [`Engine::open_keyspace`].
    fn open_keyspace(&self, name: &str, hints: KeyspaceHints) -> Result<Self::Keyspace>;
    /// See [`Engine::drop_keyspace`].
    fn drop_keyspace(&self, name: &str, keyspace: &Self::Keyspace) -> Result<()>;
    /// Returns the newest value of `key`.
    fn get(&self, keyspace: &Self::Keyspace, key: &[u8]) -> Result<Option<Bytes>>;
    /// Returns a cursor over the newest state.
    fn cursor(&self, keyspace: &Self::Keyspace, scan: &Scan) -> Result<Self::Cursor>;
    /// Applies a batch atomically, without waiting for the disk. Any error makes the outcome unknown.
    fn apply(&self, batch: &EngineBatch<'_, Self::Keyspace>) -> Result<()>;
    /// Makes all applied batches as durable as the engine can.
    fn flush(&self) -> Result<()>;
    /// See [`Engine::stats`].
    fn stats(&self, stats: &mut Stats) -> Result<()>;
    /// See [`Engine::unclaimed`].
    fn unclaimed(&self) -> Option<&'static str> {
        (!Self::INFO.capabilities.power_safe).then_some(Self::INFO.unclaimed)
    }
}
