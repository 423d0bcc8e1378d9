//! Other openers of the file: reading processes, the `sqlite3` shell, and media that cannot be written.

#![allow(clippy::unwrap_used, clippy::expect_used)] // Tests fail by panicking.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use strongroom_core::{Durability, ErrorKind, KeyspaceHints, Scan, StorageBackend, WriteBatch};
use strongroom_sqlite::{SqliteBackend, SqliteOptions};

/// Tells a test that it runs as the child, and on which directory.
const CHILD: &str = "STRONGROOM_SQLITE_SHARED";

/// Writes a row to a dedicated table, which the shell can show.
fn put(backend: &SqliteBackend, name: &str, key: &[u8], value: &[u8]) {
    let keyspace = backend.create_keyspace(name, KeyspaceHints::dedicated()).unwrap();
    let mut batch = WriteBatch::new();
    batch.put(keyspace, key, value);
    backend.commit(&batch, Durability::Buffered).unwrap();
}

fn read_only(directory: &Path) -> strongroom_core::Result<SqliteBackend> {
    SqliteBackend::open(directory, SqliteOptions::new().read_only())
}

/// Answers each line, the name of a keyspace, with the value of `round` in it and in an older snapshot.
fn child(directory: &Path) {
    let refused = SqliteBackend::new(directory).err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Locked);
    let backend = read_only(directory).unwrap();
    let first = backend.keyspace("rows").unwrap();
    let snapshot = backend.snapshot().unwrap();
    let text = |value: Option<strongroom_core::Bytes>| {
        value.map_or("none".to_owned(), |value| String::from_utf8(value.to_vec()).unwrap())
    };
    for line in std::io::stdin().lines() {
        let newest = match backend.keyspace(&line.unwrap()) {
            Ok(keyspace) => text(backend.get(keyspace, b"round").unwrap()),
            Err(error) => error.kind().to_string(),
        };
        println!("answer: {newest}, {}", text(snapshot.get(first, b"round").unwrap()));
    }
}

#[test]
fn another_process_reads_while_this_one_writes() {
    if let Some(directory) = std::env::var_os(CHILD) {
        return child(Path::new(&directory));
    }
    let home = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::new(home.path()).unwrap();
    put(&backend, "rows", b"round", b"0");
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["another_process_reads_while_this_one_writes", "--exact", "--nocapture"])
        .env(CHILD, home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = process.stdin.take().unwrap();
    let output = BufReader::new(process.stdout.take().unwrap());
    let mut answers = output.lines().map(Result::unwrap);
    let mut ask = |name: &str| {
        writeln!(input, "{name}").unwrap();
        loop {
            let line = answers.next().expect("the child has ended");
            // The test harness may have begun the line.
            if let Some((_, answer)) = line.split_once("answer: ") {
                return answer.to_owned();
            }
        }
    };
    assert_eq!(ask("rows"), "0, 0");
    for round in 1..50 {
        put(&backend, "rows", b"round", round.to_string().as_bytes());
        assert_eq!(ask("rows"), format!("{round}, 0"), "sees new commits, and its snapshot unchanged");
    }
    assert_eq!(ask("more"), "not found, 0");
    put(&backend, "more", b"round", b"new");
    assert_eq!(ask("more"), "new, 0");
    // The other process reads an older state, but nothing hangs.
    assert_eq!(backend.compact().unwrap_err().kind(), ErrorKind::Unavailable);
    backend.drop_keyspace(backend.keyspace("more").unwrap()).unwrap();
    assert_eq!(ask("rows"), "49, 0");
    drop(input);
    assert!(process.wait().unwrap().success());
}

#[test]
fn a_keyspace_that_another_handle_dropped_is_not_found() {
    let home = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::new(home.path()).unwrap();
    put(&backend, "rows", b"a", b"1");
    let reader = read_only(home.path()).unwrap();
    let rows = reader.keyspace("rows").unwrap();
    let before = reader.snapshot().unwrap();
    assert!(reader.get(rows, b"a").unwrap().is_some());
    backend.drop_keyspace(backend.keyspace("rows").unwrap()).unwrap();
    assert_eq!(reader.get(rows, b"a").unwrap_err().kind(), ErrorKind::NotFound);
    assert!(before.get(rows, b"a").unwrap().is_some());
    let mut cursor = reader.snapshot().unwrap().cursor(rows, Scan::all()).unwrap();
    assert_eq!(cursor.advance().unwrap_err().kind(), ErrorKind::NotFound);
    assert!(reader.keyspaces().unwrap().is_empty());
}

#[test]
fn a_reader_finds_the_new_keyspace_after_a_drop_and_recreation() {
    let home = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::new(home.path()).unwrap();
    put(&backend, "rows", b"a", b"old");
    let reader = read_only(home.path()).unwrap();
    assert_eq!(reader.get(reader.keyspace("rows").unwrap(), b"a").unwrap().as_deref(), Some(&b"old"[..]));
    backend.drop_keyspace(backend.keyspace("rows").unwrap()).unwrap();
    put(&backend, "rows", b"a", b"new");
    assert_eq!(reader.keyspaces().unwrap(), ["rows"]);
    assert_eq!(reader.get(reader.keyspace("rows").unwrap(), b"a").unwrap().as_deref(), Some(&b"new"[..]));
}

/// A container may mount a directory read-only that another process writes.
#[test]
fn a_reader_without_shared_memory_locks_writers_out() {
    let home = tempfile::tempdir().unwrap();
    let medium = Medium(tempfile::tempdir().unwrap());
    put(&SqliteBackend::new(home.path()).unwrap(), "rows", b"a", b"1");
    let bound = Command::new("mount").arg("--bind").args([home.path(), medium.0.path()]).output();
    if !bound.is_ok_and(|output| output.status.success()) || !medium.mount(&["-o", "remount,ro,bind"]) {
        eprintln!("SKIPPED: no directory can be mounted here");
        return;
    }
    let reader = read_only(medium.0.path()).unwrap();
    assert!(reader.get(reader.keyspace("rows").unwrap(), b"a").unwrap().is_some());
    assert_eq!(SqliteBackend::new(home.path()).err().unwrap().kind(), ErrorKind::Locked);
    drop(reader);
    let writer = SqliteBackend::new(home.path()).unwrap();
    put(&writer, "rows", b"a", b"2");
    // With the writer's index present, SQLite may be able to coordinate; otherwise it returns an error.
    match read_only(medium.0.path()) {
        Ok(reader) => {
            let rows = reader.keyspace("rows").unwrap();
            put(&writer, "rows", b"a", b"3");
            assert_eq!(reader.get(rows, b"a").unwrap().as_deref(), Some(&b"3"[..]));
        }
        Err(error) => assert!([ErrorKind::Locked, ErrorKind::Io].contains(&error.kind()), "{error}"),
    }
}

#[test]
fn the_shell_shows_keyspaces_keys_and_values() {
    if Command::new("sqlite3").arg("-version").output().is_err() {
        eprintln!("SKIPPED: sqlite3 is not installed");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::new(home.path()).unwrap();
    put(&backend, "Names", b"ada", b"Lovelace");
    put(&backend, "names", b"alan", b"");
    for key in [&b"a\0b"[..], b"\xff\xfe", b"\x9f\xbf", "Zürich é 東京".as_bytes(), b"[^ -~]*'\"", b"line\n"]
    {
        put(&backend, "odd", key, key);
    }
    let shell = |sql: &str| {
        let file = home.path().join("data.sqlite");
        let output = Command::new("sqlite3").arg("-readonly").arg(file).arg(sql).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let check = || {
        assert_eq!(shell("SELECT * FROM keyspaces WHERE number <= 3"), "1|Names\n2|names\n3|odd\n");
        assert_eq!(
            shell("SELECT * FROM entries WHERE keyspace <> 'odd'"),
            "Names|ada|8|Lovelace\nnames|alan|0|\n"
        );
        assert_eq!(
            shell("SELECT key FROM entries WHERE keyspace = 'odd' ORDER BY key"),
            "X'610062'\nX'6C696E650A'\nX'9FBF'\nX'FFFE'\nZürich é 東京\n[^ -~]*'\"\n"
        );
        assert_eq!(shell("SELECT hex(value) FROM keyspace_1 WHERE key = x'616461'"), "4C6F76656C616365\n");
        assert_eq!(shell("PRAGMA quick_check"), "ok\n");
    };
    // While the store is open, and afterwards.
    check();
    drop(backend);
    check();
    // More keyspaces than the view can have.
    let backend = SqliteBackend::new(home.path()).unwrap();
    for number in 0..110 {
        backend.create_keyspace(&format!("k{number}"), KeyspaceHints::dedicated()).unwrap();
    }
    check();
    assert_eq!(shell("SELECT count(*) FROM keyspaces"), "113\n");
    backend.drop_keyspace(backend.keyspace("Names").unwrap()).unwrap();
    assert_eq!(shell("SELECT count(*) FROM entries WHERE keyspace = 'Names'"), "0\n");
}

/// A mounted file system that is unmounted on drop.
struct Medium(tempfile::TempDir);

impl Medium {
    fn new() -> Option<Self> {
        let medium = Self(tempfile::tempdir().unwrap());
        medium.mount(&["-t", "tmpfs", "tmpfs"]).then_some(medium)
    }

    fn mount(&self, arguments: &[&str]) -> bool {
        let mounted = Command::new("mount").args(arguments).arg(self.0.path()).stderr(Stdio::null()).status();
        mounted.is_ok_and(|status| status.success())
    }
}

impl Drop for Medium {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_store_is_readable_on_a_read_only_medium() {
    let Some(medium) = Medium::new() else {
        eprintln!("SKIPPED: no file system can be mounted here");
        return;
    };
    let path = medium.0.path().join("data");
    let backend = SqliteBackend::new(&path).unwrap();
    put(&backend, "rows", b"a", b"1");
    // The second store as a crash leaves it.
    let crashed = medium.0.path().join("crashed");
    std::fs::create_dir(&crashed).unwrap();
    for name in ["data.sqlite", "data.sqlite-wal"] {
        std::fs::copy(path.join(name), crashed.join(name)).unwrap();
    }
    let copy = medium.0.path().join("copy");
    backend.checkpoint(&copy).unwrap();
    drop(backend);
    assert!(medium.mount(&["-o", "remount,ro"]));
    for closed in [&path, &copy] {
        let reader = read_only(closed).unwrap();
        let rows = reader.keyspace("rows").unwrap();
        assert_eq!(reader.get(rows, b"a").unwrap().as_deref(), Some(&b"1"[..]));
        assert!(reader.snapshot().unwrap().cursor(rows, Scan::all()).unwrap().advance().unwrap());
    }
    let refused = read_only(&crashed).err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Io, "{refused}");
    assert!(refused.way_out().contains("-wal"), "{refused}");
    assert_eq!(SqliteBackend::new(&path).err().unwrap().kind(), ErrorKind::Io);
    assert!(medium.mount(&["-o", "remount,rw"]));
    assert!(read_only(&crashed).unwrap().keyspace("rows").is_ok());
    assert!(SqliteBackend::new(&path).unwrap().keyspace("rows").is_ok());
}

#[test]
fn a_reader_concurrent_with_a_writer_shares_no_view() {
    let home = tempfile::tempdir().unwrap();
    let writer = SqliteBackend::new(home.path()).unwrap();
    put(&writer, "rows", b"round", b"0");
    let reader = read_only(home.path()).unwrap();
    let rows = reader.keyspace("rows").unwrap();
    for round in ["1", "2", "3"] {
        put(&writer, "rows", b"round", round.as_bytes());
        for _ in 0..4 {
            assert_eq!(reader.get(rows, b"round").unwrap().unwrap(), round.as_bytes());
        }
    }
    assert_eq!(reader.stats().unwrap().read_views_opened, 0);
}
