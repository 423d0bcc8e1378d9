//! A mirror of equal backends passes the suite; a mirror of different ones panics with the difference.

#![allow(clippy::unwrap_used, clippy::expect_used)] // Helpers of tests are tests.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use strongroom_core::{
    Backend, Durability, KeyspaceHints, MemoryBackend, Result, Scan, StorageBackend, Undo, WriteBatch,
};
use strongroom_testkit::{Fixture, Mirror, PretendBackend, PretendEngine};

fn two_memories(_: &Path) -> Result<Box<dyn StorageBackend>> {
    let (left, right) = (MemoryBackend::in_memory(), MemoryBackend::in_memory());
    Ok(Box::new(Mirror::new(Box::new(left), Box::new(right))?))
}

fn two_files(directory: &Path) -> Result<Box<dyn StorageBackend>> {
    let left = PretendBackend::new(directory.join("left"))?;
    let right = Backend::<Undo<PretendEngine>>::new(directory.join("right"))?;
    Ok(Box::new(Mirror::new(Box::new(left), Box::new(right))?))
}

strongroom_testkit::conformance!(mirror_in_memory, two_memories);
strongroom_testkit::conformance!(mirror_on_disk, two_files);

/// The message of the panic that `work` causes.
fn panic_of(work: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(work)).expect_err("the mirror must panic");
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}

/// Two backends with the same keyspace, the right one with one more row.
fn unequal() -> (Mirror, strongroom_core::KeyspaceId) {
    let (left, right) = (MemoryBackend::in_memory(), MemoryBackend::in_memory());
    for backend in [&left, &right] {
        let id = backend.create_keyspace("names", KeyspaceHints::default()).unwrap();
        backend.commit(WriteBatch::new().put(id, b"ada", b"1"), Durability::Buffered).unwrap();
    }
    let id = right.keyspace("names").unwrap();
    right.commit(WriteBatch::new().put(id, b"alan", b"2"), Durability::Buffered).unwrap();
    let mirror = Mirror::new(Box::new(left), Box::new(right)).unwrap();
    let id = mirror.keyspace("names").unwrap();
    (mirror, id)
}

#[test]
fn a_different_value_is_reported_with_both_sides() {
    let (mirror, names) = unequal();
    assert_eq!(mirror.get(names, b"ada").unwrap().as_deref(), Some(&b"1"[..]));
    let message = panic_of(|| drop(mirror.get(names, b"alan")));
    assert!(message.contains("left: None") && message.contains("right: Some(b\"2\")"), "{message}");
}

#[test]
fn a_different_row_is_reported_with_its_scan() {
    let (mirror, names) = unequal();
    let mut cursor = mirror.snapshot().unwrap().cursor(names, Scan::prefix(b"a")).unwrap();
    assert!(cursor.advance().unwrap());
    let message = panic_of(|| drop(cursor.advance()));
    assert!(message.contains("the next row") && message.contains("alan"), "{message}");
}

#[test]
fn a_different_kind_of_error_is_a_difference() {
    let (mirror, names) = unequal();
    let mut batch = WriteBatch::new();
    batch.expect(names, b"alan", strongroom_core::Expect::Absent);
    let message = panic_of(|| drop(mirror.commit(&batch, Durability::Buffered)));
    assert!(message.contains("conflict"), "{message}");
}

#[test]
fn different_keyspaces_are_refused_at_once() {
    let (left, right) = (MemoryBackend::in_memory(), MemoryBackend::in_memory());
    left.create_keyspace("names", KeyspaceHints::default()).unwrap();
    let message = panic_of(|| drop(Mirror::new(Box::new(left), Box::new(right))));
    assert!(message.contains("keyspaces differs"), "{message}");
}

#[test]
fn a_mirror_runs_a_history_on_both() {
    let fixture = Fixture::new(|directory| {
        let disk = PretendBackend::new(directory)?;
        Ok(Box::new(Mirror::new(Box::new(MemoryBackend::in_memory()), Box::new(disk))?))
    });
    let mirror = fixture.open();
    strongroom_testkit::run_history(42, 300, &*mirror).unwrap();
    assert!(!mirror.engine().capabilities.persistent, "the mirror declares only what both declare");
}
