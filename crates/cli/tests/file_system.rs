//! Full disks and directories without write access. Both need a file system of their own, which only root can mount.
//! Without root, these tests print SKIPPED.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)] // Tests fail by panicking.

mod support;

use std::path::PathBuf;
use std::process::{Command, Output};
use support::{Sandbox, csv, engines, key};

/// A small file system in memory, mounted until it is dropped.
struct Mount {
    path: PathBuf,
}

impl Mount {
    /// Mounts `size` bytes at `name`. Returns `None` and prints SKIPPED without permission.
    fn new(sandbox: &Sandbox, name: &str, size: &str) -> Option<Self> {
        let path = sandbox.path(name);
        std::fs::create_dir(&path).unwrap();
        let output = mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"], &path);
        match output {
            Ok(output) if output.status.success() => Some(Self { path }),
            Ok(output) => {
                println!("SKIPPED: cannot mount: {}", String::from_utf8_lossy(&output.stderr).trim());
                None
            }
            Err(error) => {
                println!("SKIPPED: cannot run mount: {error}");
                None
            }
        }
    }

    fn remount(&self, options: &str) {
        let output = mount(&["-o", &format!("remount,{options}")], &self.path).unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

fn mount(arguments: &[&str], path: &PathBuf) -> std::io::Result<Output> {
    Command::new("mount").args(arguments).arg(path).output()
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.path).status();
    }
}

#[test]
fn a_full_disk_stops_a_load_and_loses_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("rows.csv", csv(400_000));
    for (engine, query) in engines() {
        let Some(disk) = Mount::new(&sandbox, engine, "24m") else { return };
        let url = format!("{engine}:{engine}/data{query}");
        let arguments = ["load", &url, "rows.csv", "--format", "csv", "--key", "id", "--batch-rows", "1000"];
        let line = sandbox.run(arguments).failed(3, &[engine, "stored"]);
        println!("{line}");
        disk.remount("size=512m");
        // At least the rows that the message calls stored, unless it says that they may be lost, and whole batches in
        // the order of the file.
        let kept = line
            .split("rows 1 to ")
            .nth(1)
            .map_or(0, |rest| rest.split(' ').next().unwrap().parse().unwrap());
        let rows = sandbox.run(["count", &url]).text().trim().parse::<usize>().unwrap();
        let is_sure = !line.contains("may be lost");
        assert_eq!(is_sure, !query.contains("buffered"), "{line}");
        assert!((rows >= kept || !is_sure) && rows % 1_000 == 0, "{rows} rows: {line}");
        let found = sandbox.run(["scan", &url, "--keys-only"]).text();
        let mut wanted: Vec<String> = (1..=rows).map(|row| key(row) + "\n").collect();
        wanted.sort();
        assert!(found == wanted.concat(), "{engine}: not the first {rows} rows");
        sandbox.run(["put", &url, "after", "all"]).text();
    }
}

#[test]
fn a_full_disk_refuses_a_new_store() {
    let sandbox = Sandbox::new();
    for (engine, query) in engines() {
        let Some(disk) = Mount::new(&sandbox, engine, "64k") else { return };
        let filling = std::fs::write(disk.path.join("filling"), vec![0; 256 * 1_024]);
        assert!(filling.is_err(), "the disk is full");
        let line =
            sandbox.run(["put", &format!("{engine}:{engine}/data{query}"), "a", "1"]).failed(3, &[engine]);
        println!("{line}");
        assert!(!disk.path.join("data").exists(), "{engine}: a partial store remains");
    }
}

#[test]
fn a_write_to_a_read_only_file_system_is_refused_and_changes_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("rows.csv", csv(10));
    for (engine, query) in engines() {
        let Some(disk) = Mount::new(&sandbox, engine, "64m") else { return };
        let url = format!("{engine}:{engine}/data{query}");
        sandbox.run(["put", &url, "a", "1"]).text();
        disk.remount("ro");
        let before = sandbox.files(engine);
        let other = format!("{engine}:{engine}/other{query}");
        for command in [
            vec!["put", &url, "a", "2"],
            vec!["delete", &url, "a"],
            vec!["compact", &url],
            vec!["load", &url, "rows.csv", "--format", "csv", "--key", "id"],
            vec!["put", &other, "a", "1"],
            vec!["load", &other, "rows.csv", "--format", "csv", "--key", "id"],
        ] {
            sandbox.run(&command).failed(3, &[engine, "Read-only file system"]);
        }
        assert_eq!(sandbox.files(engine), before);
        disk.remount("rw");
        assert_eq!(sandbox.run(["get", &url, "a"]).text(), "1");
    }
}

/// The engines whose stores can be read without write access.
fn can_be_read_in_place(engine: &str) -> bool {
    ["redb", "rocksdb", "sqlite", "lmdb"].contains(&engine)
}

/// Asserts that a store with the key `a` is read, or that the error gives the reason.
#[track_caller]
fn is_read_or_refused_with_reason(engine: &str, mut command: impl FnMut(&[&str]) -> support::Ran, url: &str) {
    if can_be_read_in_place(engine) {
        assert_eq!(command(&["get", url, "a"]).text(), "1", "{engine}");
        assert_eq!(command(&["scan", url, "--keys-only"]).text(), "a\n", "{engine}");
        assert!(command(&["stats", url]).text().contains("keyspaces"), "{engine}");
    } else {
        let reason = "cannot read its files where it cannot write them";
        command(&["get", url, "a"]).failed(3, &[engine, reason, "copy the directory"]);
    }
}

#[test]
fn a_store_on_a_read_only_file_system_is_read_if_the_engine_supports_it() {
    let sandbox = Sandbox::new();
    for (engine, query) in engines() {
        let Some(disk) = Mount::new(&sandbox, engine, "64m") else { return };
        let url = format!("{engine}:{engine}/data{query}");
        sandbox.run(["put", &url, "a", "1"]).text();
        disk.remount("ro");
        let before = sandbox.files(engine);
        is_read_or_refused_with_reason(engine, |arguments| sandbox.run(arguments), &url);
        assert_eq!(sandbox.files(engine), before);
        // A copy that was never opened has no file LOCK.
        disk.remount("rw");
        std::fs::remove_file(disk.path.join("data/LOCK")).unwrap();
        disk.remount("ro");
        is_read_or_refused_with_reason(engine, |arguments| sandbox.run(arguments), &url);
    }
}

/// Runs the command as a user who is not root: root may write everywhere.
fn as_somebody(sandbox: &Sandbox, arguments: &[&str]) -> support::Ran {
    use std::os::unix::process::CommandExt as _;
    const NOBODY: u32 = 65_534;
    let executable = sandbox.path("strongroom");
    if !executable.exists() {
        let built = env!("CARGO_BIN_EXE_strongroom");
        // Other users may have no access to the build directory.
        std::fs::hard_link(built, &executable)
            .or_else(|_| std::fs::copy(built, &executable).map(drop))
            .unwrap();
    }
    let mut command = Command::new(executable);
    command.args(arguments).current_dir(sandbox.path("")).stdin(std::process::Stdio::null());
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    support::Ran::of(command.output().unwrap())
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

#[test]
fn a_store_without_write_permission_is_read_if_the_engine_supports_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let sandbox = Sandbox::new();
    let set = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    set(&sandbox.path(""), 0o755);
    for (engine, query) in engines() {
        let url = format!("{engine}:{engine}/data{query}");
        sandbox.run(["put", &url, "a", "1"]).text();
        let everything = sandbox.files(engine);
        for path in everything.keys() {
            set(path, if path.is_dir() { 0o555 } else { 0o444 });
        }
        is_read_or_refused_with_reason(engine, |arguments| as_somebody(&sandbox, arguments), &url);
        as_somebody(&sandbox, &["put", &url, "a", "2"]).failed(3, &[engine, "Permission denied"]);
        assert_eq!(sandbox.files(engine), everything, "{engine}");
        for path in everything.keys() {
            set(path, if path.is_dir() { 0o755 } else { 0o644 });
        }
        assert_eq!(sandbox.run(["get", &url, "a"]).text(), "1", "{engine}");
    }
}

#[test]
fn an_unreadable_input_file_creates_no_store() {
    use std::os::unix::fs::PermissionsExt as _;
    let sandbox = Sandbox::new();
    sandbox.write("secret.csv", "id\n1\n");
    std::fs::set_permissions(sandbox.path("secret.csv"), std::fs::Permissions::from_mode(0o000)).unwrap();
    if std::fs::read(sandbox.path("secret.csv")).is_ok() {
        println!("SKIPPED: root may read everything");
        return;
    }
    let url = support::url("data");
    sandbox
        .run(["load", &url, "secret.csv", "--format", "csv", "--key", "id"])
        .failed(2, &["secret.csv", "Permission denied"]);
    assert!(!sandbox.path("data").exists());
}
