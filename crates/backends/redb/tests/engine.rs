//! Behaviour that is redb's own; the contract for every backend is tested in `conformance.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used)] // Tests fail by panicking.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use strongroom_core::{
    Create, Durability, ErrorKind, KeyspaceHints, KeyspaceId, Options, Scan, StorageBackend, TypedOptions,
    WriteBatch,
};
use strongroom_redb::{RedbBackend, RedbOptions};

/// redb's default page size.
const PAGE: usize = 4_096;

fn put(backend: &RedbBackend, keyspace: KeyspaceId, key: &[u8], value: &[u8], durability: Durability) {
    let mut batch = WriteBatch::new();
    batch.put(keyspace, key, value);
    backend.commit(&batch, durability).unwrap();
}

fn keyspace(backend: &RedbBackend) -> KeyspaceId {
    backend.create_keyspace("rows", KeyspaceHints::default()).unwrap()
}

fn open_error(directory: &Path) -> ErrorKind {
    let error = RedbBackend::new(directory).err().unwrap();
    assert!(!error.to_string().contains('\n'));
    error.kind()
}

#[test]
fn options_are_parsed_by_name_and_unknown_ones_are_refused() {
    let given =
        |name: &str, value: &str| RedbOptions::from_options(&Options::new().engine_option(name, value));
    assert!(given("quick_repair", "true").is_ok());
    assert_eq!(given("quick_repair", "maybe").unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(given("quick_repiar", "true").unwrap_err().kind(), ErrorKind::InvalidInput);
    // Typed options are also set by name.
    let typed = RedbOptions::new().quick_repair(true).cache_bytes(1 << 20).create(Create::Never);
    assert_eq!(typed.common().engine["quick_repair"], "true");
    assert_eq!(typed.common().cache_bytes, Some(1 << 20));
    assert_eq!(typed.common().create, Create::Never);
}

#[test]
fn quick_repair_stores_the_same_rows() {
    let home = tempfile::tempdir().unwrap();
    let backend = RedbBackend::open(home.path(), RedbOptions::new().quick_repair(true)).unwrap();
    let rows = keyspace(&backend);
    put(&backend, rows, b"a", b"1", Durability::PowerSafe);
    put(&backend, rows, b"b", b"2", Durability::Buffered);
    backend.flush().unwrap();
    let copy = copy_as_after_a_crash(home.path());
    let backend = RedbBackend::new(copy.path()).unwrap();
    let rows = backend.keyspace("rows").unwrap();
    assert_eq!(backend.get(rows, b"b").unwrap().as_deref(), Some(&b"2"[..]));
}

#[test]
fn a_second_handle_is_locked_out() {
    let home = tempfile::tempdir().unwrap();
    let first = RedbBackend::new(home.path()).unwrap();
    assert_eq!(open_error(home.path()), ErrorKind::Locked);
    drop(first);
    RedbBackend::new(home.path()).unwrap();
}

#[test]
fn dropping_the_backend_closes_it_at_once_and_keeps_buffered_commits() {
    let home = tempfile::tempdir().unwrap();
    for round in 0..10_u8 {
        let backend = RedbBackend::new(home.path()).unwrap();
        let rows = keyspace(&backend);
        if round > 0 {
            assert_eq!(backend.get(rows, b"round").unwrap().as_deref(), Some(&[round - 1][..]));
        }
        put(&backend, rows, b"round", &[round], Durability::Buffered);
    }
}

/// Copies the files as a crash of the process at this point would leave them.
fn copy_as_after_a_crash(directory: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(directory.join("data.redb"), copy.path().join("data.redb")).unwrap();
    copy
}

#[test]
fn buffered_commits_become_durable_with_a_power_safe_one_or_a_flush() {
    let home = tempfile::tempdir().unwrap();
    let backend = RedbBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    let after_a_crash = |key: &[u8]| {
        let copy = copy_as_after_a_crash(home.path());
        let backend = RedbBackend::new(copy.path()).unwrap();
        backend.get(backend.keyspace("rows").unwrap(), key).unwrap().is_some()
    };
    put(&backend, rows, b"a", b"1", Durability::Buffered);
    assert!(!after_a_crash(b"a"), "redb is stronger now: correct the documentation");
    backend.flush().unwrap();
    assert!(after_a_crash(b"a"));
    put(&backend, rows, b"b", b"1", Durability::Buffered);
    put(&backend, rows, b"c", b"1", Durability::PowerSafe);
    assert!(after_a_crash(b"b") && after_a_crash(b"c"));
}

#[test]
fn an_interrupted_creation_is_repeated() {
    for left_behind in [&b""[..], &[0; 4096], b"half a database"] {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("data.redb.new"), left_behind).unwrap();
        let never = RedbOptions::new().create(Create::Never);
        assert_eq!(RedbBackend::open(home.path(), never).err().unwrap().kind(), ErrorKind::NotFound);
        let backend = RedbBackend::new(home.path()).unwrap();
        keyspace(&backend);
        assert!(!home.path().join("data.redb.new").exists());
    }
}

#[test]
fn a_foreign_or_empty_file_is_corruption_and_is_not_changed() {
    for contents in [&b""[..], b"not a database", &[0; 8192], &[b'x'; 10_000]] {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("data.redb");
        std::fs::write(&file, contents).unwrap();
        assert_eq!(open_error(home.path()), ErrorKind::Corruption);
        assert_eq!(std::fs::read(&file).unwrap(), contents);
    }
}

#[test]
fn a_truncated_file_is_corruption_and_is_not_changed() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("data.redb");
    let backend = RedbBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    let mut batch = WriteBatch::new();
    for number in 0..2_000_u32 {
        batch.put(rows, &number.to_be_bytes(), &[7; 500]);
    }
    backend.commit(&batch, Durability::PowerSafe).unwrap();
    drop(backend);
    let whole = std::fs::read(&file).unwrap();
    for len in [10, 200, 4_096, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&file, &whole[..len]).unwrap();
        assert_eq!(open_error(home.path()), ErrorKind::Corruption, "{len} of {}", whole.len());
        assert!(std::fs::read(&file).unwrap() == whole[..len], "{len} of {}: changed", whole.len());
    }
    std::fs::write(&file, &whole).unwrap();
    RedbBackend::new(home.path()).unwrap();
}

#[test]
fn the_last_operation_on_a_key_wins() {
    let home = tempfile::tempdir().unwrap();
    let backend = RedbBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    let mut batch = WriteBatch::new();
    batch.put(rows, b"a", b"1").delete(rows, b"a").put(rows, b"a", b"3");
    batch.put(rows, b"b", b"1").put(rows, b"b", b"2").delete(rows, b"b");
    batch.delete(rows, b"c").put(rows, b"c", b"");
    backend.commit(&batch, Durability::PowerSafe).unwrap();
    drop(backend);
    let backend = RedbBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    assert_eq!(backend.get(rows, b"a").unwrap().as_deref(), Some(&b"3"[..]));
    assert_eq!(backend.get(rows, b"b").unwrap(), None);
    assert_eq!(backend.get(rows, b"c").unwrap().as_deref(), Some(&b""[..]));
}

#[test]
fn a_recreated_keyspace_is_empty_even_in_old_snapshots() {
    let home = tempfile::tempdir().unwrap();
    let backend = RedbBackend::new(home.path()).unwrap();
    let old = keyspace(&backend);
    put(&backend, old, b"a", b"1", Durability::PowerSafe);
    let snapshot = backend.snapshot().unwrap();
    backend.drop_keyspace(old).unwrap();
    let new = keyspace(&backend);
    assert_eq!(backend.get(new, b"a").unwrap(), None);
    assert_eq!(snapshot.get(new, b"a").unwrap(), None);
    drop((snapshot, backend));
    let backend = RedbBackend::new(home.path()).unwrap();
    assert_eq!(backend.get(keyspace(&backend), b"a").unwrap(), None);
}

#[test]
fn compaction_and_verify_are_unavailable_while_something_is_held() {
    let home = tempfile::tempdir().unwrap();
    let backend = RedbBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    // Large enough to be shared: a small value is copied and holds nothing.
    let large = [7; 1_000];
    put(&backend, rows, b"a", &large, Durability::Buffered);

    let snapshot = backend.snapshot().unwrap();
    let value = backend.get(rows, b"a").unwrap().unwrap();
    for outcome in [backend.compact(), backend.verify()] {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    }
    drop(snapshot);
    assert_eq!(backend.compact().unwrap_err().kind(), ErrorKind::Unavailable, "a shared value counts");
    assert_eq!(&value[..], large);
    drop(value);

    // The handle is unaffected.
    put(&backend, rows, b"b", b"2", Durability::Buffered);
    backend.compact().unwrap();
    backend.verify().unwrap();
    assert_eq!(backend.get(rows, b"a").unwrap().as_deref(), Some(&large[..]));
}

#[test]
fn compaction_reclaims_space() {
    let home = tempfile::tempdir().unwrap();
    let backend = RedbBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    let mut batch = WriteBatch::new();
    for number in 0..20_000_u32 {
        batch.put(rows, &number.to_be_bytes(), &[7; 200]);
    }
    backend.commit(&batch, Durability::PowerSafe).unwrap();
    let full = backend.stats().unwrap().disk_bytes.unwrap();
    assert!(full > 4_000_000, "{full}");
    backend.delete_range(rows, &strongroom_core::KeyRange::all(), Durability::PowerSafe).unwrap();
    backend.compact().unwrap();
    let empty = backend.stats().unwrap().disk_bytes.unwrap();
    assert!(empty < full / 4, "{full} -> {empty}");
}

#[test]
fn verify_finds_damage() {
    let home = tempfile::tempdir().unwrap();
    let backend = RedbBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    put(&backend, rows, b"a", &[0xab; 1_000], Durability::PowerSafe);
    drop(backend);
    let file = home.path().join("data.redb");
    let mut bytes = std::fs::read(&file).unwrap();
    let place = bytes.windows(100).position(|window| window == [0xab; 100]).unwrap();
    bytes[place + 50] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let backend = RedbBackend::new(home.path()).unwrap();
    assert_eq!(backend.verify().unwrap_err().kind(), ErrorKind::Corruption);
}

#[test]
fn shared_values_are_counted_and_outlive_the_backend() {
    let home = tempfile::tempdir().unwrap();
    let backend = RedbBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    put(&backend, rows, b"a", &vec![9; 100_000], Durability::PowerSafe);
    let pinned = || backend.stats().unwrap().values_pinned;

    let value = backend.get(rows, b"a").unwrap().unwrap();
    let from_snapshot = backend.snapshot().unwrap().get(rows, b"a").unwrap().unwrap();
    assert_eq!(pinned(), 2);
    // The page is shared, not copied, and is not changed.
    let again = value.clone();
    assert_eq!(again.as_ptr(), value.as_ptr());
    put(&backend, rows, b"a", b"new", Durability::PowerSafe);
    drop((again, from_snapshot));
    assert_eq!(pinned(), 1);
    assert_eq!(value.len(), 100_000);
    drop(value);
    assert_eq!(pinned(), 0);

    let value = backend.get(rows, b"a").unwrap().unwrap();
    drop(backend);
    assert_eq!(&value[..], b"new");
    let backend = RedbBackend::new(home.path()).unwrap();
    assert_eq!(&backend.get(keyspace(&backend), b"a").unwrap().unwrap()[..], b"new");
    assert_eq!(&value[..], b"new");
}

#[test]
fn a_large_value_round_trips_with_hints() {
    let home = tempfile::tempdir().unwrap();
    let backend = RedbBackend::new(home.path()).unwrap();
    let blobs = backend.create_keyspace("blobs", KeyspaceHints::large_values()).unwrap();
    let large = vec![5; 16 * 1024 * 1024];
    put(&backend, blobs, b"a", &large, Durability::PowerSafe);
    let mut cursor = backend.snapshot().unwrap().cursor(blobs, Scan::all()).unwrap();
    assert!(cursor.advance().unwrap());
    assert!(cursor.value() == large);
}

#[test]
fn compaction_and_verify_keep_buffered_commits() {
    let home = tempfile::tempdir().unwrap();
    let backend = RedbBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    for (round, housekeep) in [RedbBackend::compact, RedbBackend::verify].into_iter().enumerate() {
        for number in 0..200_u8 {
            put(&backend, rows, &[number], &vec![number; 1_000 + round], Durability::Buffered);
        }
        housekeep(&backend).unwrap();
        for number in 0..200_u8 {
            assert_eq!(backend.get(rows, &[number]).unwrap().unwrap().len(), 1_000 + round);
        }
    }
}

#[test]
fn a_checkpoint_has_the_typed_options_of_its_original() {
    let home = tempfile::tempdir().unwrap();
    // The storage belongs only to the original. If the copy used it too, redb would find it locked or full.
    let storage = std::sync::Arc::new(redb::backends::InMemoryBackend::new());
    for options in [RedbOptions::new(), RedbOptions::new().over_storage(storage)] {
        let options = options.quick_repair(true).cache_bytes(1 << 20);
        let original = tempfile::tempdir().unwrap();
        let backend = RedbBackend::open(original.path(), options).unwrap();
        put(&backend, keyspace(&backend), b"a", b"1", Durability::Buffered);
        let copy = tempfile::tempdir_in(home.path()).unwrap();
        backend.checkpoint(copy.path()).unwrap();
        let options = RedbOptions::new().quick_repair(true).cache_bytes(1 << 20);
        let copy = RedbBackend::open(copy.path(), options).unwrap();
        assert_eq!(copy.get(copy.keyspace("rows").unwrap(), b"a").unwrap().as_deref(), Some(&b"1"[..]));
    }
}

#[test]
fn a_read_only_handle_neither_repairs_nor_creates() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("data.redb.new"), b"").unwrap();
    let read_only = || RedbBackend::open(home.path(), RedbOptions::new().read_only());
    assert_eq!(read_only().err().unwrap().kind(), ErrorKind::NotFound);
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
    drop(RedbBackend::new(home.path()).unwrap());
    let error = read_only().unwrap().verify().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("read-only"), "{error}");
}

#[test]
fn swapped_pages_cause_no_panic_outside_the_engine() {
    let home = tempfile::tempdir().unwrap();
    {
        let backend = RedbBackend::new(home.path()).unwrap();
        let rows = backend.create_keyspace("rows", KeyspaceHints::default()).unwrap();
        for part in 0..2_u8 {
            let mut batch = WriteBatch::new();
            // redb trusts its reads of rows that fill more than a page.
            for number in 0..50_u8 {
                batch.put(rows, &[number, part], &vec![number; if number % 7 == 0 { 6_000 } else { 200 }]);
            }
            backend.commit(&batch, Durability::PowerSafe).unwrap();
        }
    }
    let file = home.path().join("data.redb");
    let whole = std::fs::read(&file).unwrap();
    let used: Vec<usize> = (1..whole.len() / PAGE)
        .filter(|page| whole[page * PAGE..(page + 1) * PAGE].iter().any(|byte| *byte != 0))
        .collect();

    let mut damaged = 0;
    for (place, first) in used.iter().enumerate() {
        for second in used.iter().skip(place + 1).step_by(31) {
            let mut bytes = whole.clone();
            for offset in 0..PAGE {
                bytes.swap(first * PAGE + offset, second * PAGE + offset);
            }
            std::fs::write(&file, bytes).unwrap();
            // A panic would come from opening, or from lending a row.
            damaged += u32::from(scan_all(home.path()).is_err());
        }
    }

    assert!(damaged > 5, "{damaged}");
}

fn scan_all(directory: &Path) -> strongroom_core::Result<()> {
    let backend = RedbBackend::new(directory)?;
    let rows = backend.keyspace("rows")?;
    let mut cursor = backend.snapshot()?.cursor(rows, Scan::all())?;
    while cursor.advance()? {
        assert!(cursor.key().len() + cursor.value().len() < usize::MAX);
    }
    Ok(())
}

/// Ends the readers, even if the test fails.
struct Stop<'s>(&'s AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn gets_share_a_view_and_a_commit_replaces_it() {
    let home = tempfile::tempdir().unwrap();
    let backend = RedbBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    for round in 1..=3_u64 {
        put(&backend, rows, b"n", &round.to_be_bytes(), Durability::Buffered);
        assert!(!backend.stats().unwrap().read_view_held, "the commit has released it");
        for _ in 0..10 {
            assert_eq!(backend.get(rows, b"n").unwrap().unwrap(), round.to_be_bytes()[..]);
        }
        let stats = backend.stats().unwrap();
        assert_eq!((stats.read_views_opened, stats.read_view_held, stats.snapshots_open), (round, true, 0));
        // A snapshot between two commits shares the view, and counts as open.
        let snapshot = backend.snapshot().unwrap();
        let stats = backend.stats().unwrap();
        assert_eq!((stats.read_views_opened, stats.snapshots_open), (round, 1));
        put(&backend, rows, b"n", b"newer", Durability::Buffered);
        assert_eq!(snapshot.get(rows, b"n").unwrap().unwrap(), round.to_be_bytes()[..]);
        assert_eq!(backend.get(rows, b"n").unwrap().unwrap(), b"newer"[..]);
    }
}

#[test]
fn an_idle_view_is_released() {
    let home = tempfile::tempdir().unwrap();
    let backend = RedbBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    put(&backend, rows, b"a", b"1", Durability::Buffered);
    for _ in 0..2 {
        backend.get(rows, b"a").unwrap();
        backend.get(rows, b"a").unwrap();
        assert!(backend.stats().unwrap().read_view_held);
        let waiting_since = std::time::Instant::now();
        while backend.stats().unwrap().read_view_held {
            assert!(waiting_since.elapsed().as_secs() < 60, "the view is still held");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

#[test]
fn a_view_has_the_tables_of_many_keyspaces() {
    let home = tempfile::tempdir().unwrap();
    let backend = RedbBackend::new(home.path()).unwrap();
    let name = |number: u32| format!("rows{number}");
    let keyspaces: Vec<_> = (0..30)
        .map(|number| backend.create_keyspace(&name(number), KeyspaceHints::default()).unwrap())
        .collect();
    let mut batch = WriteBatch::new();
    for (number, keyspace) in (0_u32..).zip(&keyspaces) {
        batch.put(*keyspace, b"n", &number.to_be_bytes());
    }
    backend.commit(&batch, Durability::Buffered).unwrap();
    for _ in 0..3 {
        for (number, keyspace) in (0_u32..).zip(&keyspaces) {
            assert_eq!(backend.get(*keyspace, b"n").unwrap().unwrap(), number.to_be_bytes()[..]);
        }
    }
    assert_eq!(backend.stats().unwrap().read_views_opened, 1);
    // A recreated keyspace is another one.
    backend.drop_keyspace(keyspaces[20]).unwrap();
    let again = backend.create_keyspace(&name(20), KeyspaceHints::default()).unwrap();
    for _ in 0..3 {
        assert_eq!(backend.get(again, b"n").unwrap(), None);
        assert_eq!(backend.get(keyspaces[20], b"n").unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[test]
fn compaction_and_verify_run_concurrently_with_gets() {
    let home = tempfile::tempdir().unwrap();
    let backend = RedbBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    put(&backend, rows, b"a", b"1", Durability::Buffered);
    let (stop, gets) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let _stop = Stop(&stop);
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(backend.get(rows, b"a").unwrap().unwrap(), b"1"[..]);
                    gets.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for round in 0..15_u32 {
            let before = gets.load(Ordering::Relaxed);
            while gets.load(Ordering::Relaxed) < before + 100 {
                std::thread::yield_now();
            }
            put(&backend, rows, &round.to_be_bytes(), &[7; 10_000], Durability::Buffered);
            backend.compact().unwrap();
            backend.verify().unwrap();
        }
    });
}

#[test]
fn dropping_a_handle_with_a_held_view_closes_it() {
    let home = tempfile::tempdir().unwrap();
    for _ in 0..20 {
        let backend = RedbBackend::new(home.path()).unwrap();
        let rows = keyspace(&backend);
        put(&backend, rows, b"a", b"1", Durability::Buffered);
        backend.get(rows, b"a").unwrap();
        backend.get(rows, b"a").unwrap();
        assert!(backend.stats().unwrap().read_view_held);
    }
}
