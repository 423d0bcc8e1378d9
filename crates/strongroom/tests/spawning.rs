//! Stores are closed and opened again beside threads that spawn processes. Between `fork` and `exec` a child shares every
//! open file of its parent, and with it every lock.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic)] // Tests fail by panicking.

mod support;

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use strongroom::{ErrorKind, Registry};
use support::{config, on_disk, open};

const ROUNDS: u32 = 100;

/// Calls `work` beside threads that spawn one process after the other, at least one in its time.
fn beside_spawns(work: impl FnOnce()) {
    let (is_done, spawned) = (AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_done.load(Ordering::Relaxed) {
                    let mut child = Command::new("true").stdin(Stdio::null()).spawn().unwrap();
                    spawned.fetch_add(1, Ordering::Relaxed);
                    child.wait().unwrap();
                }
            });
        }
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        is_done.store(true, Ordering::Relaxed);
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
    });
    assert!(spawned.load(Ordering::Relaxed) > 0, "nothing was spawned");
}

#[test]
fn a_store_that_was_closed_opens_again() {
    for engine in on_disk() {
        let directory = tempfile::tempdir().unwrap();
        drop(open(engine, directory.path()));
        beside_spawns(|| {
            for round in 0..ROUNDS {
                match Registry::builtin().open_config(&config(engine, directory.path())) {
                    Ok(store) => drop(store),
                    Err(error) => panic!("{engine}, round {round}: {}", error.one_line()),
                }
            }
        });
    }
}

#[test]
fn a_backend_that_was_closed_opens_again() {
    for engine in on_disk() {
        let directory = tempfile::tempdir().unwrap();
        let registry = Registry::builtin();
        let driver = registry.driver(engine).unwrap();
        let options = strongroom::Options::new();
        drop(driver.open_backend(directory.path(), &options).unwrap());
        beside_spawns(|| {
            for round in 0..ROUNDS {
                match driver.open_backend(directory.path(), &options) {
                    Ok(backend) => drop(backend),
                    Err(error) => panic!("{engine}, round {round}: {}", error.one_line()),
                }
            }
        });
    }
}

#[test]
fn a_store_locked_by_this_process_says_so() {
    for engine in on_disk() {
        let directory = tempfile::tempdir().unwrap();
        let store = open(engine, directory.path());
        let snapshot = store.snapshot().unwrap();
        drop(store);
        let error = Registry::builtin().open_config(&config(engine, directory.path())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked, "{engine}: {}", error.one_line());
        let line = error.one_line();
        for word in ["this process", "Keyspace", "Rows", "Snapshot", "Transaction", "IdGenerator"] {
            assert!(line.contains(word), "{engine} does not say {word}: {line}");
        }
        drop(snapshot);
        open(engine, directory.path());
    }
}

#[test]
fn a_backend_locked_by_this_process_says_so() {
    for engine in on_disk() {
        let directory = tempfile::tempdir().unwrap();
        let registry = Registry::builtin();
        let driver = registry.driver(engine).unwrap();
        let options = strongroom::Options::new();
        let held = driver.open_backend(directory.path(), &options).unwrap();
        let error = driver.open_backend(directory.path(), &options).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Locked, "{engine}: {}", error.one_line());
        assert!(error.one_line().contains("this process"), "{engine}: {}", error.one_line());
        drop(held);
        driver.open_backend(directory.path(), &options).unwrap();
    }
}
