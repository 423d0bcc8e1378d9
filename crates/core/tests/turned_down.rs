//! An engine may refuse a change before it has changed anything. That does not poison the handle.

#![allow(clippy::unwrap_used)] // Tests fail by panicking.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use strongroom_core::{
    Backend, Durability, Error, ErrorKind, KeyspaceHints, Result, StorageBackend, WriteBatch,
};
use support::{Hooked, HookedOptions};

/// Whether the engine is busy, and whether its error leaves the outcome unknown.
static BUSY: AtomicBool = AtomicBool::new(false);
static LOSES_THE_OUTCOME: AtomicBool = AtomicBool::new(false);

fn pass() -> Result<()> {
    if LOSES_THE_OUTCOME.load(Ordering::SeqCst) {
        return Err(Error::new(ErrorKind::Unsupported, "not now, and the outcome is unknown"));
    }
    if BUSY.load(Ordering::SeqCst) {
        return Err(Error::new(ErrorKind::Unavailable, "not now, and nothing changed"));
    }
    Ok(())
}

#[test]
fn a_refused_change_may_be_retried() {
    let backend = Backend::<Hooked<false>>::open(std::env::temp_dir(), HookedOptions::new(pass)).unwrap();
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
        assert_eq!(error.engine(), Some("hooked"));
        assert!(error.operation().is_some());
    }
    assert_eq!(backend.keyspace("rows").unwrap(), rows, "a keyspace whose drop was refused still exists");
    assert!(backend.get(rows, b"a").is_ok());
    assert_eq!(backend.keyspace("new").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(backend.stats().unwrap().commits, 0, "a refused commit is not counted");
    BUSY.store(false, Ordering::SeqCst);
    commit().unwrap();
    create("new").unwrap();
    assert_eq!(backend.stats().unwrap().commits, 1);

    // Any other error leaves the outcome unknown.
    LOSES_THE_OUTCOME.store(true, Ordering::SeqCst);
    assert_eq!(commit().unwrap_err().kind(), ErrorKind::CommitUnknown);
    LOSES_THE_OUTCOME.store(false, Ordering::SeqCst);
    assert_eq!(commit().unwrap_err().kind(), ErrorKind::Closed);
}
