//! What an adapter for an embedded engine implements: as little as possible.
//!
//! An [`Engine`] translates. To it a keyspace is a table; several keyspaces of the contract may share one, and their
//! keys then begin with four bytes more. It is never called with an empty or too long key, with a keyspace that was
//! dropped, with a durability that it does not claim, or after it failed a commit; conditions have been
//! judged, and only one `apply` runs at a time (but see [`Engine::CONCURRENT_COMMITS`]). [`Backend`](crate::Backend) sees to all of that, once for
//! every engine, and catches panics.
//!
//! An engine that has no snapshots of its own implements [`LiveEngine`] instead and becomes an `Engine`
//! in [`Undo`](crate::Undo).

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

/// Options of one engine, with types.
pub trait TypedOptions: Clone + Default + Send + Sync + 'static {
    /// From the common options; refuses what the engine cannot honour or does not know.
    fn from_options(options: &Options) -> Result<Self>;

    /// The common part.
    fn common(&self) -> &Options;

    /// The same options with another common part. What the engine read from options by name stays as it is,
    /// whatever `common` says about it.
    #[must_use]
    fn with_common(self, common: Options) -> Self;

    /// The same options for a copy in another directory: without what belongs to one place alone. Most
    /// engines have nothing of the kind.
    #[must_use]
    fn for_checkpoint(self) -> Self {
        self
    }
}

/// What opening an engine needs beside its options.
#[derive(Debug)]
pub struct OpenContext<'c, O> {
    /// Where its files are to be: an absolute path without symbolic links. The directory exists.
    pub directory: &'c Path,
    /// The same directory, open. An engine that opens files by path while it runs does so below
    /// [`pinned_path`](Directory::pinned_path), and keeps a clone for as long as it is open.
    pub home: &'c Directory,
    /// Its options.
    pub options: &'c O,
    /// Counts values that pin something of the engine.
    pub pins: Gauge,
    /// Has the shared read view released when it is in the engine's way. See [`Engine::VIEW`].
    pub view: ViewRelease,
}

/// Cursor of an engine: like [`Cursor`](crate::Cursor) without `seek`. It is never called again after it
/// answered `false` or an error.
pub trait EngineCursor: Send + 'static {
    /// Moves to the next row; `false` at the end.
    fn advance(&mut self) -> Result<bool>;
    /// The key of the row it stands on.
    fn key(&self) -> &[u8];
    /// The value of the row it stands on.
    fn value(&self) -> &[u8];
}

/// Snapshot of an engine. It owns what it needs: it may outlive the `Engine` that made it.
pub trait EngineSnapshot: Send + Sync + 'static {
    /// The engine's handle to a keyspace.
    type Keyspace;
    /// Its cursor.
    type Cursor: EngineCursor;

    /// The value of `key`.
    fn get(&self, keyspace: &Self::Keyspace, key: &[u8]) -> Result<Option<Bytes>>;

    /// As [`get`](Self::get), but `Pending` if it would have to wait for another thread that uses the snapshot. To be
    /// overridden where threads take turns ([`ViewSharing::InTurns`]).
    #[inline]
    fn try_get(&self, keyspace: &Self::Keyspace, key: &[u8]) -> Result<Poll<Option<Bytes>>> {
        self.get(keyspace, key).map(Poll::Ready)
    }

    /// A cursor before the first row of `scan`, whose range is not empty.
    fn cursor(&self, keyspace: &Self::Keyspace, scan: &Scan) -> Result<Self::Cursor>;
}

/// A batch on its way into an engine: operations with the engine's own keyspace handles.
#[derive(Debug)]
pub struct EngineBatch<'b, K> {
    batch: &'b WriteBatch,
    keyspaces: &'b [K],
    /// Of a batch with packed keyspaces.
    packing: Option<&'b Packing>,
    is_unseen: bool,
}

impl<'b, K> EngineBatch<'b, K> {
    pub(crate) fn new(batch: &'b WriteBatch, keyspaces: &'b [K], packing: Option<&'b Packing>) -> Self {
        Self { batch, keyspaces, packing, is_unseen: false }
    }

    /// Of rows that no snapshot can ask for.
    pub(crate) fn unseen(batch: &'b WriteBatch, keyspaces: &'b [K]) -> Self {
        Self { batch, keyspaces, packing: None, is_unseen: true }
    }

    /// Whether no snapshot can ask for what the batch replaces: it belongs to keyspaces that were dropped.
    pub(crate) fn is_unseen(&self) -> bool {
        self.is_unseen
    }

    /// The distinct keyspaces of the batch.
    pub fn keyspaces(&self) -> &'b [K] {
        self.keyspaces
    }

    /// The operations in order, each with its place in [`keyspaces`](Self::keyspaces).
    pub fn ops(&self) -> impl ExactSizeIterator<Item = (usize, Op<'b>)> + Clone + use<'b, K> {
        let packing = self.packing;
        self.batch.ops().enumerate().map(move |(number, op)| match packing {
            None => op,
            Some(packing) => packing.op(number, op),
        })
    }

    /// About how many bytes keys and values have together; not less.
    pub fn bytes(&self) -> usize {
        self.batch.bytes() + self.packing.map_or(0, Packing::added_bytes)
    }

    /// The same batch with other handles, one for each of [`keyspaces`](Self::keyspaces).
    ///
    /// # Panics
    /// If there are more or fewer handles (invariant 5).
    pub fn with_keyspaces<'c, L>(&self, keyspaces: &'c [L]) -> EngineBatch<'c, L>
    where
        'b: 'c,
    {
        assert_eq!(keyspaces.len(), self.keyspaces.len(), "invariant 5: one handle for each keyspace");
        EngineBatch { batch: self.batch, keyspaces, packing: self.packing, is_unseen: self.is_unseen }
    }
}

/// The engine-side of [`StorageBackend`](crate::StorageBackend), for engines with snapshots of their own.
pub trait Engine: Sized + Send + Sync + 'static {
    /// Name, version and capabilities.
    const INFO: EngineInfo;
    /// The engine's options.
    type Options: TypedOptions;
    /// A cheap handle to a keyspace.
    type Keyspace: Clone + Send + Sync + 'static;
    /// A snapshot.
    type Snapshot: EngineSnapshot<Keyspace = Self::Keyspace>;

    /// Whether threads may be in [`apply`](Self::apply) side by side, for batches without conditions. For
    /// engines that gain by it: those that let concurrent commits share a sync.
    const CONCURRENT_COMMITS: bool = false;

    /// Whether gets share a snapshot. For engines that open a read transaction for each. A snapshot is then held
    /// between commits and while the next one is applied, for up to some seconds after its last use. An engine that
    /// has it in its way asks for its release ([`OpenContext::view`]); a compaction and an integrity check find none.
    const VIEW: ViewSharing = ViewSharing::Never;

    /// Opens the engine, creating its files unless the options forbid it.
    fn open(context: OpenContext<'_, Self::Options>) -> Result<Self>;

    /// Whether the engine's files are in `directory`; looks, and touches nothing.
    fn exists(directory: &Path) -> bool;

    /// Names of all keyspaces, in any order.
    fn keyspace_names(&self) -> Result<Vec<String>>;

    /// Opens a keyspace; creates it if it is not there, as durably as the engine can. `Unavailable` says that
    /// nothing was touched; any other error of a creation poisons the handle.
    fn open_keyspace(&self, name: &str, hints: KeyspaceHints) -> Result<Self::Keyspace>;

    /// How many keyspaces it can hold, beside two for those that are packed. Beyond, all are packed.
    fn keyspaces_max(&self) -> usize {
        usize::MAX
    }

    /// Whether `keyspace` is still the one called `name`: another process may have dropped it and made another.
    /// Called only where others may read beside a writer, by a handle that only reads.
    fn is_current(&self, name: &str, keyspace: &Self::Keyspace) -> Result<bool> {
        let _ = (name, keyspace);
        Ok(true)
    }

    /// Removes a keyspace. `Unavailable` says that nothing was touched; any other error poisons the handle.
    fn drop_keyspace(&self, name: &str, keyspace: &Self::Keyspace) -> Result<()>;

    /// The value of `key`, newest state.
    fn get(&self, keyspace: &Self::Keyspace, key: &[u8]) -> Result<Option<Bytes>>;

    /// A consistent view.
    fn snapshot(&self) -> Result<Self::Snapshot>;

    /// Applies a batch atomically and makes it as durable as asked. `Unavailable` says that nothing was touched
    /// and that the batch may be tried again later; any other error makes the outcome unknown.
    fn apply(&self, batch: &EngineBatch<'_, Self::Keyspace>, durability: Durability) -> Result<()>;

    /// Makes all that was applied so far as durable as the engine can.
    fn flush(&self) -> Result<()>;

    /// Fills in what the engine knows.
    fn stats(&self, stats: &mut Stats) -> Result<()>;

    /// Gives space back. Called only if declared. `Unavailable` and `Unsupported` say that nothing was
    /// touched; any other error poisons the handle.
    fn compact(&self) -> Result<()> {
        Err(Error::new(ErrorKind::Unsupported, "the engine does not compact on demand"))
    }

    /// Copies everything, as one consistent state and durably, into `directory`, which is empty but for our
    /// mark, in the engine's own way; writers go on. `false`: it has no such way, and rows are copied one by
    /// one instead. Called only if declared.
    fn checkpoint(&self, directory: &Path) -> Result<bool> {
        let _ = directory;
        Ok(false)
    }

    /// Checks the engine's files. Called only if declared.
    fn verify(&self) -> Result<()> {
        Err(Error::new(ErrorKind::Unsupported, "the engine has no integrity check"))
    }

    /// Why the opened engine claims no power-safe commits, in a few words; none if it claims them. Most say what
    /// [`INFO`](Self::INFO) says; one may depend on the file system.
    fn unclaimed(&self) -> Option<&'static str> {
        (!Self::INFO.capabilities.power_safe).then_some(Self::INFO.unclaimed)
    }
}

/// The engine-side for engines without snapshots: as [`Engine`], but reads see the newest state, and the
/// sync is a step of its own, so that no snapshot has to wait for it.
pub trait LiveEngine: Sized + Send + Sync + 'static {
    /// Name, version and capabilities.
    const INFO: EngineInfo;
    /// The engine's options.
    type Options: TypedOptions;
    /// A cheap handle to a keyspace.
    type Keyspace: Clone + Send + Sync + 'static;
    /// A cursor over the newest state. It may or may not see what is written while it walks, but a row
    /// that is not written meanwhile is seen once.
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
    /// The value of `key`, newest state.
    fn get(&self, keyspace: &Self::Keyspace, key: &[u8]) -> Result<Option<Bytes>>;
    /// A cursor over the newest state.
    fn cursor(&self, keyspace: &Self::Keyspace, scan: &Scan) -> Result<Self::Cursor>;
    /// Applies a batch atomically, without waiting for the disk. Any error makes the outcome unknown.
    fn apply(&self, batch: &EngineBatch<'_, Self::Keyspace>) -> Result<()>;
    /// Makes all that was applied so far as durable as the engine can.
    fn flush(&self) -> Result<()>;
    /// See [`Engine::stats`].
    fn stats(&self, stats: &mut Stats) -> Result<()>;
    /// See [`Engine::unclaimed`].
    fn unclaimed(&self) -> Option<&'static str> {
        (!Self::INFO.capabilities.power_safe).then_some(Self::INFO.unclaimed)
    }
}
