//! A process that can make no threads.

// Helpers of tests fail like tests.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use strongroom_core::ErrorKind;
use strongroom_sled::SledBackend;
use tempfile::TempDir;

/// Set for the child process: where its store is to be.
const CHILD_DIRECTORY: &str = "STRONGROOM_SLED_CHILD_DIRECTORY";
/// What the child says when the opening was refused as it should be.
const CHILD_REFUSED: &str = "the child was refused";
/// No thread can have a stack as large as this.
const STACK_BYTES: u64 = 1 << 47;

/// Not a test: what the child does.
#[test]
fn child_opens_without_threads() {
    let Ok(directory) = std::env::var(CHILD_DIRECTORY) else { return };
    let error = SledBackend::new(&directory).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Io, "{error:?}");
    assert!(error.to_string().contains("threads"), "{error}");
    // It was looked at before anything was made.
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);
    println!("{CHILD_REFUSED}");
}

#[test]
fn opening_is_refused_where_no_threads_can_be_made() {
    let directory = TempDir::new().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        // One thread of tests is the main one.
        .args(["child_opens_without_threads", "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD_DIRECTORY, directory.path())
        .env("RUST_MIN_STACK", STACK_BYTES.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("opening waits for ever");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains(CHILD_REFUSED), "{said}");
    // The same directory opens where there are threads.
    SledBackend::new(directory.path()).unwrap();
}
