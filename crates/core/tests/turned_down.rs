//! An engine may turn a change down before it has touched anything. That poisons no handle.

#![allow(clippy::unwrap_used)] // Tests fail by panicking.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use strongroom_core::{
    Backend, Bytes, Capabilities, Durability, Engine, EngineBatch, EngineCursor, EngineInfo, EngineSnapshot,
    Error, ErrorKind, KeyspaceHints, OpenContext, Options, Result, Scan, Stats, StorageBackend, Tuning,
    TypedOptions, WriteBatch,
};

/// Whether the engine is busy, and with what kind of error it says so.
static BUSY: AtomicBool = AtomicBool::new(false);
static LOSES_THE_OUTCOME: AtomicBool = AtomicBool::new(false);

fn pass() -> Result<()> {
    if LOSES_THE_OUTCOME.load(Ordering::SeqCst) {
        return Err(Error::new(ErrorKind::Unsupported, "not now, and who knows what was done"));
    }
    if BUSY.load(Ordering::SeqCst) {
        return Err(Error::new(ErrorKind::Unavailable, "not now, and nothing was touched"));
    }
    Ok(())
}

#[derive(Clone, Default)]
struct NoOptions(Options);

impl TypedOptions for NoOptions {
    fn from_options(options: &Options) -> Result<Self> {
        Ok(Self(options.clone()))
    }
    fn common(&self) -> &Options {
        &self.0
    }
    fn with_common(self, common: Options) -> Self {
        Self(common)
    }
}

/// Forgets what it is told, but not what it turns down.
struct Busy;
struct Nothing;

impl EngineCursor for Nothing {
    fn advance(&mut self) -> Result<bool> {
        Ok(false)
    }
    fn key(&self) -> &[u8] {
        &[]
    }
    fn value(&self) -> &[u8] {
        &[]
    }
}

impl EngineSnapshot for Nothing {
    type Keyspace = ();
    type Cursor = Self;
    fn get(&self, (): &(), _: &[u8]) -> Result<Option<Bytes>> {
        Ok(None)
    }
    fn cursor(&self, (): &(), _: &Scan) -> Result<Self> {
        Ok(Self)
    }
}

impl Engine for Busy {
    const INFO: EngineInfo = EngineInfo {
        name: "busy",
        version: "1",
        snapshots: "engine",
        capabilities: Capabilities {
            persistent: false,
            power_safe: true,
            checkpoint: false,
            compaction: false,
            integrity_check: false,
            shared_reads: false,
        },
        tuning: Tuning::NONE,
    };
    type Options = NoOptions;
    type Keyspace = ();
    type Snapshot = Nothing;

    fn open(_: OpenContext<'_, NoOptions>) -> Result<Self> {
        Ok(Self)
    }
    fn exists(_: &Path) -> bool {
        true
    }
    fn keyspace_names(&self) -> Result<Vec<String>> {
        Ok(vec!["rows".to_owned()])
    }
    fn open_keyspace(&self, _: &str, _: KeyspaceHints) -> Result<()> {
        pass()
    }
    fn drop_keyspace(&self, _: &str, (): &()) -> Result<()> {
        pass()
    }
    fn get(&self, (): &(), _: &[u8]) -> Result<Option<Bytes>> {
        Ok(None)
    }
    fn snapshot(&self) -> Result<Nothing> {
        Ok(Nothing)
    }
    fn apply(&self, _: &EngineBatch<'_, ()>, _: Durability) -> Result<()> {
        pass()
    }
    fn flush(&self) -> Result<()> {
        Ok(())
    }
    fn stats(&self, _: &mut Stats) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_change_that_was_turned_down_may_be_tried_again() {
    let backend = Backend::<Busy>::open(std::env::temp_dir(), NoOptions::default()).unwrap();
    let rows = backend.keyspace("rows").unwrap();
    let mut batch = WriteBatch::new();
    batch.put(rows, b"a", b"1");
    let commit = || backend.commit(&batch, Durability::PowerSafe);
    let create = |name: &str| backend.create_keyspace(name, KeyspaceHints::default());

    BUSY.store(true, Ordering::SeqCst);
    let errors =
        [commit().unwrap_err(), create("new").unwrap_err(), backend.drop_keyspace(rows).unwrap_err()];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(error.engine(), Some("busy"));
        assert!(error.operation().is_some());
    }
    assert_eq!(backend.keyspace("rows").unwrap(), rows, "what could not be dropped is still there");
    assert!(backend.get(rows, b"a").is_ok());
    assert_eq!(backend.keyspace("new").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(backend.stats().unwrap().commits, 0, "what was turned down is not counted");
    BUSY.store(false, Ordering::SeqCst);
    commit().unwrap();
    create("new").unwrap();
    assert_eq!(backend.stats().unwrap().commits, 1);

    // Any other error leaves the outcome unknown, as before.
    LOSES_THE_OUTCOME.store(true, Ordering::SeqCst);
    assert_eq!(commit().unwrap_err().kind(), ErrorKind::CommitUnknown);
    LOSES_THE_OUTCOME.store(false, Ordering::SeqCst);
    assert_eq!(commit().unwrap_err().kind(), ErrorKind::Closed);
}
