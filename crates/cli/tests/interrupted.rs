//! Loads that a signal or a kill stops, and stores that another process has open.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic)] // Tests fail by panicking.

mod support;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use support::{Ran, Sandbox, csv, engines, key, urls};

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success(), "kill {name}");
}

/// Starts a load of 2,500 rows in batches of 1,000, from a pipe that stays open, and waits until all rows were read:
/// more blank lines, which are skipped, follow them than the pipe and the reader can buffer.
fn loading(sandbox: &Sandbox, url: &str) -> Child {
    let arguments = ["load", url, "-", "--format", "csv", "--key", "id", "--batch-rows", "1000"];
    let mut child = sandbox.spawn(arguments);
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(csv(2_500).as_bytes()).unwrap();
    pipe.write_all(&vec![b'\n'; 2 * 1_024 * 1_024]).unwrap();
    child.stdin = Some(pipe);
    child
}

/// Waits for the end of a child whose pipe is still open.
fn end_of(mut child: Child) -> Ran {
    let pipe = child.stdin.take();
    let deadline = Instant::now() + Duration::from_secs(30);
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "it did not stop");
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(pipe);
    Ran::of(child.wait_with_output().unwrap())
}

/// Asserts that the store holds exactly the first `rows` rows of the file.
#[track_caller]
fn holds_the_first(sandbox: &Sandbox, url: &str, rows: usize) {
    let mut wanted: Vec<String> = (1..=rows).map(|row| key(row) + "\n").collect();
    wanted.sort();
    let found = sandbox.run(["scan", url, "--keys-only"]).text();
    assert!(found == wanted.concat(), "{url}: {} rows, wanted the first {rows}", found.lines().count());
}

#[test]
fn a_signal_stops_a_load_between_rows_and_discards_the_batch() {
    let sandbox = Sandbox::new();
    for (name, url) in ["-INT", "-TERM"]
        .into_iter()
        .flat_map(|name| urls(&name[1..]).into_iter().map(move |url| (name, url)))
    {
        let child = loading(&sandbox, &url);
        signal(&child, name);
        end_of(child).failed(130, &["stopped", "rows 1 to 2000 are stored", "--on-duplicate first"]);
        holds_the_first(&sandbox, &url, 2_000);

        sandbox.write("rows.csv", csv(2_500));
        let again = ["load", &url, "rows.csv", "--format", "csv", "--key", "id", "--on-duplicate", "first"];
        sandbox.run(again).text();
        holds_the_first(&sandbox, &url, 2_500);
    }
}

#[test]
fn a_signal_before_the_first_row_leaves_no_store() {
    let sandbox = Sandbox::new();
    for url in urls("data") {
        let mut child = sandbox.spawn(["load", &url, "-", "--format", "csv", "--key", "id"]);
        child.stdin.as_mut().unwrap().write_all(b"id,na").unwrap();
        // Before the command listens, a signal would end it like any other process.
        std::thread::sleep(Duration::from_millis(500));
        signal(&child, "-INT");
        end_of(child).failed(130, &["stopped", "no row is stored"]);
    }
    assert_eq!(sandbox.files(".").len(), 1, "no store was created");
}

#[test]
fn a_signal_in_the_middle_of_a_file_leaves_whole_batches() {
    let sandbox = Sandbox::new();
    sandbox.write("rows.csv", csv(40_000));
    for (round, url) in
        (0..3).flat_map(|round| urls(&format!("data-{round}")).into_iter().map(move |url| (round, url)))
    {
        let arguments = ["load", &url, "rows.csv", "--format", "csv", "--key", "id", "--batch-rows", "100"];
        let child = sandbox.spawn(arguments);
        std::thread::sleep(Duration::from_millis(150 + 130 * round));
        signal(&child, "-INT");
        let ran = end_of(child);
        let rows = sandbox.run(["count", &url]).text().trim().parse::<usize>().unwrap();
        holds_the_first(&sandbox, &url, rows);
        if ran.status == 130 {
            assert_eq!(rows % 100, 0);
            let kept = format!("rows 1 to {rows} are stored");
            ran.failed(130, &[if rows == 0 { "no row is stored" } else { &kept }]);
        } else {
            assert_eq!((ran.status, rows), (0, 40_000), "{ran:?}");
        }
    }
}

/// Counts the kills that hit the middle of a load: without one, the test would show nothing.
#[test]
fn a_killed_load_leaves_whole_batches() {
    let sandbox = Sandbox::new();
    sandbox.write("rows.csv", csv(40_000));
    for (engine, query) in engines() {
        let mut hits = 0;
        for round in 0..10_u64 {
            let url = format!("{engine}:{engine}-{round}{query}");
            let arguments =
                ["load", &url, "rows.csv", "--format", "csv", "--key", "id", "--batch-rows", "250"];
            let mut child = sandbox.spawn(arguments);
            std::thread::sleep(Duration::from_millis(20 + 45 * round));
            child.kill().unwrap();
            let status = child.wait().unwrap();
            let counted = sandbox.run(["count", &url]);
            if counted.status == 2 {
                assert!(
                    counted.errors.contains("there is no store"),
                    "killed before it started: {counted:?}"
                );
                continue;
            }
            let rows = counted.text().trim().parse::<usize>().unwrap();
            assert_eq!(rows % 250, 0, "{engine}, round {round}: {rows} rows");
            holds_the_first(&sandbox, &url, rows);
            // The load can be finished.
            let again = [&arguments[..], &["--on-duplicate", "first"]].concat();
            assert_eq!(sandbox.run(&again).status, 0);
            hits += u32::from(status.signal() == Some(9) && rows > 0);
        }
        println!("{engine}: {hits} of 10 kills hit the middle of the load");
        assert!(hits > 0, "{engine}: no kill hit the middle of the load");
    }
}

/// The files once the process that has the store open writes no more: it writes its high-water mark a second later.
fn at_rest(sandbox: &Sandbox, url: &str) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut before = sandbox.files(".");
    // sled itself keeps writing in the background.
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(1_500));
        let after = sandbox.files(".");
        if after == before || url.starts_with("sled") {
            return after;
        }
        before = after;
    }
    panic!("{url}: it keeps writing");
}

#[test]
fn a_store_that_another_process_has_open_is_refused_and_unchanged() {
    let sandbox = Sandbox::new();
    sandbox.write("one.csv", "id\n1\n");
    for url in urls("data") {
        let child = loading(&sandbox, &url);
        let holder = format!("process {} has the store", child.id());
        let before = at_rest(&sandbox, &url);
        let writing = [
            vec!["put", &url, "a", "1"],
            vec!["delete", &url, "a"],
            vec!["compact", &url],
            vec!["load", &url, "one.csv", "--format", "csv", "--key", "id"],
        ];
        let reading = [
            vec!["get", &url, "a"],
            vec!["scan", &url],
            vec!["count", &url],
            vec!["digest", &url],
            vec!["verify", &url],
            vec!["keyspaces", &url],
            vec!["stats", &url],
        ];
        let refused = reading.iter().filter(|_| !others_may_read(&url)).chain(&writing);
        for command in refused {
            sandbox.run(command).failed(3, &[&holder, "one process at a time"]);
        }
        if !url.starts_with("sled") {
            assert!(sandbox.files(".") == before, "{url}: files changed");
        }
        // The holder is not affected.
        let mut child = child;
        drop(child.stdin.take());
        assert_eq!(Ran::of(child.wait_with_output().unwrap()).status, 0);
        holds_the_first(&sandbox, &url, 2_500);
    }
}

/// SQLite and LMDB let other processes read while one process writes. The other engines do not.
fn others_may_read(url: &str) -> bool {
    url.starts_with("sqlite:") || url.starts_with("lmdb:")
}

#[test]
fn a_store_that_is_being_loaded_is_read_if_the_engine_allows_it() {
    let sandbox = Sandbox::new();
    for (engine, query) in engines() {
        let url = format!("{engine}:beside-{engine}{query}");
        let mut child = loading(&sandbox, &url);
        let writer = child.id().to_string();
        if others_may_read(&url) {
            assert_eq!(sandbox.run(["count", &url]).text(), "2000\n", "{engine}: two whole batches");
            assert!(sandbox.run(["get", &url, &key(1)]).text().contains("the name of row 1\""));
            let digest = sandbox.run(["digest", &url]).text();
            assert!(sandbox.run(["verify", &url, "--rows-only"]).text().contains("rows          2000\n"));
            // The engine's own check, if there is one, needs exclusive access.
            if engine == "sqlite" {
                let told = "all rows are as they were written; --rows-only";
                sandbox.run(["verify", &url]).failed(3, &[&writer, told]);
            }
            // A second writer is still refused.
            sandbox.run(["put", &url, "k", "v"]).failed(3, &[&writer]);
            drop(child.stdin.take());
            assert!(child.wait().unwrap().success());
            assert_ne!(sandbox.run(["digest", &url]).text(), digest);
        } else {
            sandbox.run(["count", &url]).failed(3, &[&writer]);
            drop(child.stdin.take());
            assert!(child.wait().unwrap().success());
        }
        assert_eq!(sandbox.run(["count", &url]).text(), "2500\n", "{engine}");
    }
}
