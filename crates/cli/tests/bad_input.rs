//! Each mistake is reported in one clear line with a status, and changes no stored data.

#![allow(clippy::unwrap_used, clippy::panic)] // Tests fail by panicking.

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use support::{Sandbox, engines, url, urls};

/// The commands that need an existing store.
fn on_an_existing_store(url: &str) -> Vec<Vec<&str>> {
    vec![
        vec!["get", url, "a"],
        vec!["delete", url, "a"],
        vec!["cas", url, "a", "--expect", "1", "2"],
        vec!["scan", url],
        vec!["count", url],
        vec!["digest", url],
        vec!["verify", url],
        vec!["keyspaces", url],
        vec!["stats", url],
        vec!["compact", url],
    ]
}

fn every_command(url: &str) -> Vec<Vec<&str>> {
    let mut commands = on_an_existing_store(url);
    commands.push(vec!["put", url, "a", "1"]);
    commands.push(vec!["cas", url, "a", "--absent", "1"]);
    commands.push(vec!["incr", url, "a"]);
    commands.push(vec!["load", url, "rows.csv", "--format", "csv", "--key", "id"]);
    commands
}

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("rows.csv", "id\n1\n");
    sandbox
}

#[track_caller]
fn refused(sandbox: &Sandbox, commands: &[Vec<&str>], status: i32, named: &[&str]) {
    let before = sandbox.files(".");
    for command in commands {
        sandbox.run(command).failed(status, named);
        assert!(sandbox.files(".") == before, "{command:?} changed files");
    }
}

#[test]
fn an_unknown_engine_or_option_is_refused() {
    let sandbox = sandbox();
    refused(&sandbox, &every_command("rocks:data"), 2, &["rocks", "use one of"]);
    refused(&sandbox, &every_command("data"), 2, &["\"data\"", "ENGINE:PATH"]);
    let wrong = format!("{}:data?cach=1MiB", engines()[0].0);
    refused(&sandbox, &every_command(&wrong), 2, &["cach", "cache"]);
    let wrong = format!("{}:", engines()[0].0);
    refused(&sandbox, &every_command(&wrong), 2, &["needs a directory"]);
}

#[test]
fn a_path_with_a_host_or_a_tilde_is_refused() {
    let sandbox = sandbox();
    let (engine, query) = engines()[0];
    refused(&sandbox, &every_command(&format!("{engine}://data{query}")), 2, &["there is no host"]);
    refused(&sandbox, &every_command(&format!("{engine}:~/data{query}")), 2, &["home directory"]);
}

#[test]
fn writes_to_an_engine_without_persistence_are_refused() {
    let sandbox = sandbox();
    let commands = [
        vec!["put", "memory:", "a", "1"],
        vec!["delete", "memory:", "a"],
        vec!["cas", "memory:", "a", "--absent", "1"],
        vec!["incr", "memory:", "a"],
        vec!["load", "memory:", "rows.csv", "--format", "csv", "--key", "id"],
    ];
    refused(&sandbox, &commands, 2, &["memory keeps nothing after the command ends", "keeps files"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_message_that_cannot_be_written_does_not_change_the_status() {
    let sandbox = sandbox();
    for command in [vec!["get", "rocks:data", "a"], vec!["nonsense"]] {
        let full = std::fs::File::create("/dev/full").unwrap();
        let ran = sandbox.command(&command).stderr(full).output().unwrap();
        assert_eq!(ran.status.code(), Some(2), "{command:?}");
    }
}

#[test]
fn a_message_contains_no_terminal_escape_sequences() {
    let sandbox = sandbox();
    let engine = engines()[0].0;
    let told = sandbox.run(["get", &format!("{engine}:\u{1b}[31m\u{202e}data"), "a"]);
    let line = told.failed(2, &["there is no store in"]);
    assert!(!line.contains(['\u{1b}', '\u{202e}']), "{line:?}");
    let told = sandbox.run(["scan", "redb:data", "--\u{1b}[31m"]);
    assert_eq!(told.status, 2);
    assert!(!told.errors.contains('\u{1b}'), "{told:?}");
}

#[test]
fn a_missing_store_is_bad_input() {
    let sandbox = sandbox();
    for url in urls("data") {
        refused(&sandbox, &on_an_existing_store(&url), 2, &["there is no store in data"]);
    }
    let (engine, query) = engines()[0];
    let forbidden = format!("{engine}:data?create=false{}", query.replace('?', "&"));
    refused(&sandbox, &every_command(&forbidden), 2, &["there is no store in data"]);
}

#[test]
fn a_missing_key_or_keyspace_has_status_1() {
    let sandbox = sandbox();
    for url in urls("data") {
        sandbox.run(["put", &url, "a", "1"]).text();
        sandbox.run(["get", &url, "b"]).failed(1, &["\"b\"", "default"]);
        for command in [
            vec!["get", &url, "a", "-k", "other"],
            vec!["delete", &url, "a", "-k", "other"],
            vec!["cas", &url, "a", "--expect", "1", "2", "-k", "other"],
            vec!["scan", &url, "-k", "other"],
            vec!["count", &url, "-k", "other"],
        ] {
            sandbox.run(&command).failed(1, &["\"other\"", "strongroom keyspaces"]);
        }
        assert_eq!(sandbox.run(["keyspaces", &url]).text(), "default\n");
        sandbox.run(["scan", &url, "-k", "a/b"]).failed(2, &["\"a/b\""]);
        sandbox.run(["scan", &url, "-k", "_own"]).failed(2, &["\"_own\""]);
    }
}

#[test]
fn a_directory_of_another_engine_is_refused() {
    let sandbox = sandbox();
    for (ours, _) in engines() {
        let (_, query) = engines().into_iter().find(|(engine, _)| *engine == ours).unwrap();
        sandbox.run(["put", &format!("{ours}:store-{ours}{query}"), "a", "1"]).text();
        for (theirs, query) in engines().into_iter().filter(|(theirs, _)| *theirs != ours) {
            let url = format!("{theirs}:store-{ours}{query}");
            refused(&sandbox, &every_command(&url), 2, &[&format!("open it as {ours}:store-{ours}")]);
        }
    }
}

#[test]
fn a_path_that_is_not_a_store_is_refused() {
    let sandbox = sandbox();
    std::fs::create_dir(sandbox.path("thesis")).unwrap();
    sandbox.write("thesis/chapter-1.txt", "It was a dark and stormy night.");
    std::fs::create_dir(sandbox.path("empty")).unwrap();
    for (engine, query) in engines() {
        let unmarked = format!("{engine}:thesis{query}");
        refused(&sandbox, &every_command(&unmarked), 2, &["thesis", "not a Strongroom store"]);
        let file = format!("{engine}:rows.csv{query}");
        refused(&sandbox, &every_command(&file), 2, &["rows.csv is a file"]);
        let below = format!("{engine}:rows.csv/data{query}");
        refused(&sandbox, &every_command(&below), 2, &["rows.csv/data", "is not a directory"]);
        let empty = format!("{engine}:empty{query}");
        refused(&sandbox, &on_an_existing_store(&empty), 2, &["there is no store in empty"]);
    }
}

#[test]
fn a_path_that_is_too_long_is_refused() {
    let sandbox = sandbox();
    for (engine, query) in engines() {
        for path in ["n".repeat(300), "long/".repeat(1_000)] {
            let url = format!("{engine}:{path}{query}");
            refused(&sandbox, &every_command(&url), 2, &["longer than the system allows", "shorter"]);
        }
    }
}

#[cfg(unix)]
#[test]
fn a_removed_current_directory_is_reported() {
    let sandbox = sandbox();
    let command = env!("CARGO_BIN_EXE_strongroom");
    for url in urls("data") {
        for arguments in [["put", &url, "a", "1"].as_slice(), &["get", &url, "a"], &["stats", &url]] {
            let mut shell = std::process::Command::new("sh");
            shell.args(["-c", "mkdir gone && cd gone && rmdir ../gone && exec \"$0\" \"$@\"", command]);
            let output = shell.args(arguments).current_dir(sandbox.path("")).output().unwrap();
            let line = support::Ran::of(output).failed(2, &["data", "current directory was removed"]);
            assert!(line.contains("absolute path"), "{line}");
        }
    }
}

#[test]
fn a_truncated_or_edited_marker_is_damage() {
    let sandbox = sandbox();
    for (engine, query) in engines() {
        let url = format!("{engine}:{engine}{query}");
        sandbox.run(["put", &url, "a", "1"]).text();
        let marker = format!("{engine}/STRONGROOM");
        let whole = std::fs::read_to_string(sandbox.path(&marker)).unwrap();
        for damaged in [
            String::new(),
            whole[..whole.len() / 2].to_owned(),
            whole.replacen("store: ", "store: f", 1),
            whole.replace(&format!("engine: {engine}"), "engine: other"),
        ] {
            sandbox.write(&marker, &damaged);
            refused(&sandbox, &every_command(&url), 3, &["STRONGROOM"]);
        }
        sandbox.write(&marker, &whole);
        assert_eq!(sandbox.run(["get", &url, "a"]).text(), "1", "the marker was the only damage");
    }
}

#[test]
fn missing_engine_files_are_damage() {
    let sandbox = sandbox();
    for (engine, query) in engines() {
        let url = format!("{engine}:{engine}{query}");
        sandbox.run(["put", &url, "a", "1"]).text();
        for path in entries(&sandbox.path(engine)) {
            if path.is_dir() {
                std::fs::remove_dir_all(path).unwrap();
            } else if !path.ends_with("STRONGROOM") {
                std::fs::remove_file(path).unwrap();
            }
        }
        // No command may create a new store in place of the lost one.
        for command in every_command(&url) {
            sandbox.run(&command).failed(3, &[engine]);
        }
    }
}

#[test]
fn keys_and_values_over_the_limits_are_refused() {
    let sandbox = sandbox();
    let (key, value) = ("k".repeat(1_025), "x".repeat(100_000));
    for url in urls("data") {
        let put = |key| vec!["put", &url, key, "1"];
        // Before the store exists, and after.
        for _ in 0..2 {
            refused(&sandbox, &[put(""), put("hex:")], 2, &["key is empty", "at least one byte"]);
            refused(&sandbox, &[put(&key)], 2, &["1025 bytes", "1024"]);
            refused(&sandbox, &[put("hex:zz"), put("hex:0")], 2, &["KEY", "hexadecimal"]);
            refused(&sandbox, &[vec!["put", &url, "a", "hex:zz"]], 2, &["VALUE", "hexadecimal"]);
            sandbox.run(["put", &url, "a", "1"]).text();
        }
        for command in ["get", "delete"] {
            refused(&sandbox, &[vec![command, &url, ""]], 2, &["key is empty"]);
            refused(&sandbox, &[vec![command, &url, &key]], 2, &["1025 bytes"]);
        }
        refused(&sandbox, &[vec!["scan", &url, "--start", "hex:q"]], 2, &["--start", "hexadecimal"]);
        let query = if url.contains('?') { "&" } else { "?" };
        let limited = format!("{url}{query}value_bytes_max=10KiB");
        sandbox.run(["put", &limited, "a", &value]).failed(2, &["100000 bytes", "10240"]);
        assert_eq!(sandbox.run(["get", &url, "a"]).text(), "1");
    }
}

#[cfg(feature = "storage-sled")]
#[test]
fn sled_without_power_safe_commits_needs_an_explicit_durability() {
    let sandbox = sandbox();
    // As on a file system that does not support write-through.
    let (plain, buffered) =
        ("sled:data?option.write_through=false", "sled:data?option.write_through=false&durability=buffered");
    refused(&sandbox, &[vec!["put", plain, "a", "1"]], 2, &["sled", "durability=buffered"]);
    sandbox.run(["put", buffered, "a", "1"]).text();
    sandbox.run(["put", plain, "a", "2"]).failed(2, &["durability=buffered"]);
    assert_eq!(sandbox.run(["get", buffered, "a"]).text(), "1");
}

/// Damages the bytes of a file.
type Damage = fn(&[u8]) -> Vec<u8>;

const DAMAGES: [(&str, Damage); 6] = [
    ("inverted", |bytes| bytes.iter().map(|byte| !byte).collect()),
    ("cut in half", |bytes| bytes[..bytes.len() / 2].to_vec()),
    ("emptied", |_| Vec::new()),
    ("zeroed from the middle", |bytes| {
        let (head, tail) = bytes.split_at(bytes.len() / 2);
        [head, &vec![0; tail.len()]].concat()
    }),
    ("changed in one byte of each thousand", |bytes| {
        bytes
            .iter()
            .enumerate()
            .map(|(at, byte)| if at % 1_000 == 500 { byte ^ 0x10 } else { *byte })
            .collect()
    }),
    ("shifted by a byte", |bytes| [&[0], &bytes[..bytes.len().saturating_sub(1)]].concat()),
];

#[test]
fn damage_is_reported_in_one_line_and_never_returns_a_wrong_row() {
    let sandbox = sandbox();
    sandbox.write("more.csv", support::csv(3_000));
    for (engine, query) in engines() {
        let url = format!("{engine}:{engine}{query}");
        sandbox.run(["load", &url, "more.csv", "--format", "csv", "--key", "id"]).text();
        let whole = sandbox.run(["scan", &url]).text();
        let rows: std::collections::BTreeSet<&str> = whole.lines().collect();
        let files = sandbox.files(engine);
        let directories: Vec<&PathBuf> = files.keys().filter(|path| path.is_dir()).collect();
        let of_engine = files
            .iter()
            .filter(|(path, _)| path.is_file() && !path.ends_with("STRONGROOM") && !path.ends_with("LOCK"));
        for ((path, bytes), (damage, apply)) in
            of_engine.flat_map(|file| DAMAGES.map(|damage| (file, damage)))
        {
            let path_below = path.strip_prefix(sandbox.path(engine)).unwrap().display();
            std::fs::write(path, apply(bytes)).unwrap();
            let ran = sandbox.run(["scan", &url]);
            println!("{engine}: {path_below} {damage}: {} {}", ran.status, ran.errors.trim());
            for row in String::from_utf8(ran.output.clone()).unwrap().lines() {
                assert!(
                    rows.contains(row),
                    "{engine}: {path_below} {damage}: the row {row:?} was never stored"
                );
            }
            // LMDB maps its file, so damage may crash the process.
            if engine == "lmdb" && ran.status == -1 {
                restore(&sandbox.path(engine), &directories, &files);
                continue;
            }
            // sled takes a damaged configuration for that of another version, which is wrong usage.
            if ran.status != 0 {
                let status = if ran.status == 2 { 2 } else { 3 };
                ran.failed(status, &[engine]);
            }
            restore(&sandbox.path(engine), &directories, &files);
        }
    }
}

/// Restores all files.
fn restore(top: &Path, directories: &[&PathBuf], files: &BTreeMap<PathBuf, Vec<u8>>) {
    std::fs::remove_dir_all(top).unwrap();
    for path in directories {
        std::fs::create_dir_all(path).unwrap();
    }
    for (path, bytes) in files.iter().filter(|(path, _)| !directories.contains(path)) {
        std::fs::write(path, bytes).unwrap();
    }
}

/// Simulates an engine that silently starts over on files that it cannot repair.
#[test]
fn a_store_that_lost_everything_does_not_look_empty() {
    let sandbox = sandbox();
    for (engine, query) in engines() {
        let url = format!("{engine}:{engine}{query}");
        sandbox.run(["put", &url, "a", "1"]).text();
        for path in entries(&sandbox.path(engine)) {
            if path.is_dir() {
                std::fs::remove_dir_all(path).unwrap();
            } else if !path.ends_with("STRONGROOM") {
                std::fs::remove_file(path).unwrap();
            }
        }
        let new = sandbox.path(&format!("new-{engine}"));
        let registry = strongroom::Registry::builtin();
        drop(registry.driver(engine).unwrap().open_backend(&new, &strongroom::Options::new()).unwrap());
        for path in entries(&new) {
            std::fs::rename(&path, sandbox.path(engine).join(path.file_name().unwrap())).unwrap();
        }
        for command in [vec!["get", &url, "a"], vec!["scan", &url], vec!["count", &url]] {
            sandbox.run(&command).failed(3, &[engine, "restore a backup"]);
        }
    }
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_directory_for_pages_that_cannot_be_created_is_bad_input() {
    let sandbox = sandbox();
    refused(&sandbox, &[vec!["man", "rows.csv"]], 2, &["rows.csv"]);
    sandbox.run(["get", &url("x"), "a"]).failed(2, &[]);
}
