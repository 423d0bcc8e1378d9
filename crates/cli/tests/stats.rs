//! `stats`: its JSON has every figure of a store, whether the store is closed or an application has it open.

#![allow(clippy::unwrap_used, clippy::panic)] // Tests fail by panicking.

mod support;

use std::collections::BTreeSet;
use strongroom::Store;
use support::{Sandbox, url};

fn open(sandbox: &Sandbox) -> Store {
    let url = url("data");
    let (engine, rest) = url.split_once(':').unwrap();
    strongroom::open(&format!("{engine}:{}", sandbox.path(rest).display())).unwrap()
}

/// The names of all fields of a store's statistics, from their `Debug` output: a figure that serde does not know of is
/// here too.
fn names_of_figures(store: &Store) -> BTreeSet<String> {
    let printed = format!("{:#?}", store.stats().unwrap());
    let is_name = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let names = printed.lines().filter_map(|line| line.trim().split_once(": ").map(|(name, _)| name));
    let names: BTreeSet<String> = names.filter(|name| is_name(name)).map(str::to_owned).collect();
    for name in ["backend", "damaged_rows", "read_views_opened", "keyspaces_packed"] {
        assert!(names.contains(name), "{name} is not in {printed}");
    }
    names
}

/// The names in the JSON of the command, those of nested objects too.
fn names_printed(sandbox: &Sandbox) -> BTreeSet<String> {
    let stats: serde_json::Value =
        serde_json::from_str(&sandbox.run(["stats", &url("data"), "--json"]).text()).unwrap();
    let stats = stats.as_object().unwrap();
    let nested = stats.values().filter_map(serde_json::Value::as_object).flatten();
    stats.iter().chain(nested).map(|(name, _)| name.clone()).collect()
}

#[track_caller]
fn check(figures: &BTreeSet<String>, printed: &BTreeSet<String>) {
    let missing: Vec<&str> = figures
        .iter()
        .map(|name| match name.as_str() {
            // Its figures stand among the store's.
            "backend" => "disk_bytes",
            "engine" => "engine_figures",
            "age" => "age_ms",
            name => name,
        })
        .filter(|name| !printed.contains(*name))
        .collect();
    assert!(missing.is_empty(), "{missing:?} are not in the JSON: {printed:?}");
}

#[test]
fn the_json_of_a_closed_store_has_every_figure() {
    let sandbox = Sandbox::new();
    let store = open(&sandbox);
    let figures = names_of_figures(&store);
    drop(store);
    check(&figures, &names_printed(&sandbox));
}

#[cfg(unix)]
#[test]
fn the_json_of_an_open_store_has_every_figure() {
    let sandbox = Sandbox::new();
    let store = open(&sandbox);
    let _socket = strongroom::AdminSocket::open(&store).unwrap();
    // A reader, so that the fields of the oldest one are there.
    let _snapshot = store.snapshot().unwrap();
    let figures = names_of_figures(&store);
    assert!(figures.contains("opened_at"), "{figures:?}");
    check(&figures, &names_printed(&sandbox));
    let text = sandbox.run(["stats", &url("data")]).text();
    let oldest = text.lines().find(|line| line.starts_with("oldest reader")).unwrap();
    assert!(oldest.contains("snapshot, open for ") && oldest.contains("stats.rs:"), "{oldest}");
}
