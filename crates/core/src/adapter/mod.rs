//! [`Backend`]: the contract over any [`Engine`], with everything that is the same for all of them.
//!
//! Limits before the engine is called, one commit at a time with its conditions and token, keyspace ids,
//! read-only handles, panics caught, poisoning, counting, seeking, `delete_range`, checkpoints.

mod checkpoint;
mod commit;
mod health;
mod held;
mod keyspaces;
mod open;
mod snapshot;

use crate::backend::{Snapshot, StorageBackend};
use crate::batch::{CommitToken, WriteBatch};
use crate::capabilities::EngineInfo;
use crate::durability::Durability;
use crate::engine::{Engine, OpenContext, TypedOptions};
use crate::keyspace::{KeyspaceHints, KeyspaceId, check_keyspace_name};
use crate::limits::check_backend_key;
use crate::options::{Create, Options};
use crate::range::KeyRange;
use crate::stats::{Gauge, Stats};
use crate::sync::write;
use crate::{Error, ErrorKind, Result};
use bytes::Bytes;
use health::Health;
use held::Held;
use keyspaces::Keyspaces;
use snapshot::GuardedSnapshot;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

/// An engine as a [`StorageBackend`]. `RedbBackend`, `SledBackend` and the others are names for it.
///
/// The engine is closed when the backend and all its snapshots, cursors and shared values are dropped.
pub struct Backend<E: Engine> {
    shared: Arc<Shared<E>>,
    options: Option<E::Options>,
    directory: Option<PathBuf>,
}

struct Shared<E: Engine> {
    engine: Held<E>,
    info: EngineInfo,
    keyspaces: Keyspaces<E::Keyspace>,
    health: Health,
    /// Held alone by whatever conditions, creations and housekeeping must not be disturbed in; shared by
    /// commits without conditions, where the engine lets them run side by side.
    commit_turn: RwLock<()>,
    read_only: bool,
    pins: Gauge,
    snapshots: Gauge,
    commits: AtomicU64,
    power_safe_commits: AtomicU64,
}

impl<E: Engine> Backend<E> {
    /// Opens the engine in `directory` with its default options, creating what is not there.
    ///
    /// A directory that is marked as a store opens read-only; see [`Marked`](crate::Marked).
    pub fn new(directory: impl AsRef<Path>) -> Result<Self> {
        Self::open(directory, E::Options::default())
    }

    /// Opens the engine in `directory`.
    ///
    /// [`NotFound`](ErrorKind::NotFound): it is not there and may not be created.
    /// [`InvalidInput`](ErrorKind::InvalidInput): the path is a file or holds something else.
    /// [`Locked`](ErrorKind::Locked): another handle has it. [`Corruption`](ErrorKind::Corruption): its
    /// files are not as they were written, or a checkpoint into it was not finished.
    pub fn open(directory: impl AsRef<Path>, options: E::Options) -> Result<Self> {
        let directory = directory.as_ref();
        let read_only =
            open::prepare::<E>(directory, &options).map_err(|error| error.at(E::INFO.name, "open"))?;
        Self::start(directory, options, read_only)
    }

    /// Opens the engine in a directory that is known to be its own.
    fn start(directory: &Path, options: E::Options, read_only: bool) -> Result<Self> {
        let name = E::INFO.name;
        // The engine too has to know: it may find files that it would take for a reason to create others.
        let options = if read_only { adjusted(options, only_read) } else { options };
        let pins = Gauge::default();
        let health = Health::new(name);
        let context = OpenContext { directory, options: &options, pins: pins.clone() };
        let engine = health.call("open", || E::open(context)).map_err(|error| match error.kind() {
            // An engine that panics while it opens its files does not like what is in them.
            ErrorKind::Closed => {
                error.into_kind(ErrorKind::Corruption, "the engine cannot read its files").at(name, "open")
            }
            _ => error,
        })?;
        let shared = Shared::over(engine, health, pins, read_only);
        shared.open_keyspaces()?;
        Ok(Self { shared: Arc::new(shared), options: Some(options), directory: Some(directory.to_owned()) })
    }

    /// Over an engine that has no files and no keyspaces yet.
    pub(crate) fn over_new_engine(engine: E, read_only: bool) -> Self {
        let shared = Shared::over(engine, Health::new(E::INFO.name), Gauge::default(), read_only);
        Self { shared: Arc::new(shared), options: None, directory: None }
    }
}

impl<E: Engine> Shared<E> {
    fn over(engine: E, health: Health, pins: Gauge, read_only: bool) -> Self {
        let mut info = E::INFO;
        info.capabilities.power_safe = engine.power_safe();
        Self {
            engine: Held::new(engine),
            info,
            keyspaces: Keyspaces::new(),
            health,
            commit_turn: RwLock::default(),
            read_only,
            pins,
            snapshots: Gauge::default(),
            commits: AtomicU64::new(0),
            power_safe_commits: AtomicU64::new(0),
        }
    }

    fn open_keyspaces(&self) -> Result<()> {
        let mut names = self.keyspaces.names();
        for name in self.health.call("open", || self.engine.keyspace_names())? {
            if let Some(handle) = self.open_listed("open", &name)? {
                self.keyspaces.add_existing(&mut names, &name, handle)?;
            }
        }
        Ok(())
    }

    /// The handle of a keyspace that the engine has just listed; none if the process that writes beside us has
    /// dropped it since.
    fn open_listed(&self, operation: &'static str, name: &str) -> Result<Option<E::Keyspace>> {
        let open = || self.engine.open_keyspace(name, KeyspaceHints::default());
        match self.health.call(operation, open) {
            Err(error) if error.kind() == ErrorKind::NotFound && self.reads_beside_a_writer() => Ok(None),
            opened => opened.map(Some),
        }
    }

    fn reads_beside_a_writer(&self) -> bool {
        self.read_only && self.info.capabilities.shared_reads
    }

    /// Takes up what the process that writes has created and dropped since, where others may read beside it. A snapshot that was opened before sees them empty.
    fn learn_keyspaces(&self, names: &mut BTreeMap<String, KeyspaceId>) -> Result<()> {
        if !self.reads_beside_a_writer() {
            return Ok(());
        }
        let found = self.health.call("list keyspaces", || self.engine.keyspace_names())?;
        let mut gone = Vec::new();
        for (name, id) in names.iter() {
            let Ok(slot) = self.keyspaces.get(*id) else { continue };
            let is_current = || self.engine.is_current(name, &slot.handle);
            if !(found.contains(name) && self.health.call("list keyspaces", is_current)?) {
                slot.mark_dropped();
                gone.push(name.clone());
            }
        }
        names.retain(|name, _| !gone.contains(name));
        for name in found {
            if !names.contains_key(&name) {
                let Some(handle) = self.open_listed("open keyspace", &name)? else { continue };
                self.keyspaces.add_created(names, &name, handle)?;
            }
        }
        Ok(())
    }

    /// Adds engine and operation to errors of our own.
    fn located<T>(&self, operation: &'static str, f: impl FnOnce() -> Result<T>) -> Result<T> {
        f().map_err(|error| error.at(self.info.name, operation))
    }

    fn open_snapshot(self: &Arc<Self>) -> Result<Arc<dyn Snapshot>> {
        Ok(Arc::new(GuardedSnapshot::open(self)?))
    }

    fn get(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>> {
        check_backend_key(key)?;
        let slot = self.keyspaces.get(keyspace)?;
        self.health.call("get", || self.engine.get(&slot.handle, key))
    }

    fn create_keyspace(&self, name: &str, hints: KeyspaceHints) -> Result<KeyspaceId> {
        check_keyspace_name(name)?;
        self.health.check("create keyspace")?;
        let mut names = self.keyspaces.names();
        if let Some(id) = names.get(name) {
            return Ok(*id);
        }
        self.check_writable()?;
        let _in_turn = write(&self.commit_turn);
        let mut handle = None;
        self.health.try_change("create keyspace", || {
            handle = Some(self.engine.open_keyspace(name, hints)?);
            Ok(())
        })?;
        match handle {
            Some(handle) => self.keyspaces.add_created(&mut names, name, handle),
            None => Err(Error::new(ErrorKind::Closed, "the engine gave no keyspace")),
        }
    }

    fn drop_keyspace(&self, keyspace: KeyspaceId) -> Result<()> {
        self.health.check("drop keyspace")?;
        self.check_writable()?;
        let mut names = self.keyspaces.names();
        let slot = self.keyspaces.get(keyspace)?;
        let _in_turn = write(&self.commit_turn);
        slot.mark_dropped();
        let dropped =
            self.health.try_change("drop keyspace", || self.engine.drop_keyspace(&slot.name, &slot.handle));
        match &dropped {
            // Nothing was touched.
            Err(error) if error.kind() == ErrorKind::Unavailable => slot.unmark_dropped(),
            _ => drop(names.remove(&slot.name)),
        }
        dropped
    }

    fn stats(&self) -> Result<Stats> {
        let mut stats = Stats {
            commits: self.commits.load(Ordering::Relaxed),
            power_safe_commits: self.power_safe_commits.load(Ordering::Relaxed),
            snapshots_open: self.snapshots.get(),
            values_pinned: self.pins.get(),
            ..Stats::default()
        };
        self.health.call("stats", || self.engine.stats(&mut stats))?;
        Ok(stats)
    }
}

/// The options with their common part changed.
fn adjusted<O: TypedOptions>(options: O, change: impl FnOnce(&mut Options)) -> O {
    let mut common = options.common().clone();
    change(&mut common);
    options.with_common(common)
}

fn only_read(common: &mut Options) {
    common.create = Create::Never;
    common.read_only = true;
}

/// What an engine does not declare is refused here, so that it cannot half-work.
fn check_declared(declared: bool, what: &str) -> Result<()> {
    if declared {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unsupported, format!("the engine does not offer {what}")))
}

impl<E: Engine> StorageBackend for Backend<E> {
    fn engine(&self) -> &EngineInfo {
        &self.shared.info
    }

    fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    fn is_read_only(&self) -> bool {
        self.shared.read_only
    }

    fn keyspaces(&self) -> Result<Vec<String>> {
        self.shared.located("list keyspaces", || {
            self.shared.health.check("list keyspaces")?;
            self.shared.learn_keyspaces(&mut self.shared.keyspaces.names())?;
            Ok(self.shared.keyspaces.names().keys().cloned().collect())
        })
    }

    fn keyspace(&self, name: &str) -> Result<KeyspaceId> {
        self.shared.located("open keyspace", || {
            check_keyspace_name(name)?;
            self.shared.health.check("open keyspace")?;
            let mut names = self.shared.keyspaces.names();
            if !names.contains_key(name) {
                self.shared.learn_keyspaces(&mut names)?;
            }
            names.get(name).copied().ok_or_else(|| keyspaces::not_found(name))
        })
    }

    fn create_keyspace(&self, name: &str, hints: KeyspaceHints) -> Result<KeyspaceId> {
        self.shared.located("create keyspace", || self.shared.create_keyspace(name, hints))
    }

    fn drop_keyspace(&self, keyspace: KeyspaceId) -> Result<()> {
        self.shared.located("drop keyspace", || self.shared.drop_keyspace(keyspace))
    }

    fn get(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>> {
        self.shared.located("get", || self.shared.get(keyspace, key))
    }

    fn snapshot(&self) -> Result<Arc<dyn Snapshot>> {
        self.shared.open_snapshot()
    }

    fn commit(&self, batch: &WriteBatch, durability: Durability) -> Result<()> {
        self.shared.located("commit", || self.shared.commit(batch, durability))
    }

    fn committed(&self, token: CommitToken) -> Result<bool> {
        self.shared.located("committed", || self.shared.committed(token))
    }

    fn forget(&self, token: CommitToken) -> Result<()> {
        self.shared.located("forget", || self.shared.forget(token))
    }

    fn delete_range(&self, keyspace: KeyspaceId, range: &KeyRange, durability: Durability) -> Result<u64> {
        self.shared.located("delete range", || self.shared.delete_range(keyspace, range, durability))
    }

    fn flush(&self) -> Result<()> {
        // A read-only handle has written nothing.
        if self.shared.read_only {
            return self.shared.health.check("flush");
        }
        self.shared.health.change("flush", || self.shared.engine.flush())
    }

    fn stats(&self) -> Result<Stats> {
        self.shared.stats()
    }

    fn compact(&self) -> Result<()> {
        self.shared.located("compact", || {
            check_declared(self.shared.info.capabilities.compaction, "compaction on demand")?;
            self.shared.check_writable()?;
            let _in_turn = write(&self.shared.commit_turn);
            self.shared.health.housekeep("compact", || self.shared.engine.compact())
        })
    }

    fn checkpoint(&self, directory: &Path) -> Result<()> {
        self.shared.located("checkpoint", || {
            check_declared(self.shared.info.capabilities.checkpoint, "checkpoints")?;
            match &self.options {
                Some(options) => checkpoint::checkpoint(&self.shared, options, directory),
                None => Err(Error::new(ErrorKind::Unsupported, "the engine has no files to copy")),
            }
        })
    }

    fn verify(&self) -> Result<()> {
        self.shared.located("verify", || {
            check_declared(self.shared.info.capabilities.integrity_check, "an integrity check")?;
            // An engine may repair what it finds.
            self.shared.check_writable()?;
            let _in_turn = write(&self.shared.commit_turn);
            self.shared.health.call("verify", || self.shared.engine.verify())
        })
    }
}
