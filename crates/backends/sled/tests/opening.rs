//! Opening: what is there, what is left of a creation, what is somebody else's.

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
    std::fs::write(directory.path().join("db"), "somebody's").unwrap();
    assert_eq!(SledBackend::new(directory.path()).err().unwrap().kind(), ErrorKind::InvalidInput);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing was touched");

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
fn a_creation_that_was_cut_short_is_taken_up_again() {
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

/// A power cut may leave any of the names without the others, and anything in the files.
#[test]
fn what_is_left_in_an_unfinished_store_is_made_anew() {
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
            std::fs::write(path.join("STRONGROOM"), "the store has looked at it").unwrap();
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
            // Whoever has it open is not disturbed.
            assert_eq!(SledBackend::open(path, unfinished()).err().unwrap().kind(), ErrorKind::Locked);
            assert!(backend.get(data, b"k").unwrap().is_some());
            drop(backend);
            // A finished one is opened as it is.
            let finished = SledOptions::new().common(Options::new().marked(Marked::Writable));
            let backend = SledBackend::open(path, finished).unwrap();
            assert!(backend.get(backend.keyspace("data").unwrap(), b"k").unwrap().is_some());
        }
    }
}

/// Without the marker the names alone say little: such files may be anybody's.
#[test]
fn what_is_left_in_a_directory_without_a_marker_is_left_alone() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("db"), "somebody's").unwrap();
    assert_eq!(SledBackend::new(directory.path()).err().unwrap().kind(), ErrorKind::InvalidInput);
    assert_eq!(std::fs::read(directory.path().join("db")).unwrap(), b"somebody's");
    // A finished store that lost its settings and blobs is not begun again either.
    std::fs::write(directory.path().join("STRONGROOM"), "").unwrap();
    let common = Options::new().marked(Marked::Writable).create(Create::Never);
    let lost = SledBackend::open(directory.path(), SledOptions::new().common(common)).err().unwrap();
    assert_eq!(lost.kind(), ErrorKind::NotFound);
    assert_eq!(std::fs::read(directory.path().join("db")).unwrap(), b"somebody's");
}

#[test]
fn looking_touches_nothing() {
    let directory = TempDir::new().unwrap();
    let never = SledOptions::new().common(Options::new().create(Create::Never));
    assert_eq!(SledBackend::open(directory.path(), never).err().unwrap().kind(), ErrorKind::NotFound);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_read_only_handle_finishes_no_creation() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("blobs")).unwrap();
    let read_only = SledOptions::new().common(Options::new().read_only());
    let error = SledBackend::open(directory.path(), read_only).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    open(directory.path());
}
