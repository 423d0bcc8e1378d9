//! Checkpoints.

// Helpers of tests fail like tests.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use strongroom_core::{Backend, Durability, KeyspaceHints, StorageBackend, Undo, WriteBatch};
use strongroom_sled::{SledBackend, SledEngine, SledMode, SledOptions};
use strongroom_testkit::fault::{Faults, FaultyEngine, FaultyOptions, How};
use support::{keyspace, open, put};

#[test]
fn a_checkpoint_has_the_typed_options_of_its_original() {
    let home = tempfile::tempdir().unwrap();
    let options = SledOptions::new().segment_size(65_536).mode(SledMode::HighThroughput);
    let backend = SledBackend::open(home.path().join("original"), options.clone()).unwrap();
    put(&backend, keyspace(&backend, "rows"), b"a", b"1");
    let copy = home.path().join("copy");
    backend.checkpoint(&copy).unwrap();
    let copy = SledBackend::open(copy, options).unwrap();
    assert_eq!(copy.get(copy.keyspace("rows").unwrap(), b"a").unwrap().as_deref(), Some(&b"1"[..]));
}

#[test]
fn a_checkpoint_that_fails_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let faults = Faults::new();
    let options = FaultyOptions::<SledOptions>::new(faults.clone());
    let backend =
        Backend::<Undo<FaultyEngine<SledEngine>>>::open(home.path().join("original"), options).unwrap();
    let rows = backend.create_keyspace("rows", KeyspaceHints::default()).unwrap();
    let mut batch = WriteBatch::new();
    backend.commit(batch.put(rows, b"a", b"1"), Durability::Buffered).unwrap();
    let copy = home.path().join("copies/copy");
    for operation in ["open", "keyspace_names", "open_keyspace", "apply", "flush"] {
        for how in [How::Error, How::ErrorAfterwards, How::Panic] {
            faults.fail_at_operation(operation, 1, how);
            assert!(backend.checkpoint(&copy).is_err(), "{operation} {how:?}");
            assert_eq!(faults.injected(), Some(operation));
            assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1, "{operation} {how:?}");
        }
    }
    faults.disarm();
    backend.checkpoint(&copy).unwrap();
    let copy = open(&copy);
    assert!(copy.get(copy.keyspace("rows").unwrap(), b"a").unwrap().is_some());
}
