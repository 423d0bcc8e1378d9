//! A store that an earlier version of an engine wrote opens with the version of this build, with every row, whether it
//! was closed or its process was killed.
//!
//! `crates/strongroom/fixtures/engine-files` has the files of every engine version that a release of ours had.
//! `UPDATE_GOLDEN=1 cargo test -p strongroom --test engine_files` freezes those of a new version and never changes one
//! that is there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Tests fail by panicking.
// The layout of LMDB's file follows the processor's.
#![cfg(all(target_endian = "little", target_pointer_width = "64"))]

mod support;
#[path = "support/engine_files.rs"]
mod text;

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;
use strongroom::{HIGH_WATER_LAG_MS, Integrity, Registry, Store};
use support::{config, on_disk, open};

/// How the process that wrote the files came to its end.
const ENDS: [&str; 2] = ["closed", "killed"];

/// Rows of the keyspace with many: more than a page of any engine holds.
const MANY: u32 = 150;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/engine-files")
}

/// A value longer than a page, which no compression makes short.
fn long_value() -> Vec<u8> {
    let mut state = 1_u32;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(5_000)
    .collect()
}

fn many() -> impl Iterator<Item = (String, String)> {
    (0..MANY).map(|i| (format!("key/{i:04}"), format!("value {i}")))
}

/// What every fixture holds: batches, a long value, rows that are replaced and deleted, a keyspace that is dropped.
fn fill(store: &Store) {
    let (rows, gone) = (store.create_keyspace("rows").unwrap(), store.create_keyspace("gone").unwrap());
    gone.set("a", "b").unwrap();
    let mut batch = store.batch();
    for (key, value) in many() {
        batch.set(&rows, key, value);
    }
    batch.set(&rows, "replaced", "the first value").set(&rows, "deleted", "x");
    store.commit(&batch).unwrap();
    let default = store.create_keyspace("default").unwrap();
    default.set("long", long_value()).unwrap();
    default.set("empty", "").unwrap();
    drop(gone);
    store.drop_keyspace("gone").unwrap();
    rows.set("replaced", "the second value").unwrap();
    rows.delete("deleted").unwrap();
    // A buffered commit of an engine that claims no more has to be in the files too.
    store.flush().unwrap();
}

/// Every row that [`fill`] left, and no other.
fn check(store: &Store, fixture: &str) {
    assert_eq!(store.keyspaces(), ["default", "rows"], "{fixture}");
    let all = |keyspace: &str| -> Vec<(Vec<u8>, Vec<u8>)> {
        let rows = store.keyspace(keyspace).unwrap().prefix("").unwrap();
        rows.map(|row| row.unwrap()).map(|(key, value)| (key, value.to_vec())).collect()
    };
    let wanted = many().chain([("replaced".to_owned(), "the second value".to_owned())]);
    let wanted: Vec<_> = wanted.map(|(key, value)| (key.into_bytes(), value.into_bytes())).collect();
    assert_eq!(all("rows"), wanted, "{fixture}");
    assert_eq!(all("default"), [(b"empty".to_vec(), vec![]), (b"long".to_vec(), long_value())], "{fixture}");
    store.verify(&mut |_| ControlFlow::Continue(())).unwrap_or_else(|error| panic!("{fixture}: {error}"));
    if store.engine().capabilities.integrity_check {
        store.verify_engine().unwrap_or_else(|error| panic!("{fixture}: {error}"));
    }
}

/// Writes the fixtures of this build's version of `engine`.
fn freeze(engine: &str, version: &str) {
    let home = tempfile::tempdir().unwrap();
    let (path, killed) = (home.path().join("closed"), home.path().join("killed"));
    let created = config(engine, &path).integrity(Integrity::Full);
    let store = Registry::builtin().open_config(&created).unwrap();
    fill(&store);
    // After the high-water mark nothing writes, and the files are those that a killed process leaves.
    thread::sleep(3 * Duration::from_millis(HIGH_WATER_LAG_MS));
    copy(&path, &killed);
    check(&store, engine);
    drop(store);
    for (end, path) in [("closed", &path), ("killed", &killed)] {
        let fixture = fixtures().join(format!("{engine}-{version}-{end}.txt"));
        if !fixture.exists() {
            let head = format!("# A store that {engine} {version} wrote, {end}. It never changes.\n");
            fs::create_dir_all(fixtures()).unwrap();
            fs::write(fixture, head + &text::freeze(path)).unwrap();
        }
    }
}

fn copy(from: &Path, to: &Path) {
    text::thaw(&text::freeze(from), to);
}

#[test]
fn stores_of_earlier_engine_versions_open() {
    for engine in on_disk() {
        let version = Registry::builtin().driver(engine).unwrap().info().version;
        if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
            freeze(engine, version);
        }
        for end in ENDS {
            let fixture = fixtures().join(format!("{engine}-{version}-{end}.txt"));
            assert!(
                fixture.exists(),
                "{} is missing: run again with UPDATE_GOLDEN=1 to freeze what this version of {engine} writes",
                fixture.display()
            );
        }
        let mut tried = 0;
        for fixture in fs::read_dir(fixtures()).unwrap() {
            let fixture = fixture.unwrap().path();
            let name = fixture.file_stem().unwrap().to_str().unwrap();
            if !name.starts_with(&format!("{engine}-")) {
                continue;
            }
            let home = tempfile::tempdir().unwrap();
            let path = home.path().join("store");
            text::thaw(&fs::read_to_string(&fixture).unwrap(), &path);
            let store = open(engine, &path);
            check(&store, name);
            // It goes on: what is written now is there when it is opened again.
            store.keyspace("rows").unwrap().set("new", "row").unwrap();
            drop(store);
            let again = open(engine, &path);
            let rows = again.keyspace("rows").unwrap();
            assert_eq!(rows.get("new").unwrap().as_deref(), Some(&b"row"[..]), "{name}");
            rows.delete("new").unwrap();
            drop(rows);
            check(&again, name);
            tried += 1;
        }
        assert!(tried >= ENDS.len(), "{engine}: {tried}");
    }
}
