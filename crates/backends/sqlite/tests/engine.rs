//! Behaviour that is SQLite's own; the contract for every backend is tested in `conformance.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used)] // Tests fail by panicking.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use strongroom_core::{
    Create, Durability, Engine, ErrorKind, KeyRange, KeyspaceHints, KeyspaceId, Options, Scan,
    StorageBackend, TypedOptions, WriteBatch,
};
use strongroom_sqlite::{SqliteBackend, SqliteEngine, SqliteOptions};

fn put(backend: &SqliteBackend, keyspace: KeyspaceId, key: &[u8], value: &[u8], durability: Durability) {
    let mut batch = WriteBatch::new();
    batch.put(keyspace, key, value);
    backend.commit(&batch, durability).unwrap();
}

fn keyspace(backend: &SqliteBackend) -> KeyspaceId {
    backend.create_keyspace("rows", KeyspaceHints::default()).unwrap()
}

fn fill(backend: &SqliteBackend, keyspace: KeyspaceId, rows: u32, value: &[u8]) {
    let mut batch = WriteBatch::new();
    for number in 0..rows {
        batch.put(keyspace, &number.to_be_bytes(), value);
    }
    backend.commit(&batch, Durability::PowerSafe).unwrap();
}

fn engine_figure(backend: &SqliteBackend, name: &str) -> u64 {
    let stats = backend.stats().unwrap();
    stats.engine.iter().find(|(known, _)| known == name).unwrap().1
}

/// Returns a number that a foreign connection sees.
fn number(directory: &Path, sql: &str) -> i64 {
    let connection = rusqlite::Connection::open(directory.join("data.sqlite")).unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Copies the files as a crash of the process at this point would leave them.
fn copy_as_after_a_crash(directory: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in ["data.sqlite", "data.sqlite-wal", "data.sqlite.writer"] {
        std::fs::copy(directory.join(name), copy.path().join(name)).unwrap();
    }
    copy
}

#[test]
fn the_compiled_version_is_the_declared_one() {
    let (declared, version) = (SqliteEngine::INFO.version, rusqlite::version());
    assert!(version.starts_with(&format!("{declared}.")), "SQLite {version}, but INFO has {declared}");
}

#[test]
fn options_are_parsed_by_name_and_refused_out_of_range() {
    let given =
        |name: &str, value: &str| SqliteOptions::from_options(&Options::new().engine_option(name, value));
    for (name, value) in [
        ("page_size", "65536"),
        ("wal_autocheckpoint_pages", "1"),
        ("busy_timeout_ms", "0"),
        ("readers_max", "1"),
    ] {
        assert!(given(name, value).is_ok(), "{name}");
    }
    for (name, value) in [
        ("page_size", "5000"),
        ("page_size", "256"),
        ("page_size", "0"),
        ("wal_autocheckpoint_pages", "0"),
        ("wal_autocheckpoint_pages", "-1"),
        ("busy_timeout_ms", "600001"),
        ("readers_max", "0"),
        ("readers_max", "1001"),
    ] {
        assert_eq!(given(name, value).unwrap_err().kind(), ErrorKind::InvalidInput, "{name}={value}");
    }
    let unknown = given("journal_mode", "off").unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::InvalidInput);
    for known in ["page_size", "wal_autocheckpoint_pages", "busy_timeout_ms", "readers_max"] {
        assert!(unknown.way_out().contains(known), "{unknown}");
    }
    let home = tempfile::tempdir().unwrap();
    let refused = SqliteBackend::open(home.path(), SqliteOptions::new().readers_max(0));
    assert_eq!(refused.err().unwrap().kind(), ErrorKind::InvalidInput);
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    // Typed options are also set by name.
    let typed =
        SqliteOptions::new().page_size(512).wal_autocheckpoint_pages(7).busy_timeout_ms(8).readers_max(9);
    let again = SqliteOptions::from_options(typed.common()).unwrap();
    assert_eq!(format!("{typed:?}"), format!("{again:?}"));
}

#[test]
fn options_reach_the_engine() {
    let home = tempfile::tempdir().unwrap();
    let options = SqliteOptions::new().page_size(8_192).wal_autocheckpoint_pages(10).readers_max(2);
    let backend = SqliteBackend::open(home.path(), options).unwrap();
    let rows = keyspace(&backend);
    assert_eq!(engine_figure(&backend, "page_size"), 8_192);
    for number in 0..200_u8 {
        put(&backend, rows, &[number], &[number; 4_000], Durability::Buffered);
        // Ten pages, plus those of one commit.
        assert!(engine_figure(&backend, "wal_bytes") < 20 * 8_300);
    }
    let snapshots: Vec<_> = (0..20).map(|_| backend.snapshot().unwrap()).collect();
    assert_eq!(engine_figure(&backend, "reader_connections"), 20);
    drop(snapshots);
    // Besides the kept ones, one is in the shared read view until the next commit.
    assert_eq!(engine_figure(&backend, "reader_connections"), 3);
    put(&backend, rows, b"a", b"1", Durability::Buffered);
    assert_eq!(engine_figure(&backend, "reader_connections"), 2);
    drop(backend);
    // A file keeps its page size.
    let backend = SqliteBackend::open(home.path(), SqliteOptions::new().page_size(512)).unwrap();
    assert_eq!(engine_figure(&backend, "page_size"), 8_192);
}

#[test]
fn a_second_writer_is_locked_out_and_readers_are_not() {
    let home = tempfile::tempdir().unwrap();
    let first = SqliteBackend::new(home.path()).unwrap();
    let rows = keyspace(&first);
    put(&first, rows, b"a", b"1", Durability::Buffered);
    let refused = SqliteBackend::new(home.path()).err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Locked, "{refused}");
    let reader = SqliteBackend::open(home.path(), SqliteOptions::new().read_only()).unwrap();
    let seen = reader.keyspace("rows").unwrap();
    assert_eq!(reader.get(seen, b"a").unwrap().as_deref(), Some(&b"1"[..]));
    put(&first, rows, b"a", b"2", Durability::Buffered);
    assert_eq!(reader.get(seen, b"a").unwrap().as_deref(), Some(&b"2"[..]));
    // Closing the reader does not release the writer's locks.
    drop(reader);
    put(&first, rows, b"a", b"3", Durability::PowerSafe);
    assert_eq!(SqliteBackend::new(home.path()).err().unwrap().kind(), ErrorKind::Locked);
    drop(first);
    SqliteBackend::new(home.path()).unwrap();
}

#[test]
fn dropping_the_backend_closes_it_at_once_and_leaves_one_data_file() {
    let home = tempfile::tempdir().unwrap();
    for round in 0..10_u8 {
        let backend = SqliteBackend::new(home.path()).unwrap();
        let rows = keyspace(&backend);
        if round > 0 {
            assert_eq!(backend.get(rows, b"round").unwrap().as_deref(), Some(&[round - 1][..]));
        }
        put(&backend, rows, b"round", &[round], Durability::Buffered);
        let snapshot = backend.snapshot().unwrap();
        drop(backend);
        assert_eq!(SqliteBackend::new(home.path()).err().unwrap().kind(), ErrorKind::Locked);
        drop(snapshot);
        let mut names: Vec<_> =
            std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["data.sqlite", "data.sqlite.writer"]);
    }
}

#[test]
fn buffered_commits_survive_a_crash_of_the_process() {
    let home = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    put(&backend, rows, b"a", b"1", Durability::Buffered);
    let copy = copy_as_after_a_crash(home.path());
    let after = SqliteBackend::new(copy.path()).unwrap();
    assert_eq!(after.get(after.keyspace("rows").unwrap(), b"a").unwrap().as_deref(), Some(&b"1"[..]));
}

#[test]
fn a_commit_without_changes_still_syncs_buffered_commits() {
    let home = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    let syncs = || number(home.path(), "SELECT number FROM syncs");
    let mut last = syncs();
    let mut grew = || {
        let now = syncs();
        std::mem::replace(&mut last, now) < now
    };
    let mut absent = WriteBatch::new();
    absent.delete(rows, b"absent");
    put(&backend, rows, b"a", b"1", Durability::Buffered);
    assert!(!grew());
    backend.commit(&absent, Durability::PowerSafe).unwrap();
    assert!(grew(), "a power-safe commit without a page of its own");
    put(&backend, rows, b"a", b"1", Durability::PowerSafe);
    backend.flush().unwrap();
    assert!(!grew(), "there was nothing to sync");
    put(&backend, rows, b"a", b"2", Durability::Buffered);
    backend.flush().unwrap();
    assert!(grew());
    // Commits that an earlier process left in the log may not have been synced.
    put(&backend, rows, b"a", b"3", Durability::Buffered);
    let copy = copy_as_after_a_crash(home.path());
    let after = SqliteBackend::new(copy.path()).unwrap();
    let before = number(copy.path(), "SELECT number FROM syncs");
    after.flush().unwrap();
    assert!(number(copy.path(), "SELECT number FROM syncs") > before);
}

#[test]
fn the_last_operation_on_a_key_wins() {
    let home = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    let mut batch = WriteBatch::new();
    batch.put(rows, b"a", b"1").delete(rows, b"a").put(rows, b"a", b"3");
    batch.put(rows, b"b", b"1").put(rows, b"b", b"2").delete(rows, b"b");
    batch.delete(rows, b"c").put(rows, b"c", b"");
    backend.commit(&batch, Durability::PowerSafe).unwrap();
    drop(backend);
    let backend = SqliteBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    assert_eq!(backend.get(rows, b"a").unwrap().as_deref(), Some(&b"3"[..]));
    assert_eq!(backend.get(rows, b"b").unwrap(), None);
    assert_eq!(backend.get(rows, b"c").unwrap().as_deref(), Some(&b""[..]));
}

#[test]
fn a_recreated_keyspace_is_empty_and_has_another_table() {
    let home = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::new(home.path()).unwrap();
    let old = keyspace(&backend);
    put(&backend, old, b"a", b"1", Durability::PowerSafe);
    let upper = backend.create_keyspace("ROWS", KeyspaceHints::default()).unwrap();
    assert_eq!(backend.get(upper, b"a").unwrap(), None);
    let snapshot = backend.snapshot().unwrap();
    backend.drop_keyspace(old).unwrap();
    let new = keyspace(&backend);
    assert_eq!(backend.get(new, b"a").unwrap(), None);
    assert_eq!(snapshot.get(new, b"a").unwrap(), None);
    assert_eq!(snapshot.get(old, b"a").unwrap_err().kind(), ErrorKind::NotFound);
    drop((snapshot, backend));
    assert_eq!(number(home.path(), "SELECT number FROM keyspaces WHERE name = 'rows'"), 3);
    assert_eq!(number(home.path(), "SELECT count(*) FROM sqlite_schema WHERE name = 'keyspace_1'"), 0);
    // The highest number is not reused either; the catalogue's primary key alone would reuse it.
    let backend = SqliteBackend::new(home.path()).unwrap();
    backend.drop_keyspace(keyspace(&backend)).unwrap();
    keyspace(&backend);
    assert_eq!(number(home.path(), "SELECT number FROM keyspaces WHERE name = 'rows'"), 4);
}

#[test]
fn many_snapshots_are_consistent() {
    let home = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::new(home.path()).unwrap();
    let (rows, other) =
        (keyspace(&backend), backend.create_keyspace("other", KeyspaceHints::default()).unwrap());
    fill(&backend, rows, 100_000, b"some row");
    drop(backend.snapshot().unwrap());
    let mut snapshots = Vec::new();
    for round in 0..100_u8 {
        let mut batch = WriteBatch::new();
        batch.put(rows, b"round", &[round]).put(other, b"round", &[round]);
        backend.commit(&batch, Durability::Buffered).unwrap();
        snapshots.push(backend.snapshot().unwrap());
    }
    backend.drop_keyspace(other).unwrap();
    let other = backend.create_keyspace("another", KeyspaceHints::default()).unwrap();
    put(&backend, other, b"round", b"", Durability::Buffered);
    for (round, snapshot) in (0..100_u8).zip(&snapshots) {
        assert_eq!(snapshot.get(rows, b"round").unwrap().as_deref(), Some(&[round][..]));
        assert_eq!(snapshot.get(other, b"round").unwrap(), None);
    }
}

#[test]
fn cursors_and_gets_share_a_snapshot_on_several_threads() {
    let home = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    fill(&backend, rows, 10_000, &[7; 50]);
    let snapshot = backend.snapshot().unwrap();
    backend.delete_range(rows, &KeyRange::all(), Durability::Buffered).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            let snapshot = &snapshot;
            scope.spawn(move || {
                let (start, end) = (thread * 2_000, thread * 2_000 + 3_000);
                let range = KeyRange::between(start.to_be_bytes(), end.to_be_bytes());
                let scan = Scan::new(range);
                let reverse = thread % 2 == 1;
                let scan = if reverse { scan.reverse() } else { scan };
                let mut cursor = snapshot.cursor(rows, scan).unwrap();
                let mut expected: Vec<u32> = (start..end.min(10_000)).collect();
                if reverse {
                    expected.reverse();
                }
                for number in expected {
                    assert!(cursor.advance().unwrap());
                    assert_eq!(cursor.key(), number.to_be_bytes());
                    assert_eq!(cursor.value(), [7; 50]);
                    assert!(snapshot.get(rows, &number.to_be_bytes()).unwrap().is_some());
                }
                assert!(!cursor.advance().unwrap());
            });
        }
    });
    // A visitor may use the snapshot that it walks over.
    let mut cursor = snapshot.cursor(rows, Scan::all().keys_only()).unwrap();
    let mut count = 0;
    cursor
        .visit(&mut |key, value| {
            assert!(value.is_empty() && snapshot.get(rows, key).unwrap().is_some());
            count += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(count, 10_000);
}

#[test]
fn large_values_round_trip_and_outlive_the_backend() {
    let home = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::new(home.path()).unwrap();
    let blobs = backend.create_keyspace("blobs", KeyspaceHints::large_values()).unwrap();
    let large = vec![5; strongroom_core::limits::VALUE_BYTES_MAX + 256];
    for key in [b"a", b"b", b"c"] {
        put(&backend, blobs, key, &large, Durability::PowerSafe);
    }
    put(&backend, blobs, b"d", b"small", Durability::PowerSafe);
    let mut cursor = backend.snapshot().unwrap().cursor(blobs, Scan::all()).unwrap();
    for _ in 0..3 {
        assert!(cursor.advance().unwrap());
        assert!(cursor.value() == large);
    }
    assert!(cursor.advance().unwrap() && cursor.value() == b"small" && !cursor.advance().unwrap());
    let value = backend.get(blobs, b"a").unwrap().unwrap();
    assert_eq!(backend.stats().unwrap().values_pinned, 0, "a copy pins nothing");
    drop((cursor, backend));
    assert!(value == large);
}

#[test]
fn a_get_never_sees_half_a_batch() {
    let home = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    fill(&backend, rows, 2, &0_u64.to_be_bytes());
    let number_at = |key: u32| {
        let value = backend.get(rows, &key.to_be_bytes()).unwrap().unwrap();
        u64::from_be_bytes(value[..].try_into().unwrap())
    };
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1..=1_000_u64 {
                let mut batch = WriteBatch::new();
                batch.put(rows, &0_u32.to_be_bytes(), &number.to_be_bytes());
                for filler in 2..50_u32 {
                    batch.put(rows, &filler.to_be_bytes(), b"");
                }
                batch.put(rows, &1_u32.to_be_bytes(), &number.to_be_bytes());
                backend.commit(&batch, Durability::Buffered).unwrap();
            }
            done.store(true, Ordering::SeqCst);
        });
        while !done.load(Ordering::SeqCst) {
            let first = number_at(0);
            let second = number_at(1);
            assert!(second >= first, "batch {first} was seen in part");
        }
    });
}

#[test]
fn a_checkpoint_is_one_state_despite_concurrent_writers() {
    let home = tempfile::tempdir().unwrap();
    let options = SqliteOptions::new().page_size(1_024);
    let backend = SqliteBackend::open(home.path().join("original"), options).unwrap();
    let (rows, other) =
        (keyspace(&backend), backend.create_keyspace("other", KeyspaceHints::default()).unwrap());
    fill(&backend, rows, 20_000, &[1; 100]);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0_u32;
            while !done.load(Ordering::SeqCst) {
                let mut batch = WriteBatch::new();
                batch.put(rows, b"round", &round.to_be_bytes()).put(other, b"round", &round.to_be_bytes());
                batch.put(rows, &(round * 7 % 20_000).to_be_bytes(), &round.to_be_bytes());
                backend.commit(&batch, Durability::Buffered).unwrap();
                round += 1;
            }
        });
        for place in 0..3 {
            let copy = home.path().join(format!("copy-{place}"));
            backend.checkpoint(&copy).unwrap();
            let names: Vec<_> =
                std::fs::read_dir(&copy).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(names, ["data.sqlite"], "one file");
            let copy = SqliteBackend::new(&copy).unwrap();
            let value = |name: &str| copy.get(copy.keyspace(name).unwrap(), b"round").unwrap();
            assert_eq!(value("rows"), value("other"));
            assert_eq!(engine_figure(&copy, "page_size"), 1_024);
            copy.verify().unwrap();
        }
        done.store(true, Ordering::SeqCst);
    });
}

#[test]
fn compaction_reclaims_space_and_is_refused_during_snapshots() {
    let home = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    fill(&backend, rows, 20_000, &[7; 200]);
    put(&backend, rows, b"kept", b"1", Durability::Buffered);
    let full = backend.stats().unwrap().disk_bytes.unwrap();
    assert!(full > 4_000_000, "{full}");
    let snapshot = backend.snapshot().unwrap();
    backend.delete_range(rows, &KeyRange::from(0_u32.to_be_bytes()), Durability::PowerSafe).unwrap();
    put(&backend, rows, b"kept", b"2", Durability::Buffered);
    let refused = backend.compact().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable, "{refused}");
    assert!(snapshot.get(rows, &7_u32.to_be_bytes()).unwrap().is_some());
    drop(snapshot);
    // It does not hang either while another connection reads.
    let shell = rusqlite::Connection::open(home.path().join("data.sqlite")).unwrap();
    shell.execute_batch("BEGIN; SELECT * FROM keyspaces").unwrap();
    put(&backend, rows, b"kept", b"3", Durability::Buffered);
    assert_eq!(backend.compact().unwrap_err().kind(), ErrorKind::Unavailable);
    drop(shell);
    backend.compact().unwrap();
    let empty = backend.stats().unwrap().disk_bytes.unwrap();
    assert!(empty < full / 4, "{full} -> {empty}");
    assert_eq!(backend.get(rows, b"kept").unwrap().as_deref(), Some(&b"3"[..]));
    put(&backend, rows, b"after", b"1", Durability::PowerSafe);
    backend.verify().unwrap();
    drop(backend);
    // The store still accepts the tables as its own.
    let never = SqliteOptions::new().create(Create::Never);
    let backend = SqliteBackend::open(home.path(), never).unwrap();
    assert!(backend.get(backend.keyspace("rows").unwrap(), b"after").unwrap().is_some());
}

#[test]
fn a_directory_name_may_look_like_a_uri() {
    let home = tempfile::tempdir().unwrap();
    // The other tests use absolute paths only.
    std::env::set_current_dir(home.path()).unwrap();
    for name in ["file:memory?mode=memory", "50% #1"] {
        let backend = SqliteBackend::new(name).unwrap();
        put(&backend, keyspace(&backend), b"a", b"1", Durability::PowerSafe);
        drop(backend);
        assert!(home.path().join(name).join("data.sqlite").exists());
        let backend = SqliteBackend::open(name, SqliteOptions::new().read_only()).unwrap();
        assert!(backend.get(backend.keyspace("rows").unwrap(), b"a").unwrap().is_some());
    }
    std::env::set_current_dir("/").unwrap();
}

/// Ends the readers, even if the test fails.
struct Stop<'s>(&'s AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn the_log_stays_short_while_gets_share_a_view() {
    const COMMITS: u32 = 6_000;
    // Each commit writes at least one page: without a restart the log would reach 24 MiB or more.
    const LOG_BYTES_MAX: u64 = 8 << 20;
    let home = tempfile::tempdir().unwrap();
    let options = SqliteOptions::new().wal_autocheckpoint_pages(100);
    let backend = SqliteBackend::open(home.path(), options).unwrap();
    let rows = keyspace(&backend);
    fill(&backend, rows, 1_000, &[7; 100]);
    let (stop, mut longest) = (AtomicBool::new(false), 0);
    std::thread::scope(|scope| {
        let _stop = Stop(&stop);
        for _ in 0..3 {
            scope.spawn(|| {
                let mut number = 0_u32;
                while !stop.load(Ordering::Relaxed) {
                    assert!(backend.get(rows, &(number % 1_000).to_be_bytes()).unwrap().is_some());
                    number += 1;
                }
            });
        }
        for round in 0..COMMITS {
            // A different value each time: an unchanged page is not written.
            let value = round.to_be_bytes().repeat(25);
            put(&backend, rows, &(round % 1_000).to_be_bytes(), &value, Durability::Buffered);
            if round % 50 == 0 {
                longest = longest.max(engine_figure(&backend, "wal_bytes"));
            }
        }
    });
    assert!(longest < LOG_BYTES_MAX, "the log had {longest} bytes");
    assert!(backend.stats().unwrap().read_views_opened > 0, "gets have shared views meanwhile");
}

#[test]
fn a_held_view_does_not_keep_the_log_from_restarting() {
    let home = tempfile::tempdir().unwrap();
    let options = SqliteOptions::new().wal_autocheckpoint_pages(20);
    let backend = SqliteBackend::open(home.path(), options).unwrap();
    let rows = keyspace(&backend);
    for round in 0..500_u32 {
        let value = round.to_be_bytes().repeat(25);
        put(&backend, rows, &(round % 10).to_be_bytes(), &value, Durability::Buffered);
        // Held until the next commit, each time.
        for _ in 0..2 {
            assert!(backend.get(rows, &(round % 10).to_be_bytes()).unwrap().is_some());
        }
        assert!(backend.stats().unwrap().read_view_held);
    }
    let bytes = engine_figure(&backend, "wal_bytes");
    assert!(bytes < 40 * 4_200, "the log had {bytes} bytes");
    // A compaction needs an empty log, and no view blocks it.
    backend.compact().unwrap();
}

#[test]
fn scans_do_not_wait_for_each_other() {
    let home = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    fill(&backend, rows, 10, b"value");
    for _ in 0..2 {
        backend.get(rows, &0_u32.to_be_bytes()).unwrap();
    }
    let before = engine_figure(&backend, "reader_connections");
    let first = backend.snapshot().unwrap();
    let second = backend.snapshot().unwrap();
    // The first shares the view's connection, the second has its own.
    assert_eq!(engine_figure(&backend, "reader_connections"), before.max(2));
    assert_eq!(backend.stats().unwrap().snapshots_open, 2);
    for snapshot in [first, second] {
        assert!(snapshot.cursor(rows, Scan::all()).unwrap().advance().unwrap());
    }
}
