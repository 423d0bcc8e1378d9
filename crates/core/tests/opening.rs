//! Opening and checkpoints: what is created, and what is left after a failure.

// Helpers of tests fail like tests.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use strongroom_core::{
    Backend, BatchLimits, Bytes, Capabilities, Create, Durability, EngineBatch, EngineInfo, Error, ErrorKind,
    KeyspaceHints, KeyspaceId, LiveEngine, MARKER_FILE, Marked, MemoryEngine, MemoryKeyspace, MemoryOptions,
    OpenContext, Options, Result, Scan, Stats, StorageBackend, Tuning, TypedOptions, Undo, WriteBatch,
};

/// A memory engine that creates a file, and a directory per keyspace, but stores nothing in them.
struct TinyEngine {
    inner: MemoryEngine,
    tables: PathBuf,
}

type TinyBackend = Backend<Undo<TinyEngine>>;

const FILE: &str = "tiny";
const TABLES: &str = "tables";
const UNFINISHED_FILE: &str = "tiny.new";
const INCOMPLETE_FILE: &str = "STRONGROOM.incomplete";

/// Runs in place of a step of the engine.
type Hook = Box<dyn FnOnce() -> Result<()>>;

thread_local! {
    /// The number of steps to let pass, the name of the step, and the hook.
    static HOOK: RefCell<Option<(usize, &'static str, Hook)>> = const { RefCell::new(None) };
}

fn at(steps: usize, name: &'static str, run: impl FnOnce() -> Result<()> + 'static) {
    HOOK.set(Some((steps, name, Box::new(run))));
}

fn reach(step: &'static str) -> Result<()> {
    let due = HOOK.with_borrow_mut(|hook| match hook.take() {
        Some((0, name, run)) if name == step => Some(run),
        Some((steps, name, run)) if name == step => {
            *hook = Some((steps - 1, name, run));
            None
        }
        other => {
            *hook = other;
            None
        }
    });
    due.map_or(Ok(()), |run| run())
}

impl LiveEngine for TinyEngine {
    const INFO: EngineInfo = EngineInfo {
        name: "tiny",
        version: "0",
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
    type Keyspace = MemoryKeyspace;
    type Cursor = <MemoryEngine as LiveEngine>::Cursor;

    fn open(context: OpenContext<'_, MemoryOptions>) -> Result<Self> {
        let file = context.directory.join(FILE);
        if !file.exists() {
            if context.options.common().create == Create::Never {
                return Err(Error::new(ErrorKind::NotFound, "the creation was not finished"));
            }
            std::fs::write(file, b"").unwrap();
        }
        let tables = context.directory.join(TABLES);
        std::fs::create_dir_all(&tables).unwrap();
        reach("open")?;
        Ok(Self { inner: MemoryEngine::open(context)?, tables })
    }
    fn exists(directory: &Path) -> bool {
        [FILE, UNFINISHED_FILE].iter().any(|name| directory.join(name).exists())
    }
    fn keyspace_names(&self) -> Result<Vec<String>> {
        self.inner.keyspace_names()
    }
    fn open_keyspace(&self, name: &str, hints: KeyspaceHints) -> Result<MemoryKeyspace> {
        reach("open_keyspace")?;
        std::fs::create_dir_all(self.tables.join(name)).unwrap();
        self.inner.open_keyspace(name, hints)
    }
    fn drop_keyspace(&self, name: &str, keyspace: &MemoryKeyspace) -> Result<()> {
        std::fs::remove_dir(self.tables.join(name)).unwrap();
        self.inner.drop_keyspace(name, keyspace)
    }
    fn get(&self, keyspace: &MemoryKeyspace, key: &[u8]) -> Result<Option<Bytes>> {
        self.inner.get(keyspace, key)
    }
    fn cursor(&self, keyspace: &MemoryKeyspace, scan: &Scan) -> Result<Self::Cursor> {
        reach("cursor")?;
        self.inner.cursor(keyspace, scan)
    }
    fn apply(&self, batch: &EngineBatch<'_, MemoryKeyspace>) -> Result<()> {
        reach("apply")?;
        self.inner.apply(batch)
    }
    fn flush(&self) -> Result<()> {
        reach("flush")
    }
    fn stats(&self, _: &mut Stats) -> Result<()> {
        Ok(())
    }
}

/// A directory of its own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("strongroom-opening-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn open(directory: &Path, options: &Options) -> Result<TinyBackend> {
    TinyBackend::open(directory, MemoryOptions::from_options(options)?)
}

fn refusal(directory: &Path, options: &Options) -> ErrorKind {
    open(directory, options).err().unwrap().kind()
}

#[test]
fn a_raw_backend_creates_nothing_in_the_store_of_another_engine() {
    let scratch = Scratch::new();
    std::fs::write(scratch.join(MARKER_FILE), b"engine: another").unwrap();
    for options in [Options::new(), Options::new().create(Create::Never), Options::new().read_only()] {
        assert_eq!(refusal(&scratch.0, &options), ErrorKind::InvalidInput);
        assert_eq!(names(&scratch.0), [MARKER_FILE]);
    }
    // The store itself may create files.
    open(&scratch.0, &Options::new().marked(Marked::Writable)).unwrap();
    let raw = open(&scratch.0, &Options::new()).unwrap();
    assert!(raw.is_read_only());
}

#[test]
fn a_raw_backend_does_not_finish_a_creation_in_a_store() {
    let scratch = Scratch::new();
    std::fs::write(scratch.join(MARKER_FILE), b"").unwrap();
    std::fs::write(scratch.join(UNFINISHED_FILE), b"").unwrap();
    assert_eq!(refusal(&scratch.0, &Options::new()), ErrorKind::NotFound);
    assert_eq!(names(&scratch.0), [MARKER_FILE, UNFINISHED_FILE]);
}

#[cfg(unix)]
#[test]
fn a_marker_that_cannot_be_inspected_is_not_a_missing_one() {
    let scratch = Scratch::new();
    drop(open(&scratch.0, &Options::new()).unwrap());
    // A link to itself.
    std::os::unix::fs::symlink(MARKER_FILE, scratch.join(MARKER_FILE)).unwrap();
    assert_eq!(refusal(&scratch.0, &Options::new()), ErrorKind::Io);
}

#[test]
fn a_read_only_handle_creates_nothing() {
    let scratch = Scratch::new();
    let missing = scratch.join("a/b");
    assert_eq!(refusal(&missing, &Options::new().read_only()), ErrorKind::NotFound);
    assert!(names(&scratch.0).is_empty());
    std::fs::create_dir_all(&missing).unwrap();
    assert_eq!(refusal(&missing, &Options::new().read_only()), ErrorKind::NotFound);
    std::fs::write(missing.join(UNFINISHED_FILE), b"").unwrap();
    assert_eq!(refusal(&missing, &Options::new().read_only()), ErrorKind::NotFound);
    assert_eq!(names(&missing), [UNFINISHED_FILE]);
}

#[test]
fn directories_are_created_over_several_levels() {
    let scratch = Scratch::new();
    for path in ["a/b/c", "a/b/d/", "a/./e", "f/../g"] {
        open(&scratch.join(path), &Options::new()).unwrap();
        assert!(scratch.join(path).join(FILE).exists(), "{path}");
    }
    std::fs::write(scratch.join("file"), b"").unwrap();
    assert!(open(&scratch.join("file/a"), &Options::new()).is_err());
    assert_eq!(refusal(&scratch.join("file"), &Options::new()), ErrorKind::InvalidInput);
}

/// Returns a backend with the keyspaces `first` and `second`, which a checkpoint copies in two batches each.
fn filled(directory: &Path) -> (Arc<TinyBackend>, [KeyspaceId; 2]) {
    let backend = open(directory, &Options::new()).unwrap();
    let keyspaces = ["first", "second"].map(|name| {
        let id = backend.create_keyspace(name, KeyspaceHints::default()).unwrap();
        let mut batch = WriteBatch::new();
        for number in 0..5_000_u32 {
            batch.put(id, &number.to_be_bytes(), b"value");
        }
        backend.commit(&batch, Durability::Buffered).unwrap();
        id
    });
    (Arc::new(backend), keyspaces)
}

const STEPS: [(&str, usize); 5] =
    [("open", 1), ("open_keyspace", 2), ("cursor", 2), ("apply", 4), ("flush", 1)];

#[test]
fn a_checkpoint_that_fails_leaves_nothing() {
    let scratch = Scratch::new();
    let (backend, _) = filled(&scratch.join("original"));
    let empty = scratch.join("empty");
    std::fs::create_dir(&empty).unwrap();
    let missing = scratch.join("a/b/copy");
    for (step, count) in STEPS {
        for number in 0..count {
            for target in [&empty, &missing] {
                at(number, step, || Err(Error::new(ErrorKind::Io, "the disk is full")));
                let error = backend.checkpoint(target).unwrap_err();
                assert!(error.story().contains("the disk is full"), "{step} {number}: {error}");
                assert!(names(&empty).is_empty(), "{step} {number}");
                assert_eq!(names(&scratch.0), ["empty", "original"], "{step} {number}");
            }
        }
    }
    backend.checkpoint(&missing).unwrap();
    assert_eq!(names(&missing), [TABLES, FILE]);
}

#[test]
fn a_checkpoint_is_marked_until_it_is_done() {
    let scratch = Scratch::new();
    let (backend, _) = filled(&scratch.join("original"));
    for (step, count) in STEPS {
        for number in 0..count {
            // As a crash at this step would leave it.
            let copy = scratch.join(&format!("copy {step} {number}"));
            let crashed = scratch.join(&format!("crashed {step} {number}"));
            let (from, to) = (copy.clone(), crashed.clone());
            at(number, step, move || {
                std::fs::create_dir(&to)?;
                for name in [INCOMPLETE_FILE, FILE] {
                    std::fs::copy(from.join(name), to.join(name))?;
                }
                Ok(())
            });
            backend.checkpoint(&copy).unwrap();
            open(&copy, &Options::new()).unwrap();
            for options in
                [Options::new(), Options::new().read_only(), Options::new().marked(Marked::Writable)]
            {
                assert_eq!(refusal(&crashed, &options), ErrorKind::Corruption, "{step} {number}");
            }
            assert_eq!(backend.checkpoint(&crashed).unwrap_err().kind(), ErrorKind::InvalidInput);
            assert_eq!(names(&crashed), [INCOMPLETE_FILE, FILE]);
        }
    }
}

#[test]
fn a_keyspace_that_is_dropped_meanwhile_is_left_out() {
    let steps = [("open", 0), ("open_keyspace", 0), ("open_keyspace", 1), ("apply", 0), ("apply", 2)];
    for (step, number) in steps {
        for dropped in 0..2 {
            let scratch = Scratch::new();
            let (backend, keyspaces) = filled(&scratch.join("original"));
            let dropper = Arc::clone(&backend);
            at(number, step, move || dropper.drop_keyspace(keyspaces[dropped]));
            let copy = scratch.join("copy");
            backend.checkpoint(&copy).unwrap();
            assert_eq!(names(&copy), [TABLES, FILE], "{step} {number}");
            // The first was copied before the second was begun.
            let was_done = dropped == 0 && number > 0;
            let left: &[&str] =
                if was_done { &["first", "second"] } else { &[["second"], ["first"]][dropped] };
            assert_eq!(names(&copy.join(TABLES)), left, "{step} {number}");
            assert_eq!(backend.keyspaces().unwrap(), [["second"], ["first"]][dropped]);
        }
    }
}

#[test]
fn a_checkpoint_of_a_read_only_handle_is_writable() {
    let scratch = Scratch::new();
    drop(filled(&scratch.join("original")));
    let backend = open(&scratch.join("original"), &Options::new().read_only()).unwrap();
    backend.checkpoint(&scratch.join("copy")).unwrap();
    assert!(!open(&scratch.join("copy"), &Options::new()).unwrap().is_read_only());
}
