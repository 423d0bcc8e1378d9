//! Closing ends, on every engine, after no file could be opened any more. A disk that is full, or that fails, is the
//! subject of `crates/powercut`, which reports a process that hangs.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Tests fail by panicking.

#[path = "support/alone.rs"]
mod alone;
mod support;

use std::fs::File;
use std::path::Path;
use std::process::exit;
use std::time::Duration;
use strongroom::Store;
use support::{on_disk, open};

const DESCRIPTORS_MAX: usize = 96;
/// Longer than a sled that hangs is waited for.
const TIME_MAX: Duration = Duration::from_secs(90);

/// The key of a row, and how many rows a batch has.
fn key(number: u32) -> [u8; 4] {
    number.to_be_bytes()
}
const BATCH: u32 = 20;

#[test]
fn a_store_closes_although_no_descriptor_is_left() {
    for engine in on_disk() {
        let home = tempfile::tempdir().unwrap();
        drop(open(engine, home.path()));
        let arguments = [engine, home.path().to_str().unwrap()];
        let text = alone::run_with_descriptors("in_a_process_of_its_own", &arguments, DESCRIPTORS_MAX);
        let acknowledged = text.lines().find_map(|line| line.strip_prefix("acknowledged "));
        let acknowledged: u32 = acknowledged.expect("the child reports its commits").parse().unwrap();
        let rows = open(engine, home.path()).default_keyspace().unwrap();
        for number in 0..acknowledged {
            assert!(rows.has(key(number)).unwrap(), "{engine}: row {number} of {acknowledged} is missing");
        }
    }
}

/// Writes until there is an error or much is written. Returns the number of acknowledged rows.
fn write(store: &Store) -> u32 {
    let rows = store.default_keyspace().unwrap();
    let mut written = 0;
    while written < 200 * BATCH {
        let mut batch = store.batch();
        for number in written..written + BATCH {
            batch.set(&rows, key(number), [7; 4_000]);
        }
        if store.commit(&batch).is_err() {
            break;
        }
        written += BATCH;
        // These need files on some engines, and may fail.
        if written.is_multiple_of(50 * BATCH) {
            let _ = store.create_keyspace(&format!("other{written}"));
            let _ = store.flush();
            let _ = store.compact();
        }
    }
    written
}

#[test]
#[ignore = "the other test runs it, in a process of its own"]
fn in_a_process_of_its_own() {
    let case = alone::case().expect("run by another test");
    let [engine, directory] = &case[..] else { panic!("{case:?}") };
    let store = open(engine, Path::new(directory));
    std::thread::spawn(|| {
        std::thread::sleep(TIME_MAX);
        exit(9);
    });
    let mut open_files = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        open_files.push(file);
        assert!(open_files.len() < DESCRIPTORS_MAX, "the limit is set");
    }
    let acknowledged = write(&store);
    drop(store);
    drop(open_files);
    println!("acknowledged {acknowledged}");
}
