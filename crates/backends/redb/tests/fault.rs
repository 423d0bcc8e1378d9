//! redb over a storage that fails on demand.

#![allow(clippy::unwrap_used, clippy::expect_used)] // Tests fail by panicking.

use redb::StorageBackend as Storage;
use redb::backends::InMemoryBackend;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use strongroom_core::{Durability, ErrorKind, KeyspaceHints, KeyspaceId, Scan, StorageBackend, WriteBatch};
use strongroom_redb::{RedbBackend, RedbOptions};

const NEVER: u64 = u64::MAX;

/// Fails each kind of call once its countdown is over.
#[derive(Debug)]
struct FailingStorage {
    inner: InMemoryBackend,
    reads: AtomicU64,
    writes: AtomicU64,
    syncs: AtomicU64,
}

impl FailingStorage {
    fn new() -> Arc<Self> {
        let [reads, writes, syncs] = [(); 3].map(|()| AtomicU64::new(NEVER));
        Arc::new(Self { inner: InMemoryBackend::new(), reads, writes, syncs })
    }
}

fn count_down(left: &AtomicU64) -> io::Result<()> {
    match left.load(Ordering::SeqCst) {
        NEVER => Ok(()),
        0 => Err(io::Error::other("the disk is on fire")),
        more => {
            left.store(more - 1, Ordering::SeqCst);
            Ok(())
        }
    }
}

impl Storage for FailingStorage {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        count_down(&self.reads)?;
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        count_down(&self.writes)?;
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        count_down(&self.syncs)?;
        self.inner.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        count_down(&self.writes)?;
        self.inner.write(offset, data)
    }
}

struct Fixture {
    storage: Arc<FailingStorage>,
    home: tempfile::TempDir,
    backend: RedbBackend,
    rows: KeyspaceId,
}

const ROWS: u32 = 2_000;

/// A store of some pages, with a cache that holds few of them.
fn fixture() -> Fixture {
    let storage = FailingStorage::new();
    let home = tempfile::tempdir().unwrap();
    let backend = open(home.path(), &storage);
    let rows = backend.create_keyspace("rows", KeyspaceHints::default()).unwrap();
    let mut batch = WriteBatch::new();
    for number in 0..ROWS {
        batch.put(rows, &number.to_be_bytes(), &[7; 500]);
    }
    backend.commit(&batch, Durability::PowerSafe).unwrap();
    Fixture { storage, home, backend, rows }
}

fn open(directory: &std::path::Path, storage: &Arc<FailingStorage>) -> RedbBackend {
    let storage = Arc::clone(storage) as Arc<dyn Storage>;
    RedbBackend::open(directory, RedbOptions::new().cache_bytes(64 * 1024).over_storage(storage)).unwrap()
}

#[test]
fn a_failed_commit_is_unknown_and_poisons() {
    type Countdown = fn(&FailingStorage) -> &AtomicU64;
    let countdowns: [Countdown; 2] = [|storage| &storage.writes, |storage| &storage.syncs];
    for countdown in countdowns {
        let Fixture { storage, backend, rows, home: _home } = fixture();
        countdown(&storage).store(0, Ordering::SeqCst);
        let mut batch = WriteBatch::new();
        batch.put(rows, b"secret key", b"secret value");
        let error = backend.commit(&batch, Durability::PowerSafe).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CommitUnknown, "{}", error.one_line());
        assert!(error.one_line().contains("on fire"), "the cause is kept: {}", error.one_line());
        assert!(!error.one_line().contains("secret"));
        // No retry, even if the disk has recovered.
        countdown(&storage).store(NEVER, Ordering::SeqCst);
        let closed = backend.commit(&batch, Durability::PowerSafe).unwrap_err();
        assert_eq!(closed.kind(), ErrorKind::Closed);
        assert_eq!(backend.get(rows, b"secret key").unwrap_err().kind(), ErrorKind::Closed);
    }
}

#[test]
fn a_failed_flush_is_unknown_and_poisons() {
    let Fixture { storage, backend, home: _home, .. } = fixture();
    storage.syncs.store(0, Ordering::SeqCst);
    assert_eq!(backend.flush().unwrap_err().kind(), ErrorKind::CommitUnknown);
    assert_eq!(backend.flush().unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn a_failed_read_is_an_error_and_never_the_end() {
    for scan in [Scan::all(), Scan::all().reverse(), Scan::all().keys_only()] {
        for reads in [0, 1, 5, 20, 60] {
            let Fixture { storage, backend, rows, home: _home } = fixture();
            let snapshot = backend.snapshot().unwrap();
            storage.reads.store(reads, Ordering::SeqCst);
            let mut seen = 0;
            let failed = snapshot.cursor(rows, scan.clone()).and_then(|mut cursor| {
                while cursor.advance()? {
                    seen += 1;
                }
                Ok(())
            });
            let error = failed.expect_err("the scan ended without an error");
            assert!(seen < ROWS);
            assert!(error.one_line().contains("on fire"), "{}", error.one_line());
        }
    }
}

#[test]
fn a_failed_get_is_an_error_and_never_an_absent_key() {
    let Fixture { storage, backend, rows, home: _home } = fixture();
    storage.reads.store(0, Ordering::SeqCst);
    let failed = (0..ROWS).filter(|number| backend.get(rows, &number.to_be_bytes()).is_err()).count();
    assert!(failed > 0);
    for number in 0..ROWS {
        assert!(!matches!(backend.get(rows, &number.to_be_bytes()), Ok(None)));
    }
}

#[test]
fn commits_acknowledged_before_the_failure_survive() {
    let Fixture { storage, backend, rows, home } = fixture();
    storage.syncs.store(0, Ordering::SeqCst);
    let mut batch = WriteBatch::new();
    batch.put(rows, b"later", b"");
    backend.commit(&batch, Durability::PowerSafe).unwrap_err();
    drop(backend);
    storage.syncs.store(NEVER, Ordering::SeqCst);
    let backend = open(home.path(), &storage);
    let rows = backend.keyspace("rows").unwrap();
    for number in 0..ROWS {
        assert!(backend.get(rows, &number.to_be_bytes()).unwrap().is_some());
    }
}
