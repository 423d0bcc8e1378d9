//! [`Store`]: what applications use.

use crate::batch::Batch;
use crate::clock::Time;
use crate::digest::{self, Digest};
use crate::directory::{StoreDirectory, StoreId};
use crate::envelope::ENVELOPE_BYTES_MAX;
use crate::expiry::sweep::Sweeper;
use crate::handle::Handle;
use crate::high_water::HighWater;
use crate::high_water::standing::{self, Accepted};
use crate::high_water::witness;
use crate::integrity::Integrity;
use crate::integrity::ledger::Ledger;
use crate::keyspace::KeyspaceInfo;
use crate::known::Known;
use crate::options::StoreOptions;
use crate::pipeline::{Committed, Pipeline};
use crate::snapshot::Snapshot;
use crate::stats::StoreStats;
use crate::verify::{self, Verified, VerifyProgress};
use crate::watch::Hub;
use bytes::Bytes;
use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use strongroom_core::limits::VALUE_OVERHEAD_BYTES_MAX;
use strongroom_core::{
    Durability, EngineInfo, Error, ErrorKind, KeyspaceId, Result, Snapshot as BackendSnapshot, StorageBackend,
};

const _: () = assert!(ENVELOPE_BYTES_MAX <= VALUE_OVERHEAD_BYTES_MAX);

/// The keyspace that every store has.
pub const DEFAULT_KEYSPACE: &str = "default";

/// An open store. Cheap to clone, usable from many threads; the engine is closed when the last clone, with
/// its keyspaces, snapshots, rows and shared values, is dropped. A store that was written is then marked
/// ([`HIGH_WATER_LAG_MS`](crate::HIGH_WATER_LAG_MS)), which takes one more power-safe commit.
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
    pub(crate) inner: Arc<Handle>,
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
    pub(crate) pipeline: Pipeline,
    pub(crate) keyspaces: RwLock<Known>,
    /// Held shared by checkpoints of a store with tallies: a keyspace that goes away meanwhile would be in the
    /// copy's tallies and not in the copy. Taken before all other locks.
    pub(crate) structure: RwLock<()>,
    pub(crate) damaged_rows: AtomicU64,
    pub(crate) hub: Arc<Hub>,
    pub(crate) time: Time,
    pub(crate) sweeper: Sweeper,
    pub(crate) integrity: Integrity,
    /// With [`Integrity::Full`].
    pub(crate) ledger: Option<Ledger>,
    /// None: the store is in memory, only read, or older than marks.
    pub(crate) high_water: Option<HighWater>,
    /// The lost tail that the caller has accepted, where no new mark was made because the store is only read.
    pub(crate) accepted: Option<Accepted>,
    // Last: the lock on the directory is let go of when the engine is closed.
    pub(crate) directory: Option<StoreDirectory>,
}

impl Store {
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

    /// What it can tell about missing rows.
    pub fn integrity(&self) -> Integrity {
        self.inner.integrity
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
        let (backend, now_ms) = self.inner.look()?;
        Ok(Snapshot::new(backend, now_ms, Arc::clone(&self.inner)))
    }

    /// Makes all that was committed so far as durable as the engine can.
    pub fn flush(&self) -> Result<()> {
        let committed = self.inner.high_water.as_ref().map(HighWater::committed);
        self.inner.watched(self.inner.backend().flush())?;
        if let (Some(high_water), Some(committed)) = (&self.inner.high_water, committed) {
            high_water.note_durable(committed);
        }
        Ok(())
    }

    /// One BLAKE3 digest of all keyspaces, keys, values and expiries: the same for the same contents on
    /// every engine. It reads everything, in one snapshot.
    pub fn digest(&self) -> Result<Digest> {
        // A keyspace that is dropped meanwhile is gone from the names too: begin again without it.
        loop {
            let (snapshot, known) = self.moment()?;
            match digest::of_store(&snapshot, &known.of_applications()) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                outcome => return outcome,
            }
        }
    }

    /// Reads everything, in one snapshot, and finds what is not as it was written: rows that fail their
    /// checksum, keys out of order, rows that a scan meets and a read by key does not (or the other way
    /// round, or in reverse). With [`Integrity::Full`](crate::Integrity::Full) it finds rows and keyspaces
    /// that are gone too.
    ///
    /// `watch` is called at each keyspace and at least every 1,000 rows; if it breaks, the check stops and
    /// says so. Readers and writers go on meanwhile. A keyspace that is dropped meanwhile is left out.
    ///
    /// The first thing found is the answer: [`Corruption`](ErrorKind::Corruption), with keyspace and key.
    /// [`SnapshotExpired`](ErrorKind::SnapshotExpired): too much was overwritten meanwhile on an engine
    /// without snapshots of its own; run it again when less is written.
    pub fn verify(&self, watch: &mut dyn FnMut(&VerifyProgress<'_>) -> ControlFlow<()>) -> Result<Verified> {
        self.inner.located("verify", || verify::store(self, watch))
    }

    /// Has the engine check its own files. It may take long, and the engine may repair what it finds: run
    /// [`verify`](Self::verify) first, which changes nothing.
    ///
    /// [`Corruption`](ErrorKind::Corruption): the files are not as they were written.
    /// [`Unsupported`](ErrorKind::Unsupported): the engine has no such check, or the store is read-only.
    pub fn verify_engine(&self) -> Result<()> {
        self.inner.located("verify", || self.inner.backend().verify())
    }

    /// A snapshot, and the keyspaces of the same moment.
    pub(crate) fn moment(&self) -> Result<(Snapshot, Known)> {
        loop {
            self.inner.look_again()?;
            let (backend, now_ms, then) = self.inner.look_with_known()?;
            let snapshot = Snapshot::new(backend, now_ms, Arc::clone(&self.inner));
            // Another process may have created one between the look and the snapshot.
            self.inner.look_again()?;
            if self.inner.known().by_id.keys().eq(then.by_id.keys()) {
                return Ok((snapshot, then));
            }
        }
    }

    /// Figures, cheap to get.
    pub fn stats(&self) -> Result<StoreStats> {
        Ok(StoreStats {
            backend: self.inner.backend().stats()?,
            groups: self.inner.pipeline.groups(),
            group_commits: self.inner.pipeline.group_commits(),
            conflicts: self.inner.pipeline.conflicts(),
            queued_bytes: self.inner.pipeline.queued_bytes() as u64,
            expired_rows: self.inner.sweeper.rows(),
            sweep_failures: self.inner.sweeper.failures(),
            damaged_rows: self.inner.damaged_rows.load(Ordering::Relaxed),
            high_water: self.inner.high_water.as_ref().map(HighWater::marked),
            high_water_failures: self.inner.high_water.as_ref().map_or(0, HighWater::failures),
        })
    }

    /// Gives unused space back. [`Unsupported`](ErrorKind::Unsupported) where the engine does it by itself.
    pub fn compact(&self) -> Result<()> {
        self.inner.backend().compact()
    }

    /// Copies one consistent state into `directory`, which must not exist or be empty, while readers and
    /// writers go on. The copy is a store of its own with the same id, and has a high-water mark of its own.
    pub fn checkpoint(&self, directory: &Path) -> Result<()> {
        let inner = &*self.inner;
        let mark = match &inner.directory {
            Some(original) if standing::is_kept(inner.backend(), original) => {
                // What came before is in the copy. Later marks may be too, and the copy's is then behind them,
                // as it may be.
                inner.mark();
                Some(witness::newest(inner.backend())?)
            }
            _ => None,
        };
        let _unchanged = inner.ledger.map(|_| inner.structure.read().unwrap_or_else(PoisonError::into_inner));
        inner.backend().checkpoint(directory)?;
        match &inner.directory {
            Some(original) => original.mark_copy(directory, mark),
            None => Ok(()),
        }
    }
}

impl Inner {
    pub(crate) fn backend(&self) -> &dyn StorageBackend {
        self.pipeline.backend()
    }

    /// A snapshot of the engine, and the moment at which it shows the rows.
    pub(crate) fn look(&self) -> Result<(Arc<dyn BackendSnapshot>, u64)> {
        match self.look_without_waiting()? {
            Some(looked) => Ok(looked),
            // In the turn of a group, and so between two.
            None => self.pipeline.apart(|backend| Ok((backend.snapshot()?, self.time.now_ms()))),
        }
    }

    /// As [`look`](Self::look), with the keyspaces of the same moment: creations and drops wait.
    pub(crate) fn look_with_known(&self) -> Result<(Arc<dyn BackendSnapshot>, u64, Known)> {
        let looked = {
            // Not held while the turn is waited for: a creation has the turn, and waits for the names.
            let known = self.known();
            self.look_without_waiting()?.map(|(snapshot, now_ms)| (snapshot, now_ms, known.clone()))
        };
        match looked {
            Some(looked) => Ok(looked),
            None => self.pipeline.apart(|backend| {
                let known = self.known();
                Ok((backend.snapshot()?, self.time.now_ms(), known.clone()))
            }),
        }
    }

    /// None: it has to be taken in the turn of a group.
    fn look_without_waiting(&self) -> Result<Option<(Arc<dyn BackendSnapshot>, u64)>> {
        if !self.time.has_ends() {
            return Ok(Some((self.backend().snapshot()?, self.time.now_ms())));
        }
        match self.time.try_look(|| self.backend().snapshot()) {
            Some((snapshot, now_ms)) => Ok(Some((snapshot?, now_ms))),
            None => Ok(None),
        }
    }

    /// Whoever watches has to know when the handle is of no use any more, whatever has ended it.
    pub(crate) fn watched<T>(&self, outcome: Result<T>) -> Result<T> {
        if let Err(error) = &outcome
            && matches!(error.kind(), ErrorKind::CommitUnknown | ErrorKind::Closed)
        {
            self.hub.fail();
            self.hub.wake();
        }
        outcome
    }

    /// Marks what was committed so far.
    pub(crate) fn mark(&self) {
        if let Some(high_water) = &self.high_water {
            high_water.mark(self);
        }
    }

    pub(crate) fn info(&self) -> &EngineInfo {
        self.backend().engine()
    }

    /// Whether another process may write meanwhile.
    pub(crate) fn is_beside_a_writer(&self) -> bool {
        self.backend().is_read_only() && self.info().capabilities.shared_reads
    }

    /// Takes up the keyspaces that another process has created or dropped, where one may write beside us.
    pub(crate) fn look_again(&self) -> Result<()> {
        if self.is_beside_a_writer() {
            // Under the lock: who looked first must not have the last word.
            let mut known = self.keyspaces.write().unwrap_or_else(PoisonError::into_inner);
            *known = Known::of(self.backend(), self.ledger)?;
        }
        Ok(())
    }

    pub(crate) fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.keyspaces.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn infos(&self) -> Vec<Arc<KeyspaceInfo>> {
        self.known().of_applications()
    }

    pub(crate) fn commit(&self, batch: &Batch) -> Result<Commit> {
        self.commit_computed(batch).map(|committed| Commit { sequence: committed.sequence })
    }

    /// As [`commit`](Self::commit), with what the leader has worked out.
    pub(crate) fn commit_computed(&self, batch: &Batch) -> Result<Committed> {
        batch.check_store(self.instance)?;
        check_claim(self.info(), batch.durability)?;
        self.pipeline.commit(batch, self)
    }

    /// A row as a reader sees it: absent if it has expired by the moment that `now_ms` says, if it is asked for.
    pub(crate) fn open_live(
        &self,
        keyspace: &KeyspaceInfo,
        key: &[u8],
        stored: Option<Bytes>,
        now_ms: impl FnOnce() -> u64,
    ) -> Result<Option<Row>> {
        let Some(stored) = stored else { return Ok(None) };
        let row = self.count_damage(keyspace.open(key, stored))?;
        // Most rows do not expire, and need no clock.
        Ok(Some(row).filter(|row| row.expires_at_ms.is_none_or(|at_ms| at_ms > now_ms())))
    }

    /// Whether rows of it may have expired, so that a scan of keys has to look at more than keys.
    pub(crate) fn may_expire(&self, keyspace: &KeyspaceInfo) -> bool {
        // Beside a writer, the first such row may have come since we looked.
        keyspace.settings.may_expire() || self.is_beside_a_writer()
    }

    /// What the pipeline needs of the keyspaces in a batch.
    pub(crate) fn keyspace_info(&self, id: KeyspaceId) -> Result<Arc<KeyspaceInfo>> {
        self.known()
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

    pub(crate) fn located<T>(&self, operation: &'static str, f: impl FnOnce() -> Result<T>) -> Result<T> {
        f().map_err(|error| error.at(self.info().name, operation))
    }
}

pub(crate) fn check_claim(engine: &EngineInfo, durability: Durability) -> Result<()> {
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

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("engine", &self.engine().name)
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}
