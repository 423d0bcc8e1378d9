//! Behaviour that is RocksDB's own; the contract for every backend is tested in `conformance.rs`, damage in
//! `damage.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used)] // Tests fail by panicking.

mod support;

use std::path::Path;
use strongroom_core::{
    Create, Durability, ErrorKind, KeyRange, KeyspaceHints, Scan, StorageBackend, WriteBatch,
};
use strongroom_rocksdb::{CompactionStyle, RocksDbBackend, RocksDbOptions};
use support::{fill, keys, keyspace, names, noise, open_error, put, tables_bytes};

#[test]
fn a_second_handle_is_locked_out_even_for_reading() {
    let home = tempfile::tempdir().unwrap();
    let first = RocksDbBackend::new(home.path()).unwrap();
    assert_eq!(open_error(home.path()), ErrorKind::Locked);
    let reading = RocksDbBackend::open(home.path(), RocksDbOptions::new().read_only());
    assert_eq!(reading.err().unwrap().kind(), ErrorKind::Locked);
    // None of these releases the lock.
    first.stats().unwrap();
    first.verify().unwrap();
    first.checkpoint(&home.path().join("copy")).unwrap();
    assert_eq!(open_error(home.path()), ErrorKind::Locked);
    drop(first);
    RocksDbBackend::new(home.path()).unwrap();
}

#[test]
fn dropping_the_backend_closes_it_at_once() {
    let home = tempfile::tempdir().unwrap();
    for round in 0..20_u8 {
        let backend = RocksDbBackend::new(home.path()).unwrap();
        let rows = keyspace(&backend);
        if round > 0 {
            assert_eq!(backend.get(rows, b"round").unwrap().as_deref(), Some(&[round - 1][..]));
        }
        put(&backend, rows, b"round", &[round], Durability::Buffered);
    }
    // Reports do not accumulate.
    let reports = names(&home.path().join("rocksdb")).iter().filter(|name| name.starts_with("LOG")).count();
    assert!(reports <= 3, "{reports}");
}

/// Copies the files as a crash of the process at this point would leave them. Not the file LOCK: closing
/// another handle to it would release the lock.
fn copy_as_after_a_crash(directory: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    std::fs::create_dir(copy.path().join("rocksdb")).unwrap();
    for name in names(&directory.join("rocksdb")).iter().filter(|name| *name != "LOCK") {
        let (from, to) = (directory.join("rocksdb").join(name), copy.path().join("rocksdb").join(name));
        std::fs::copy(from, to).unwrap();
    }
    copy
}

#[test]
fn buffered_commits_survive_a_crash_of_the_process() {
    let home = tempfile::tempdir().unwrap();
    let backend = RocksDbBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    put(&backend, rows, b"a", b"1", Durability::Buffered);
    let copy = copy_as_after_a_crash(home.path());
    let after = RocksDbBackend::new(copy.path()).unwrap();
    assert_eq!(after.get(after.keyspace("rows").unwrap(), b"a").unwrap().as_deref(), Some(&b"1"[..]));
    backend.flush().unwrap();
}

#[test]
fn an_interrupted_creation_is_repeated() {
    for step in 0..=4 {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join("rocksdb").join(name);
        std::fs::create_dir(home.path().join("rocksdb")).unwrap();
        for name in ["LOCK", "LOG", "MANIFEST-000001", "000001.dbtmp"].iter().take(step) {
            std::fs::write(at(name), b"").unwrap();
        }
        let never = RocksDbOptions::new().create(Create::Never);
        assert_eq!(RocksDbBackend::open(home.path(), never).err().unwrap().kind(), ErrorKind::NotFound);
        let read_only = RocksDbOptions::new().read_only();
        assert_eq!(RocksDbBackend::open(home.path(), read_only).err().unwrap().kind(), ErrorKind::NotFound);
        assert_eq!(names(&home.path().join("rocksdb")).len(), step);
        let backend = RocksDbBackend::new(home.path()).unwrap();
        put(&backend, keyspace(&backend), b"a", b"1", Durability::PowerSafe);
        drop(backend);
        let backend = RocksDbBackend::new(home.path()).unwrap();
        assert!(backend.get(keyspace(&backend), b"a").unwrap().is_some());
    }
}

#[test]
fn the_directory_of_another_engine_is_not_changed() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("data.redb"), b"redb").unwrap();
    assert_eq!(open_error(home.path()), ErrorKind::InvalidInput);
    assert_eq!(names(home.path()), ["data.redb"]);
    // RocksDB's files, but outside the adapter's subdirectory.
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("CURRENT"), b"MANIFEST-000001\n").unwrap();
    assert_eq!(open_error(home.path()), ErrorKind::InvalidInput);
    assert_eq!(names(home.path()), ["CURRENT"]);
}

#[test]
fn the_keyspace_default_works_like_any_other() {
    let home = tempfile::tempdir().unwrap();
    let backend = RocksDbBackend::new(home.path()).unwrap();
    assert_eq!(backend.keyspaces().unwrap(), [""; 0]);
    assert_eq!(backend.keyspace("default").unwrap_err().kind(), ErrorKind::NotFound);
    let default = backend.create_keyspace("default", KeyspaceHints::default()).unwrap();
    let reserved = backend.create_keyspace("_meta", KeyspaceHints::default()).unwrap();
    put(&backend, default, b"a", b"1", Durability::PowerSafe);
    put(&backend, reserved, b"a", b"2", Durability::PowerSafe);
    drop(backend);
    let backend = RocksDbBackend::new(home.path()).unwrap();
    assert_eq!(backend.keyspaces().unwrap(), ["_meta", "default"]);
    let default = backend.keyspace("default").unwrap();
    assert_eq!(backend.get(default, b"a").unwrap().as_deref(), Some(&b"1"[..]));
    backend.drop_keyspace(default).unwrap();
    drop(backend);
    let backend = RocksDbBackend::new(home.path()).unwrap();
    assert_eq!(backend.keyspaces().unwrap(), ["_meta"]);
}

#[test]
fn a_recreated_keyspace_is_empty_even_after_a_reopen() {
    for flushed in [false, true] {
        let home = tempfile::tempdir().unwrap();
        let backend = RocksDbBackend::new(home.path()).unwrap();
        let other = backend.create_keyspace("other", KeyspaceHints::default()).unwrap();
        put(&backend, other, b"kept", b"1", Durability::PowerSafe);
        let snapshot = backend.snapshot().unwrap();
        for round in 0..5_u8 {
            let rows = keyspace(&backend);
            assert_eq!(backend.get(rows, b"a").unwrap(), None, "round {round}");
            assert_eq!(snapshot.get(rows, b"a").unwrap(), None);
            fill(&backend, rows, 1_000, &[round; 100]);
            put(&backend, rows, b"a", &[round], Durability::PowerSafe);
            if flushed {
                backend.compact().unwrap();
            }
            backend.drop_keyspace(rows).unwrap();
        }
        keyspace(&backend);
        let crashed = copy_as_after_a_crash(home.path());
        drop((snapshot, backend));
        for directory in [home.path(), crashed.path(), home.path()] {
            let backend = RocksDbBackend::new(directory).unwrap();
            let rows = backend.keyspace("rows").unwrap();
            assert!(keys(&backend, rows, Scan::all()).is_empty());
            assert!(backend.get(backend.keyspace("other").unwrap(), b"kept").unwrap().is_some());
        }
    }
}

#[test]
fn a_dropped_keyspace_frees_its_space_and_an_open_cursor_is_safe() {
    let home = tempfile::tempdir().unwrap();
    let backend = RocksDbBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    for key in 0..10_u8 {
        put(&backend, rows, &[key], &noise(1_000_000), Durability::Buffered);
    }
    backend.compact().unwrap();
    assert!(tables_bytes(home.path()) > 9_000_000);
    let mut cursor = backend.snapshot().unwrap().cursor(rows, Scan::all()).unwrap();
    assert!(cursor.advance().unwrap());
    let value = backend.get(rows, &[3]).unwrap().unwrap();
    backend.drop_keyspace(rows).unwrap();
    assert_eq!(cursor.advance().unwrap_err().kind(), ErrorKind::NotFound);
    drop(cursor);
    assert!(tables_bytes(home.path()) < 1_000_000, "{}", tables_bytes(home.path()));
    assert_eq!(backend.get(rows, &[1]).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(value == noise(1_000_000));
}

#[test]
fn compaction_reclaims_space_and_an_open_snapshot_keeps_its_rows() {
    for options in [RocksDbOptions::new(), RocksDbOptions::new().compaction_style(CompactionStyle::Universal)]
    {
        let home = tempfile::tempdir().unwrap();
        let backend = RocksDbBackend::open(home.path(), options).unwrap();
        let rows = keyspace(&backend);
        let value = noise(100);
        fill(&backend, rows, 20_000, &value);
        let snapshot = backend.snapshot().unwrap();
        backend.delete_range(rows, &KeyRange::all(), Durability::PowerSafe).unwrap();
        backend.compact().unwrap();
        assert_eq!(snapshot.get(rows, &7_u32.to_be_bytes()).unwrap().as_deref(), Some(&value[..]));
        let mut cursor = snapshot.cursor(rows, Scan::all()).unwrap();
        let mut count = 0;
        while cursor.advance().unwrap() {
            count += 1;
        }
        assert_eq!(count, 20_000);
        let full = tables_bytes(home.path());
        drop((cursor, snapshot));
        backend.compact().unwrap();
        let empty = tables_bytes(home.path());
        assert!(empty < full / 10, "{full} -> {empty}");
    }
}

#[test]
fn concurrent_commits_share_syncs() {
    let home = tempfile::tempdir().unwrap();
    let backend = RocksDbBackend::open(home.path(), RocksDbOptions::new().statistics(true)).unwrap();
    let rows = keyspace(&backend);
    let syncs = || {
        let figures = backend.stats().unwrap().engine;
        figures.iter().find(|(name, _)| name == "rocksdb.wal.synced").unwrap().1
    };
    let before = syncs();
    std::thread::scope(|scope| {
        for thread in 0..16_u8 {
            let backend = &backend;
            scope.spawn(move || {
                for round in 0..100_u8 {
                    put(backend, rows, &[thread, round], b"v", Durability::PowerSafe);
                }
            });
        }
    });
    let syncs = syncs() - before;
    assert!(syncs > 0 && syncs < 1_600, "{syncs} syncs for 1,600 commits");
    assert_eq!(keys(&backend, rows, Scan::all()).len(), 1_600);
}

#[test]
fn a_checkpoint_is_complete_and_independent() {
    let home = tempfile::tempdir().unwrap();
    let options = RocksDbOptions::new().write_buffer_size(1 << 20);
    let backend = RocksDbBackend::open(home.path().join("original"), options).unwrap();
    let rows = keyspace(&backend);
    let default = backend.create_keyspace("default", KeyspaceHints::default()).unwrap();
    fill(&backend, rows, 20_000, &noise(100));
    backend.compact().unwrap();
    // This row is only in the log and in memory.
    put(&backend, default, b"a", b"1", Durability::Buffered);
    let place = home.path().join("copy");
    backend.checkpoint(&place).unwrap();
    put(&backend, default, b"a", b"2", Durability::PowerSafe);
    backend.delete_range(rows, &KeyRange::all(), Durability::PowerSafe).unwrap();
    backend.compact().unwrap();
    let copy = RocksDbBackend::new(&place).unwrap();
    copy.verify().unwrap();
    let (copied_rows, copied_default) = (copy.keyspace("rows").unwrap(), copy.keyspace("default").unwrap());
    assert_eq!(keys(&copy, copied_rows, Scan::all()).len(), 20_000);
    assert_eq!(copy.get(copied_default, b"a").unwrap().as_deref(), Some(&b"1"[..]));
    put(&copy, copied_default, b"a", b"3", Durability::PowerSafe);
    assert_eq!(backend.get(default, b"a").unwrap().as_deref(), Some(&b"2"[..]));
    assert_eq!(names(&place).iter().filter(|name| *name != "rocksdb").count(), 0, "{:?}", names(&place));
}

#[test]
fn a_checkpoint_with_an_empty_log_opens_and_one_without_its_log_does_not() {
    let home = tempfile::tempdir().unwrap();
    let backend = RocksDbBackend::new(home.path().join("original")).unwrap();
    let rows = keyspace(&backend);
    put(&backend, rows, b"a", b"1", Durability::PowerSafe);
    backend.compact().unwrap();
    drop(backend);
    // Now its log is empty.
    let backend = RocksDbBackend::new(home.path().join("original")).unwrap();
    for place in ["one", "other"] {
        let place = home.path().join(place);
        backend.checkpoint(&place).unwrap();
        let logs = || {
            let mut names = names(&place.join("rocksdb"));
            names.retain(|name| Path::new(name).extension().is_some_and(|extension| extension == "log"));
            names
        };
        assert_eq!(logs().len(), 1);
        for read_only in [true, false, true] {
            let options = RocksDbOptions::new();
            let options = if read_only { options.read_only() } else { options };
            let copy = RocksDbBackend::open(&place, options).unwrap();
            assert!(copy.get(copy.keyspace("rows").unwrap(), b"a").unwrap().is_some());
        }
        for log in logs() {
            std::fs::remove_file(place.join("rocksdb").join(log)).unwrap();
        }
        assert_eq!(open_error(&place), ErrorKind::Corruption);
    }
}

#[test]
fn figures_are_reported() {
    let home = tempfile::tempdir().unwrap();
    let backend = RocksDbBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    let figure = |name: &str| {
        let figures = backend.stats().unwrap().engine;
        figures.iter().find(|(found, _)| found == name).unwrap().1
    };
    fill(&backend, rows, 10_000, &noise(100));
    assert!(figure("write_buffer_bytes") > 1_000_000 && figure("log_bytes") > 1_000_000);
    assert_eq!((figure("tables"), figure("write_stopped")), (0, 0));
    backend.compact().unwrap();
    assert!(figure("write_buffer_bytes") < 1_000_000 && figure("tables") > 0);
    assert!(backend.stats().unwrap().disk_bytes.unwrap() > 1_000_000);
}

/// A mounted file system that is unmounted on drop.
#[cfg(target_os = "linux")]
struct Mounted<'p>(&'p Path);

#[cfg(target_os = "linux")]
impl Mounted<'_> {
    fn run(program: &str, arguments: &[&str], place: &Path) -> bool {
        std::process::Command::new(program)
            .args(arguments)
            .arg(place)
            .output()
            .is_ok_and(|output| output.status.success())
    }
}

#[cfg(target_os = "linux")]
impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        Self::run("umount", &[], self.0);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn read_only_media_can_be_read() {
    let place = tempfile::tempdir().unwrap();
    if !Mounted::run("mount", &["-t", "tmpfs", "none"], place.path()) {
        println!("SKIPPED: this user cannot mount");
        return;
    }
    let mounted = Mounted(place.path());
    let backend = RocksDbBackend::new(place.path().join("store")).unwrap();
    let rows = keyspace(&backend);
    fill(&backend, rows, 1_000, &noise(100));
    backend.compact().unwrap();
    // Only in the log.
    put(&backend, rows, b"a", b"1", Durability::Buffered);
    drop(backend);
    assert!(Mounted::run("mount", &["-o", "remount,ro"], place.path()));
    let open = |options| RocksDbBackend::open(place.path().join("store"), options);
    let error = open(RocksDbOptions::new()).err().unwrap();
    println!("{}", error.one_line());
    assert_eq!(error.kind(), ErrorKind::Io);
    let backend = open(RocksDbOptions::new().read_only()).unwrap();
    let rows = backend.keyspace("rows").unwrap();
    assert_eq!(backend.get(rows, b"a").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(keys(&backend, rows, Scan::all()).len(), 1_001);
    backend.stats().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    backend.checkpoint(&elsewhere.path().join("copy")).unwrap();
    let copy = RocksDbBackend::new(elsewhere.path().join("copy")).unwrap();
    assert_eq!(keys(&copy, copy.keyspace("rows").unwrap(), Scan::all()).len(), 1_001);
    drop((backend, mounted));
}

#[test]
fn a_read_only_handle_refuses_writes() {
    let home = tempfile::tempdir().unwrap();
    let backend = RocksDbBackend::new(home.path()).unwrap();
    put(&backend, keyspace(&backend), b"a", b"1", Durability::Buffered);
    drop(backend);
    let backend = RocksDbBackend::open(home.path(), RocksDbOptions::new().read_only()).unwrap();
    let rows = backend.keyspace("rows").unwrap();
    assert_eq!(backend.get(rows, b"a").unwrap().as_deref(), Some(&b"1"[..]));
    let mut batch = WriteBatch::new();
    batch.put(rows, b"a", b"2");
    assert_eq!(backend.commit(&batch, Durability::Buffered).unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(backend.compact().unwrap_err().kind(), ErrorKind::Unsupported);
}
