//! `verify`: sound, damaged, truncated and missing stores, and a check that dies or hangs.

#![allow(clippy::unwrap_used, clippy::panic)] // Tests fail by panicking.

mod support;

use std::path::PathBuf;
use support::{Ran, Sandbox, csv, engines, golden, url, urls};

fn load(sandbox: &Sandbox, url: &str, rows: usize) {
    sandbox.write("rows.csv", csv(rows));
    sandbox.run(["load", url, "rows.csv", "--format", "csv", "--key", "id"]).text();
}

/// The members of the verdict that are text; empty if absent.
fn verdict(ran: &Ran) -> [String; 3] {
    let json: serde_json::Value = serde_json::from_slice(&ran.output).unwrap_or_else(|_| panic!("{ran:?}"));
    ["verdict", "kind", "message"].map(|name| json[name].as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_sound_store_is_sound_on_every_engine() {
    let sandbox = Sandbox::new();
    for url in urls("data") {
        load(&sandbox, &url, 2_500);
        sandbox.run(["put", &url, "a", "1", "--keyspace", "other"]).text();
        let digest = sandbox.run(["digest", &url]).text();
        let text = sandbox.run(["verify", &url]).text();
        assert!(text.contains("verdict       sound\nkeyspaces     2\nrows          2501\n"), "{url}: {text}");
        assert!(text.contains("integrity     rows (missing rows are not detected)"), "{url}: {text}");
        let own = if text.contains("engine check  passed") { "passed" } else { "none" };
        let can = sandbox.run(["engines", "--json"]).text();
        let engine = &url[..url.find(':').unwrap()];
        let driver = can.split("\"name\"").find(|driver| driver.contains(&format!("\"{engine}\""))).unwrap();
        assert_eq!(own == "passed", driver.contains("\"integrity_check\": true"), "{url}: {text}");
        // One process after the other, each with exclusive access.
        assert_eq!(sandbox.run(["digest", &url]).text(), digest);
    }
}

#[test]
fn the_output_formats_are_stable() {
    let sandbox = Sandbox::new();
    let url = url("data");
    load(&sandbox, &url, 10);
    golden("verify.txt", &sandbox.run(["verify", &url, "--rows-only"]).text());
    golden("verify.json", &sandbox.run(["verify", &url, "--rows-only", "--json"]).text());
    let joined = if url.contains('?') { '&' } else { '?' };
    let full = format!("{}{joined}integrity=full", url.replace("data", "full"));
    load(&sandbox, &full, 10);
    let text = sandbox.run(["verify", &full, "--rows-only"]).text();
    assert!(text.contains("integrity     full\n"), "{text}");
}

#[test]
fn the_engine_check_is_skipped_without_write_access() {
    let sandbox = Sandbox::new();
    for (engine, query) in engines().into_iter().filter(|(engine, _)| *engine == "redb") {
        let url = format!("{engine}:data{query}");
        load(&sandbox, &url, 100);
        assert!(sandbox.run(["verify", &url]).text().contains("engine check  passed"));
        assert!(sandbox.run(["verify", &url, "--rows-only"]).text().contains("engine check  left out"));
        let read_only = format!("{url}?read_only=true");
        assert!(sandbox.run(["verify", &read_only]).text().contains("engine check  left out"));
    }
}

/// The file of the store that holds `needle`, and where.
fn find(sandbox: &Sandbox, store: &str, needle: &[u8]) -> (PathBuf, usize) {
    let found = sandbox.files(store).into_iter().find_map(|(path, bytes)| {
        let at = bytes.windows(needle.len()).position(|window| window == needle)?;
        Some((path, at))
    });
    found.unwrap_or_else(|| panic!("no file of {store} holds the value"))
}

fn flip(path: &PathBuf, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_flipped_bit_in_a_value_is_reported_with_its_key() {
    let sandbox = Sandbox::new();
    for url in urls("data").into_iter().filter(|url| url.starts_with("redb:")) {
        load(&sandbox, &url, 1_000);
        let value = "the one that will be damaged, and long enough to be found ".repeat(4);
        sandbox.run(["put", &url, "row-0500000-x", &value]).text();
        let (path, at) = find(&sandbox, "data-redb", value.as_bytes());
        flip(&path, at + 100);
        let ran = sandbox.run(["verify", &url]);
        let text = String::from_utf8(ran.output.clone()).unwrap();
        assert!(text.starts_with("verdict       damaged\nreason        redb: verify: the row"), "{text}");
        assert!(
            text.contains("row-0500000-x") && text.ends_with('\n') && text.lines().count() == 2,
            "{text}"
        );
        ran.failed(3, &["redb: verify:", "row-0500000-x", "\"default\"", "checksum", "backup"]);

        let ran = sandbox.run(["verify", &url, "--json"]);
        let [verdict, kind, message] = verdict(&ran);
        assert_eq!((&*verdict, &*kind), ("damaged", "corruption"));
        assert!(message.contains("row-0500000-x"), "{message}");
        ran.failed(3, &["row-0500000-x"]);
    }
}

#[test]
fn a_truncated_file_is_damage_and_not_a_new_store() {
    let sandbox = Sandbox::new();
    for url in urls("data").into_iter().filter(|url| url.starts_with("redb:") || url.starts_with("lmdb:")) {
        load(&sandbox, &url, 5_000);
        let store = url[url.find(':').unwrap() + 1..].to_owned();
        let files = sandbox.files(&store);
        let (path, bytes) = files.iter().max_by_key(|(_, bytes)| bytes.len()).unwrap();
        for len in [bytes.len() / 2, 4_096, 100] {
            std::fs::write(path, &bytes[..len]).unwrap();
            let ran = sandbox.run(["verify", &url, "--json", "--time-limit", "60s"]);
            assert!(["damaged", "crashed"].contains(&&*verdict(&ran)[0]), "{url}, {len}: {ran:?}");
            ran.failed(3, &["backup"]);
        }
    }
}

#[test]
fn a_marker_that_was_edited_is_damage() {
    let sandbox = Sandbox::new();
    for (engine, query) in engines() {
        let url = format!("{engine}:{engine}{query}");
        sandbox.run(["put", &url, "a", "1"]).text();
        let marker = sandbox.path(engine).join("STRONGROOM");
        let text = std::fs::read_to_string(&marker).unwrap();
        std::fs::write(&marker, text.replace("envelope: 1", "envelope: 2")).unwrap();
        let ran = sandbox.run(["verify", &url, "--json"]);
        assert_eq!(verdict(&ran)[0], "damaged", "{engine}");
        ran.failed(3, &["STRONGROOM", "checksum"]);
    }
}

#[test]
fn a_missing_store_has_no_verdict() {
    let sandbox = Sandbox::new();
    for url in urls("data") {
        let ran = sandbox.run(["verify", &url, "--json"]);
        assert!(ran.output.is_empty(), "{ran:?}");
        ran.failed(2, &["there is no store"]);
    }
    assert_eq!(sandbox.files(".").len(), 1, "nothing was created");
}

#[test]
fn invalid_limits_are_refused() {
    let sandbox = Sandbox::new();
    for (option, value) in [("--time-limit", "soon"), ("--time-limit", "10"), ("--memory-limit", "much")] {
        let ran = sandbox.run(["verify", &url("data"), option, value]);
        assert_eq!(ran.status, 2, "{ran:?}");
        assert!(ran.errors.contains(option) && ran.errors.contains(value), "{ran:?}");
    }
}

#[test]
fn a_check_over_its_time_limit_is_ended() {
    let sandbox = Sandbox::new();
    let url = url("data");
    load(&sandbox, &url, 1_000);
    let ran = sandbox.run(["verify", &url, "--time-limit", "1ms", "--json"]);
    assert_eq!(verdict(&ran)[0], "out_of_time");
    ran.failed(3, &["verify: the check exceeded the time limit of 1ms", "--time-limit"]);
    // The store is unharmed.
    sandbox.run(["verify", &url]).text();
}

#[cfg(target_os = "linux")]
#[test]
fn a_check_over_its_memory_limit_is_ended() {
    let sandbox = Sandbox::new();
    for url in urls("data").into_iter().filter(|url| url.starts_with("redb:")) {
        load(&sandbox, &url, 1_000);
        let ran = sandbox.run(["verify", &url, "--memory-limit", "64KiB", "--json"]);
        assert_eq!(verdict(&ran)[0], "out_of_memory");
        ran.failed(3, &["the memory limit of 64KiB", "--memory-limit"]);
        sandbox.run(["verify", &url, "--memory-limit", "1GiB"]).text();
    }
}

#[cfg(target_os = "linux")]
mod signals {
    use super::{Ran, Sandbox, load, url, verdict};
    use std::process::{Child, Command};
    use std::time::{Duration, Instant};

    /// The process may have ended already, which the result of the check shows.
    fn send(signal: &str, process: u32) {
        let sent = Command::new("kill").args(["-s", signal, &process.to_string()]).output();
        assert!(sent.is_ok(), "there is no command `kill`");
    }

    /// The child process of `parent`, as soon as it runs this command.
    fn child_of(parent: &Child) -> u32 {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            for entry in std::fs::read_dir("/proc").unwrap() {
                let path = entry.unwrap().path();
                let Ok(stat) = std::fs::read_to_string(path.join("stat")) else { continue };
                // `PID (NAME) STATE PARENT …`
                let Some((_, rest)) = stat.rsplit_once(')') else { continue };
                let is_child = rest.split_whitespace().nth(1) == Some(&parent.id().to_string());
                // Until `exec`, the child is a copy of its parent, with the parent's signal handlers.
                let arguments = std::fs::read(path.join("cmdline")).unwrap_or_default();
                if is_child && arguments.windows(12).any(|window| window == b"verify-child") {
                    return path.file_name().unwrap().to_str().unwrap().parse().unwrap();
                }
            }
            assert!(Instant::now() < deadline, "it started no process");
        }
    }

    fn is_there(process: u32) -> bool {
        std::path::Path::new(&format!("/proc/{process}")).exists()
    }

    /// Runs a check whose child process is stopped, so that it neither ends nor reports until `act` acts on the two.
    /// A check that finished before is tried again.
    fn hanging(sandbox: &Sandbox, more: &[&str], act: impl Fn(&Child, u32)) -> (Ran, u32) {
        let url = url("data");
        let arguments = [&["verify", &url], more].concat();
        for _ in 0..20 {
            let parent = sandbox.spawn(&arguments);
            let child = child_of(&parent);
            send("STOP", child);
            act(&parent, child);
            let ran = Ran::of(parent.wait_with_output().unwrap());
            if ran.status != 0 {
                return (ran, child);
            }
        }
        panic!("the check is always done before it can be stopped");
    }

    #[test]
    fn a_crash_of_the_engine_is_reported() {
        let sandbox = Sandbox::new();
        load(&sandbox, &url("data"), 20_000);
        for signal in ["BUS", "SEGV", "ABRT"] {
            let (ran, _) = hanging(&sandbox, &["--json"], |_, child| {
                // The standard library handles the first signal as a possible stack overflow, finds none, and returns
                // so that the instruction faults again.
                for _ in 0..50 {
                    send(signal, child);
                    send("CONT", child);
                }
            });
            assert_eq!(verdict(&ran)[0], "crashed");
            let told = format!("the engine crashed on these files (signal SIG{signal}): they are damaged");
            ran.failed(3, &[&told, "restore a backup"]);
        }
    }

    #[test]
    fn a_kill_from_outside_is_not_damage() {
        let sandbox = Sandbox::new();
        load(&sandbox, &url("data"), 20_000);
        let (ran, _) = hanging(&sandbox, &["--json"], |_, child| send("KILL", child));
        assert_eq!(verdict(&ran)[0], "unknown");
        ran.failed(3, &["ended without a result (signal SIGKILL)", "run it again"]);
    }

    #[test]
    fn a_hanging_engine_is_ended() {
        let sandbox = Sandbox::new();
        load(&sandbox, &url("data"), 20_000);
        let (ran, child) = hanging(&sandbox, &["--time-limit", "2s"], |_, _| {});
        ran.failed(3, &["the time limit of 2s"]);
        assert!(!is_there(child), "the child process is still running");
    }

    #[test]
    fn a_signal_stops_the_check_and_its_process() {
        let sandbox = Sandbox::new();
        load(&sandbox, &url("data"), 20_000);
        for signal in ["INT", "TERM"] {
            let (ran, child) = hanging(&sandbox, &[], |parent, _| send(signal, parent.id()));
            assert!(ran.output.is_empty(), "{ran:?}");
            ran.failed(130, &["verify: the check was stopped"]);
            assert!(!is_there(child), "the child process is still running");
        }
        // Like a terminal: the child may be the first to receive it.
        let (ran, _) = hanging(&sandbox, &[], |_, child| {
            send("INT", child);
            send("CONT", child);
        });
        ran.failed(130, &["verify: the check was stopped"]);
    }
}

#[test]
fn the_child_process_ends_with_its_parent() {
    let sandbox = Sandbox::new();
    let url = url("data");
    load(&sandbox, &url, 20_000);
    // Standard input, which the parent would hold open, is empty here.
    let ran = sandbox.run(["verify-child", &url]);
    assert_eq!(ran.status, 3, "{ran:?}");
    assert!(!String::from_utf8(ran.output).unwrap().contains("sound"), "the check ran to its end");
}
