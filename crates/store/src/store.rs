//! [`Store`]: what applications use.

use crate::batch::Batch;
use crate::digest::{self, Digest};
use crate::directory::{StoreDirectory, StoreId};
use crate::envelope::{ENVELOPE_BYTES_MAX, KeyspaceSeed};
use crate::keyspace::{Keyspace, KeyspaceInfo};
use crate::options::StoreOptions;
use crate::pipeline::Pipeline;
use crate::snapshot::Snapshot;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use strongroom_core::limits::VALUE_OVERHEAD_BYTES_MAX;
use strongroom_core::{
    Create, Durability, EngineInfo, Error, ErrorKind, KeyspaceHints, KeyspaceId, Marked, Options, Result,
    Stats, StorageBackend, check_keyspace_name, is_reserved_keyspace,
};

const _: () = assert!(ENVELOPE_BYTES_MAX <= VALUE_OVERHEAD_BYTES_MAX);

/// The keyspace that every store has.
pub const DEFAULT_KEYSPACE: &str = "default";

/// Tells the stores of a process apart, so that a keyspace of one is not used with another.
static NEXT_INSTANCE: AtomicU64 = AtomicU64::new(1);

/// An open store. Cheap to clone, usable from many threads; the engine is closed when the last clone, with
/// its keyspaces, snapshots, rows and shared values, is dropped.
///
/// ```
/// use strongroom_core::{Durability, MemoryBackend};
/// use strongroom_store::{Store, StoreOptions};
///
/// # fn main() -> strongroom_core::Result<()> {
/// // Memory survives nothing, so less than power-safe has to be asked for by name.
/// let options = StoreOptions::new().durability(Durability::Buffered);
/// let store = Store::new(MemoryBackend::in_memory(), options)?;
///
/// let cities = store.create_keyspace("cities")?;
/// cities.set("CH/Zürich", "443037")?;
/// assert_eq!(cities.get("CH/Zürich")?.as_deref(), Some(&b"443037"[..]));
/// for row in cities.prefix("CH/")? {
///     let (key, value) = row?;
///     println!("{} {}", String::from_utf8_lossy(&key), String::from_utf8_lossy(&value));
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

/// A value with what is known about it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// The value.
    pub value: Bytes,
    /// Sequence number of the commit that wrote it.
    pub version: u64,
    /// When it expires, in milliseconds since 1970, if it does.
    pub expires_at_ms: Option<u64>,
}

/// An acknowledged commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Commit {
    /// The commit's sequence number, which is the version of what it wrote. Rises from commit to commit,
    /// with gaps.
    pub sequence: u64,
}

pub(crate) struct Inner {
    pub(crate) instance: u64,
    pub(crate) options: StoreOptions,
    pipeline: Pipeline,
    keyspaces: RwLock<Known>,
    damaged_rows: AtomicU64,
    // Last: the lock on the directory is let go of when the engine is closed.
    directory: Option<StoreDirectory>,
}

#[derive(Default)]
struct Known {
    by_name: BTreeMap<String, Arc<KeyspaceInfo>>,
    by_id: BTreeMap<KeyspaceId, Arc<KeyspaceInfo>>,
}

impl Store {
    /// A store over a backend that is open already. The store consumes it: nobody writes beneath.
    ///
    /// A backend on disk has to be opened with [`Marked::Writable`](strongroom_core::Marked), in a
    /// directory that is marked as a store of its engine or in a new one; [`Store::open`] sees to all that.
    ///
    /// [`Unsupported`](ErrorKind::Unsupported): the default durability is power-safe and the engine does
    /// not claim it.
    pub fn new(backend: impl StorageBackend + 'static, options: StoreOptions) -> Result<Self> {
        Self::over(Box::new(backend), options)
    }

    /// As [`new`](Self::new), for a backend chosen at run time.
    pub fn over(backend: Box<dyn StorageBackend>, options: StoreOptions) -> Result<Self> {
        let directory = match backend.directory() {
            Some(path) => {
                let is_empty = backend.keyspaces()?.is_empty();
                let shared_read = backend.is_read_only() && backend.engine().capabilities.shared_reads;
                Some(StoreDirectory::adopt(path, backend.engine().name, is_empty, shared_read)?)
            }
            None => None,
        };
        Self::assemble(backend, directory, options).map_err(|(error, _)| error)
    }

    /// Opens or creates the store of `engine` in `path`; `open_backend` opens the engine there, with
    /// `engine_options` and what the store has to say about them.
    ///
    /// What fails on the way changes nothing that was there before: a creation that fails is taken back. A
    /// store that is opened to be read takes no lock and writes nothing where the engine has
    /// [`shared_reads`](strongroom_core::Capabilities::shared_reads): another process may have it open.
    pub fn open(
        path: &Path,
        engine: &EngineInfo,
        options: StoreOptions,
        engine_options: &Options,
        open_backend: impl FnOnce(&Path, &Options) -> Result<Box<dyn StorageBackend>>,
    ) -> Result<Self> {
        let located = |error: Error| error.at(engine.name, "open");
        options.check().map_err(located)?;
        let directory = if engine_options.read_only && engine.capabilities.shared_reads {
            StoreDirectory::look_in(path, engine.name)
        } else {
            let may_create = if engine_options.read_only { Create::Never } else { engine_options.create };
            StoreDirectory::prepare(path, engine.name, may_create, engine_options.read_only)
        }
        .map_err(located)?;
        let engine_options =
            engine_options.clone().marked(Marked::Writable).create(directory.engine_create());
        match open_backend(directory.path(), &engine_options) {
            Ok(backend) => Self::assemble(backend, Some(directory), options).map_err(|(error, directory)| {
                if let Some(directory) = directory {
                    directory.abandon();
                }
                located(error)
            }),
            Err(error) => {
                // The marker says the files are there, so their absence is a loss and not a beginning.
                let lost = error.kind() == ErrorKind::NotFound && directory.engine_create() == Create::Never;
                directory.abandon();
                let error = if lost {
                    error.into_kind(
                        ErrorKind::Corruption,
                        "the store's marker is there, but its engine's files are gone",
                    )
                } else {
                    error
                };
                Err(located(error))
            }
        }
    }

    /// Gives the directory back on failure, when the backend is closed.
    fn assemble(
        backend: Box<dyn StorageBackend>,
        mut directory: Option<StoreDirectory>,
        options: StoreOptions,
    ) -> Result<Self, (Error, Option<StoreDirectory>)> {
        let begin = || {
            options.check()?;
            check_claim(backend.engine(), options.durability)?;
            if directory.as_ref().is_some_and(StoreDirectory::is_finished) {
                check_not_lost(&*backend)?;
            }
            if !backend.is_read_only() {
                backend.create_keyspace(DEFAULT_KEYSPACE, KeyspaceHints::default())?;
            }
            Known::of(&*backend)
        };
        let known = begin();
        let queue_bytes_max = options.queue_bytes_max;
        let assembled = known.and_then(|known| {
            let pipeline = Pipeline::open(backend, queue_bytes_max)?;
            if let Some(directory) = &mut directory
                && !pipeline.backend().is_read_only()
            {
                // Last: from here on the engine's files are expected to be complete.
                directory.finish()?;
            }
            Ok((known, pipeline))
        });
        match assembled {
            Ok((known, pipeline)) => {
                let inner = Inner {
                    instance: NEXT_INSTANCE.fetch_add(1, Ordering::Relaxed),
                    options,
                    pipeline,
                    keyspaces: RwLock::new(known),
                    damaged_rows: AtomicU64::new(0),
                    directory,
                };
                Ok(Self { inner: Arc::new(inner) })
            }
            Err(error) => Err((error, directory)),
        }
    }

    /// Which engine holds the data.
    pub fn engine(&self) -> &EngineInfo {
        self.inner.info()
    }

    /// The store's identity; none for one that is not in a directory.
    pub fn id(&self) -> Option<StoreId> {
        self.inner.directory.as_ref().map(StoreDirectory::store_id)
    }

    /// Where the store is, if it is in a directory.
    pub fn path(&self) -> Option<&Path> {
        self.inner.directory.as_ref().map(StoreDirectory::path)
    }

    /// The options it was opened with.
    pub fn options(&self) -> &StoreOptions {
        &self.inner.options
    }

    /// The names of all keyspaces, sorted.
    pub fn keyspaces(&self) -> Vec<String> {
        // Without a look at what another process has created meanwhile, these are the ones that were known.
        let _ = self.inner.look_again();
        self.inner.infos().into_iter().map(|info| info.name.clone()).collect()
    }

    /// The keyspace that every store has, called `default`.
    pub fn default_keyspace(&self) -> Result<Keyspace> {
        self.keyspace(DEFAULT_KEYSPACE)
    }

    /// The keyspace called `name`, or [`NotFound`](ErrorKind::NotFound).
    pub fn keyspace(&self, name: &str) -> Result<Keyspace> {
        self.inner.located("open keyspace", || {
            check_application_name(name)?;
            self.inner.look_again()?;
            let known = self.inner.keyspaces.read().unwrap_or_else(PoisonError::into_inner);
            let info = known.by_name.get(name).ok_or_else(|| {
                Error::new(ErrorKind::NotFound, format!("there is no keyspace {name:?}"))
                    .hint("list the keyspaces, or create it first")
            })?;
            Ok(Keyspace::new(Arc::clone(&self.inner), Arc::clone(info)))
        })
    }

    /// The keyspace called `name`, created if it is not there.
    pub fn create_keyspace(&self, name: &str) -> Result<Keyspace> {
        self.create_keyspace_with(name, KeyspaceHints::default())
    }

    /// As [`create_keyspace`](Self::create_keyspace), with hints for the engine, which count at creation.
    pub fn create_keyspace_with(&self, name: &str, hints: KeyspaceHints) -> Result<Keyspace> {
        self.inner.located("create keyspace", || {
            check_application_name(name)?;
            let mut known = self.inner.keyspaces.write().unwrap_or_else(PoisonError::into_inner);
            let info = match known.by_name.get(name) {
                Some(info) => Arc::clone(info),
                None => known.add(name, self.inner.backend().create_keyspace(name, hints)?),
            };
            Ok(Keyspace::new(Arc::clone(&self.inner), info))
        })
    }

    /// Removes a keyspace and all that is in it. Handles to it answer
    /// [`NotFound`](ErrorKind::NotFound) from then on. The default keyspace stays.
    pub fn drop_keyspace(&self, name: &str) -> Result<()> {
        self.inner.located("drop keyspace", || {
            if name == DEFAULT_KEYSPACE {
                return Err(Error::new(ErrorKind::InvalidInput, "the default keyspace cannot be dropped")
                    .hint("delete its range instead"));
            }
            let keyspace = self.keyspace(name)?;
            let mut known = self.inner.keyspaces.write().unwrap_or_else(PoisonError::into_inner);
            self.inner.backend().drop_keyspace(keyspace.id())?;
            known.by_name.remove(name);
            known.by_id.remove(&keyspace.id());
            Ok(())
        })
    }

    /// An empty batch, at the store's default durability.
    pub fn batch(&self) -> Batch {
        Batch::new(self.inner.instance, self.inner.options.durability)
    }

    /// Commits `batch`: all of it or nothing.
    ///
    /// [`Conflict`](ErrorKind::Conflict): a condition did not hold, nothing was written.
    /// [`Unsupported`](ErrorKind::Unsupported): the engine does not claim this durability.
    /// [`CommitUnknown`](ErrorKind::CommitUnknown): it failed on the way; reopen and look.
    pub fn commit(&self, batch: &Batch) -> Result<Commit> {
        self.inner.located("commit", || self.inner.commit(batch))
    }

    /// One consistent state of all keyspaces. Opens in well under a millisecond whatever the store's size
    /// and blocks no writer.
    pub fn snapshot(&self) -> Result<Snapshot> {
        Ok(Snapshot::new(self.inner.backend().snapshot()?, Arc::clone(&self.inner)))
    }

    /// Makes all that was committed so far as durable as the engine can.
    pub fn flush(&self) -> Result<()> {
        self.inner.backend().flush()
    }

    /// One BLAKE3 digest of all keyspaces, keys, values and expiries: the same for the same contents on
    /// every engine. It reads everything, in one snapshot.
    pub fn digest(&self) -> Result<Digest> {
        // A keyspace that is dropped meanwhile is gone from the names too: begin again without it.
        loop {
            self.inner.look_again()?;
            let (snapshot, keyspaces) = {
                // Names and snapshot of one moment: creations and drops wait.
                let known = self.inner.keyspaces.read().unwrap_or_else(PoisonError::into_inner);
                (self.snapshot()?, known.of_applications())
            };
            // Another process may have created one between the look and the snapshot.
            self.inner.look_again()?;
            if self.inner.infos().iter().map(|info| info.id).ne(keyspaces.iter().map(|info| info.id)) {
                continue;
            }
            match digest::of_store(&snapshot, &keyspaces) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                outcome => return outcome,
            }
        }
    }

    /// Figures, cheap to get.
    pub fn stats(&self) -> Result<StoreStats> {
        Ok(StoreStats {
            backend: self.inner.backend().stats()?,
            groups: self.inner.pipeline.groups(),
            group_commits: self.inner.pipeline.group_commits(),
            queued_bytes: self.inner.pipeline.queued_bytes() as u64,
            damaged_rows: self.inner.damaged_rows.load(Ordering::Relaxed),
        })
    }

    /// Gives unused space back. [`Unsupported`](ErrorKind::Unsupported) where the engine does it by itself.
    pub fn compact(&self) -> Result<()> {
        self.inner.backend().compact()
    }

    /// Copies one consistent state into `directory`, which must not exist or be empty, while readers and
    /// writers go on. The copy is a store of its own with the same id.
    pub fn checkpoint(&self, directory: &Path) -> Result<()> {
        self.inner.backend().checkpoint(directory)?;
        match &self.inner.directory {
            Some(original) => original.mark_copy(directory),
            None => Ok(()),
        }
    }
}

/// Figures about a store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreStats {
    /// Figures of the backend.
    pub backend: Stats,
    /// Groups of commits that went to the engine as one.
    pub groups: u64,
    /// Commits in those groups: commits per sync are `group_commits / groups`.
    pub group_commits: u64,
    /// Commits that wait in the queue now, in bytes of their keys and values.
    pub queued_bytes: u64,
    /// Rows read that were not what was written. Alert on anything above zero.
    pub damaged_rows: u64,
}

impl Inner {
    pub(crate) fn backend(&self) -> &dyn StorageBackend {
        self.pipeline.backend()
    }

    pub(crate) fn info(&self) -> &EngineInfo {
        self.backend().engine()
    }

    /// Takes up the keyspaces that another process has created or dropped, where one may write beside us.
    fn look_again(&self) -> Result<()> {
        if self.backend().is_read_only() && self.info().capabilities.shared_reads {
            // Under the lock: who looked first must not have the last word.
            let mut known = self.keyspaces.write().unwrap_or_else(PoisonError::into_inner);
            *known = Known::of(self.backend())?;
        }
        Ok(())
    }

    pub(crate) fn infos(&self) -> Vec<Arc<KeyspaceInfo>> {
        self.keyspaces.read().unwrap_or_else(PoisonError::into_inner).of_applications()
    }

    pub(crate) fn commit(&self, batch: &Batch) -> Result<Commit> {
        batch.check_store(self.instance)?;
        check_claim(self.info(), batch.durability)?;
        self.pipeline.commit(batch, self)
    }

    /// What the pipeline needs of the keyspaces in a batch.
    pub(crate) fn keyspace_info(&self, id: KeyspaceId) -> Result<Arc<KeyspaceInfo>> {
        let known = self.keyspaces.read().unwrap_or_else(PoisonError::into_inner);
        known
            .by_id
            .get(&id)
            .cloned()
            .ok_or_else(|| Error::new(ErrorKind::NotFound, "a keyspace of the batch was dropped"))
    }

    /// Counts a row that fails its checksum.
    pub(crate) fn count_damage<T>(&self, opened: Result<T>) -> Result<T> {
        if let Err(error) = &opened {
            self.count_damaged(error);
        }
        opened
    }

    pub(crate) fn count_damaged(&self, error: &Error) {
        if error.kind() == ErrorKind::Corruption {
            self.damaged_rows.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn located<T>(&self, operation: &'static str, f: impl FnOnce() -> Result<T>) -> Result<T> {
        f().map_err(|error| error.at(self.info().name, operation))
    }
}

impl Known {
    fn of(backend: &dyn StorageBackend) -> Result<Self> {
        let mut known = Self::default();
        for name in backend.keyspaces()? {
            let id = backend.keyspace(&name)?;
            known.add(&name, id);
        }
        Ok(known)
    }

    fn of_applications(&self) -> Vec<Arc<KeyspaceInfo>> {
        self.by_name.values().filter(|info| !is_reserved_keyspace(&info.name)).cloned().collect()
    }

    fn add(&mut self, name: &str, id: KeyspaceId) -> Arc<KeyspaceInfo> {
        let info = Arc::new(KeyspaceInfo { name: name.to_owned(), id, seed: KeyspaceSeed::of(name) });
        self.by_name.insert(name.to_owned(), Arc::clone(&info));
        self.by_id.insert(id, Arc::clone(&info));
        info
    }
}

fn check_claim(engine: &EngineInfo, durability: Durability) -> Result<()> {
    if durability == Durability::Buffered || engine.capabilities.power_safe {
        return Ok(());
    }
    let name = engine.name;
    Err(Error::new(
        ErrorKind::Unsupported,
        format!("{name} does not claim that a commit survives a power cut"),
    )
    .hint("ask for less by name (durability=buffered), or choose another engine"))
}

/// A finished store has its default keyspace, which was durable before the marker said `ready`. An engine
/// that does not know it has begun anew over lost files, and would hide the loss.
fn check_not_lost(backend: &dyn StorageBackend) -> Result<()> {
    if backend.keyspaces()?.iter().any(|name| name == DEFAULT_KEYSPACE) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Corruption, "the store's marker is there, but its engine is empty"))
}

fn check_application_name(name: &str) -> Result<()> {
    check_keyspace_name(name)?;
    if is_reserved_keyspace(name) {
        return Err(Error::new(ErrorKind::InvalidInput, format!("{name:?} is a name of the store's own"))
            .hint("choose a name that does not begin with '_'"));
    }
    Ok(())
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("engine", &self.engine().name)
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}
