//! The contract across engines: pairs side by side, the table of what each declares, and failing calls
//! beneath the store.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Tests fail by panicking.

mod support;

use std::path::Path;
use strongroom::{
    Driver, Durability, ErrorKind, KeyRange, Options, Registry, Scan, StorageBackend, Store, StoreOptions,
};
use strongroom_testkit::fault::{Faults, Faulty, How, for_each_fault};
use strongroom_testkit::{
    HISTORY_DIGEST, HISTORY_SEED, HISTORY_STEPS, Mirror, PretendEngine, assert_golden, capability_table,
    digest_of, run_history,
};

fn backend(engine: &str, directory: &Path) -> Box<dyn StorageBackend> {
    let registry = Registry::builtin();
    registry.driver(engine).unwrap().open_backend(&directory.join(engine), &Options::new()).unwrap()
}

fn mirrored(left: &str, right: &str) {
    let directory = tempfile::tempdir().unwrap();
    let mirror = Mirror::new(backend(left, directory.path()), backend(right, directory.path())).unwrap();
    run_history(HISTORY_SEED, HISTORY_STEPS, &mirror).unwrap();
    assert_eq!(digest_of(&mirror).unwrap(), HISTORY_DIGEST);
}

/// Each engine beside the next, so that all stand beside the reference in the end.
#[test]
fn neighbours_are_the_same_side_by_side() {
    let engines: Vec<_> = Registry::builtin().drivers().map(|driver| driver.info().name).collect();
    for (left, right) in engines.iter().zip(&engines[1..]) {
        println!("{left} and {right}");
        mirrored(left, right);
    }
}

/// What changes here changes for users: it belongs into the changelog, and into the README's table.
#[test]
fn the_capabilities_are_what_they_were() {
    let directory = tempfile::tempdir().unwrap();
    let registry = Registry::builtin();
    let names: Vec<_> = registry.drivers().map(|driver| driver.info().name).collect();
    let backends: Vec<_> = names.iter().map(|name| backend(name, directory.path())).collect();
    let borrowed: Vec<&dyn StorageBackend> = backends.iter().map(|backend| &**backend).collect();
    let table = capability_table(&borrowed);
    if cfg!(feature = "storage-all") {
        assert_golden(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/capabilities.txt"), &table);
    }
    // What a driver says before it opens is what its backend says afterwards.
    for (driver, backend) in registry.drivers().zip(&backends) {
        assert_eq!(driver.info(), backend.engine());
    }
}

/// One pass over what a store offers, stopping at the first error.
fn use_everything(backend: Box<dyn StorageBackend>) -> strongroom::Result<Vec<String>> {
    let store = Store::over(backend, StoreOptions::new().durability(Durability::Buffered))?;
    let rows = store.create_keyspace("rows")?;
    let mut batch = store.batch();
    for number in 0..10 {
        batch.set(&rows, format!("k{number}"), "v");
    }
    batch.expect_absent(&rows, "k0");
    store.commit(&batch)?;
    let snapshot = store.snapshot()?;
    rows.delete("k3")?;
    assert!(snapshot.has(&rows, "k3")?);
    assert_eq!(rows.delete_range(KeyRange::prefix(b"k8"))?, 1);
    assert_eq!(rows.get("k1")?.as_deref(), Some(&b"v"[..]));
    let mut keys = Vec::new();
    let mut walk = rows.scan(Scan::all().reverse())?;
    while walk.advance()? {
        keys.push(String::from_utf8_lossy(walk.key()).into_owned());
    }
    store.digest()?;
    store.flush()?;
    store.stats()?;
    store.create_keyspace("other")?;
    store.drop_keyspace("other")?;
    Ok(keys)
}

#[test]
fn no_failing_call_is_swallowed_or_taken_for_the_end() {
    let whole = use_everything(Box::new(strongroom::MemoryBackend::in_memory())).unwrap();
    assert_eq!(whole, ["k9", "k7", "k6", "k5", "k4", "k2", "k1", "k0"]);
    for how in [How::Error, How::ErrorAfterwards] {
        let calls = for_each_fault(how, |faults: &Faults| -> strongroom::Result<()> {
            let memory = Box::new(strongroom::MemoryBackend::in_memory());
            let keys = use_everything(Box::new(Faulty::new(memory, faults.clone())))?;
            // Whoever gets through has seen everything.
            assert_eq!(keys, whole);
            Ok(())
        });
        assert!(calls > 40, "only {calls} calls were made to fail");
    }
}

#[test]
fn a_creation_that_fails_anywhere_leaves_nothing() {
    let calls = for_each_fault(How::Error, |faults: &Faults| -> strongroom::Result<()> {
        let parent = tempfile::tempdir()?;
        let path = parent.path().join("new/store");
        let engine = <strongroom::core::Undo<PretendEngine> as strongroom::Engine>::INFO;
        let options = StoreOptions::new().durability(Durability::Buffered);
        let opened = Store::open(&path, &engine, options, &Options::new(), |path, options| {
            let backend =
                Driver::of::<strongroom::core::Undo<PretendEngine>>().open_backend(path, options)?;
            Ok(Box::new(Faulty::new(backend, faults.clone())))
        });
        if let Err(error) = opened {
            assert_eq!(std::fs::read_dir(parent.path())?.count(), 0, "left after {}", error.one_line());
            return Err(error);
        }
        Ok(())
    });
    assert!(calls > 3, "only {calls} calls were made to fail");
}

#[test]
fn a_driver_of_an_engine_opens_stores() {
    let directory = tempfile::tempdir().unwrap();
    let mut registry = Registry::empty();
    registry.add(Driver::of::<strongroom::core::Undo<PretendEngine>>()).unwrap();
    let name = registry.drivers().next().unwrap().info().name;
    let url = format!("{name}:{}?durability=buffered", directory.path().join("store").display());
    let rows = registry.open(&url).unwrap().default_keyspace().unwrap();
    rows.set("k", "v").unwrap();
    assert_eq!(registry.open(&url).unwrap_err().kind(), ErrorKind::Locked);
    drop(rows);
    assert!(registry.open(&url).unwrap().default_keyspace().unwrap().has("k").unwrap());
}
