//! The exact output of commands. `UPDATE_GOLDEN=1 cargo test` rewrites the files in `tests/golden`.

#![allow(clippy::unwrap_used, clippy::panic)] // Tests fail by panicking.

mod support;

use support::{Sandbox, engines, golden, url};

#[test]
fn help_is_stable() {
    let sandbox = Sandbox::new();
    golden("help.txt", &sandbox.run(["--help"]).text());
    let commands = [
        "engines",
        "put",
        "get",
        "delete",
        "cas",
        "incr",
        "scan",
        "count",
        "load",
        "digest",
        "verify",
        "keyspaces",
        "stats",
        "watch",
        "compact",
        "completions",
        "man",
    ];
    for command in commands {
        golden(&format!("help-{command}.txt"), &sandbox.run([command, "--help"]).text());
    }
}

#[test]
fn wrong_usage_is_explained() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(["scan", "redb:data", "--frmat", "text"]);
    assert_eq!(ran.status, 2);
    golden("usage.txt", &ran.errors);
    assert_eq!(sandbox.run::<&str>([]).status, 2);
    assert_eq!(sandbox.run(["nonsense"]).status, 2);
    assert_eq!(sandbox.run(["--version"]).text(), format!("strongroom {}\n", env!("CARGO_PKG_VERSION")));
}

/// Two builds have golden files: the default one with the engines in Rust, and the one with all engines.
#[cfg(all(
    feature = "storage-redb",
    feature = "storage-sled",
    feature = "storage-fjall",
    any(
        all(feature = "storage-rocksdb", feature = "storage-sqlite", feature = "storage-lmdb"),
        not(any(feature = "storage-rocksdb", feature = "storage-sqlite", feature = "storage-lmdb")),
    )
))]
#[test]
fn the_list_of_engines_is_stable() {
    let sandbox = Sandbox::new();
    let build = if cfg!(feature = "storage-rocksdb") { "engines-all" } else { "engines" };
    golden(&format!("{build}.txt"), &sandbox.run(["engines"]).text());
    golden(&format!("{build}.json"), &sandbox.run(["engines", "--json"]).text());
}

#[test]
fn the_formats_of_a_scan_are_stable() {
    let sandbox = Sandbox::new();
    let url = url("data");
    for (key, value) in [
        ("plain", "text"),
        ("quote\"", "a \"quoted\" value"),
        ("tab\tand\nnewline", "back\\slash\r"),
        ("Zürich", "東京"),
        ("empty", ""),
        ("hex:00", "hex:00"),
        ("hex:ff", "text beside bytes"),
        ("text", "hex:80"),
        ("hex:6865783a3030", "invisible \u{202e}\u{200b}\u{feff}"),
    ] {
        sandbox.run(["put", &url, key, value]).text();
    }
    golden("scan.txt", &sandbox.run(["scan", &url]).text());
    golden("scan-keys-only.txt", &sandbox.run(["scan", &url, "--keys-only"]).text());
    golden("scan-keys-only.jsonl", &sandbox.run(["scan", &url, "--keys-only", "--format", "jsonl"]).text());
    let rows = sandbox.run(["scan", &url, "--format", "jsonl"]).text();
    // Versions increase with each commit, by steps that depend on the engine.
    let rows: Vec<String> = rows
        .lines()
        .map(|line| {
            let (row, version) = line.rsplit_once("\"version\":").unwrap();
            assert!(version.trim_end_matches('}').parse::<u64>().unwrap() > 0, "{line}");
            format!("{row}\"version\":N}}\n")
        })
        .collect();
    golden("scan.jsonl", &rows.concat());
}

#[test]
fn the_names_of_figures_are_stable() {
    let sandbox = Sandbox::new();
    for (engine, query) in engines() {
        let url = format!("{engine}:{engine}{query}");
        sandbox.run(["put", &url, "a", "1"]).text();
        let stats: serde_json::Value =
            serde_json::from_str(&sandbox.run(["stats", &url, "--json"]).text()).unwrap();
        let mut names: Vec<String> =
            stats.as_object().unwrap().keys().map(|name| name.clone() + "\n").collect();
        let figures = stats["engine_figures"].as_object().unwrap();
        names.extend(figures.keys().map(|name| format!("engine_figures.{name}\n")));
        golden(&format!("stats-{engine}.txt"), &names.concat());
        assert!(stats["disk_bytes"].as_u64().unwrap() > 0, "{stats}");
        assert_eq!((&stats["engine"], &stats["keyspaces"]), (&engine.into(), &1.into()));
        let text = sandbox.run(["stats", &url]).text();
        for name in ["on disk", "conflicts", "expired rows", "sweep failures"] {
            assert!(text.lines().any(|line| line.starts_with(name)), "{name}: {text}");
        }
    }
}
