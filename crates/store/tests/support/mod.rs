//! A memory engine whose commits wait at a gate, so that groups form when a test wants them to.

#![allow(dead_code)] // Each test file uses a part.
#![allow(clippy::unwrap_used, clippy::panic)] // Tests fail by panicking.

pub mod hooked;
pub mod pretend;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use strongroom_core::{
    Backend, BatchLimits, Bytes, Capabilities, Direction, Durability, EngineBatch, EngineCursor, EngineInfo,
    Error, ErrorKind, KeyspaceHints, LiveEngine, MemoryBackend, MemoryEngine, MemoryKeyspace, OpenContext,
    Options, Result, Scan, Stats, Tuning, TypedOptions, Undo,
};
use strongroom_store::{Keyspace, Store, StoreOptions};

/// A gate at which commits wait, and counts of the calls that pass it.
#[derive(Debug, Default)]
pub struct Gate {
    closed: Mutex<bool>,
    changed: Condvar,
    /// Commits that reached the engine.
    pub applied: AtomicU64,
    /// Syncs that reached the engine.
    pub flushed: AtomicU64,
    /// Commits that wait here now.
    pub waiting: AtomicU64,
    /// The commit with this number, as counted by `applied`, fails. 0 means none.
    pub fail_at: AtomicU64,
    /// It fails with a panic of the engine.
    pub panics: AtomicBool,
    /// The key "hidden" is not found by its key, as in an index that has lost a page.
    pub hides_from_gets: AtomicBool,
    /// A reverse scan skips it.
    pub hides_in_reverse: AtomicBool,
}

impl Gate {
    pub fn close(&self) {
        *self.closed.lock().unwrap() = true;
    }

    pub fn open(&self) {
        *self.closed.lock().unwrap() = false;
        self.changed.notify_all();
    }

    fn pass(&self) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let mut closed = self.closed.lock().unwrap();
        while *closed {
            closed = self.changed.wait(closed).unwrap();
        }
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Returns names and contents of the files in `path`, except the text of the lock file.
pub fn files(path: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.filter(|entry| entry.is_file() && entry.file_name().unwrap() != "LOCK");
    let mut found: Vec<_> =
        files.map(|file| (file.display().to_string(), std::fs::read(&file).unwrap())).collect();
    found.sort();
    found
}

/// Returns a store in memory, with a keyspace.
pub fn store() -> (Store, Keyspace) {
    let options = StoreOptions::new().durability(Durability::Buffered);
    let store = Store::new(MemoryBackend::in_memory(), options).unwrap();
    let rows = store.create_keyspace("rows").unwrap();
    (store, rows)
}

/// Returns a value as text.
pub fn value(rows: &Keyspace, key: &str) -> Option<String> {
    rows.get(key).unwrap().map(|value| String::from_utf8(value.to_vec()).unwrap())
}

/// Returns the kind of the error, which there has to be.
#[track_caller]
pub fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

/// Waits until `holds` returns true, for a bounded time.
pub fn wait_until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if holds() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    panic!("timed out waiting for: {what}");
}

#[derive(Debug, Clone, Default)]
pub struct GatedOptions {
    common: Options,
    gate: Arc<Gate>,
}

impl TypedOptions for GatedOptions {
    fn from_options(options: &Options) -> Result<Self> {
        Ok(Self { common: options.clone(), gate: Arc::default() })
    }

    fn common(&self) -> &Options {
        &self.common
    }

    fn with_common(mut self, common: Options) -> Self {
        self.common = common;
        self
    }
}

pub struct GatedEngine {
    inner: MemoryEngine,
    gate: Arc<Gate>,
}

/// Returns a backend over a gated engine that claims to be power-safe, and its gate.
pub fn gated(directory: &Path) -> (Backend<Undo<GatedEngine>>, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let options = GatedOptions { common: Options::default(), gate: Arc::clone(&gate) };
    (Backend::open(directory, options).unwrap(), gate)
}

const HIDDEN: &[u8] = b"hidden";

pub struct GatedCursor {
    inner: <MemoryEngine as LiveEngine>::Cursor,
    hides: bool,
}

impl EngineCursor for GatedCursor {
    fn advance(&mut self) -> Result<bool> {
        let is_there = self.inner.advance()?;
        if is_there && self.hides && self.inner.key() == HIDDEN { self.inner.advance() } else { Ok(is_there) }
    }
    fn key(&self) -> &[u8] {
        self.inner.key()
    }
    fn value(&self) -> &[u8] {
        self.inner.value()
    }
}

impl LiveEngine for GatedEngine {
    const INFO: EngineInfo = EngineInfo {
        name: "gated",
        version: "0",
        snapshots: "undo overlay",
        capabilities: Capabilities {
            persistent: false,
            power_safe: true,
            checkpoint: false,
            compaction: false,
            integrity_check: false,
            shared_reads: false,
        },
        tuning: Tuning::NONE,
        batch: BatchLimits::NONE,
        unclaimed: "",
    };
    type Options = GatedOptions;
    type Keyspace = MemoryKeyspace;
    type Cursor = GatedCursor;

    fn open(context: OpenContext<'_, GatedOptions>) -> Result<Self> {
        Ok(Self { inner: MemoryEngine::default(), gate: Arc::clone(&context.options.gate) })
    }
    fn exists(_: &Path) -> bool {
        false
    }
    fn keyspace_names(&self) -> Result<Vec<String>> {
        self.inner.keyspace_names()
    }
    fn open_keyspace(&self, name: &str, hints: KeyspaceHints) -> Result<MemoryKeyspace> {
        self.inner.open_keyspace(name, hints)
    }
    fn drop_keyspace(&self, name: &str, keyspace: &MemoryKeyspace) -> Result<()> {
        self.inner.drop_keyspace(name, keyspace)
    }
    fn get(&self, keyspace: &MemoryKeyspace, key: &[u8]) -> Result<Option<Bytes>> {
        if key == HIDDEN && self.gate.hides_from_gets.load(Ordering::SeqCst) {
            return Ok(None);
        }
        self.inner.get(keyspace, key)
    }
    fn cursor(&self, keyspace: &MemoryKeyspace, scan: &Scan) -> Result<Self::Cursor> {
        let hides = scan.direction == Direction::Reverse && self.gate.hides_in_reverse.load(Ordering::SeqCst);
        Ok(GatedCursor { inner: self.inner.cursor(keyspace, scan)?, hides })
    }
    fn apply(&self, batch: &EngineBatch<'_, MemoryKeyspace>) -> Result<()> {
        self.gate.pass();
        let number = self.gate.applied.fetch_add(1, Ordering::SeqCst) + 1;
        if number == self.gate.fail_at.load(Ordering::SeqCst) {
            assert!(!self.gate.panics.load(Ordering::SeqCst), "the engine panics");
            return Err(Error::new(ErrorKind::Io, "the disk failed"));
        }
        self.inner.apply(batch)
    }
    fn flush(&self) -> Result<()> {
        self.gate.flushed.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
    fn stats(&self, stats: &mut Stats) -> Result<()> {
        self.inner.stats(stats)
    }
}
