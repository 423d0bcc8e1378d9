//! Tests the fault backends, and the core over an engine that fails at every single call.

use strongroom_core::{
    Backend, Durability, ErrorKind, Expect, KeyRange, KeyspaceHints, MemoryBackend, MemoryEngine, Result,
    Scan, StorageBackend, Undo, WriteBatch,
};
use strongroom_testkit::PretendEngine;
use strongroom_testkit::fault::{Faults, Faulty, FaultyEngine, FaultyOptions, How, INJECTED, for_each_fault};

/// Uses a bit of every operation, and returns the first error.
fn scenario(backend: &dyn StorageBackend) -> Result<()> {
    let left = backend.create_keyspace("left", KeyspaceHints::default())?;
    let right = backend.create_keyspace("right", KeyspaceHints::default())?;
    let view = backend.snapshot()?;
    let mut batch = WriteBatch::new();
    for number in 0..20_u8 {
        batch.put(left, &[number], b"x").put(right, &[number], b"y");
    }
    backend.commit(&batch, Durability::Buffered)?;
    batch.clear();
    batch.expect(left, &[1], Expect::Present).delete(left, &[1]).put(right, &[1], b"z");
    backend.commit(&batch, Durability::Buffered)?;
    assert_eq!(view.get(left, &[2])?, None, "the snapshot was taken before the commit");
    let mut rows = 0;
    let mut cursor = backend.snapshot()?.cursor(left, Scan::all().reverse())?;
    while cursor.advance()? {
        rows += 1;
    }
    assert_eq!(rows, 19, "a scan without a fault is complete");
    cursor.seek(&[3])?;
    assert!(cursor.advance()?);
    assert_eq!(backend.delete_range(right, &KeyRange::from(vec![10]), Durability::Buffered)?, 10);
    assert_eq!(backend.get(right, &[1])?.as_deref(), Some(&b"z"[..]));
    backend.flush()?;
    backend.stats()?;
    backend.drop_keyspace(right)
}

struct OverFaults {
    backend: Backend<Undo<FaultyEngine<MemoryEngine>>>,
    // Kept, because a backend refuses changes once its directory is removed.
    _directory: tempfile::TempDir,
}

impl std::ops::Deref for OverFaults {
    type Target = Backend<Undo<FaultyEngine<MemoryEngine>>>;

    fn deref(&self) -> &Self::Target {
        &self.backend
    }
}

fn over_faults(faults: &Faults) -> Result<OverFaults> {
    let directory = tempfile::tempdir()?;
    let backend = Backend::open(&directory, FaultyOptions::new(faults.clone()))?;
    Ok(OverFaults { backend, _directory: directory })
}

#[test]
fn no_error_of_a_backend_is_swallowed() {
    let count = for_each_fault(How::Error, |faults| {
        scenario(&Faulty::new(Box::new(MemoryBackend::in_memory()), faults.clone()))
    });
    assert!(count > 30, "every call must be counted: {count}");
}

#[test]
fn core_swallows_no_error_of_an_engine() {
    for how in [How::Error, How::ErrorAfterwards] {
        let count = for_each_fault(how, |faults| scenario(&*over_faults(faults)?));
        assert!(count > 60, "core makes several engine calls per call: {count}");
    }
}

#[test]
fn core_catches_every_panic_of_an_engine() {
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let count = for_each_fault(How::Panic, |faults| scenario(&*over_faults(faults)?));
    std::panic::set_hook(loud);
    assert!(count > 60, "{count}");
}

#[test]
fn a_failed_change_closes_the_handle_and_a_failed_read_does_not() {
    for_each_fault(How::Error, |faults| {
        let backend = over_faults(faults)?;
        let result = scenario(&*backend);
        let changed = ["open_keyspace", "drop_keyspace", "apply", "flush"];
        if let (Err(error), Some(operation)) = (&result, faults.injected()) {
            // A commit reads old values for snapshots, so a failed get may fail a commit.
            let unknown = error.kind() == ErrorKind::CommitUnknown;
            assert!(unknown || !changed.contains(&operation), "{operation}: {}", error.one_line());
            let closed = backend.keyspaces().is_err_and(|error| error.kind() == ErrorKind::Closed);
            assert_eq!(closed, unknown, "{operation}: {}", error.one_line());
            assert!(error.one_line().contains(INJECTED), "the error has its cause: {}", error.one_line());
        }
        result
    });
}

#[test]
fn a_failed_commit_closes_open_snapshots_too() {
    let faults = Faults::new();
    let backend = over_faults(&faults).unwrap();
    let names = backend.create_keyspace("names", KeyspaceHints::default()).unwrap();
    let view = backend.snapshot().unwrap();
    faults.fail_at_operation("apply", 1, How::ErrorAfterwards);
    let mut batch = WriteBatch::new();
    let unknown = backend.commit(batch.put(names, b"a", b"1"), Durability::Buffered).unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::CommitUnknown);
    assert_eq!(view.get(names, b"a").unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn a_checkpoint_that_cannot_be_written_leaves_the_original_open() {
    let parent = tempfile::tempdir().unwrap();
    let faults = Faults::new();
    let options = FaultyOptions::new(faults.clone());
    let backend =
        Backend::<Undo<FaultyEngine<PretendEngine>>>::open(parent.path().join("store"), options).unwrap();
    let names = backend.create_keyspace("names", KeyspaceHints::default()).unwrap();
    backend.commit(WriteBatch::new().put(names, b"a", b"1"), Durability::PowerSafe).unwrap();
    for operation in ["open", "open_keyspace", "apply", "flush"] {
        faults.fail_at_operation(operation, 1, How::Error);
        let error = backend.checkpoint(&parent.path().join("copy")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "{operation}: {}", error.one_line());
        assert_eq!(faults.injected(), Some(operation));
        assert!(backend.get(names, b"a").unwrap().is_some(), "{operation}");
    }
    faults.disarm();
    backend.checkpoint(&parent.path().join("copy")).unwrap();
}

#[test]
fn a_faulty_backend_keeps_the_contract_while_it_fails() {
    let backend = Faulty::new(Box::new(MemoryBackend::in_memory()), Faults::new());
    let names = backend.create_keyspace("names", KeyspaceHints::default()).unwrap();
    let mut batch = WriteBatch::new();
    batch.put(names, b"a", b"1").put(names, b"b", b"2");
    backend.commit(&batch, Durability::Buffered).unwrap();

    let mut cursor = backend.snapshot().unwrap().cursor(names, Scan::all()).unwrap();
    backend.fail_at(2);
    assert!(cursor.advance().unwrap());
    assert_eq!(cursor.advance().unwrap_err().kind(), ErrorKind::Io);
    assert!(cursor.advance().is_err(), "a failed cursor keeps failing");
    cursor.seek(b"b").unwrap();
    assert!(cursor.advance().unwrap(), "a seek restarts the cursor");

    batch.expect(names, b"a", Expect::Absent);
    let conflict = backend.commit(&batch, Durability::Buffered).unwrap_err();
    assert_eq!(conflict.kind(), ErrorKind::Conflict, "a conflict stays a conflict");
    backend.fail_at(1);
    let unknown = backend.commit(&batch, Durability::Buffered).unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::CommitUnknown);
    assert_eq!(backend.get(names, b"a").unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
#[should_panic(expected = "was swallowed")]
fn a_swallowed_error_is_found() {
    for_each_fault(How::Error, |faults| -> Result<()> {
        let backend = Faulty::new(Box::new(MemoryBackend::in_memory()), faults.clone());
        let _ = backend.flush();
        Ok(())
    });
}

strongroom_testkit::conformance!(faulty_that_never_fails, |_| {
    Ok(Box::new(Faulty::new(Box::new(MemoryBackend::in_memory()), Faults::new())))
});
