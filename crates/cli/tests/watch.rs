//! `watch` and `stats` on a store that an application has open.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Tests fail by panicking.

mod support;

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use strongroom::{AdminSocket, Store};
use support::{Ran, Sandbox, engines, url};

/// An application in this process, with the store `data` open.
struct Application {
    socket: Option<AdminSocket>,
    store: Store,
    sandbox: Sandbox,
}

fn absolute(sandbox: &Sandbox, url: &str) -> String {
    let (engine, rest) = url.split_once(':').unwrap();
    format!("{engine}:{}", sandbox.path(rest).display())
}

fn application() -> Application {
    let sandbox = Sandbox::new();
    let store = strongroom::open(&absolute(&sandbox, &url("data"))).unwrap();
    Application { socket: Some(AdminSocket::open(&store).unwrap()), store, sandbox }
}

/// A running `watch` command and its output.
struct Watching {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Watching {
    fn next(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line
    }

    /// Waits for its end and returns the rest of its output.
    fn end(mut self) -> Ran {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "it did not end");
            std::thread::sleep(Duration::from_millis(10));
        }
        let mut rest = Vec::new();
        self.lines.read_to_end(&mut rest).unwrap();
        Ran { output: rest, ..Ran::of(self.child.wait_with_output().unwrap()) }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Application {
    /// Starts a watch, and writes the row `ready` until the watch prints it.
    fn watching(&self, more: &[&str]) -> Watching {
        let url = url("data");
        let mut child = self.sandbox.spawn(["watch", &url].iter().chain(more));
        let keyspace = self.store.default_keyspace().unwrap();
        let output = child.stdout.take().unwrap();
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut lines = BufReader::new(output);
                lines.read_line(&mut String::new()).unwrap();
                lines
            });
            while !reader.is_finished() {
                keyspace.set("ready", "1").unwrap();
                std::thread::sleep(Duration::from_millis(20));
            }
            // The last of these rows marks the position.
            keyspace.set("ready", "go").unwrap();
            let mut watching = Watching { child, lines: reader.join().unwrap() };
            while !watching.next().contains("go") {}
            watching
        })
    }
}

#[test]
fn changes_are_printed_as_they_are_committed() {
    let application = application();
    let keyspace = application.store.default_keyspace().unwrap();
    let mut text = application.watching(&[]);
    let mut jsonl = application.watching(&["--format", "jsonl"]);
    // Skip the rows that started the second watch.
    while !text.next().contains("go") {}
    let mut batch = application.store.batch();
    batch.set(&keyspace, "a\t", "Zürich").set(&keyspace, b"\xff", b"\x00\xfe").delete(&keyspace, "gone");
    let sequence = application.store.commit(&batch).unwrap().sequence;
    assert_eq!(text.next(), format!("{sequence}\tset\ta\\t\tZürich\n"));
    assert_eq!(text.next(), format!("{sequence}\tset\t\\xff\t\\x00\\xfe\n"));
    assert_eq!(text.next(), format!("{sequence}\tdelete\tgone\n"));
    let line = jsonl.next();
    assert_eq!(
        line.split_once(",\"changes\":").unwrap(),
        (
            &*format!("{{\"sequence\":{sequence}"),
            concat!(
                r#"[{"keyspace":"default","key":"a\t","kind":"set","value":"Zürich"},"#,
                r#"{"keyspace":"default","key_hex":"ff","kind":"set","value_hex":"00fe"},"#,
                r#"{"keyspace":"default","key":"gone","kind":"delete"}]}"#,
                "\n"
            )
        )
    );
    // Ctrl-C ends the watch without an error message.
    text.signal("-INT");
    jsonl.signal("-TERM");
    for watching in [text, jsonl] {
        let ended = watching.end();
        assert_eq!((ended.status, &*ended.errors), (130, ""));
    }
}

#[test]
fn limit_and_prefix_apply_and_the_end_is_reported() {
    let mut application = application();
    let keyspace = application.store.default_keyspace().unwrap();
    let zero = application.sandbox.run(["watch", &url("data"), "--limit", "0"]);
    assert_eq!(zero.text(), "");
    let counted = application.watching(&["--prefix", "hex:7265", "--limit", "1000"]);
    for row in 0..1_000 {
        keyspace.set("elsewhere", "").unwrap();
        keyspace.set(format!("re{row}"), "").unwrap();
    }
    let ended = counted.end().text();
    assert!(ended.lines().all(|line| line.contains("\tset\tre")), "{ended}");
    assert!(!ended.contains("re999\t"), "the earlier commits count too");

    let watching = application.watching(&[]);
    application.socket = None;
    watching.end().failed(0, &["the application has closed its admin socket"]);
    application.socket = Some(AdminSocket::open(&application.store).unwrap());
    let watching = application.watching(&[]);
    let Application { socket, store, sandbox } = application;
    drop((keyspace, store));
    watching.end().failed(0, &["the application has closed the store"]);
    drop(socket);
    sandbox.run(["watch", &url("data")]).failed(2, &["no process has an admin socket", "AdminSocket::open"]);
}

#[test]
fn a_watch_that_is_impossible_gives_the_reason() {
    let application = application();
    let sandbox = &application.sandbox;
    let (url, nothing) = (url("data"), url("nothing"));
    sandbox.run(["watch", &url, "--keyspace", "missing"]).failed(1, &["missing"]);
    sandbox.run(["watch", &url, "--prefix", "hex:0"]).failed(2, &["--prefix"]);
    sandbox.run(["watch", &nothing]).failed(2, &["there is no store in nothing"]);
    sandbox.run(["watch", "memory:"]).failed(2, &["--socket"]);
    sandbox.run(["watch", &url, "--socket", "nowhere"]).failed(2, &["nowhere", "AdminSocket::open"]);
    if let Some((other, query)) = engines().get(1) {
        let wrong = format!("{other}:data{query}");
        for command in ["watch", "stats"] {
            sandbox.run([command, &wrong]).failed(2, &[engines()[0].0, other]);
        }
    }
    application.store.create_keyspace("short").unwrap();
    let watching = sandbox.spawn(["watch", &url, "--keyspace", "short"]);
    std::thread::sleep(Duration::from_millis(500));
    application.store.drop_keyspace("short").unwrap();
    Ran::of(watching.wait_with_output().unwrap()).failed(1, &["short"]);
}

#[test]
fn a_lag_is_reported_in_its_place() {
    let application = application();
    let keyspace = application.store.default_keyspace().unwrap();
    for format in ["text", "jsonl"] {
        let mut watching = application.watching(&["--format", format]);
        watching.signal("-STOP");
        for _ in 0..200 {
            keyspace.set("k", vec![b'x'; 100 * 1_024]).unwrap();
        }
        watching.signal("-CONT");
        // Once there is room again.
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut lags = 0;
                loop {
                    let line = watching.next();
                    lags += u32::from(line.starts_with("{\"lagged\":"));
                    if line.contains("last") {
                        return lags;
                    }
                }
            });
            while !reader.is_finished() {
                keyspace.set("last", "").unwrap();
                std::thread::sleep(Duration::from_millis(20));
            }
            assert_eq!(reader.join().unwrap() > 0, format == "jsonl");
        });
        watching.signal("-INT");
        let ended = watching.end();
        assert_eq!(ended.status, 130);
        assert!(ended.errors.contains("commits are missing here"), "{}", ended.errors);
    }
}

#[test]
fn figures_come_from_the_application() {
    for (engine, query) in engines() {
        let sandbox = Sandbox::new();
        let url = format!("{engine}:data{query}");
        let store = strongroom::open(&absolute(&sandbox, &url)).unwrap();
        let socket = AdminSocket::open(&store).unwrap();
        let mut batch = store.batch();
        batch.expect_equals(&store.default_keyspace().unwrap(), "nobody", "1");
        store.commit(&batch).unwrap_err();
        let stats: serde_json::Value =
            serde_json::from_str(&sandbox.run(["stats", &url, "--json"]).text()).unwrap();
        assert_eq!((&stats["engine"], &stats["conflicts"]), (&engine.into(), &1.into()), "{stats}");
        let text = sandbox.run(["stats", &url]).text();
        assert!(text.lines().any(|line| line.starts_with("conflicts") && line.ends_with(" 1")), "{text}");
        // Without the socket, `stats` opens the store itself if the engine allows other readers.
        drop(socket);
        let ran = sandbox.run(["stats", &url]);
        if ["sqlite", "lmdb"].contains(&engine) {
            assert!(ran.text().contains("conflicts"));
        } else {
            ran.failed(3, &["has the store", "AdminSocket::open"]);
        }
        // A socket at another path, given explicitly.
        let path = sandbox.path("admin");
        let _socket = AdminSocket::open_at(&store, &path).unwrap();
        let stats = sandbox.run(["stats", &url, "--socket", "admin"]).text();
        assert!(stats.lines().any(|line| line.starts_with("conflicts") && line.ends_with(" 1")), "{stats}");
    }
}

const APPLICATION: &str = "STRONGROOM_TEST_APPLICATION";

/// The process of the next test, which runs it with a URL.
#[test]
fn an_application() {
    let Ok(url) = std::env::var(APPLICATION) else { return };
    let store = strongroom::open(&url).unwrap();
    let _socket = AdminSocket::open(&store).unwrap();
    for number in 0.. {
        store.default_keyspace().unwrap().set("number", format!("{number}")).unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn the_death_of_an_application_is_reported_and_its_stale_socket_is_harmless() {
    let sandbox = Sandbox::new();
    let url = url("data");
    let mut application = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "an_application"])
        .env(APPLICATION, absolute(&sandbox, &url))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let socket = sandbox.path("data").join(strongroom::ADMIN_SOCKET_FILE);
    let deadline = Instant::now() + Duration::from_secs(20);
    while !socket.exists() {
        assert!(Instant::now() < deadline, "no socket");
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut watching = sandbox.spawn(["watch", &url]);
    let mut first = [0; 8];
    watching.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    application.kill().unwrap();
    application.wait().unwrap();
    Ran::of(watching.wait_with_output().unwrap()).failed(3, &["connection", "lost"]);
    assert!(socket.exists());
    sandbox.run(["put", &url, "a", "1"]).text();
    assert!(sandbox.run(["stats", &url]).text().contains("conflicts"));
    sandbox.run(["watch", &url]).failed(2, &["AdminSocket::open"]);
}
