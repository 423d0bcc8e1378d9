//! A process that cannot start threads.

// Helpers of tests fail like tests.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use strongroom_core::ErrorKind;
use strongroom_sled::SledBackend;
use tempfile::TempDir;

/// Set for the child process: the directory of its store.
const CHILD_DIRECTORY: &str = "STRONGROOM_SLED_CHILD_DIRECTORY";
/// Printed by the child when the open was refused as expected.
const CHILD_REFUSED: &str = "the child was refused";
/// No thread can have a stack this large.
const STACK_BYTES: u64 = 1 << 47;

/// Not a test: the child's work.
#[test]
fn child_opens_without_threads() {
    let Ok(directory) = std::env::var(CHILD_DIRECTORY) else { return };
    let error = SledBackend::new(&directory).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Io, "{error:?}");
    assert!(error.to_string().contains("threads"), "{error}");
    // The check ran before anything was created.
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);
    println!("{CHILD_REFUSED}");
}

#[test]
fn opening_is_refused_if_no_threads_can_be_started() {
    let directory = TempDir::new().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        // With one test thread, tests run on the main thread.
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
            panic!("the open hangs");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let output_text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && output_text.contains(CHILD_REFUSED), "{output_text}");
    // The same directory opens when threads can be started.
    SledBackend::new(directory.path()).unwrap();
}
