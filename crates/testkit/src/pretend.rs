//! A fake engine on disk, as simple as possible: maps in memory, written to one file at each flush.
//!
//! It tests the persistent part of the contract without a real engine. The suite's own tests run on it, and tests of
//! higher layers can use it. Each flush writes the whole file, syncs it and renames it into place, so commits are
//! really power-safe. It is slow, and keeps everything in memory.

mod file;
mod state;

use bytes::Bytes;
use state::State;
use std::collections::{BTreeSet, VecDeque};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use strongroom_core::{
    Backend, BatchLimits, Capabilities, Direction, EngineBatch, EngineCursor, EngineInfo, Error, ErrorKind,
    KeyspaceHints, LiveEngine, MemoryOptions, Op, OpenContext, Result, Scan, Stats, Tuning, Undo,
};

/// A [`StorageBackend`](strongroom_core::StorageBackend) over [`PretendEngine`].
///
/// ```
/// use strongroom_core::StorageBackend;
/// use strongroom_testkit::PretendBackend;
///
/// # fn main() -> strongroom_core::Result<()> {
/// # let directory = tempfile::tempdir()?;
/// let backend = PretendBackend::new(&directory)?;
/// assert!(backend.engine().capabilities.persistent);
/// # Ok(()) }
/// ```
pub type PretendBackend = Backend<Undo<PretendEngine>>;

/// The fake engine.
#[derive(Debug)]
pub struct PretendEngine {
    state: Arc<RwLock<State>>,
    directory: PathBuf,
    // Declared last, so that the lock is released after the file is written.
    _lock: Lock,
}

/// Directories that are open in this process. No other process opens the directory of a test.
static OPEN: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

#[derive(Debug)]
struct Lock(PathBuf);

impl Lock {
    fn take(directory: &Path) -> Result<Self> {
        let path = directory.canonicalize()?;
        if OPEN.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone()) {
            return Ok(Self(path));
        }
        Err(Error::new(ErrorKind::Locked, "another handle has the store open"))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        OPEN.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

fn read(state: &RwLock<State>) -> RwLockReadGuard<'_, State> {
    state.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(state: &RwLock<State>) -> RwLockWriteGuard<'_, State> {
    state.write().unwrap_or_else(PoisonError::into_inner)
}

impl PretendEngine {
    /// Name of the only file.
    pub const FILE: &'static str = "pretend.rows";
}

impl LiveEngine for PretendEngine {
    const INFO: EngineInfo = EngineInfo {
        name: "pretend",
        version: env!("CARGO_PKG_VERSION"),
        snapshots: "undo overlay",
        capabilities: Capabilities {
            persistent: true,
            power_safe: true,
            checkpoint: true,
            compaction: false,
            integrity_check: false,
            shared_reads: false,
        },
        tuning: Tuning::NONE,
        batch: BatchLimits::NONE,
        unclaimed: "",
    };
    type Options = MemoryOptions;
    type Keyspace = u64;
    type Cursor = PretendCursor;

    fn open(context: OpenContext<'_, MemoryOptions>) -> Result<Self> {
        let lock = Lock::take(context.directory)?;
        let directory = context.directory.to_owned();
        let state = Arc::new(RwLock::new(file::load(&directory.join(Self::FILE))?));
        let engine = Self { state, directory, _lock: lock };
        engine.flush()?;
        Ok(engine)
    }

    fn exists(directory: &Path) -> bool {
        directory.join(Self::FILE).exists()
    }

    fn keyspace_names(&self) -> Result<Vec<String>> {
        Ok(read(&self.state).names.keys().cloned().collect())
    }

    fn open_keyspace(&self, name: &str, _: KeyspaceHints) -> Result<u64> {
        let is_new = !read(&self.state).names.contains_key(name);
        let number = write(&self.state).create(name);
        if is_new {
            // The contract demands that a new keyspace is durable when this returns.
            self.flush()?;
        }
        Ok(number)
    }

    fn drop_keyspace(&self, name: &str, keyspace: &u64) -> Result<()> {
        let mut state = write(&self.state);
        state.names.remove(name);
        state.rows.remove(keyspace);
        drop(state);
        self.flush()
    }

    fn get(&self, keyspace: &u64, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(read(&self.state).rows.get(keyspace).and_then(|rows| rows.get(key)).cloned())
    }

    fn cursor(&self, keyspace: &u64, scan: &Scan) -> Result<PretendCursor> {
        let state = Arc::clone(&self.state);
        let (keyspace, scan) = (*keyspace, scan.clone());
        Ok(PretendCursor { state, keyspace, scan, block: VecDeque::new(), on_row: false })
    }

    fn apply(&self, batch: &EngineBatch<'_, u64>) -> Result<()> {
        let mut state = write(&self.state);
        for (slot, op) in batch.ops() {
            let rows = state.rows.entry(batch.keyspaces()[slot]).or_default();
            match op {
                Op::Put { key, value } => {
                    rows.insert(Bytes::copy_from_slice(key), Bytes::copy_from_slice(value))
                }
                Op::Delete { key } => rows.remove(key),
            };
        }
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        // Written under the lock, so that an older flush cannot replace a newer one.
        file::save(&write(&self.state), &self.directory, Self::FILE)
    }

    fn stats(&self, stats: &mut Stats) -> Result<()> {
        stats.disk_bytes = std::fs::metadata(self.directory.join(Self::FILE)).ok().map(|found| found.len());
        Ok(())
    }
}

impl Drop for PretendEngine {
    fn drop(&mut self) {
        // Flushes as engines do on a clean close. Errors cannot be reported here.
        let _ = self.flush();
    }
}

/// Rows that a cursor fetches at once.
const BLOCK_ROWS: usize = 64;

/// Cursor of [`PretendEngine`].
#[derive(Debug)]
pub struct PretendCursor {
    state: Arc<RwLock<State>>,
    keyspace: u64,
    /// The rest of the scan, not fetched yet.
    scan: Scan,
    block: VecDeque<(Bytes, Bytes)>,
    on_row: bool,
}

impl PretendCursor {
    fn fetch(&mut self) {
        if self.scan.range.is_empty() {
            return;
        }
        let state = read(&self.state);
        let Some(rows) = state.rows.get(&self.keyspace) else { return };
        let end = self.scan.range.end().map_or(Bound::Unbounded, Bound::Excluded);
        let found = rows.range::<[u8], _>((Bound::Included(self.scan.range.start()), end));
        let shared = |(key, value): (&Bytes, &Bytes)| (key.clone(), value.clone());
        match self.scan.direction {
            Direction::Forward => self.block.extend(found.map(shared).take(BLOCK_ROWS)),
            Direction::Reverse => self.block.extend(found.rev().map(shared).take(BLOCK_ROWS)),
        }
        if let Some((last, _)) = self.block.back() {
            self.scan.range = self.scan.range.after_position(last, self.scan.direction);
        }
    }
}

impl EngineCursor for PretendCursor {
    fn advance(&mut self) -> Result<bool> {
        if self.on_row {
            self.block.pop_front();
        }
        if self.block.is_empty() {
            self.fetch();
        }
        self.on_row = !self.block.is_empty();
        Ok(self.on_row)
    }

    fn key(&self) -> &[u8] {
        &self.block[0].0
    }

    fn value(&self) -> &[u8] {
        &self.block[0].1
    }
}
