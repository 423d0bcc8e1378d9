//! Drops of a packed keyspace in the middle of a read: its rows are removed one by one, and a read never takes
//! the remaining rows for all of them.

#![allow(clippy::unwrap_used)] // Tests fail by panicking.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use strongroom_core::{
    Backend, Bytes, Durability, EngineBatch, EngineCursor, EngineInfo, Error, ErrorKind, KeyspaceHints,
    KeyspaceId, LiveEngine, MemoryEngine, MemoryOptions, OpenContext, Result, Scan, Stats, StorageBackend,
    Undo, WriteBatch,
};

thread_local! {
    /// Runs in this thread's next read, after all checks and before it reaches the engine.
    static INTERRUPTION: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

fn interrupt() {
    let interruption = INTERRUPTION.take();
    if let Some(interruption) = interruption {
        interruption();
    }
}

/// The memory engine with an interruption before each read.
struct Interrupted(MemoryEngine);

struct InterruptedCursor(<MemoryEngine as LiveEngine>::Cursor);

impl EngineCursor for InterruptedCursor {
    fn advance(&mut self) -> Result<bool> {
        interrupt();
        self.0.advance()
    }
    fn key(&self) -> &[u8] {
        self.0.key()
    }
    fn value(&self) -> &[u8] {
        self.0.value()
    }
}

type Keyspace = <MemoryEngine as LiveEngine>::Keyspace;

impl LiveEngine for Interrupted {
    const INFO: EngineInfo = MemoryEngine::INFO;
    type Options = MemoryOptions;
    type Keyspace = Keyspace;
    type Cursor = InterruptedCursor;

    fn open(context: OpenContext<'_, MemoryOptions>) -> Result<Self> {
        MemoryEngine::open(context).map(Self)
    }
    fn exists(_: &Path) -> bool {
        true
    }
    fn keyspace_names(&self) -> Result<Vec<String>> {
        self.0.keyspace_names()
    }
    fn open_keyspace(&self, name: &str, hints: KeyspaceHints) -> Result<Keyspace> {
        self.0.open_keyspace(name, hints)
    }
    fn drop_keyspace(&self, name: &str, keyspace: &Keyspace) -> Result<()> {
        self.0.drop_keyspace(name, keyspace)
    }
    fn get(&self, keyspace: &Keyspace, key: &[u8]) -> Result<Option<Bytes>> {
        interrupt();
        self.0.get(keyspace, key)
    }
    fn cursor(&self, keyspace: &Keyspace, scan: &Scan) -> Result<InterruptedCursor> {
        self.0.cursor(keyspace, scan).map(InterruptedCursor)
    }
    fn apply(&self, batch: &EngineBatch<'_, Keyspace>) -> Result<()> {
        self.0.apply(batch)
    }
    fn flush(&self) -> Result<()> {
        self.0.flush()
    }
    fn stats(&self, stats: &mut Stats) -> Result<()> {
        self.0.stats(stats)
    }
}

/// Creates a packed keyspace with this many rows.
fn about_to_be_dropped(rows: u32) -> (Arc<Backend<Undo<Interrupted>>>, KeyspaceId) {
    let backend = Arc::new(Backend::<Undo<Interrupted>>::new(std::env::temp_dir()).unwrap());
    let id = backend.create_keyspace("goes", KeyspaceHints::packed()).unwrap();
    let mut batch = WriteBatch::new();
    for number in 0..rows {
        batch.put(id, &number.to_be_bytes(), b"row");
    }
    backend.commit(&batch, Durability::Buffered).unwrap();
    (backend, id)
}

fn drop_in_the_next_read(backend: &Arc<Backend<Undo<Interrupted>>>, id: KeyspaceId) {
    let backend = Arc::clone(backend);
    INTERRUPTION.set(Some(Box::new(move || backend.drop_keyspace(id).unwrap())));
}

fn kind<T>(result: Result<T>) -> Option<ErrorKind> {
    result.err().as_ref().map(Error::kind)
}

/// Few enough for the drop to remove all rows at once, and too many for that.
const COUNTS: [u32; 2] = [300, 12_000];

#[test]
fn a_scan_neither_ends_early_nor_skips_rows() {
    for rows in COUNTS {
        for scan in [Scan::all(), Scan::all().reverse()] {
            let (backend, id) = about_to_be_dropped(rows);
            let mut cursor = backend.snapshot().unwrap().cursor(id, scan).unwrap();
            drop_in_the_next_read(&backend, id);
            assert_eq!(kind(cursor.advance()), Some(ErrorKind::NotFound), "{rows} rows");
            assert_eq!(kind(cursor.advance()), Some(ErrorKind::NotFound), "{rows} rows, again");
        }
    }
}

#[test]
fn a_visit_neither_ends_early_nor_skips_rows() {
    for rows in COUNTS {
        let (backend, id) = about_to_be_dropped(rows);
        let mut cursor = backend.snapshot().unwrap().cursor(id, Scan::all()).unwrap();
        drop_in_the_next_read(&backend, id);
        let mut seen = 0;
        let visited = cursor.visit(&mut |_, _| {
            seen += 1;
            ControlFlow::Continue(())
        });
        assert_eq!((kind(visited), seen), (Some(ErrorKind::NotFound), 0), "{rows} rows");
    }
}

#[test]
fn a_get_reports_the_drop_and_not_an_absent_row() {
    let (backend, id) = about_to_be_dropped(300);
    let view = backend.snapshot().unwrap();
    drop_in_the_next_read(&backend, id);
    assert_eq!(kind(view.get(id, &7_u32.to_be_bytes())), Some(ErrorKind::NotFound));
    let (backend, id) = about_to_be_dropped(300);
    drop_in_the_next_read(&backend, id);
    assert_eq!(kind(backend.get(id, &7_u32.to_be_bytes())), Some(ErrorKind::NotFound));
}
