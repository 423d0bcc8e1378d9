//! Opening: what is there, what is not, what is another's. Nothing that fails changes anything.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Tests fail by panicking.

mod support;

use std::fs;
use std::path::Path;
use strongroom::{Config, Driver, ErrorKind, MARKER_FILE, Registry, Store};
use support::{config, files, on_disk, open};

fn refused(config: &Config) -> strongroom::Error {
    match Registry::builtin().open_config(config) {
        Ok(store) => panic!("{store:?} must not open"),
        Err(error) => error,
    }
}

fn filled(engine: &str, path: &Path) -> Store {
    let store = open(engine, path);
    store.default_keyspace().unwrap().set("k", "v").unwrap();
    store
}

#[test]
fn what_was_stored_is_there_when_it_is_opened_again() {
    for engine in on_disk() {
        let directory = tempfile::tempdir().unwrap();
        let store = filled(engine, directory.path());
        let (id, digest) = (store.id(), store.digest().unwrap());
        let version = store.default_keyspace().unwrap().get_row("k").unwrap().unwrap().version;
        drop(store);
        let again = open(engine, directory.path());
        assert_eq!((again.id(), again.digest().unwrap()), (id, digest), "{engine}");
        let rows = again.default_keyspace().unwrap();
        rows.set("k", "w").unwrap();
        assert!(rows.get_row("k").unwrap().unwrap().version > version, "{engine}: versions go on rising");
    }
}

#[test]
fn a_store_that_is_not_there_is_not_created_to_be_read() {
    let directory = tempfile::tempdir().unwrap();
    for engine in on_disk() {
        let missing = directory.path().join("missing");
        let error = refused(&config(engine, &missing).create(false));
        assert_eq!(error.kind(), ErrorKind::NotFound, "{engine}: {error}");
        assert!(!missing.exists());
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(refused(&config(engine, empty.path()).create(false)).kind(), ErrorKind::NotFound);
        assert!(files(empty.path()).is_empty());
    }
}

#[test]
fn a_second_handle_learns_who_holds_the_store() {
    for engine in on_disk() {
        let directory = tempfile::tempdir().unwrap();
        let held = filled(engine, directory.path());
        let error = refused(&config(engine, directory.path()));
        assert_eq!(error.kind(), ErrorKind::Locked, "{engine}: {error}");
        assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
        drop(held);
        open(engine, directory.path());
    }
}

#[test]
fn another_engines_store_is_refused_untouched() {
    for engine in on_disk() {
        let directory = tempfile::tempdir().unwrap();
        drop(filled(engine, directory.path()));
        let before = files(directory.path());
        for other in on_disk().iter().filter(|other| **other != engine) {
            let error = refused(&config(other, directory.path()));
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{other} on {engine}: {error}");
            assert!(error.to_string().contains(&format!("{engine}:")), "says how to open it: {error}");
        }
        assert_eq!(files(directory.path()), before);
    }
}

#[test]
fn files_and_foreign_directories_are_refused_untouched() {
    for engine in on_disk() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("thesis.txt");
        fs::write(&file, "not a store").unwrap();
        let before = files(directory.path());
        for path in [directory.path(), &file] {
            for create in [true, false] {
                let error = refused(&config(engine, path).create(create));
                assert_eq!(error.kind(), ErrorKind::InvalidInput, "{engine}: {error}");
                assert!(error.to_string().contains(&path.display().to_string()), "{error}");
            }
        }
        assert_eq!(files(directory.path()), before);
    }
}

#[test]
fn a_damaged_marker_is_refused_untouched() {
    for engine in on_disk() {
        let directory = tempfile::tempdir().unwrap();
        drop(filled(engine, directory.path()));
        let marker = directory.path().join(MARKER_FILE);
        let text = fs::read_to_string(&marker).unwrap();
        let edited = text.replace(&format!("engine: {engine}"), "engine: other");
        for (damaged, kind) in [
            (text[..text.len() / 2].to_owned(), ErrorKind::Corruption),
            (String::new(), ErrorKind::Corruption),
            (edited, ErrorKind::Corruption),
            (text.replace("format: 2", "format: 9"), ErrorKind::Unsupported),
        ] {
            fs::write(&marker, &damaged).unwrap();
            let before = files(directory.path());
            let error = refused(&config(engine, directory.path()));
            assert_eq!(error.kind(), kind, "{engine}: {error}");
            assert!(error.to_string().contains(MARKER_FILE), "{error}");
            assert_eq!(files(directory.path()), before);
        }
        fs::write(&marker, text).unwrap();
        assert!(open(engine, directory.path()).default_keyspace().unwrap().has("k").unwrap());
    }
}

/// Removes everything but the marker.
fn lose_engine_files(path: &Path) {
    for entry in fs::read_dir(path).unwrap() {
        let entry = entry.unwrap().path();
        match entry.file_name().unwrap().to_str().unwrap() {
            MARKER_FILE | "LOCK" => {}
            _ if entry.is_dir() => fs::remove_dir_all(entry).unwrap(),
            _ => fs::remove_file(entry).unwrap(),
        }
    }
}

#[test]
fn an_engines_lost_files_are_a_loss_and_not_a_beginning() {
    for engine in on_disk() {
        let directory = tempfile::tempdir().unwrap();
        drop(filled(engine, directory.path()));
        lose_engine_files(directory.path());
        let error = refused(&config(engine, directory.path()));
        assert_eq!(error.kind(), ErrorKind::Corruption, "{engine}: {error}");
        assert!(directory.path().join(MARKER_FILE).exists());

        // Nor is an engine that somebody has let begin anew.
        let options = strongroom::Options::new().marked(strongroom::Marked::Writable);
        let registry = Registry::builtin();
        drop(registry.driver(engine).unwrap().open_backend(directory.path(), &options).unwrap());
        for create in [true, false] {
            let error = refused(&config(engine, directory.path()).create(create));
            assert_eq!(error.kind(), ErrorKind::Corruption, "{engine}: {error}");
        }
    }
}

#[test]
#[cfg(feature = "storage-sled")]
fn less_than_power_safe_has_to_be_asked_for_and_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    // As on a file system that cannot write its files through.
    let mut config = Config::new("sled", &path);
    config.options.insert("write_through".into(), "false".into());
    let error = refused(&config);
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("durability=buffered"), "{error}");
    assert!(!path.exists());
}

#[test]
fn options_that_an_engine_does_not_know_are_refused_and_leave_nothing() {
    for engine in on_disk() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let mut config = config(engine, &path);
        config.options.insert("no_such_option".into(), "1".into());
        let error = refused(&config);
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{engine}: {error}");
        assert!(error.to_string().contains("no_such_option"), "{error}");
        assert!(!path.exists(), "{engine}");
    }
}

#[test]
fn a_read_only_store_reads_and_refuses_to_write() {
    for engine in on_disk() {
        let directory = tempfile::tempdir().unwrap();
        drop(filled(engine, directory.path()));
        let mut read_only = config(engine, directory.path());
        read_only.read_only = true;
        let store = Registry::builtin().open_config(&read_only).unwrap();
        let rows = store.default_keyspace().unwrap();
        assert!(rows.has("k").unwrap(), "{engine}");
        assert_eq!(rows.set("k", "w").unwrap_err().kind(), ErrorKind::Unsupported, "{engine}");
        assert_eq!(store.create_keyspace("new").unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(rows.get("k").unwrap().as_deref(), Some(&b"v"[..]));
    }
}

#[test]
fn a_raw_backend_opens_a_store_read_only() {
    for engine in on_disk() {
        let directory = tempfile::tempdir().unwrap();
        drop(filled(engine, directory.path()));
        let registry = Registry::builtin();
        let options = strongroom::Options::new();
        let backend = registry.driver(engine).unwrap().open_backend(directory.path(), &options).unwrap();
        assert!(backend.is_read_only(), "{engine}");
        let id = backend.keyspace("default").unwrap();
        assert!(backend.get(id, b"k").unwrap().is_some());
        let mut batch = strongroom::core::WriteBatch::new();
        batch.put(id, b"k", b"beneath");
        let error = backend.commit(&batch, strongroom::Durability::Buffered).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
}

#[test]
fn unknown_engines_and_wrong_urls_are_named() {
    let error = strongroom::open("rocks:./data").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("redb"), "lists what there is: {error}");
    assert_eq!(strongroom::open("redb:").unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(
        strongroom::open("memory:data?durability=buffered").unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
}

#[test]
fn an_application_adds_an_engine_of_its_own() {
    let mut registry = Registry::builtin();
    let mut info = *registry.driver("memory").unwrap().info();
    info.name = "mine";
    let open = |_: &Path, _: &strongroom::Options| {
        Ok(Box::new(strongroom::MemoryBackend::in_memory()) as Box<dyn strongroom::StorageBackend>)
    };
    registry.add(Driver::custom(info, false, open)).unwrap();
    registry.open("mine:?durability=buffered").unwrap().default_keyspace().unwrap().set("k", "v").unwrap();
    let taken = registry.add(Driver::custom(info, false, open)).unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
}

#[test]
fn a_checkpoint_is_a_store_with_the_same_contents() {
    for engine in on_disk() {
        let directory = tempfile::tempdir().unwrap();
        let (original, copy) = (directory.path().join("original"), directory.path().join("copy"));
        let store = filled(engine, &original);
        store.create_keyspace("more").unwrap().set("k2", "v2").unwrap();
        store.checkpoint(&copy).unwrap();
        let digest = store.digest().unwrap();
        store.default_keyspace().unwrap().set("later", "x").unwrap();
        let copied = open(engine, &copy);
        assert_eq!(copied.digest().unwrap(), digest, "{engine}");
        assert_eq!(copied.id(), store.id());
        let newest = store.default_keyspace().unwrap().get_row("later").unwrap().unwrap().version;
        drop(copied);
        let again = open(engine, &copy).default_keyspace().unwrap().get_row("k").unwrap().unwrap();
        assert!(again.version < newest);
        assert_eq!(store.checkpoint(&original).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}

/// A power cut while the store was being made: the marker says so, and sled's files are there in part.
#[cfg(feature = "storage-sled")]
#[test]
fn sleds_creation_that_was_cut_short_is_done_again() {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use strongroom::{Options, StoreOptions};

    for lost in ["blobs", "conf", "db"] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let registry = Registry::builtin();
        let driver = registry.driver("sled").unwrap();
        let cut = catch_unwind(AssertUnwindSafe(|| {
            let options = StoreOptions::new().durability(strongroom::Durability::Buffered);
            Store::open(path, driver.info(), options, &Options::new(), |path, options| {
                drop(driver.open_backend(path, options)?);
                panic!("the power is cut");
            })
        }));
        assert!(cut.is_err());
        let inside = path.join(lost);
        if inside.is_dir() { fs::remove_dir_all(inside) } else { fs::remove_file(inside) }.unwrap();
        if lost != "conf" {
            fs::write(path.join("conf"), [0; 60]).unwrap();
        }
        drop(filled("sled", path));
        assert!(open("sled", path).default_keyspace().unwrap().has("k").unwrap());
    }
}
