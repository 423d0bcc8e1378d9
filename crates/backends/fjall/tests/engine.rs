//! Behaviour that is fjall's own; the contract for every backend is tested in `conformance.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used)] // Tests fail by panicking.

use std::path::Path;
use strongroom_core::{
    Create, Durability, ErrorKind, KeyRange, KeyspaceHints, KeyspaceId, Options, Scan, StorageBackend,
    TypedOptions, WriteBatch,
};
use strongroom_fjall::{FjallBackend, FjallOptions};

fn put(backend: &FjallBackend, keyspace: KeyspaceId, key: &[u8], value: &[u8], durability: Durability) {
    let mut batch = WriteBatch::new();
    batch.put(keyspace, key, value);
    backend.commit(&batch, durability).unwrap();
}

fn keyspace(backend: &FjallBackend) -> KeyspaceId {
    backend.create_keyspace("rows", KeyspaceHints::default()).unwrap()
}

fn open_error(directory: &Path) -> ErrorKind {
    let error = FjallBackend::new(directory).err().unwrap();
    println!("{}", error.one_line());
    assert!(!error.to_string().contains('\n'));
    error.kind()
}

fn fill(backend: &FjallBackend, keyspace: KeyspaceId, rows: u32, value: &[u8]) {
    let mut batch = WriteBatch::new();
    for number in 0..rows {
        batch.put(keyspace, &number.to_be_bytes(), value);
    }
    backend.commit(&batch, Durability::PowerSafe).unwrap();
}

#[test]
fn options_are_parsed_by_name_and_refused_if_fjall_would_panic() {
    let given =
        |name: &str, value: &str| FjallOptions::from_options(&Options::new().engine_option(name, value));
    for (name, value) in [
        ("worker_threads", "1"),
        ("max_journaling_size", "64MiB"),
        ("max_memtable_size", "1MiB"),
        ("max_cached_files", "10"),
    ] {
        assert!(given(name, value).is_ok(), "{name}");
    }
    for (name, value) in [
        ("worker_threads", "0"),
        ("worker_threads", "many"),
        ("max_journaling_size", "63MiB"),
        ("max_memtable_size", "1"),
        ("max_cached_files", "9"),
        // fjall ignores it.
        ("max_write_buffer_size", "64MiB"),
    ] {
        assert_eq!(given(name, value).unwrap_err().kind(), ErrorKind::InvalidInput, "{name}");
    }
    let home = tempfile::tempdir().unwrap();
    let refused = FjallBackend::open(home.path(), FjallOptions::new().worker_threads(0));
    assert_eq!(refused.err().unwrap().kind(), ErrorKind::InvalidInput);
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    // Typed options are also set by name.
    let typed = FjallOptions::new().worker_threads(2).max_memtable_size(1 << 20).max_cached_files(50);
    let again = FjallOptions::from_options(typed.common()).unwrap();
    assert_eq!(format!("{typed:?}"), format!("{again:?}"));
}

#[test]
fn a_second_handle_is_locked_out() {
    let home = tempfile::tempdir().unwrap();
    let first = FjallBackend::new(home.path()).unwrap();
    assert_eq!(open_error(home.path()), ErrorKind::Locked);
    drop(first);
    FjallBackend::new(home.path()).unwrap();
}

#[test]
fn dropping_the_backend_closes_it_at_once() {
    let home = tempfile::tempdir().unwrap();
    for round in 0..20_u8 {
        let backend = FjallBackend::new(home.path()).unwrap();
        let rows = keyspace(&backend);
        if round > 0 {
            assert_eq!(backend.get(rows, b"round").unwrap().as_deref(), Some(&[round - 1][..]));
        }
        put(&backend, rows, b"round", &[round], Durability::Buffered);
    }
}

/// Copies the files as a crash of the process at this point would leave them.
fn copy_as_after_a_crash(directory: &Path) -> tempfile::TempDir {
    fn copy_into(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let target = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                copy_into(&entry.path(), &target);
            } else {
                std::fs::copy(entry.path(), target).unwrap();
            }
        }
    }
    let copy = tempfile::tempdir().unwrap();
    copy_into(directory, copy.path());
    copy
}

#[test]
fn buffered_commits_survive_a_crash_of_the_process() {
    let home = tempfile::tempdir().unwrap();
    let backend = FjallBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    put(&backend, rows, b"a", b"1", Durability::Buffered);
    let copy = copy_as_after_a_crash(home.path());
    let after = FjallBackend::new(copy.path()).unwrap();
    assert_eq!(after.get(after.keyspace("rows").unwrap(), b"a").unwrap().as_deref(), Some(&b"1"[..]));
    backend.flush().unwrap();
}

#[test]
fn an_interrupted_creation_is_repeated() {
    let whole = tempfile::tempdir().unwrap();
    for step in 1..=4 {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        std::fs::write(at("lock"), b"").unwrap();
        if step > 1 {
            std::fs::create_dir(at("keyspaces")).unwrap();
        }
        if step > 2 {
            std::fs::write(at("0.jnl"), [0; 100]).unwrap();
        }
        if step > 3 {
            std::fs::write(at("version"), b"").unwrap();
        }
        let never = FjallOptions::new().create(Create::Never);
        assert_eq!(FjallBackend::open(home.path(), never).err().unwrap().kind(), ErrorKind::NotFound);
        let backend = FjallBackend::new(home.path()).unwrap();
        let rows = keyspace(&backend);
        put(&backend, rows, b"a", b"1", Durability::PowerSafe);
    }
    drop(whole);
}

/// Returns the path and contents of every file. fjall may remove some meanwhile.
fn contents(directory: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(directory) = left.pop() {
        let Ok(entries) = std::fs::read_dir(directory) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                left.push(path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                found.push((path, bytes));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_lost_version_marker_is_corruption_and_nothing_is_overwritten() {
    for damage in [None, Some(&b""[..]), Some(b"xyz!")] {
        let home = tempfile::tempdir().unwrap();
        let backend = FjallBackend::new(home.path()).unwrap();
        let rows = keyspace(&backend);
        put(&backend, rows, b"a", b"1", Durability::PowerSafe);
        drop(backend);
        let version = home.path().join("version");
        let right = std::fs::read(&version).unwrap();
        match damage {
            None => std::fs::remove_file(&version).unwrap(),
            Some(wrong) => std::fs::write(&version, wrong).unwrap(),
        }
        let before = contents(home.path());
        assert_eq!(open_error(home.path()), ErrorKind::Corruption);
        assert!(contents(home.path()) == before);
        std::fs::write(&version, right).unwrap();
        let backend = FjallBackend::new(home.path()).unwrap();
        assert!(backend.get(keyspace(&backend), b"a").unwrap().is_some());
    }
}

#[test]
fn another_format_is_refused() {
    let home = tempfile::tempdir().unwrap();
    drop(FjallBackend::new(home.path()).unwrap());
    std::fs::write(home.path().join("version"), b"FJL\x02").unwrap();
    let before = contents(home.path());
    assert_eq!(open_error(home.path()), ErrorKind::InvalidInput);
    assert!(contents(home.path()) == before);
}

#[test]
fn a_truncated_table_is_corruption() {
    let home = tempfile::tempdir().unwrap();
    let backend = FjallBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    fill(&backend, rows, 1_000, &[7; 500]);
    backend.compact().unwrap();
    drop(backend);
    let is_table = |path: &Path| path.parent().is_some_and(|parent| parent.ends_with("1/tables"));
    let (table, whole) = contents(home.path()).into_iter().find(|(path, _)| is_table(path)).unwrap();
    for len in [0, 10, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&table, &whole[..len]).unwrap();
        assert_eq!(open_error(home.path()), ErrorKind::Corruption, "{len} of {}", whole.len());
        assert!(std::fs::read(&table).unwrap() == whole[..len]);
    }
    std::fs::write(&table, &whole).unwrap();
    FjallBackend::new(home.path()).unwrap();
}

#[test]
fn the_last_operation_on_a_key_wins_in_memory_in_the_journal_and_on_disk() {
    let home = tempfile::tempdir().unwrap();
    let mut backend = FjallBackend::new(home.path()).unwrap();
    for (name, hints) in [("plain", KeyspaceHints::default()), ("large", KeyspaceHints::large_values())] {
        backend.create_keyspace(name, hints).unwrap();
    }
    let large = [7; 5_000];
    for name in ["plain", "large"] {
        let rows = backend.keyspace(name).unwrap();
        fill(&backend, rows, 10, b"older");
        let mut batch = WriteBatch::new();
        batch.put(rows, b"a", &large).delete(rows, b"a").put(rows, b"a", b"3");
        batch.put(rows, b"b", b"1").put(rows, b"b", &large).delete(rows, b"b");
        batch.delete(rows, b"c").put(rows, b"c", b"");
        for _ in 0..100 {
            batch.put(rows, b"d", b"x").delete(rows, b"d");
        }
        batch.put(rows, b"d", &large);
        batch.delete(rows, &3_u32.to_be_bytes()).put(rows, &4_u32.to_be_bytes(), b"4");
        batch.put(rows, &4_u32.to_be_bytes(), b"newer");
        backend.commit(&batch, Durability::PowerSafe).unwrap();
    }
    let check = |backend: &FjallBackend, when: &str| {
        for name in ["plain", "large"] {
            let rows = backend.keyspace(name).unwrap();
            let found = |key: &[u8]| backend.get(rows, key).unwrap();
            assert_eq!(found(b"a").as_deref(), Some(&b"3"[..]), "{name} {when}");
            assert_eq!(found(b"b"), None, "{name} {when}");
            assert_eq!(found(b"c").as_deref(), Some(&b""[..]), "{name} {when}");
            assert_eq!(found(b"d").as_deref(), Some(&large[..]), "{name} {when}");
            for scan in [Scan::all(), Scan::all().reverse(), Scan::all().keys_only()] {
                let mut cursor = backend.snapshot().unwrap().cursor(rows, scan).unwrap();
                let mut count = 0;
                while cursor.advance().unwrap() {
                    assert_ne!(cursor.key(), b"b");
                    count += 1;
                }
                assert_eq!(count, 9 + 3, "{name} {when}");
            }
        }
    };
    check(&backend, "in the memtable");
    drop(backend);
    backend = FjallBackend::new(home.path()).unwrap();
    check(&backend, "replayed from the journal");
    backend.compact().unwrap();
    check(&backend, "on disk");
    drop(backend);
    backend = FjallBackend::new(home.path()).unwrap();
    check(&backend, "on disk, reopened");
}

#[test]
fn an_empty_key_does_not_brick_the_store() {
    let home = tempfile::tempdir().unwrap();
    let backend = FjallBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    let mut batch = WriteBatch::new();
    batch.put(rows, b"", b"1").put(rows, b"a", b"1");
    assert_eq!(backend.commit(&batch, Durability::PowerSafe).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(backend.get(rows, b"").unwrap_err().kind(), ErrorKind::InvalidInput);
    // An empty bound is allowed.
    let mut cursor = backend.snapshot().unwrap().cursor(rows, Scan::new(KeyRange::from(""))).unwrap();
    assert!(!cursor.advance().unwrap());
    put(&backend, rows, b"a", b"1", Durability::PowerSafe);
    drop((cursor, backend));
    let backend = FjallBackend::new(home.path()).unwrap();
    assert!(backend.get(keyspace(&backend), b"a").unwrap().is_some());
}

#[test]
fn a_recreated_keyspace_is_empty_even_after_a_reopen() {
    for flushed in [false, true] {
        let home = tempfile::tempdir().unwrap();
        let backend = FjallBackend::new(home.path()).unwrap();
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
            let backend = FjallBackend::new(directory).unwrap();
            let rows = backend.keyspace("rows").unwrap();
            let mut cursor = backend.snapshot().unwrap().cursor(rows, Scan::all()).unwrap();
            assert!(!cursor.advance().unwrap());
            let other = backend.keyspace("other").unwrap();
            assert!(backend.get(other, b"kept").unwrap().is_some());
        }
    }
}

#[test]
fn a_dropped_keyspace_frees_its_space() {
    let home = tempfile::tempdir().unwrap();
    let backend = FjallBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    let mut random = 1_u64;
    let mut noise = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        random.to_be_bytes()[0]
    };
    let value: Vec<u8> = (0..2_000_000).map(|_| noise()).collect();
    for key in 0..10_u8 {
        put(&backend, rows, &[key], &value, Durability::Buffered);
    }
    backend.compact().unwrap();
    let tables = || tables_bytes(home.path());
    assert!(tables() > 19_000_000, "{}", tables());
    backend.drop_keyspace(rows).unwrap();
    // A background compaction may hold its files a little longer.
    for _ in 0..100 {
        if tables() < 1_000_000 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert!(tables() < 1_000_000, "{}", tables());
    assert_eq!(backend.get(rows, &[1]).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn compaction_reclaims_space_and_an_open_snapshot_keeps_its_rows() {
    let home = tempfile::tempdir().unwrap();
    let backend = FjallBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    for round in 0..3_u8 {
        fill(&backend, rows, 20_000, &[round; 100]);
        backend.compact().unwrap();
    }
    let snapshot = backend.snapshot().unwrap();
    backend.delete_range(rows, &KeyRange::all(), Durability::PowerSafe).unwrap();
    backend.compact().unwrap();
    assert_eq!(snapshot.get(rows, &7_u32.to_be_bytes()).unwrap().as_deref(), Some(&[2; 100][..]));
    let mut cursor = snapshot.cursor(rows, Scan::all()).unwrap();
    let mut count = 0;
    while cursor.advance().unwrap() {
        count += 1;
    }
    assert_eq!(count, 20_000);
    let full = tables_bytes(home.path());
    drop((cursor, snapshot));
    put(&backend, rows, b"a", b"1", Durability::PowerSafe);
    backend.compact().unwrap();
    put(&backend, rows, b"a", b"2", Durability::PowerSafe);
    backend.compact().unwrap();
    let empty = tables_bytes(home.path());
    assert!(empty < full / 2, "{full} -> {empty}");
    assert_eq!(backend.get(rows, b"a").unwrap().as_deref(), Some(&b"2"[..]));
    assert!(backend.stats().unwrap().disk_bytes.unwrap() > 0);
}

fn tables_bytes(directory: &Path) -> usize {
    contents(&directory.join("keyspaces")).iter().map(|(_, bytes)| bytes.len()).sum()
}

#[test]
fn an_integrity_check_is_unsupported() {
    let home = tempfile::tempdir().unwrap();
    let backend = FjallBackend::new(home.path()).unwrap();
    assert_eq!(backend.verify().unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn shared_values_are_counted_and_outlive_the_backend() {
    let home = tempfile::tempdir().unwrap();
    let backend = FjallBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    put(&backend, rows, b"a", &vec![9; 100_000], Durability::PowerSafe);
    let pinned = || backend.stats().unwrap().values_pinned;

    let value = backend.get(rows, b"a").unwrap().unwrap();
    let same = backend.snapshot().unwrap().get(rows, b"a").unwrap().unwrap();
    assert_eq!(pinned(), 2);
    assert_eq!(same.as_ptr(), value.as_ptr(), "copied instead of shared");
    put(&backend, rows, b"a", b"new", Durability::PowerSafe);
    drop(same);
    assert_eq!((pinned(), value.len()), (1, 100_000));
    drop(backend);
    assert_eq!(value.len(), 100_000);
    let backend = FjallBackend::new(home.path()).unwrap();
    assert_eq!(backend.stats().unwrap().values_pinned, 0);
}

#[test]
fn large_values_are_stored_separately_and_round_trip() {
    let home = tempfile::tempdir().unwrap();
    let backend = FjallBackend::new(home.path()).unwrap();
    let blobs = backend.create_keyspace("blobs", KeyspaceHints::large_values()).unwrap();
    let value = |number: u8| vec![number; 300_000];
    for number in 0..20 {
        put(&backend, blobs, &[number + 1], &value(number), Durability::Buffered);
    }
    backend.compact().unwrap();
    let in_blob_files = contents(home.path())
        .iter()
        .any(|(path, _)| path.parent().is_some_and(|parent| parent.ends_with("blobs")));
    assert!(in_blob_files);
    let mut batch = WriteBatch::new();
    batch.delete(blobs, &[1]).put(blobs, &[2], b"small now");
    backend.commit(&batch, Durability::PowerSafe).unwrap();
    backend.compact().unwrap();
    drop(backend);
    let backend = FjallBackend::new(home.path()).unwrap();
    let blobs = backend.keyspace("blobs").unwrap();
    assert_eq!(backend.get(blobs, &[1]).unwrap(), None);
    assert_eq!(backend.get(blobs, &[2]).unwrap().as_deref(), Some(&b"small now"[..]));
    for number in 2..20 {
        assert!(backend.get(blobs, &[number + 1]).unwrap().unwrap() == value(number));
    }
}

#[test]
fn a_get_never_sees_half_a_batch() {
    let home = tempfile::tempdir().unwrap();
    let backend = FjallBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    fill(&backend, rows, 2, &0_u64.to_be_bytes());
    let number_at = |key: u32| {
        let value = backend.get(rows, &key.to_be_bytes()).unwrap().unwrap();
        u64::from_be_bytes(value[..].try_into().unwrap())
    };
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1..=3_000_u64 {
                let mut batch = WriteBatch::new();
                batch.put(rows, &0_u32.to_be_bytes(), &number.to_be_bytes());
                for filler in 2..50_u32 {
                    batch.put(rows, &filler.to_be_bytes(), b"");
                }
                batch.put(rows, &1_u32.to_be_bytes(), &number.to_be_bytes());
                backend.commit(&batch, Durability::Buffered).unwrap();
            }
            done.store(true, std::sync::atomic::Ordering::SeqCst);
        });
        while !done.load(std::sync::atomic::Ordering::SeqCst) {
            let first = number_at(0);
            let second = number_at(1);
            assert!(second >= first, "batch {first} was seen in part");
        }
    });
}

#[test]
fn a_checkpoint_has_the_typed_options_of_its_original() {
    let home = tempfile::tempdir().unwrap();
    let options = FjallOptions::new().worker_threads(1).max_memtable_size(1 << 20);
    let backend = FjallBackend::open(home.path().join("original"), options.clone()).unwrap();
    put(&backend, keyspace(&backend), b"a", b"1", Durability::Buffered);
    let copy = home.path().join("copy");
    backend.checkpoint(&copy).unwrap();
    let copy = FjallBackend::open(copy, options.clone()).unwrap();
    assert_eq!(copy.get(copy.keyspace("rows").unwrap(), b"a").unwrap().as_deref(), Some(&b"1"[..]));
    let other = options.clone().with_common(options.common().clone().read_only());
    assert!(other.common().read_only);
    assert_eq!(format!("{:?}", other.with_common(options.common().clone())), format!("{options:?}"));
}

#[test]
fn a_read_only_handle_does_not_finish_a_creation() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("lock"), b"").unwrap();
    let refused = FjallBackend::open(home.path(), FjallOptions::new().read_only());
    assert_eq!(refused.err().unwrap().kind(), ErrorKind::NotFound);
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
}

/// Creates a database of three commits of two rows each, and returns its journal. The values of a commit repeat
/// its number.
fn three_commits(directory: &Path) -> (std::path::PathBuf, Vec<u8>) {
    let backend = FjallBackend::new(directory).unwrap();
    let rows = keyspace(&backend);
    for commit in 1..=3_u8 {
        let mut batch = WriteBatch::new();
        batch.put(rows, &[commit, 1], &[0xa0 + commit; 700]).put(rows, &[commit, 2], &[0xb0 + commit; 700]);
        backend.commit(&batch, Durability::PowerSafe).unwrap();
    }
    drop(backend);
    let is_journal = |path: &Path| path.extension().is_some_and(|extension| extension == "jnl");
    contents(directory).into_iter().find(|(path, _)| is_journal(path)).unwrap()
}

/// Returns the position of a commit's second value in the journal.
fn second_value(journal: &[u8], commit: u8) -> usize {
    journal.windows(700).position(|window| window == [0xb0 + commit; 700]).unwrap()
}

#[test]
fn a_last_batch_with_a_hole_is_cut_off_and_the_others_are_kept() {
    let home = tempfile::tempdir().unwrap();
    let (path, mut journal) = three_commits(home.path());
    let place = second_value(&journal, 3);
    journal[place + 100..place + 600].fill(0);
    std::fs::write(&path, journal).unwrap();
    for _ in 0..2 {
        let backend = FjallBackend::new(home.path()).unwrap();
        let rows = keyspace(&backend);
        for commit in 1..=2_u8 {
            assert_eq!(backend.get(rows, &[commit, 2]).unwrap().as_deref(), Some(&[0xb0 + commit; 700][..]));
        }
        for row in 1..=2_u8 {
            assert_eq!(backend.get(rows, &[3, row]).unwrap(), None, "the whole batch is cut off");
        }
        put(&backend, rows, b"more", b"1", Durability::PowerSafe);
    }
}

#[test]
fn a_hole_before_another_batch_is_corruption_and_is_not_changed() {
    for commit in [1, 2] {
        let home = tempfile::tempdir().unwrap();
        let (path, mut journal) = three_commits(home.path());
        let place = second_value(&journal, commit);
        journal[place + 100..place + 600].fill(0);
        std::fs::write(&path, &journal).unwrap();
        for _ in 0..2 {
            assert_eq!(open_error(home.path()), ErrorKind::Corruption);
            assert!(std::fs::read(&path).unwrap() == journal, "commit {commit}");
        }
    }
}
