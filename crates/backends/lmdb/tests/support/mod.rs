//! Helpers of several of these tests.

#![allow(dead_code)] // Each test file uses only a part.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use strongroom_core::{
    Durability, KeyspaceHints, KeyspaceId, Options, StorageBackend, TypedOptions, WriteBatch,
};
use strongroom_lmdb::{LmdbBackend, LmdbOptions};

/// Names the directory for a child process.
const DIRECTORY: &str = "STRONGROOM_LMDB_TEST_DIRECTORY";

pub fn put(backend: &LmdbBackend, keyspace: KeyspaceId, key: &[u8], value: &[u8]) {
    let mut batch = WriteBatch::new();
    batch.put(keyspace, key, value);
    backend.commit(&batch, Durability::PowerSafe).unwrap();
}

pub fn keyspace(backend: &LmdbBackend) -> KeyspaceId {
    backend.create_keyspace("rows", KeyspaceHints::default()).unwrap()
}

pub fn fill(backend: &LmdbBackend, keyspace: KeyspaceId, rows: std::ops::Range<u32>, value: &[u8]) {
    let mut batch = WriteBatch::new();
    for number in rows {
        batch.put(keyspace, &number.to_be_bytes(), value);
    }
    backend.commit(&batch, Durability::PowerSafe).unwrap();
}

pub fn by_name(given: &[(&str, &str)]) -> LmdbOptions {
    let options =
        given.iter().fold(Options::new(), |options, (name, value)| options.engine_option(*name, *value));
    LmdbOptions::from_options(&options).unwrap()
}

pub fn figure(backend: &LmdbBackend, name: &str) -> u64 {
    let stats = backend.stats().unwrap();
    stats.engine.iter().find(|(found, _)| found == name).unwrap().1
}

/// Returns the anonymous memory of a process, in bytes, or `None` if the system does not report it.
pub fn anonymous_bytes(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1_024)
}

/// Runs the ignored test `name` of this binary in a child process, on `directory`.
pub fn child(name: &str, directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Returns the directory that this process was started for, or `None` in a run of all ignored tests.
pub fn directory_of_child() -> Option<std::path::PathBuf> {
    std::env::var_os(DIRECTORY).map(Into::into)
}

/// Waits for the child to end. Fails the test if the child hangs or takes more memory than
/// `anonymous_bytes_max`.
pub fn contained(mut child: Child, timeout: Duration, anonymous_bytes_max: u64) -> (bool, String) {
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(bytes) = anonymous_bytes(child.id()).filter(|bytes| *bytes > anonymous_bytes_max) {
            child.kill().unwrap();
            panic!("the child takes {bytes} bytes of memory");
        }
        if child.try_wait().unwrap().is_some() {
            break;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("the child hangs");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}
