//! The path of an open store leads somewhere else: the process changes its current directory, a symbolic link is moved,
//! the directory is exchanged. Nothing is ever written into a directory that is not the store's.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Tests fail by panicking.

#[path = "support/alone.rs"]
mod alone;
mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use strongroom::{Config, Durability, ErrorKind, Registry, Result, Store};
use support::{config, files, on_disk, open};

const ROWS: u32 = 100;

/// Small files, so that an engine soon makes new ones.
fn restless(engine: &str, path: impl Into<PathBuf>) -> Config {
    let mut config = config(engine, &path.into());
    let small = match engine {
        "rocksdb" => Some(("write_buffer_size", "64KiB")),
        "fjall" => Some(("max_memtable_size", "64KiB")),
        _ => None,
    };
    config.options.extend(small.map(|(name, value)| (name.to_owned(), value.to_owned())));
    config
}

fn start(config: &Config) -> Store {
    Registry::builtin().open_config(config).unwrap_or_else(|error| panic!("{}", error.one_line()))
}

/// A store with one row that tells it from others, closed.
fn closed_store(engine: &str, path: &Path, name: &str) {
    start(&restless(engine, path)).default_keyspace().unwrap().set("whose", name).unwrap();
}

fn whose(engine: &str, path: &Path) -> String {
    let store = open(engine, path);
    let found = store.default_keyspace().unwrap().get("whose").unwrap().unwrap();
    String::from_utf8(found.to_vec()).unwrap()
}

/// Everything that makes an engine open files: keyspaces, many rows, a flush, compaction.
fn work(store: &Store) -> Result<()> {
    let made = store.create_keyspace("made")?;
    for row in 0..ROWS {
        made.set(row.to_be_bytes(), vec![b'v'; 10_000])?;
    }
    store.flush()?;
    store.stats()?;
    match store.compact() {
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(()),
        outcome => outcome,
    }
}

fn holds_the_work(engine: &str, path: &Path) {
    let made = open(engine, path).keyspace("made").unwrap();
    assert_eq!(made.count("").unwrap(), u64::from(ROWS), "{engine}");
}

#[test]
fn a_relative_path_is_resolved_once() {
    for engine in on_disk() {
        let home = tempfile::tempdir().unwrap();
        alone::run("in_a_process_of_its_own", &["chdir", engine, home.path().to_str().unwrap()]);
    }
}

/// Both directories have a `data`; the store is the first one's.
fn change_directory(engine: &str, home: &Path) {
    for name in ["first", "second"] {
        fs::create_dir(home.join(name)).unwrap();
        closed_store(engine, &home.join(name).join("data"), name);
    }
    let before = files(&home.join("second"));
    std::env::set_current_dir(home.join("first")).unwrap();
    let store = start(&restless(engine, "data"));
    assert!(store.path().unwrap().is_absolute());
    std::env::set_current_dir(home.join("second")).unwrap();
    work(&store).unwrap();
    let copy = Path::new("copy");
    store.checkpoint(copy).unwrap();
    drop(store);
    assert_eq!(files(Path::new("data")).len(), before.len());
    holds_the_work(engine, &home.join("second/copy"));
    fs::remove_dir_all(home.join("second/copy")).unwrap();
    assert_eq!(files(&home.join("second")), before, "{engine} wrote into the other directory");
    holds_the_work(engine, &home.join("first/data"));
    assert_eq!(whose(engine, &home.join("first/data")), "first");
    assert_eq!(whose(engine, &home.join("second/data")), "second");
}

#[test]
fn a_link_that_is_moved_takes_no_store_with_it() {
    for engine in on_disk() {
        let home = tempfile::tempdir().unwrap();
        let [first, second, link] = ["first", "second", "link"].map(|name| home.path().join(name));
        closed_store(engine, &first, "first");
        closed_store(engine, &second, "second");
        let before = files(&second);
        symlink(&first, &link).unwrap();
        let store = start(&restless(engine, &link));
        fs::remove_file(&link).unwrap();
        symlink(&second, &link).unwrap();
        work(&store).unwrap();
        drop(store);
        assert_eq!(files(&second), before, "{engine} wrote into the other directory");
        holds_the_work(engine, &first);
    }
}

/// Refused before the engine was called: the caller may try again.
#[track_caller]
fn is_refused<T>(engine: &str, what: &str, outcome: Result<T>) {
    let Err(error) = outcome else { panic!("{engine}: {what} did not notice the other directory") };
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{engine}, {what}: {}", error.one_line());
    let line = error.one_line();
    assert!(line.contains("no longer the directory") && line.contains(engine), "{what}: {line}");
    assert!(!line.contains('\n') && !line.contains("/proc/"), "{line}");
}

/// What has to notice that the directory is another.
fn notices(engine: &str, store: &Store) {
    let rows = store.default_keyspace().unwrap();
    if store.options().durability == Durability::PowerSafe {
        is_refused(engine, "a power-safe commit", rows.set("k", "v"));
    }
    is_refused(engine, "a new keyspace", store.create_keyspace("another"));
    is_refused(engine, "a drop", store.drop_keyspace("first"));
    is_refused(engine, "a flush", store.flush());
    is_refused(engine, "the statistics", store.stats());
    is_refused(engine, "a checkpoint", store.checkpoint(&store.path().unwrap().with_file_name("copy")));
    if store.engine().capabilities.compaction {
        is_refused(engine, "a compaction", store.compact());
    }
}

#[test]
fn an_exchanged_directory_is_noticed_and_left_alone() {
    for engine in on_disk() {
        let home = tempfile::tempdir().unwrap();
        let [data, away, other] = ["data", "away", "other"].map(|name| home.path().join(name));
        closed_store(engine, &data, "first");
        closed_store(engine, &other, "second");
        // The same shape, so that file names and numbers are the same.
        work(&open(engine, &other)).unwrap();
        let store = start(&restless(engine, &data));
        work(&store).unwrap();
        store.create_keyspace("first").unwrap();
        fs::rename(&data, &away).unwrap();
        is_refused(engine, "a flush", store.flush());
        fs::rename(&other, &data).unwrap();
        let before = files(&data);
        notices(engine, &store);
        // Commits that are only buffered go on, and make the engine open files of its own accord.
        let made = store.keyspace("made").unwrap();
        for row in 0..2 * ROWS {
            let mut batch = store.batch();
            batch.set(&made, (ROWS + row).to_be_bytes(), vec![b'w'; 10_000]).durability(Durability::Buffered);
            store.commit(&batch).unwrap();
        }
        for row in 0..3 * ROWS {
            assert!(made.has(row.to_be_bytes()).unwrap(), "{engine}: reads go on");
        }
        assert_eq!(files(&data), before, "{engine} wrote into the other directory");
        // It is put back, and all is as before.
        fs::rename(&data, &other).unwrap();
        fs::rename(&away, &data).unwrap();
        store.flush().unwrap();
        store.stats().unwrap();
        store.create_keyspace("another").unwrap().set("k", "v").unwrap();
        drop((store, made));
        let again = open(engine, &data);
        assert_eq!(again.keyspace("made").unwrap().count("").unwrap(), u64::from(3 * ROWS), "{engine}");
        drop(again);
        assert_eq!((whose(engine, &data), whose(engine, &other)), ("first".into(), "second".into()));
    }
}

#[test]
fn closing_writes_nothing_into_the_other_directory() {
    for engine in on_disk() {
        let home = tempfile::tempdir().unwrap();
        let [data, away, other] = ["data", "away", "other"].map(|name| home.path().join(name));
        closed_store(engine, &data, "first");
        closed_store(engine, &other, "second");
        let store = start(&restless(engine, &data));
        work(&store).unwrap();
        fs::rename(&data, &away).unwrap();
        fs::rename(&other, &data).unwrap();
        let before = files(&data);
        drop(store);
        assert_eq!(files(&data), before, "{engine} wrote into the other directory");
        assert_eq!(whose(engine, &data), "second");
        holds_the_work(engine, &away);
    }
}

#[test]
fn files_of_two_stores_in_one_directory_are_refused_untouched() {
    for engine in on_disk() {
        let home = tempfile::tempdir().unwrap();
        let [first, second] = ["first", "second"].map(|name| home.path().join(name));
        closed_store(engine, &first, "first");
        closed_store(engine, &second, "second");
        // The marker and the mark of the one, the engine's files of the other.
        for name in ["STRONGROOM", "STRONGROOM.highwater"] {
            fs::copy(first.join(name), second.join(name)).unwrap();
        }
        for read_only in [false, true] {
            let mut config = config(engine, &second);
            config.read_only = read_only;
            let error = Registry::builtin().open_config(&config).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corruption, "{engine}: {}", error.one_line());
            assert!(error.to_string().contains("two stores were mixed"), "{engine}: {error}");
        }
        assert_eq!(whose(engine, &first), "first");
    }
}

#[test]
fn a_copy_of_a_store_opens() {
    for engine in on_disk() {
        let home = tempfile::tempdir().unwrap();
        let store = open(engine, &home.path().join("data"));
        store.default_keyspace().unwrap().set("whose", "first").unwrap();
        store.checkpoint(&home.path().join("copy")).unwrap();
        assert_eq!(open(engine, &home.path().join("copy")).id(), store.id(), "{engine}");
        assert_eq!(whose(engine, &home.path().join("copy")), "first");
    }
}

#[test]
fn a_bad_path_is_refused_with_the_reason() {
    for engine in on_disk() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("file"), "x").unwrap();
        let long_name = home.path().join("n".repeat(300));
        let long_path = home.path().join("long/".repeat(1_000));
        for (path, reason) in [
            (home.path().join("file/store"), "is not a directory"),
            (long_name, "longer than the system allows"),
            (long_path, "longer than the system allows"),
        ] {
            for create in [true, false] {
                let error =
                    Registry::builtin().open_config(&config(engine, &path).create(create)).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidInput, "{}", error.one_line());
                assert!(
                    error.one_line().contains(reason) && error.one_line().len() < 600,
                    "{}",
                    error.one_line()
                );
            }
        }
        assert_eq!(files(home.path()).len(), 1, "{engine}: nothing was made");
    }
}

#[test]
fn a_removed_current_directory_is_reported() {
    for engine in on_disk() {
        let home = tempfile::tempdir().unwrap();
        alone::run("in_a_process_of_its_own", &["removed", engine, home.path().to_str().unwrap()]);
    }
}

fn removed_directory(engine: &str, home: &Path) {
    let gone = home.join("gone");
    fs::create_dir(&gone).unwrap();
    std::env::set_current_dir(&gone).unwrap();
    fs::remove_dir(&gone).unwrap();
    for (path, create) in [("data", true), ("data", false), (".", true), ("../data", true)] {
        let error =
            Registry::builtin().open_config(&config(engine, Path::new(path)).create(create)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{}", error.one_line());
        assert!(error.one_line().contains("current directory was removed"), "{}", error.one_line());
    }
    // An absolute path needs no current directory, but for an engine that asks for it all the same.
    if engine == "fjall" {
        let error = Registry::builtin().open_config(&config(engine, &home.join("data"))).unwrap_err();
        assert!(error.one_line().contains("fjall needs a current directory"), "{}", error.one_line());
        std::env::set_current_dir(home).unwrap();
        let store = open(engine, &home.join("data"));
        fs::create_dir(&gone).unwrap();
        std::env::set_current_dir(&gone).unwrap();
        fs::remove_dir(&gone).unwrap();
        let error = store.create_keyspace("made").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.one_line());
        std::env::set_current_dir(home).unwrap();
        work(&store).unwrap();
        return;
    }
    let store = open(engine, &home.join("data"));
    work(&store).unwrap();
    drop(store);
    holds_the_work(engine, &home.join("data"));
}

#[test]
#[ignore = "the other tests run it, in a process of its own"]
fn in_a_process_of_its_own() {
    let case = alone::case().expect("run by another test");
    let [what, engine, home] = &case[..] else { panic!("{case:?}") };
    match what.as_str() {
        "chdir" => change_directory(engine, Path::new(home)),
        "removed" => removed_directory(engine, Path::new(home)),
        other => panic!("no case {other}"),
    }
}
