//! The durability option of the commands that write.

#![allow(clippy::unwrap_used, clippy::panic)] // Tests fail by panicking.

mod support;

use support::{Sandbox, engines};

/// The commands that write, for a store with the key `a`.
fn writing(url: &str) -> Vec<Vec<&str>> {
    vec![
        vec!["put", url, "b", "1"],
        vec!["cas", url, "b", "--expect", "1", "2"],
        vec!["cas", url, "d", "--absent", "1"],
        vec!["incr", url, "e"],
        vec!["load", url, "rows.csv", "--format", "csv", "--key", "id"],
        vec!["delete", url, "a"],
    ]
}

#[test]
fn the_next_command_finds_writes_of_any_durability() {
    let sandbox = Sandbox::new();
    sandbox.write("rows.csv", "id\nc\n");
    for (engine, query) in engines() {
        let durabilities =
            if query.is_empty() { vec!["sync", "power-safe", "buffered"] } else { vec!["buffered"] };
        for durability in durabilities {
            let url = format!("{engine}:{engine}-{durability}{query}");
            sandbox.run(["put", &url, "a", "0", "--durability", durability]).text();
            assert_eq!(sandbox.run(["get", &url, "a"]).text(), "0");
            for command in writing(&url) {
                sandbox.run([command, vec!["--durability", durability]].concat()).text();
            }
            assert_eq!(sandbox.run(["scan", &url, "--keys-only"]).text(), "b\nc\nd\ne\n", "{url}");
        }
    }
}

#[test]
fn the_option_overrides_the_url() {
    let sandbox = Sandbox::new();
    for (engine, query) in engines() {
        let plain = format!("{engine}:{engine}");
        let (buffered, sync) = (format!("{plain}?durability=buffered"), format!("{plain}?durability=sync"));
        // An engine that does not claim power-safe commits opens too, because the option asks for less.
        for url in [&plain, &sync, &buffered] {
            sandbox.run(["put", url, "a", "1", "--durability", "buffered"]).text();
        }
        let asked = sandbox.run(["put", &buffered, "a", "2", "--durability", "sync"]);
        if query.is_empty() {
            asked.text();
            assert_eq!(sandbox.run(["get", &plain, "a"]).text(), "2");
        } else {
            asked.failed(2, &[engine, "does not claim", "buffered"]);
            assert_eq!(sandbox.run(["get", &buffered, "a"]).text(), "1");
        }
    }
}

#[cfg(feature = "storage-sled")]
#[test]
fn an_unclaimed_durability_is_refused_before_anything_is_created() {
    let sandbox = Sandbox::new();
    sandbox.write("rows.csv", "id\nc\n");
    let before = sandbox.files(".");
    // As on a file system that does not support write-through.
    let plain = "sled:data?option.write_through=false";
    for url in [plain, &format!("{plain}&durability=buffered")] {
        let put = ["put", url, "a", "1", "--durability", "sync"];
        let load = ["load", url, "rows.csv", "--format", "csv", "--key", "id", "--durability", "sync"];
        for command in [&put[..], &load] {
            sandbox.run(command).failed(2, &["sled", "does not claim", "durability=buffered"]);
            assert!(sandbox.files(".") == before, "{command:?}");
        }
    }
}

#[test]
fn an_invalid_durability_is_refused() {
    let sandbox = Sandbox::new();
    let url = support::url("data");
    for command in writing(&url) {
        let ran = sandbox.run([command, vec!["--durability", "safe"]].concat());
        assert_eq!(ran.status, 2, "{ran:?}");
        assert!(ran.errors.contains("safe") && ran.errors.contains("buffered"), "{ran:?}");
    }
    assert!(!sandbox.path("data").exists());
}
