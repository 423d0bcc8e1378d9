//! Opening existing stores, remains of a creation, and foreign files.

// Helpers of tests fail like tests.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use strongroom_core::{Create, ErrorKind, Marked, Options, StorageBackend};
use strongroom_sled::{SledBackend, SledOptions};
use support::{keyspace, open, put};
use tempfile::TempDir;

#[test]
fn foreign_and_damaged_files_are_clean_errors() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("db"), "foreign").unwrap();
    assert_eq!(SledBackend::new(directory.path()).err().unwrap().kind(), ErrorKind::InvalidInput);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing changed");

    let directory = TempDir::new().unwrap();
    let backend = open(directory.path());
    let data = keyspace(&backend, "data");
    put(&backend, data, b"k", b"v");
    drop(backend);
    drop(open(directory.path()));
    let settings = directory.path().join("conf");
    let text = std::fs::read(&settings).unwrap();
    std::fs::write(&settings, "segment_size: many\nuse_compression: false\nversion: 0.34\n0000").unwrap();
    assert_eq!(SledBackend::new(directory.path()).err().unwrap().kind(), ErrorKind::Corruption);
    std::fs::write(&settings, &text).unwrap();
    drop(open(directory.path()));

    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("snap.") {
            std::fs::write(&path, "short").unwrap();
        }
    }
    assert_eq!(SledBackend::new(directory.path()).err().unwrap().kind(), ErrorKind::Corruption);
}

#[test]
fn an_interrupted_creation_is_resumed() {
    for files in [&["blobs/"][..], &["blobs/", "db"], &["blobs/", "db", "conf"]] {
        let directory = TempDir::new().unwrap();
        for file in files {
            let path = directory.path().join(file);
            if file.ends_with('/') {
                std::fs::create_dir(path).unwrap();
            } else {
                std::fs::write(path, "").unwrap();
            }
        }
        let backend = open(directory.path());
        let data = keyspace(&backend, "data");
        put(&backend, data, b"k", b"v");
    }
}

/// A power cut may leave any of the names without the others, and any content in the files.
#[test]
fn remains_in_an_unfinished_store_are_replaced() {
    let unfinished = || SledOptions::new().common(Options::new().marked(Marked::Unfinished));
    let torn: [&[(&str, &[u8])]; 6] = [
        &[("db", b"")],
        &[("conf", b""), ("db", &[0; 4_096])],
        &[("db", &[7; 5_000]), ("snap.0000000000000000", b"short")],
        &[("conf", &[0; 60])],
        &[("conf", b"segment_size: \0\0\0\0\0\0\0\0"), ("db", &[7; 5_000])],
        &[("snap.0000000000000000.generating", b"")],
    ];
    for (number, files) in torn.iter().enumerate() {
        for has_blobs in [false, true] {
            let directory = TempDir::new().unwrap();
            let path = directory.path();
            std::fs::write(path.join("STRONGROOM"), "a store").unwrap();
            std::fs::write(path.join("LOCK"), "").unwrap();
            if has_blobs {
                std::fs::create_dir(path.join("blobs")).unwrap();
            }
            for (name, bytes) in *files {
                std::fs::write(path.join(name), bytes).unwrap();
            }
            let backend = SledBackend::open(path, unfinished())
                .unwrap_or_else(|error| panic!("{number} {has_blobs}: {error:?}"));
            let data = keyspace(&backend, "data");
            put(&backend, data, b"k", b"v");
            backend.flush().unwrap();
            // A handle that has it open is not disturbed.
            assert_eq!(SledBackend::open(path, unfinished()).err().unwrap().kind(), ErrorKind::Locked);
            assert!(backend.get(data, b"k").unwrap().is_some());
            drop(backend);
            // A finished store is opened as it is.
            let finished = SledOptions::new().common(Options::new().marked(Marked::Writable));
            let backend = SledBackend::open(path, finished).unwrap();
            assert!(backend.get(backend.keyspace("data").unwrap(), b"k").unwrap().is_some());
        }
    }
}

/// Without the marker the names alone prove little: such files may be foreign.
#[test]
fn files_in_a_directory_without_a_marker_are_not_changed() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("db"), "foreign").unwrap();
    assert_eq!(SledBackend::new(directory.path()).err().unwrap().kind(), ErrorKind::InvalidInput);
    assert_eq!(std::fs::read(directory.path().join("db")).unwrap(), b"foreign");
    // A finished store that lost its settings and blobs is not recreated either.
    std::fs::write(directory.path().join("STRONGROOM"), "").unwrap();
    let common = Options::new().marked(Marked::Writable).create(Create::Never);
    let lost = SledBackend::open(directory.path(), SledOptions::new().common(common)).err().unwrap();
    assert_eq!(lost.kind(), ErrorKind::NotFound);
    assert_eq!(std::fs::read(directory.path().join("db")).unwrap(), b"foreign");
}

#[test]
fn a_refused_open_changes_nothing() {
    let directory = TempDir::new().unwrap();
    let never = SledOptions::new().common(Options::new().create(Create::Never));
    assert_eq!(SledBackend::open(directory.path(), never).err().unwrap().kind(), ErrorKind::NotFound);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_read_only_handle_does_not_finish_a_creation() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("blobs")).unwrap();
    let read_only = SledOptions::new().common(Options::new().read_only());
    let error = SledBackend::open(directory.path(), read_only).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    open(directory.path());
}
