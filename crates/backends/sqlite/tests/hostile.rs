//! Files that neither SQLite nor this adapter wrote that way. Files that may crash the process are opened in a
//! child, with limits on time and memory.

#![allow(clippy::unwrap_used, clippy::expect_used)] // Tests fail by panicking.

use rusqlite::Connection;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use strongroom_core::{
    Create, Durability, ErrorKind, KeyspaceHints, Scan, StorageBackend, TypedOptions, WriteBatch, limits,
};
use strongroom_sqlite::{SqliteBackend, SqliteOptions};

/// Tells a test that it runs as the child, and on which directory.
const CHILD: &str = "STRONGROOM_SQLITE_HOSTILE";

const CHILD_TIMEOUT: Duration = Duration::from_secs(60);

fn store(directory: &Path, rows: u32, value: &[u8]) {
    let backend = SqliteBackend::new(directory).unwrap();
    let keyspace = backend.create_keyspace("rows", KeyspaceHints::default()).unwrap();
    let mut batch = WriteBatch::new();
    for number in 0..rows {
        batch.put(keyspace, &number.to_be_bytes(), value);
    }
    backend.commit(&batch, Durability::PowerSafe).unwrap();
}

fn open_error(directory: &Path) -> ErrorKind {
    let error = SqliteBackend::new(directory).err().unwrap();
    println!("{}", error.one_line());
    assert!(!error.to_string().contains('\n'));
    error.kind()
}

/// Changes the file from outside, through SQLite.
fn alter(directory: &Path, sql: &str) {
    Connection::open(directory.join("data.sqlite")).unwrap().execute_batch(sql).unwrap();
}

#[test]
fn a_file_that_is_not_a_database_is_corruption_and_is_not_changed() {
    for contents in [&b""[..], b"not a database", &[0; 8192], &[b'x'; 10_000], b"SQLite format 3\0"] {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("data.sqlite");
        std::fs::write(&file, contents).unwrap();
        for _ in 0..2 {
            assert_eq!(open_error(home.path()), ErrorKind::Corruption);
            assert_eq!(std::fs::read(&file).unwrap(), contents);
        }
    }
}

#[test]
fn a_database_of_another_program_is_refused_and_not_changed() {
    for sql in [
        "CREATE TABLE t (a)",
        "PRAGMA journal_mode = WAL; CREATE TABLE keyspaces (number, name)",
        "PRAGMA application_id = 7; PRAGMA user_version = 1; CREATE TABLE t (a)",
    ] {
        let home = tempfile::tempdir().unwrap();
        alter(home.path(), sql);
        let before = std::fs::read(home.path().join("data.sqlite")).unwrap();
        assert_eq!(open_error(home.path()), ErrorKind::InvalidInput);
        let read_only = SqliteBackend::open(home.path(), SqliteOptions::new().read_only());
        assert_eq!(read_only.err().unwrap().kind(), ErrorKind::InvalidInput);
        assert!(std::fs::read(home.path().join("data.sqlite")).unwrap() == before);
        assert!(!home.path().join("data.sqlite-wal").exists());
    }
}

#[test]
fn a_later_format_is_refused() {
    let home = tempfile::tempdir().unwrap();
    store(home.path(), 1, b"");
    alter(home.path(), "PRAGMA user_version = 2");
    assert_eq!(open_error(home.path()), ErrorKind::InvalidInput);
    alter(home.path(), "PRAGMA user_version = 1");
    SqliteBackend::new(home.path()).unwrap();
    // Visible only in the log: the file itself still has the old version.
    let later = Connection::open(home.path().join("data.sqlite")).unwrap();
    later.execute_batch("PRAGMA user_version = 3").unwrap();
    assert_eq!(open_error(home.path()), ErrorKind::InvalidInput);
}

#[test]
fn altered_tables_are_refused() {
    for sql in [
        "CREATE TRIGGER t AFTER INSERT ON keyspace_1 BEGIN DELETE FROM keyspace_1; END",
        "CREATE INDEX i ON keyspace_1 (value)",
        "ALTER TABLE keyspace_1 ADD COLUMN more",
        "DROP TABLE keyspace_1",
        "DROP TABLE keyspace_1; CREATE VIEW keyspace_1 AS SELECT x'01' AS key, x'02' AS value",
        "DROP TABLE keyspaces",
        "DROP TABLE syncs",
        "INSERT INTO keyspaces (name) VALUES ('a'' b')",
        "INSERT INTO keyspaces (name) VALUES ('more')",
    ] {
        let home = tempfile::tempdir().unwrap();
        store(home.path(), 1, b"");
        alter(home.path(), sql);
        assert_eq!(open_error(home.path()), ErrorKind::Corruption, "{sql}");
        let read_only = SqliteBackend::open(home.path(), SqliteOptions::new().read_only());
        assert_eq!(read_only.err().unwrap().kind(), ErrorKind::Corruption, "{sql}");
    }
    // A foreign table in the file is harmless, and so is a missing view.
    let home = tempfile::tempdir().unwrap();
    store(home.path(), 1, b"");
    alter(home.path(), "CREATE TABLE notes (a); CREATE INDEX i ON notes (a); DROP VIEW entries");
    SqliteBackend::new(home.path()).unwrap();
}

#[test]
fn a_value_that_is_not_bytes_is_corruption() {
    let home = tempfile::tempdir().unwrap();
    store(home.path(), 1, b"");
    alter(home.path(), "INSERT INTO keyspace_1 VALUES (x'61', 'text'), (x'62', 7)");
    let backend = SqliteBackend::new(home.path()).unwrap();
    let rows = backend.keyspace("rows").unwrap();
    for key in [b"a", b"b"] {
        assert_eq!(backend.get(rows, key).unwrap_err().kind(), ErrorKind::Corruption);
    }
    let mut cursor = backend.snapshot().unwrap().cursor(rows, Scan::all()).unwrap();
    let failed = std::iter::repeat_with(|| cursor.advance()).take(4).find_map(Result::err).unwrap();
    assert_eq!(failed.kind(), ErrorKind::Corruption);
}

#[test]
fn an_interrupted_creation_is_repeated() {
    for (name, left_behind) in [
        ("data.sqlite.new", &b"half a database"[..]),
        ("data.sqlite.new", &[]),
        ("data.sqlite.new-wal", b"half a log"),
        ("data.sqlite.new-journal", &[0; 600]),
        ("data.sqlite.writer", b""),
    ] {
        let home = tempfile::tempdir().unwrap();
        // Each by itself: a power cut keeps an arbitrary subset of the names.
        std::fs::write(home.path().join(name), left_behind).unwrap();
        for options in [SqliteOptions::new().create(Create::Never), SqliteOptions::new().read_only()] {
            let refused = SqliteBackend::open(home.path(), options).err().unwrap();
            assert_eq!(refused.kind(), ErrorKind::NotFound, "{refused}");
        }
        assert!(!home.path().join("data.sqlite").exists());
        drop(SqliteBackend::new(home.path()).unwrap());
        let mut names: Vec<_> =
            std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["data.sqlite", "data.sqlite.writer"]);
    }
}

#[test]
fn a_lost_file_is_not_recreated() {
    let home = tempfile::tempdir().unwrap();
    store(home.path(), 1, b"");
    std::fs::remove_file(home.path().join("data.sqlite")).unwrap();
    for _ in 0..2 {
        assert_eq!(open_error(home.path()), ErrorKind::Corruption);
    }
    assert!(!home.path().join("data.sqlite").exists());
}

#[test]
fn verify_finds_damage() {
    let home = tempfile::tempdir().unwrap();
    store(home.path(), 2_000, &[0xab; 100]);
    SqliteBackend::new(home.path()).unwrap().verify().unwrap();
    let file = home.path().join("data.sqlite");
    let mut bytes = std::fs::read(&file).unwrap();
    // The cells of a page in the middle of the rows.
    let page = bytes.len() / 4_096 / 2 * 4_096;
    bytes[page..page + 64].fill(0xff);
    std::fs::write(&file, &bytes).unwrap();
    let error = SqliteBackend::new(home.path()).unwrap().verify().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corruption, "{error}");
    assert!(!error.to_string().contains('\n'));
}

/// Opens the store in the directory, reads all of it, writes to it and verifies it. Prints the outcome; errors
/// are allowed, crashes are not.
fn child(directory: &Path) {
    let visit = |options: SqliteOptions| -> strongroom_core::Result<u64> {
        let writes = !options.common().read_only;
        let backend = SqliteBackend::open(directory, options)?;
        let mut rows = 0;
        for name in backend.keyspaces()? {
            let keyspace = backend.keyspace(&name)?;
            let mut cursor = backend.snapshot()?.cursor(keyspace, Scan::all())?;
            while cursor.advance()? {
                rows += 1;
                assert!(cursor.value().len() <= limits::VALUE_BYTES_MAX + 256);
            }
            backend.get(keyspace, &7_u32.to_be_bytes())?;
            if writes {
                let mut batch = WriteBatch::new();
                batch.put(keyspace, b"new", b"1").delete(keyspace, &3_u32.to_be_bytes());
                backend.commit(&batch, Durability::Buffered)?;
            }
        }
        if writes {
            backend.verify()?;
        }
        Ok(rows)
    };
    for options in [SqliteOptions::new().read_only(), SqliteOptions::new()] {
        match visit(options) {
            Ok(rows) => println!("rows: {rows}"),
            Err(error) => {
                println!("error: {:?}: {}", error.kind(), error.one_line());
                let kinds = [ErrorKind::Corruption, ErrorKind::CommitUnknown, ErrorKind::InvalidInput];
                assert!(kinds.contains(&error.kind()), "{error}");
            }
        }
    }
}

fn run_child(directory: &Path) -> ExitStatus {
    let this = std::env::current_exe().unwrap();
    let arguments = ["damaged_files_give_typed_errors", "--exact", "--nocapture"];
    let mut command = if cfg!(unix) {
        let mut shell = Command::new("sh");
        // 1 GiB of address space: for the cache, one large row, and the test itself.
        shell.args(["-c", "ulimit -v 1048576; exec \"$0\" \"$@\""]).arg(this);
        shell
    } else {
        Command::new(this)
    };
    let command = command.args(arguments).env(CHILD, directory).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let began = Instant::now();
    loop {
        if let Some(status) = process.try_wait().unwrap() {
            return status;
        }
        if began.elapsed() > CHILD_TIMEOUT {
            process.kill().unwrap();
            return process.wait().unwrap();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn damaged_files_give_typed_errors() {
    if let Some(directory) = std::env::var_os(CHILD) {
        return child(Path::new(&directory));
    }
    let home = tempfile::tempdir().unwrap();
    // A file, with a log as a crash leaves it.
    let backend = SqliteBackend::new(home.path()).unwrap();
    let rows = backend.create_keyspace("rows", KeyspaceHints::default()).unwrap();
    for round in 0..2_u8 {
        let mut batch = WriteBatch::new();
        for number in 0..1_000_u32 {
            batch.put(rows, &number.to_be_bytes(), &vec![round; number as usize % 300 * 20]);
        }
        backend.commit(&batch, Durability::PowerSafe).unwrap();
    }
    let data = std::fs::read(home.path().join("data.sqlite")).unwrap();
    let log = std::fs::read(home.path().join("data.sqlite-wal")).unwrap();
    drop(backend);
    let closed = std::fs::read(home.path().join("data.sqlite")).unwrap();

    let mut random = 42_u64;
    let mut next = |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(random >> 33).unwrap() % below
    };
    let mut cases: Vec<(String, Vec<u8>, Vec<u8>)> = Vec::new();
    for len in [16, 50, 100, 512, 4_096, 5_000, closed.len() / 2, closed.len() - 1] {
        cases.push((format!("cut to {len}"), closed[..len].to_vec(), Vec::new()));
    }
    for len in [1, 32, 100, 4_000, log.len() / 2, log.len() - 1] {
        cases.push((format!("log cut to {len}"), data.clone(), log[..len].to_vec()));
    }
    let noise: Vec<u8> = (0..100_000).map(|_| u8::try_from(next(256)).unwrap()).collect();
    cases.push(("a log of noise".into(), data.clone(), noise.clone()));
    cases.push(("a log of zeros".into(), data.clone(), vec![0; 100_000]));
    cases.push(("a log of another file".into(), closed.clone(), log.clone()));
    for page in [0, 1, 2, 3, 4, 5, 10, closed.len() / 4_096 - 1] {
        let mut zeroed = closed.clone();
        zeroed[page * 4_096..(page + 1) * 4_096].fill(0);
        cases.push((format!("page {page} zeroed"), zeroed, Vec::new()));
        let mut scrambled = closed.clone();
        scrambled[page * 4_096 + 100..(page + 1) * 4_096].copy_from_slice(&noise[..3_996]);
        cases.push((format!("page {page} noise"), scrambled, Vec::new()));
    }
    for round in 0..30 {
        let mut flipped = closed.clone();
        for _ in 0..=round * 5 {
            let place = next(if round % 2 == 0 { 20_000 } else { flipped.len() });
            flipped[place] ^= 1 << next(8);
        }
        cases.push((format!("flipped, round {round}"), flipped, Vec::new()));
    }
    for (what, data, log) in cases {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("data.sqlite"), data).unwrap();
        if !log.is_empty() {
            std::fs::write(directory.path().join("data.sqlite-wal"), log).unwrap();
        }
        let status = run_child(directory.path());
        assert!(status.success(), "{what}: {status}");
    }
}

#[test]
fn an_interrupted_move_of_the_log_into_the_file_loses_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (original, copy) = (home.path().join("original"), home.path().join("copy"));
    let options = SqliteOptions::new().wal_autocheckpoint_pages(1_000_000);
    let backend = SqliteBackend::open(&original, options).unwrap();
    let keyspace = backend.create_keyspace("rows", KeyspaceHints::default()).unwrap();
    let mut batch = WriteBatch::new();
    for number in 0..2_000_u32 {
        batch.put(keyspace, &number.to_be_bytes(), &[7; 100]);
    }
    backend.commit(&batch, Durability::PowerSafe).unwrap();
    // Copied by another process, because closing a file here would drop this process's locks on it.
    let copied = Command::new("cp").arg("-r").args([&original, &copy]).status().unwrap();
    assert!(copied.success());
    drop(backend);

    // The first page has the new length already, but the other pages were not written.
    let moved = std::fs::read(original.join("data.sqlite")).unwrap();
    let mut cut = std::fs::read(copy.join("data.sqlite")).unwrap();
    assert!(cut.len() < moved.len() / 2, "the rows are in the log");
    cut[..4_096].copy_from_slice(&moved[..4_096]);
    std::fs::write(copy.join("data.sqlite"), cut).unwrap();

    for options in [SqliteOptions::new().read_only(), SqliteOptions::new()] {
        let backend = SqliteBackend::open(&copy, options).unwrap();
        let mut cursor =
            backend.snapshot().unwrap().cursor(backend.keyspace("rows").unwrap(), Scan::all()).unwrap();
        let mut rows = 0;
        while cursor.advance().unwrap() {
            rows += 1;
        }
        assert_eq!(rows, 2_000);
    }
    SqliteBackend::new(&copy).unwrap().verify().unwrap();
}
