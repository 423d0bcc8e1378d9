//! Behaviour that is LMDB's own; the contract for every backend is tested in `conformance.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Tests fail by panicking.

mod support;

use std::path::Path;
use std::time::Duration;
use strongroom_core::{
    Create, Durability, Engine, ErrorKind, KeyRange, KeyspaceHints, Options, Placement, Scan, StorageBackend,
    TypedOptions, WriteBatch,
};
use strongroom_lmdb::{LmdbBackend, LmdbEngine, LmdbOptions};
use support::{by_name, figure, fill, keyspace, put};

fn open_error(directory: &Path) -> ErrorKind {
    let error = LmdbBackend::new(directory).err().unwrap();
    println!("{}", error.one_line());
    assert!(!error.to_string().contains('\n'));
    error.kind()
}

#[test]
fn the_compiled_version_is_the_declared_one() {
    let version = heed::lmdb_version();
    assert_eq!(LmdbEngine::INFO.version, format!("{}.{}", version.major, version.minor));
}

#[test]
fn options_are_read_by_name_and_reach_the_engine() {
    let given =
        |name: &str, value: &str| LmdbOptions::from_options(&Options::new().engine_option(name, value));
    for (name, value) in [
        ("map_bytes", "0"),
        ("map_bytes", "much"),
        ("max_readers", "0"),
        ("max_readers", "70000"),
        ("max_keyspaces", "0"),
        ("grow_timeout_ms", "long"),
        ("map_size", "1MiB"),
    ] {
        let error = given(name, value).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name}={value}");
    }
    let unknown = given("map_size", "1MiB").unwrap_err().to_string();
    for known in ["map_bytes", "max_readers", "max_keyspaces", "grow_timeout_ms"] {
        assert!(unknown.contains(known), "{unknown}");
    }
    // Typed options are also set by name.
    let typed = LmdbOptions::new().map_bytes(3 << 20).max_readers(7).max_keyspaces(5);
    let typed = typed.grow_timeout(Duration::from_millis(50)).create(Create::IfMissing);
    let again = LmdbOptions::from_options(typed.common()).unwrap();
    assert_eq!(format!("{typed:?}"), format!("{again:?}"));

    let home = tempfile::tempdir().unwrap();
    let refused = LmdbBackend::open(home.path(), LmdbOptions::new().max_readers(0));
    assert_eq!(refused.err().unwrap().kind(), ErrorKind::InvalidInput);
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    let backend = LmdbBackend::open(home.path(), typed).unwrap();
    assert_eq!(figure(&backend, "map_bytes"), 3 << 20);
    // LMDB rounds the table of readers up to whole pages of its own layout, never down.
    assert!((7..200).contains(&figure(&backend, "readers_max")));
}

#[test]
fn options_that_the_engine_cannot_honour_are_refused() {
    let home = tempfile::tempdir().unwrap();
    for options in [Options::new().cache_bytes(1 << 20), Options::new().background_threads(2)] {
        let options = LmdbOptions::from_options(&options).unwrap();
        let refused = LmdbBackend::open(home.path(), options).err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::Unsupported, "{refused}");
    }
}

#[test]
fn a_second_handle_is_locked_out_for_writing_and_for_reading() {
    let home = tempfile::tempdir().unwrap();
    let first = LmdbBackend::new(home.path()).unwrap();
    assert_eq!(open_error(home.path()), ErrorKind::Locked);
    // LMDB loses its locks if a process opens a directory twice.
    let read_only = || LmdbBackend::open(home.path(), LmdbOptions::new().read_only());
    let error = read_only().err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(error.way_out().contains("share that handle"), "{error}");
    drop(first);
    let reader = read_only().unwrap();
    assert_eq!(open_error(home.path()), ErrorKind::Locked);
    drop(reader);
    LmdbBackend::new(home.path()).unwrap();
}

#[test]
fn cursors_and_values_keep_the_store_open_after_the_backend() {
    let home = tempfile::tempdir().unwrap();
    let backend = LmdbBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    put(&backend, rows, b"a", &[9; 10_000]);
    let value = backend.get(rows, b"a").unwrap().unwrap();
    let mut cursor = backend.snapshot().unwrap().cursor(rows, Scan::all()).unwrap();
    drop(backend);
    assert_eq!(open_error(home.path()), ErrorKind::Locked);
    assert!(cursor.advance().unwrap());
    drop(cursor);
    assert_eq!(open_error(home.path()), ErrorKind::Locked);
    assert_eq!(&value[..], [9; 10_000]);
    drop(value);
    LmdbBackend::new(home.path()).unwrap();
}

#[test]
fn large_values_are_shared_and_counted_and_small_ones_copied() {
    let home = tempfile::tempdir().unwrap();
    let backend = LmdbBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    put(&backend, rows, b"large", &vec![9; 100_000]);
    put(&backend, rows, b"small", &vec![9; 4_096]);
    let pinned = || backend.stats().unwrap().values_pinned;
    let small = backend.get(rows, b"small").unwrap().unwrap();
    assert_eq!((pinned(), figure(&backend, "transactions_held")), (0, 0));
    let value = backend.get(rows, b"large").unwrap().unwrap();
    let snapshot = backend.snapshot().unwrap();
    let from_snapshot = snapshot.get(rows, b"large").unwrap().unwrap();
    drop(snapshot);
    // Both are in the transaction that gets share.
    assert_eq!((pinned(), figure(&backend, "transactions_held")), (2, 1));
    // The page is shared, not copied, and stays as it was.
    assert_eq!(value.as_ptr(), from_snapshot.as_ptr());
    for round in 0..20_u8 {
        put(&backend, rows, b"large", &vec![round; 100_000]);
    }
    assert!(value.iter().chain(&from_snapshot).chain(&small).all(|byte| *byte == 9));
    drop((value, from_snapshot));
    assert_eq!((pinned(), figure(&backend, "transactions_held")), (0, 0));
}

/// Copies the file as a crash of the process at this point would leave it.
fn copy_as_after_a_crash(directory: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    // Not the lock file: this process would lose its locks by closing another handle to it.
    std::fs::copy(directory.join("data.mdb"), copy.path().join("data.mdb")).unwrap();
    copy
}

#[test]
fn buffered_commits_survive_a_crash_of_the_process() {
    let home = tempfile::tempdir().unwrap();
    let backend = LmdbBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    let mut batch = WriteBatch::new();
    batch.put(rows, b"a", b"1");
    backend.commit(&batch, Durability::Buffered).unwrap();
    let copy = copy_as_after_a_crash(home.path());
    let copy = LmdbBackend::new(copy.path()).unwrap();
    assert_eq!(copy.get(copy.keyspace("rows").unwrap(), b"a").unwrap().as_deref(), Some(&b"1"[..]));
}

#[test]
fn an_interrupted_creation_is_repeated() {
    for left_behind in [None, Some(&b""[..]), Some(&[0; 4096]), Some(b"half a database")] {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("data.mdb.writer"), b"").unwrap();
        if let Some(bytes) = left_behind {
            std::fs::write(home.path().join("data.mdb.new"), bytes).unwrap();
            std::fs::write(home.path().join("data.mdb.new-lock"), b"").unwrap();
        }
        for options in [LmdbOptions::new().create(Create::Never), LmdbOptions::new().read_only()] {
            let before = std::fs::read_dir(home.path()).unwrap().count();
            assert_eq!(LmdbBackend::open(home.path(), options).err().unwrap().kind(), ErrorKind::NotFound);
            assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), before);
        }
        let backend = LmdbBackend::new(home.path()).unwrap();
        keyspace(&backend);
        assert!(!home.path().join("data.mdb.new").exists());
        assert!(!home.path().join("data.mdb.new-lock").exists());
    }
    // A power cut may have removed every name but this one.
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("lock.mdb.new"), b"").unwrap();
    keyspace(&LmdbBackend::new(home.path()).unwrap());
    assert!(!home.path().join("lock.mdb.new").exists());
}

#[test]
fn lost_data_is_not_recreated() {
    let home = tempfile::tempdir().unwrap();
    drop(LmdbBackend::new(home.path()).unwrap());
    std::fs::remove_file(home.path().join("data.mdb")).unwrap();
    assert_eq!(open_error(home.path()), ErrorKind::Corruption);
    assert!(!home.path().join("data.mdb").exists());
}

#[test]
fn a_directory_of_another_engine_is_refused() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("data.redb"), b"something").unwrap();
    assert_eq!(open_error(home.path()), ErrorKind::InvalidInput);
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
}

#[test]
fn the_last_operation_on_a_key_wins() {
    let home = tempfile::tempdir().unwrap();
    let backend = LmdbBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    let mut batch = WriteBatch::new();
    batch.put(rows, b"a", b"1").delete(rows, b"a").put(rows, b"a", b"3");
    batch.put(rows, b"b", b"1").put(rows, b"b", b"2").delete(rows, b"b");
    batch.delete(rows, b"c").put(rows, b"c", b"");
    backend.commit(&batch, Durability::PowerSafe).unwrap();
    drop(backend);
    let backend = LmdbBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    assert_eq!(backend.get(rows, b"a").unwrap().as_deref(), Some(&b"3"[..]));
    assert_eq!(backend.get(rows, b"b").unwrap(), None);
    assert_eq!(backend.get(rows, b"c").unwrap().as_deref(), Some(&b""[..]));
}

#[test]
fn the_longest_key_of_the_contract_fits() {
    let home = tempfile::tempdir().unwrap();
    let backend = LmdbBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    let longest = vec![0xfe; 1_088];
    put(&backend, rows, &longest, b"1");
    assert_eq!(backend.get(rows, &longest).unwrap().as_deref(), Some(&b"1"[..]));
}

#[test]
fn a_dropped_keyspace_is_removed_and_old_snapshots_do_not_see_the_new_one() {
    let home = tempfile::tempdir().unwrap();
    let backend = LmdbBackend::new(home.path()).unwrap();
    let old = keyspace(&backend);
    fill(&backend, old, 0..1_000, b"old");
    let snapshot = backend.snapshot().unwrap();
    let untouched = backend.snapshot().unwrap();
    let mut cursor = snapshot.cursor(old, Scan::all()).unwrap();
    assert!(cursor.advance().unwrap());
    backend.drop_keyspace(old).unwrap();
    // The first of them takes the number that LMDB has freed.
    let other = backend.create_keyspace("other", KeyspaceHints::default()).unwrap();
    let new = keyspace(&backend);
    fill(&backend, other, 0..1_000, b"other");
    fill(&backend, new, 0..10, b"new");
    for snapshot in [&snapshot, &untouched] {
        for keyspace in [other, new] {
            assert_eq!(snapshot.get(keyspace, &0_u32.to_be_bytes()).unwrap(), None);
            assert!(!snapshot.cursor(keyspace, Scan::all()).unwrap().advance().unwrap());
        }
        assert_eq!(snapshot.get(old, &0_u32.to_be_bytes()).unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert_eq!(cursor.advance().unwrap_err().kind(), ErrorKind::NotFound);
    drop((cursor, snapshot, untouched, backend));
    let backend = LmdbBackend::new(home.path()).unwrap();
    let rows = |name: &str| {
        let mut cursor =
            backend.snapshot().unwrap().cursor(backend.keyspace(name).unwrap(), Scan::all()).unwrap();
        std::iter::from_fn(|| cursor.advance().unwrap().then_some(())).count()
    };
    assert_eq!((rows("rows"), rows("other")), (10, 1_000));
}

const LARGE: [u8; 10_000] = [9; 10_000];

/// The child: holds a snapshot until it is killed.
#[test]
#[ignore = "run by others, in a process of its own"]
fn child_holds_a_snapshot() {
    let Some(directory) = support::directory_of_child() else { return };
    let backend = LmdbBackend::open(directory, LmdbOptions::new().read_only()).unwrap();
    let _snapshot = backend.snapshot().unwrap();
    println!("held");
    std::thread::sleep(std::time::Duration::from_secs(600));
}

#[test]
fn a_reader_that_was_killed_does_not_make_the_file_grow() {
    use std::io::{BufRead as _, BufReader};
    let home = tempfile::tempdir().unwrap();
    let backend = LmdbBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    let overwrite = |times: u8| (0..times).for_each(|round| fill(&backend, rows, 0..200, &[round; 3_000]));
    overwrite(20);
    let steady = backend.stats().unwrap().disk_bytes.unwrap();
    let mut reader = support::child("child_holds_a_snapshot", home.path());
    let mut lines = BufReader::new(reader.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("held")));
    reader.kill().unwrap();
    reader.wait().unwrap();
    overwrite(100);
    let after = backend.stats().unwrap().disk_bytes.unwrap();
    assert!(after < steady * 4, "{steady} -> {after}");
    assert_eq!(support::figure(&backend, "readers_stale_cleared"), 1);
}

#[test]
fn readers_and_drops_of_keyspaces_do_not_interfere() {
    let home = tempfile::tempdir().unwrap();
    let backend = LmdbBackend::new(home.path()).unwrap();
    let stay = keyspace(&backend);
    fill(&backend, stay, 0..100, b"stay");
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                let backend = &backend;
                scope.spawn(move || {
                    for _ in 0..3_000 {
                        let Ok(passing) = backend.keyspace("passing") else { continue };
                        let snapshot = backend.snapshot().unwrap();
                        let found = [
                            backend.get(passing, b"a"),
                            snapshot.get(passing, b"a"),
                            // Large values are shared, on another code path.
                            backend.get(passing, b"large"),
                            snapshot.get(passing, b"large"),
                        ];
                        for found in found {
                            match found {
                                Ok(value) => {
                                    assert!(
                                        value.is_none_or(|value| value == "passing" || value[..] == LARGE)
                                    );
                                }
                                Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{error}"),
                            }
                        }
                    }
                })
            })
            .collect();
        while readers.iter().any(|reader| !reader.is_finished()) {
            let passing = backend.create_keyspace("passing", KeyspaceHints::default()).unwrap();
            put(&backend, passing, b"a", b"passing");
            put(&backend, passing, b"large", &LARGE);
            backend.drop_keyspace(passing).unwrap();
            let other = backend.create_keyspace("other", KeyspaceHints::default()).unwrap();
            put(&backend, other, b"a", b"other");
            backend.drop_keyspace(other).unwrap();
        }
    });
    assert_eq!(backend.get(stay, &7_u32.to_be_bytes()).unwrap().as_deref(), Some(&b"stay"[..]));
}

#[test]
fn keyspaces_beyond_the_limit_are_packed() {
    let home = tempfile::tempdir().unwrap();
    let backend = LmdbBackend::open(home.path(), LmdbOptions::new().max_keyspaces(3)).unwrap();
    let create = |backend: &LmdbBackend, name: &str| {
        let id = backend.create_keyspace(name, KeyspaceHints::dedicated()).unwrap();
        put(backend, id, b"name", name.as_bytes());
        backend.keyspace_hints(id).unwrap().placement
    };
    for name in ["a", "b", "c"] {
        assert_eq!(create(&backend, name), Placement::Dedicated, "{name}");
    }
    assert_eq!(create(&backend, "d"), Placement::Packed);
    let large = KeyspaceHints::large_values();
    let large = backend.create_keyspace("large", large).unwrap();
    put(&backend, large, b"name", b"large");
    backend.drop_keyspace(backend.keyspace("a").unwrap()).unwrap();
    assert_eq!(create(&backend, "e"), Placement::Dedicated);
    drop(backend);
    // An existing store opens whatever the option says.
    let backend = LmdbBackend::open(home.path(), LmdbOptions::new().max_keyspaces(1)).unwrap();
    let names = backend.keyspaces().unwrap();
    assert_eq!(names, ["b", "c", "d", "e", "large"]);
    for name in names {
        let id = backend.keyspace(&name).unwrap();
        assert_eq!(backend.get(id, b"name").unwrap().as_deref(), Some(name.as_bytes()));
    }
    assert_eq!(create(&backend, "f"), Placement::Packed);
}

#[test]
fn a_full_store_from_before_shared_tables_gets_them() {
    let home = tempfile::tempdir().unwrap();
    let own = LmdbOptions::new().max_keyspaces(5);
    let backend = LmdbBackend::open(home.path(), own).unwrap();
    for number in 0..5 {
        backend.create_keyspace(&format!("k{number}"), KeyspaceHints::default()).unwrap();
    }
    drop(backend);
    let backend = LmdbBackend::open(home.path(), LmdbOptions::new().max_keyspaces(3)).unwrap();
    for hints in [KeyspaceHints::default(), KeyspaceHints::large_values()] {
        let packed = backend.create_keyspace(&format!("{}", hints.large_values), hints).unwrap();
        assert_eq!(backend.keyspace_hints(packed).unwrap().placement, Placement::Packed);
    }
    assert_eq!(backend.keyspaces().unwrap().len(), 7);
}

#[test]
fn too_many_readers_are_refused_until_one_ends() {
    let home = tempfile::tempdir().unwrap();
    let backend = LmdbBackend::open(home.path(), by_name(&[("max_readers", "2")])).unwrap();
    let rows = keyspace(&backend);
    put(&backend, rows, b"a", b"1");
    let slots = figure(&backend, "readers_max");
    let mut held: Vec<_> = (0..slots).map(|_| backend.snapshot().unwrap()).collect();
    // Until the next commit, gets share the first one's transaction.
    assert_eq!(backend.get(rows, b"a").unwrap().as_deref(), Some(&b"1"[..]));
    put(&backend, rows, b"a", b"1");
    let error = backend.get(rows, b"a").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.way_out().contains("max_readers"), "{error}");
    // Writers need no slot.
    put(&backend, rows, b"a", b"2");
    held.pop();
    assert_eq!(backend.get(rows, b"a").unwrap().as_deref(), Some(&b"2"[..]));
}

#[test]
fn a_checkpoint_is_compact_and_compaction_in_place_is_unsupported() {
    let home = tempfile::tempdir().unwrap();
    let backend = LmdbBackend::new(home.path().join("store")).unwrap();
    let rows = keyspace(&backend);
    fill(&backend, rows, 0..20_000, &[7; 200]);
    backend.delete_range(rows, &KeyRange::from(100_u32.to_be_bytes()), Durability::PowerSafe).unwrap();
    assert_eq!(backend.compact().unwrap_err().kind(), ErrorKind::Unsupported);
    let full = backend.stats().unwrap().disk_bytes.unwrap();
    assert!(figure(&backend, "pages_free") * figure(&backend, "page_bytes") > full / 2);
    let copy = home.path().join("copy");
    backend.checkpoint(&copy).unwrap();
    let copy = LmdbBackend::new(copy).unwrap();
    assert!(copy.stats().unwrap().disk_bytes.unwrap() < full / 10);
    assert_eq!(figure(&copy, "pages_free"), 0);
    assert_eq!(
        copy.get(copy.keyspace("rows").unwrap(), &99_u32.to_be_bytes()).unwrap().unwrap(),
        [7; 200][..]
    );
}

#[test]
fn freed_pages_are_reused() {
    let home = tempfile::tempdir().unwrap();
    let backend = LmdbBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    fill(&backend, rows, 0..5_000, &[7; 200]);
    for _ in 0..3 {
        fill(&backend, rows, 0..5_000, &[8; 200]);
    }
    let before = figure(&backend, "pages");
    for _ in 0..10 {
        fill(&backend, rows, 0..5_000, &[9; 200]);
    }
    let after = figure(&backend, "pages");
    assert!(after < before + 20, "{before} -> {after}");
}

#[test]
fn large_batches_work() {
    let home = tempfile::tempdir().unwrap();
    let backend = LmdbBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    fill(&backend, rows, 0..300_000, &[7; 100]);
    let blobs = backend.create_keyspace("blobs", KeyspaceHints::large_values()).unwrap();
    fill(&backend, blobs, 0..16, &vec![5; 16 * 1_024 * 1_024]);
    assert_eq!(backend.get(rows, &299_999_u32.to_be_bytes()).unwrap().unwrap(), [7; 100][..]);
    let blob = backend.get(blobs, &15_u32.to_be_bytes()).unwrap().unwrap();
    assert!(blob.len() == 16 * 1_024 * 1_024 && blob.iter().all(|byte| *byte == 5));
}

#[test]
fn a_get_never_sees_half_a_batch() {
    let home = tempfile::tempdir().unwrap();
    let backend = LmdbBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    put(&backend, rows, b"left", &0_u32.to_be_bytes());
    put(&backend, rows, b"right", &0_u32.to_be_bytes());
    let get =
        |key: &[u8]| u32::from_be_bytes(backend.get(rows, key).unwrap().unwrap()[..].try_into().unwrap());
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 1..300_u32 {
                let mut batch = WriteBatch::new();
                batch.put(rows, b"left", &round.to_be_bytes()).put(rows, b"right", &round.to_be_bytes());
                backend.commit(&batch, Durability::Buffered).unwrap();
            }
        });
        while !writer.is_finished() {
            // Read in this order, the right value cannot be older.
            let (left, right) = (get(b"left"), get(b"right"));
            assert!(left <= right, "{left} {right}");
        }
    });
}

#[test]
fn one_snapshot_serves_many_threads_and_cursors() {
    let home = tempfile::tempdir().unwrap();
    let backend = LmdbBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    fill(&backend, rows, 0..20_000, &[7; 50]);
    let snapshot = backend.snapshot().unwrap();
    fill(&backend, rows, 10_000..30_000, &[8; 50]);
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            let snapshot = &snapshot;
            scope.spawn(move || {
                let scan = if thread % 2 == 0 { Scan::all() } else { Scan::all().reverse() };
                let mut cursor = snapshot.cursor(rows, scan).unwrap();
                let mut seen = 0;
                while cursor.advance().unwrap() {
                    assert_eq!(cursor.value(), [7; 50]);
                    if seen % 100 == 0 {
                        assert!(snapshot.get(rows, cursor.key()).unwrap().is_some());
                    }
                    seen += 1;
                }
                assert_eq!(seen, 20_000);
            });
        }
    });
}

#[test]
fn rows_of_another_program_are_not_keyspaces() {
    let home = tempfile::tempdir().unwrap();
    {
        // SAFETY: this directory is not open anywhere else.
        #[allow(unsafe_code)]
        let env = unsafe { heed::EnvOpenOptions::new().max_dbs(4).open(home.path()) }.unwrap();
        let transaction = env.write_txn().unwrap();
        let made = env.create_databases_and_commit(transaction, |opener, transaction| {
            let plain =
                opener.create_database::<heed::types::Bytes, heed::types::Bytes>(transaction, None)?;
            plain.put(transaction, b"a plain row", b"1")?;
            let mut sorted = opener.database_options().types::<heed::types::Bytes, heed::types::Bytes>();
            sorted.name("duplicates").flags(heed::DatabaseFlags::DUP_SORT);
            sorted.create(transaction)?;
            heed::Result::Ok(heed::CommitOrAbort::<(), ()>::Commit(()))
        });
        made.unwrap();
    }
    // The contract has no duplicates of a key.
    assert_eq!(open_error(home.path()), ErrorKind::InvalidInput);
}
