//! Damaged files: a read returns a typed error or the written value, never another value, and neither hangs nor
//! exhausts memory.
//!
//! Damaged files are opened in a child process, which is this test again, with limits on time and memory.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Tests fail by panicking.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use strongroom_core::{Durability, ErrorKind, KeyspaceHints, Result, Scan, StorageBackend, WriteBatch};
use strongroom_rocksdb::{RocksDbBackend, RocksDbOptions};

const DIRECTORY: &str = "STRONGROOM_ROCKSDB_DAMAGED";
const TIME_MAX: Duration = Duration::from_secs(60);
/// Limit of address space, which exceeds memory: threads reserve much of it and touch little.
const MEMORY_KIB_MAX: u64 = 3 * 1_024 * 1_024;

/// Rows in tables, and as many in the log.
const ROWS: u32 = 2_000;

fn value(number: u32) -> Vec<u8> {
    let mut value = format!("value of row {number} ").repeat(8).into_bytes();
    value.extend(number.to_be_bytes());
    value
}

fn write(directory: &Path) {
    let backend = RocksDbBackend::new(directory).unwrap();
    let rows = backend.create_keyspace("rows", KeyspaceHints::default()).unwrap();
    for (half, numbers) in [0..ROWS, ROWS..2 * ROWS].into_iter().enumerate() {
        let numbers: Vec<_> = numbers.collect();
        for few in numbers.chunks(100) {
            let mut batch = WriteBatch::new();
            for number in few {
                batch.put(rows, &number.to_be_bytes(), &value(*number));
            }
            backend.commit(&batch, Durability::PowerSafe).unwrap();
        }
        if half == 0 {
            backend.compact().unwrap();
        }
    }
}

/// Reads all rows by scan and by get. Rows may be missing where a log was cut, but only at the end.
fn read(directory: &Path) -> Result<()> {
    let backend = RocksDbBackend::open(directory, RocksDbOptions::new().cache_bytes(8 << 20))?;
    let rows = backend.keyspace("rows")?;
    let mut found = 0_u32;
    let mut cursor = backend.snapshot()?.cursor(rows, Scan::all())?;
    while cursor.advance()? {
        assert_eq!(cursor.key(), found.to_be_bytes(), "a row is missing in the middle");
        assert_eq!(cursor.value(), value(found), "a wrong value");
        found += 1;
    }
    assert!(found >= ROWS, "rows of tables are missing: {found}");
    for number in 0..found {
        assert_eq!(backend.get(rows, &number.to_be_bytes())?.as_deref(), Some(&value(number)[..]));
    }
    println!("read {found} rows");
    Ok(())
}

/// Not a test: the child's work.
#[test]
fn child_reads_what_is_damaged() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    if let Err(error) = read(Path::new(&directory)) {
        println!("error: {}: {}", error.kind(), error.one_line());
        let expected =
            [ErrorKind::Corruption, ErrorKind::Unsupported, ErrorKind::InvalidInput, ErrorKind::NotFound];
        assert!(expected.contains(&error.kind()), "{}", error.one_line());
        assert!(!error.one_line().contains("value of row"), "{}", error.one_line());
    }
}

/// Returns what the child reports about the damaged files.
fn outcome(directory: &Path, damage: &str) -> String {
    let program = std::env::current_exe().unwrap();
    let limited = format!("ulimit -v {MEMORY_KIB_MAX}; exec \"$0\" \"$@\"");
    let mut child = Command::new("sh")
        .args(["-c", &limited])
        .arg(program)
        .args(["child_reads_what_is_damaged", "--exact", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > TIME_MAX {
            child.kill().unwrap();
            panic!("{damage}: the child hangs");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let output_text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{damage}: {output_text}");
    let report = output_text.lines().find_map(|line| {
        let place = line.find("error: ").or_else(|| line.find("read "))?;
        Some(line[place..].to_owned())
    });
    let report = report.unwrap_or_else(|| panic!("{damage}: no report: {output_text}"));
    println!("{damage}: {report}");
    report
}

/// The intact store. Files are damaged in copies of it.
struct Whole {
    directory: tempfile::TempDir,
}

impl Whole {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path());
        Self { directory }
    }

    /// Returns the file whose name contains `mark`; the largest, if there are several.
    fn file(&self, mark: &str) -> PathBuf {
        let files =
            std::fs::read_dir(self.directory.path().join("rocksdb")).unwrap().map(|file| file.unwrap());
        let files = files.filter(|file| file.file_name().to_str().unwrap().contains(mark));
        files.max_by_key(|file| file.metadata().unwrap().len()).unwrap().path()
    }

    fn copy(&self) -> tempfile::TempDir {
        let copy = tempfile::tempdir().unwrap();
        std::fs::create_dir(copy.path().join("rocksdb")).unwrap();
        for file in std::fs::read_dir(self.directory.path().join("rocksdb")).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), copy.path().join("rocksdb").join(file.file_name())).unwrap();
        }
        copy
    }

    /// Opens a copy with these contents in the file, or without the file for `None`. Returns the child's
    /// report.
    fn with(&self, file: &Path, contents: Option<&[u8]>, damage: &str) -> String {
        let copy = self.copy();
        let damaged = copy.path().join("rocksdb").join(file.file_name().unwrap());
        match contents {
            Some(contents) => std::fs::write(&damaged, contents).unwrap(),
            None => std::fs::remove_file(&damaged).unwrap(),
        }
        outcome(copy.path(), &format!("{} {damage}", file.file_name().unwrap().to_str().unwrap()))
    }
}

fn damages(whole: &[u8]) -> Vec<(String, Option<Vec<u8>>)> {
    let len = whole.len();
    let mut damages = vec![("missing".to_owned(), None), ("empty".to_owned(), Some(Vec::new()))];
    for kept in [1, len / 2, len - 1] {
        damages.push((format!("cut to {kept} of {len}"), Some(whole[..kept].to_vec())));
    }
    damages.push(("zeroed".to_owned(), Some(vec![0; len])));
    damages.push(("of ff".to_owned(), Some(vec![0xff; len])));
    for place in [0, 4, len / 3, len / 2, len.saturating_sub(9), len - 1] {
        let mut flipped = whole.to_vec();
        flipped[place.min(len - 1)] ^= 0x10;
        damages.push((format!("flipped at {place}"), Some(flipped)));
    }
    damages
}

#[test]
fn damage_of_any_file_is_an_error_or_harmless() {
    let whole = Whole::new();
    assert_eq!(outcome(whole.copy().path(), "nothing"), format!("read {} rows", 2 * ROWS));
    for mark in ["CURRENT", "MANIFEST-", ".sst", ".log", "OPTIONS-", "IDENTITY"] {
        let file = whole.file(mark);
        let contents = std::fs::read(&file).unwrap();
        for (damage, damaged) in damages(&contents) {
            let report = whole.with(&file, damaged.as_deref(), &damage);
            // A log may be shorter, as after a crash.
            let may_be_read =
                ["OPTIONS-", "IDENTITY"].contains(&mark) || mark == ".log" && damage != "missing";
            assert!(may_be_read || report.starts_with("error: "), "{mark} {damage}: {report}");
            let is_harmless = ["OPTIONS-", "IDENTITY"].contains(&mark);
            assert!(!is_harmless || report == format!("read {} rows", 2 * ROWS), "{mark} {damage}: {report}");
        }
    }
}

#[test]
fn files_without_current_are_not_overwritten_by_a_new_database() {
    let whole = Whole::new();
    let copy = whole.copy();
    let current = copy.path().join("rocksdb/CURRENT");
    let right = std::fs::read(&current).unwrap();
    std::fs::remove_file(&current).unwrap();
    let files = || std::fs::read_dir(copy.path().join("rocksdb")).unwrap().count();
    let before = files();
    let error = RocksDbBackend::new(copy.path()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Corruption, "{error}");
    assert_eq!(files(), before);
    std::fs::write(&current, right).unwrap();
    read(copy.path()).unwrap();
}

/// Flips a bit of a file while the store is open.
fn flip(file: &Path, place: usize) {
    use std::os::unix::fs::FileExt;
    let mut byte = [0];
    let file = std::fs::File::options().read(true).write(true).open(file).unwrap();
    file.read_exact_at(&mut byte, place as u64).unwrap();
    file.write_all_at(&[byte[0] ^ 1], place as u64).unwrap();
}

#[test]
fn verify_finds_damage_of_tables_and_of_the_log_even_if_the_rows_are_cached() {
    for mark in [".sst", ".log"] {
        let whole = Whole { directory: tempfile::tempdir().unwrap() };
        let backend = RocksDbBackend::new(whole.directory.path()).unwrap();
        let rows = backend.create_keyspace("rows", KeyspaceHints::default()).unwrap();
        for number in 0..ROWS {
            let mut batch = WriteBatch::new();
            batch.put(rows, &number.to_be_bytes(), &value(number));
            backend.commit(&batch, Durability::Buffered).unwrap();
            if number == ROWS / 2 {
                backend.compact().unwrap();
            }
        }
        for number in 0..ROWS {
            assert!(backend.get(rows, &number.to_be_bytes()).unwrap().is_some());
        }
        backend.verify().unwrap();
        let file = whole.file(mark);
        flip(&file, usize::try_from(file.metadata().unwrap().len()).unwrap() / 3);
        let error = backend.verify().unwrap_err();
        println!("{}", error.one_line());
        assert_eq!(error.kind(), ErrorKind::Corruption, "{mark}");
        // Flipping it back repairs the file, and the handle still works.
        flip(&file, usize::try_from(file.metadata().unwrap().len()).unwrap() / 3);
        backend.verify().unwrap();
    }
}

#[test]
fn a_scan_over_a_damaged_table_fails_and_so_does_a_compaction() {
    let whole = Whole::new();
    let file = whole.file(".sst");
    flip(&file, usize::try_from(file.metadata().unwrap().len()).unwrap() / 3);
    let backend = RocksDbBackend::new(whole.directory.path()).unwrap();
    let rows = backend.keyspace("rows").unwrap();
    for scan in [Scan::all(), Scan::all().reverse()] {
        let mut cursor = backend.snapshot().unwrap().cursor(rows, scan.clone()).unwrap();
        let error = loop {
            match cursor.advance() {
                Ok(true) => {}
                Ok(false) => panic!("the scan ended without an error"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::Corruption);
        let mut cursor = backend.snapshot().unwrap().cursor(rows, scan).unwrap();
        let walked = cursor.visit(&mut |_, _| std::ops::ControlFlow::Continue(()));
        assert_eq!(walked.unwrap_err().kind(), ErrorKind::Corruption);
    }
    let error = backend.compact().unwrap_err();
    println!("{}", error.one_line());
    assert!(error.story().contains("orruption"), "{}", error.story());
}

#[test]
fn a_missing_or_short_log_before_the_last_is_corruption() {
    let home = tempfile::tempdir().unwrap();
    let backend = RocksDbBackend::new(home.path()).unwrap();
    let first = backend.create_keyspace("first", KeyspaceHints::default()).unwrap();
    let second = backend.create_keyspace("second", KeyspaceHints::default()).unwrap();
    let put = |keyspace, number: u32| {
        let mut batch = WriteBatch::new();
        batch.put(keyspace, &number.to_be_bytes(), &vec![7; 1_000_000]);
        backend.commit(&batch, Durability::PowerSafe).unwrap();
    };
    // The write buffer of the second keyspace fills and begins a new log. The old one is kept for the first.
    put(first, 0);
    (0..50).for_each(|number| put(second, number));
    put(first, 1);
    let copy = (Whole { directory: home }).copy();
    let home = copy.path().join("rocksdb");
    let mut logs: Vec<_> = std::fs::read_dir(&home).unwrap().map(|file| file.unwrap().path()).collect();
    logs.retain(|file| file.extension().is_some_and(|extension| extension == "log"));
    logs.sort();
    assert!(logs.len() > 1, "{logs:?}");
    let whole = std::fs::read(&logs[0]).unwrap();
    for damaged in [Some(&whole[..whole.len() / 2]), Some(&[]), None] {
        match damaged {
            Some(contents) => std::fs::write(&logs[0], contents).unwrap(),
            None => std::fs::remove_file(&logs[0]).unwrap(),
        }
        let error = RocksDbBackend::new(copy.path()).err().unwrap();
        println!("{}", error.one_line());
        assert_eq!(error.kind(), ErrorKind::Corruption);
    }
    std::fs::write(&logs[0], &whole).unwrap();
    let backend = RocksDbBackend::new(copy.path()).unwrap();
    assert!(backend.get(backend.keyspace("first").unwrap(), &0_u32.to_be_bytes()).unwrap().is_some());
}
