//! Cases in which RocksDB by itself would end the process. Each runs in a child process, which is this test
//! again.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)] // Tests fail by panicking.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output};
use strongroom_core::{Durability, ErrorKind, KeyspaceHints, StorageBackend, WriteBatch};
use strongroom_rocksdb::{RocksDbBackend, RocksDbOptions};

const TASK: &str = "STRONGROOM_ROCKSDB_TASK";
const DIRECTORY: &str = "STRONGROOM_ROCKSDB_DIRECTORY";

/// Not a test: the child's work.
#[test]
fn child_does_its_task() {
    let (Some(task), Some(directory)) = (std::env::var_os(TASK), std::env::var_os(DIRECTORY)) else { return };
    let directory = Path::new(&directory);
    match task.to_str().unwrap() {
        "open" => match RocksDbBackend::new(directory) {
            Ok(_) => println!("opened"),
            Err(error) => println!("refused: {}: {}", error.kind(), error.one_line()),
        },
        "lose its directory" => {
            // With a report that is rolled after each line, if that option is accepted.
            let small = RocksDbOptions::new().option("max_log_file_size", "1");
            let backend = RocksDbBackend::open(directory, small)
                .or_else(|refused| match refused.kind() {
                    ErrorKind::InvalidInput => RocksDbBackend::new(directory),
                    _ => Err(refused),
                })
                .unwrap();
            let rows = backend.create_keyspace("rows", KeyspaceHints::default()).unwrap();
            std::fs::remove_dir_all(directory).unwrap();
            let mut batch = WriteBatch::new();
            batch.put(rows, b"a", b"b");
            let outcome = backend.commit(&batch, Durability::PowerSafe).and_then(|()| backend.compact());
            drop(backend);
            println!("closed after {:?}", outcome.map_err(|error| error.kind()));
        }
        other => panic!("{other}"),
    }
}

/// Returns a child that does `task`. The shell runs `limits` first.
fn child(task: &str, directory: &Path, limits: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{limits} exec \"$0\" \"$@\"")]).arg(std::env::current_exe().unwrap());
    command.args(["child_does_its_task", "--exact", "--nocapture", "--test-threads=1"]);
    command.env(TASK, task).env(DIRECTORY, directory);
    command
}

fn said(output: &Output) -> String {
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{}: {out}{errors}", output.status)
}

#[test]
fn closing_without_the_directory_does_not_crash() {
    let home = tempfile::tempdir().unwrap();
    // It depends on timing: only some tries would show a crash.
    for number in 0..6 {
        let output = child("lose its directory", &home.path().join(number.to_string()), "").output().unwrap();
        assert!(output.status.success() && said(&output).contains("closed after"), "{}", said(&output));
    }
}

#[test]
fn without_threads_the_open_is_refused_and_the_process_survives() {
    let home = tempfile::tempdir().unwrap();
    // The limit does not apply to root, so the child switches to another user, who needs access to everything.
    let is_root = home.path().metadata().unwrap().uid() == 0;
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let run = |limits: &str| {
        let mut command = child("open", &home.path().join("store"), limits);
        if is_root {
            command.gid(65_534).uid(65_534);
        }
        command.output().unwrap()
    };
    // Shells differ in the name of the limit.
    let output = run("ulimit -u 1 2>/dev/null || ulimit -p 1 || exit;");
    assert!(output.status.success(), "{}", said(&output));
    let text = said(&output);
    if text.contains("Permission denied") && !text.contains("refused") {
        println!("SKIPPED: the user nobody may not run this test: {text}");
        return;
    }
    assert!(text.contains("refused: unavailable: rocksdb: open: the system cannot start"), "{text}");
    assert!(text.contains("ulimit -u"), "{text}");
    // No remains block an open once there are threads again.
    assert!(said(&run("")).contains("opened"));
}
