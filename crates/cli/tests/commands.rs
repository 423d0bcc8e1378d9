//! Every command in the normal case, on every engine.

#![allow(clippy::unwrap_used, clippy::panic)] // Tests fail by panicking.

mod support;

use std::io::Read as _;
use support::{Sandbox, golden, key, url, urls};

#[test]
fn a_value_is_put_got_and_deleted() {
    let sandbox = Sandbox::new();
    for url in urls("data") {
        assert_eq!(sandbox.run(["put", &url, "greeting", "Grüezi\n"]).text(), "");
        assert_eq!(sandbox.run(["get", &url, "greeting"]).text(), "Grüezi\n");
        assert_eq!(sandbox.run(["put", &url, "greeting", ""]).text(), "");
        assert_eq!(sandbox.run(["get", &url, "greeting"]).text(), "", "an empty value is not an absent one");
        assert_eq!(sandbox.run(["delete", &url, "greeting"]).text(), "");
        sandbox.run(["get", &url, "greeting"]).failed(1, &["greeting"]);
        assert_eq!(sandbox.run(["delete", &url, "greeting"]).text(), "", "deleting again succeeds");
    }
}

#[test]
fn bytes_may_be_given_in_hexadecimal() {
    let sandbox = Sandbox::new();
    for url in urls("data") {
        sandbox.run(["put", &url, "hex:00fF5c", "hex:cafe09"]).text();
        assert_eq!(sandbox.run(["get", &url, "hex:00ff5c"]).output, b"\xca\xfe\x09");
        assert_eq!(sandbox.run(["scan", &url]).text(), "\\x00\\xff\\\\\t\\xca\\xfe\\t\n");
        assert_eq!(sandbox.run(["scan", &url, "--prefix", "hex:00"]).text().lines().count(), 1);
        assert_eq!(sandbox.run(["scan", &url, "--prefix", "hex:01"]).text(), "");
        let rows = |option: &str, bytes: &str| sandbox.run(["scan", &url, option, bytes]).text();
        assert_eq!(rows("--prefix", "-x"), "");
        assert_eq!(rows("--end", "--x"), sandbox.run(["scan", &url, "--end=--x"]).text());
        assert_eq!(rows("--start", "-x"), sandbox.run(["scan", &url, "--start=-x"]).text());
        assert_eq!(sandbox.run(["count", &url, "--prefix", "-x"]).text(), "0\n");
        sandbox.run(["put", &url, "-1", "-2.5"]).text();
        assert_eq!(sandbox.run(["get", &url, "-1"]).text(), "-2.5");
    }
}

#[cfg(unix)]
#[test]
fn arguments_that_are_not_utf8_are_taken_as_bytes() {
    use std::os::unix::ffi::OsStrExt as _;
    let sandbox = Sandbox::new();
    let (url, bytes) = (url("data"), std::ffi::OsStr::from_bytes(b"\xff\xfe"));
    sandbox.run(["put".as_ref(), url.as_ref(), bytes, bytes]).text();
    assert_eq!(sandbox.run(["get", &url, "hex:fffe"]).output, b"\xff\xfe");
}

#[test]
fn keyspaces_are_independent() {
    let sandbox = Sandbox::new();
    for url in urls("data") {
        sandbox.run(["put", &url, "a", "1"]).text();
        sandbox.run(["put", &url, "a", "2", "--keyspace", "other"]).text();
        assert_eq!(sandbox.run(["get", &url, "a"]).text(), "1");
        assert_eq!(sandbox.run(["get", &url, "a", "--keyspace", "other"]).text(), "2");
        assert_eq!(sandbox.run(["count", &url, "-k", "other"]).text(), "1\n");
        sandbox.run(["delete", &url, "a", "-k", "other"]).text();
        assert_eq!(sandbox.run(["count", &url, "-k", "other"]).text(), "0\n");
        assert_eq!(sandbox.run(["count", &url]).text(), "1\n");
        assert_eq!(sandbox.run(["keyspaces", &url]).text(), "default\nother\n");
        golden("keyspaces.json", &sandbox.run(["keyspaces", &url, "--json"]).text());
    }
}

/// Keys whose bytewise order differs from other orders, prefixes of each other, and the highest bytes.
const KEYS: [&str; 12] =
    ["hex:00", "hex:0000", "A", "a", "aa", "ab", "b", "B", "ä", "hex:ff", "hex:ffff", "hex:ff00"];

fn bytes_of(argument: &str) -> Vec<u8> {
    match argument.strip_prefix("hex:") {
        Some(digits) => (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
            .collect(),
        None => argument.as_bytes().to_vec(),
    }
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().fold("hex:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

#[test]
fn a_scan_returns_the_keys_of_its_range_in_order() {
    let sandbox = Sandbox::new();
    let mut sorted: Vec<Vec<u8>> = KEYS.iter().map(|key| bytes_of(key)).collect();
    sorted.sort();
    for url in urls("data") {
        for key in KEYS {
            sandbox.run(["put", &url, key, "x"]).text();
        }
        for (prefix, start, end) in [
            ("", "", ""),
            ("a", "", ""),
            ("hex:ff", "", ""),
            ("", "a", "b"),
            ("", "b", "a"),
            ("a", "aa", ""),
            ("a", "B", "ab"),
            ("hex:00", "hex:0000", "hex:ff"),
        ] {
            let [prefix_bytes, start_bytes, end_bytes] = [prefix, start, end].map(bytes_of);
            let is_wanted = |key: &&Vec<u8>| {
                key.starts_with(&prefix_bytes)
                    && **key >= start_bytes
                    && (end.is_empty() || **key < end_bytes)
            };
            let mut wanted: Vec<String> = sorted.iter().filter(is_wanted).map(|key| hex_of(key)).collect();
            let mut arguments = vec!["scan", &url, "--keys-only", "--format", "jsonl"];
            for (name, given) in [("--prefix", prefix), ("--start", start), ("--end", end)] {
                if !given.is_empty() {
                    arguments.extend([name, given]);
                }
            }
            assert_eq!(keys_in(&sandbox.run(&arguments).text()), wanted, "{arguments:?}");
            arguments.push("--reverse");
            wanted.reverse();
            assert_eq!(keys_in(&sandbox.run(&arguments).text()), wanted, "{arguments:?}");
            arguments.extend(["--limit", "2"]);
            wanted.truncate(2);
            assert_eq!(keys_in(&sandbox.run(&arguments).text()), wanted, "{arguments:?}");
        }
        assert_eq!(sandbox.run(["scan", &url, "--limit", "0"]).text(), "");
        assert_eq!(sandbox.run(["count", &url]).text(), "12\n");
        assert_eq!(sandbox.run(["count", &url, "--prefix", "a"]).text(), "3\n");
        assert_eq!(sandbox.run(["count", &url, "--prefix", "hex:ff"]).text(), "3\n");
    }
}

fn keys_in(jsonl: &str) -> Vec<String> {
    let rows = jsonl.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    rows.map(|row| match row["key"].as_str() {
        Some(text) => hex_of(text.as_bytes()),
        None => format!("hex:{}", row["key_hex"].as_str().unwrap()),
    })
    .collect()
}

#[test]
fn keys_only_is_the_sorted_column_of_the_file() {
    let sandbox = Sandbox::new();
    sandbox.write("rows.csv", support::csv(2_000));
    let mut keys: Vec<String> = (1..=2_000).map(|row| key(row) + "\n").collect();
    keys.sort();
    for url in urls("data") {
        sandbox.run(["load", &url, "rows.csv", "--format", "csv", "--key", "id"]).text();
        assert_eq!(sandbox.run(["scan", &url, "--keys-only"]).text(), keys.concat());
    }
}

#[test]
fn the_digest_is_the_same_on_every_engine_and_differs_for_other_contents() {
    let sandbox = Sandbox::new();
    sandbox.write("rows.csv", support::csv(500));
    let mut digests = Vec::new();
    for url in urls("data") {
        sandbox.run(["load", &url, "rows.csv", "--format", "csv", "--key", "id"]).text();
        let digest = sandbox.run(["digest", &url]).text();
        assert_eq!(digest.len(), 65, "{digest}");
        sandbox.run(["put", &url, "one", "more"]).text();
        assert_ne!(sandbox.run(["digest", &url]).text(), digest);
        sandbox.run(["delete", &url, "one"]).text();
        assert_eq!(sandbox.run(["digest", &url]).text(), digest);
        digests.push(digest);
    }
    digests.dedup();
    assert_eq!(digests.len(), 1, "{digests:?}");
}

#[test]
fn compaction_keeps_all_rows() {
    let sandbox = Sandbox::new();
    sandbox.write("rows.csv", support::csv(500));
    for url in urls("data") {
        sandbox.run(["load", &url, "rows.csv", "--format", "csv", "--key", "id"]).text();
        let digest = sandbox.run(["digest", &url]).text();
        let compacted = sandbox.run(["compact", &url]);
        if url.starts_with("sled") || url.starts_with("lmdb") {
            compacted.failed(2, &["compact"]);
        } else {
            let text = compacted.text();
            assert!(text.contains("before") && text.contains("after"), "{text}");
        }
        assert_eq!(sandbox.run(["digest", &url]).text(), digest);
    }
}

#[test]
fn a_closed_output_pipe_is_not_a_failure() {
    let sandbox = Sandbox::new();
    sandbox.write("rows.csv", support::csv(20_000));
    let url = url("data");
    sandbox.run(["load", &url, "rows.csv", "--format", "csv", "--key", "id"]).text();
    let mut child = sandbox.spawn(["scan", &url]);
    let mut first = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!((child.wait().unwrap().code(), errors.as_str()), (Some(0), ""));
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let sandbox = Sandbox::new();
    let url = url("data");
    sandbox.run(["put", &url, "a", "1"]).text();
    for arguments in [vec!["scan", &url], vec!["get", &url, "a"], vec!["engines"], vec!["completions", "zsh"]]
    {
        let full = std::fs::File::create("/dev/full").unwrap();
        let ran = sandbox.command(&arguments).stdout(full).output().unwrap();
        support::Ran::of(ran).failed(3, &["standard output", "No space"]);
    }
}

#[test]
fn completions_and_manual_pages_are_generated() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = sandbox.run(["completions", shell]).text();
        assert!(script.contains("on-duplicate"), "{shell}");
    }
    let page = sandbox.run(["man"]).text();
    for part in [".TH", "EXIT STATUS", "strongroom\\-load(1)"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert_eq!(sandbox.run(["man", "pages"]).text(), "");
    let pages: Vec<String> = sandbox
        .files("pages")
        .keys()
        .skip(1)
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    let commands = [
        "cas",
        "compact",
        "completions",
        "count",
        "delete",
        "digest",
        "engines",
        "get",
        "incr",
        "keyspaces",
        "load",
        "man",
        "put",
        "scan",
        "stats",
        "verify",
        "watch",
    ];
    let mut wanted: Vec<String> = commands.iter().map(|name| format!("strongroom-{name}.1")).collect();
    wanted.push("strongroom.1".to_owned());
    assert_eq!(pages, wanted);
    let load = std::fs::read_to_string(sandbox.path("pages/strongroom-load.1")).unwrap();
    for part in ["EXIT STATUS", "EXAMPLES", "COMMITS", "on\\-duplicate"] {
        assert!(load.contains(part), "{part}: {load}");
    }
}
