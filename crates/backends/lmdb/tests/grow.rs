//! The map grows by itself during reads, in this process and in another.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Tests fail by panicking.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use strongroom_core::{Durability, ErrorKind, KeyspaceHints, Scan, StorageBackend, WriteBatch};
use strongroom_lmdb::{LmdbBackend, LmdbOptions};
use support::{by_name, child, directory_of_child, figure, fill, keyspace, put};

const MIB: u64 = 1_024 * 1_024;
/// Rows of a batch. Their total number is stored in the same batch, so that a torn view would show.
const BATCH: u64 = 2_000;
const VALUE_BYTES: usize = 500;

/// Loads a whole batch, with the number of rows after it.
fn load_batch(backend: &LmdbBackend, from: u64) {
    let rows = keyspace(backend);
    let mut batch = WriteBatch::new();
    for number in from..from + BATCH {
        // Spread over the whole range, as real load is.
        let key = number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
        batch.put(rows, &key, &[7; VALUE_BYTES]);
    }
    batch.put(backend.keyspace("count").unwrap(), b"rows", &(from + BATCH).to_be_bytes());
    backend.commit(&batch, Durability::Buffered).unwrap();
}

fn counted(value: Option<strongroom_core::Bytes>) -> u64 {
    value.map_or(0, |value| u64::from_be_bytes(value[..].try_into().unwrap()))
}

/// Reads in every way, each briefly, until `stop`.
fn read_briefly(backend: &LmdbBackend, stop: &AtomicBool, reads: &AtomicU64) {
    let (rows, count) = (backend.keyspace("rows").unwrap(), backend.keyspace("count").unwrap());
    while !stop.load(Ordering::Relaxed) {
        let snapshot = backend.snapshot().unwrap();
        let known = counted(snapshot.get(count, b"rows").unwrap());
        // A get during an open snapshot: the gate has to admit it, or both wait for each other.
        assert!(counted(backend.get(count, b"rows").unwrap()) >= known);
        let mut seen = 0;
        let mut cursor = snapshot.cursor(rows, Scan::all()).unwrap();
        cursor
            .visit(&mut |_, value| {
                assert_eq!(value.len(), VALUE_BYTES);
                seen += 1;
                if seen < 5_000 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })
            .unwrap();
        assert_eq!(seen, known.min(5_000));
        reads.fetch_add(1, Ordering::Relaxed);
    }
}

/// Loads until the file has `bytes`, with readers in this process and one in another.
fn grow_to(bytes: u64) {
    let home = tempfile::tempdir().unwrap();
    let options = by_name(&[("map_bytes", "1MiB")]);
    let backend = LmdbBackend::open(home.path(), options).unwrap();
    keyspace(&backend);
    backend.create_keyspace("count", KeyspaceHints::default()).unwrap();
    assert_eq!(figure(&backend, "map_bytes"), MIB);
    let mut other = child("child_sees_rows_appear", home.path());
    let (stop, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut rows = 0;
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| read_briefly(&backend, &stop, &reads));
        }
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            while figure(&backend, "pages") * figure(&backend, "page_bytes") < bytes {
                load_batch(&backend, rows);
                rows += BATCH;
            }
        }));
        stop.store(true, Ordering::Relaxed);
        outcome.unwrap();
    });
    assert!(figure(&backend, "map_bytes") >= bytes);
    let doublings = (bytes / MIB).ilog2();
    assert!(u64::from(doublings) >= figure(&backend, "map_growths") && figure(&backend, "map_growths") > 0);
    // The other process receives the final number of rows, and prints what it has seen.
    writeln!(other.stdin.take().unwrap(), "{rows}").unwrap();
    let mut report = String::new();
    BufReader::new(other.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| line.find("saw ").map(|from| line[from..].to_owned()))
        .for_each(|line| report = line);
    let output = other.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    println!(
        "{rows} rows, {} reads meanwhile, {:?}; the other: {report}",
        reads.into_inner(),
        backend.stats()
    );
    let states: u64 = report.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(states > 5, "the other process saw too little: {report}");
}

/// Reads what another process writes, with a map of its own that has to follow.
#[test]
#[ignore = "run by others, in a process of its own"]
fn child_sees_rows_appear() {
    let Some(directory) = directory_of_child() else { return };
    let options = LmdbOptions::new().map_bytes(MIB).read_only();
    let backend = LmdbBackend::open(directory, options).unwrap();
    let (rows, count) = (backend.keyspace("rows").unwrap(), backend.keyspace("count").unwrap());
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
        sender.send(line.trim().parse::<u64>().unwrap()).unwrap();
    });
    let (mut states, mut last, mut wanted) = (0, 0, None);
    while wanted != Some(last) {
        wanted = wanted.or(receiver.try_recv().ok());
        let snapshot = backend.snapshot().unwrap();
        let known = counted(snapshot.get(count, b"rows").unwrap());
        assert!(known >= last, "rows went back");
        states += u64::from(known > last);
        last = known;
        if last > 0 {
            let key = (last - 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
            assert_eq!(snapshot.get(rows, &key).unwrap().unwrap(), [7; VALUE_BYTES][..]);
        }
    }
    println!("saw {states} states, the last of {last} rows, in {} maps", figure(&backend, "map_growths") + 1);
}

#[test]
fn the_map_grows_under_load_with_concurrent_readers() {
    grow_to(128 * MIB);
}

/// As the test above, to 2 GiB. Takes some minutes and 2 GiB of disk:
/// `cargo test --release -p strongroom-lmdb --test grow -- --ignored --nocapture the_map_grows_to_two_gibibytes`.
#[test]
#[ignore = "takes minutes and 2 GiB of disk"]
fn the_map_grows_to_two_gibibytes() {
    grow_to(2_048 * MIB);
}

#[test]
fn with_the_default_reservation_a_snapshot_may_stay_open() {
    let home = tempfile::tempdir().unwrap();
    let backend = LmdbBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    put(&backend, rows, b"a", b"1");
    let snapshot = backend.snapshot().unwrap();
    for number in 0..20_u32 {
        put(&backend, rows, &number.to_be_bytes(), &vec![7; 1_024 * 1_024]);
    }
    assert!(backend.stats().unwrap().disk_bytes.unwrap() > 20 * MIB);
    assert_eq!(figure(&backend, "map_growths"), 0);
    assert_eq!(snapshot.get(rows, b"a").unwrap().as_deref(), Some(&b"1"[..]));
}

fn small_map(directory: &Path) -> LmdbBackend {
    LmdbBackend::open(directory, by_name(&[("map_bytes", "1MiB"), ("grow_timeout_ms", "200")])).unwrap()
}

#[test]
fn a_commit_during_its_own_threads_snapshot_is_refused_in_time() {
    let home = tempfile::tempdir().unwrap();
    let backend = small_map(home.path());
    let rows = keyspace(&backend);
    put(&backend, rows, b"large", &[9; 10_000]);
    let mut batch = WriteBatch::new();
    batch.put(rows, b"a", &vec![7; 3 * 1_024 * 1_024]);
    let commit = || backend.commit(&batch, Durability::PowerSafe);
    let assert_refused = || {
        let began = Instant::now();
        let error = commit().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.way_out().contains("map_bytes"), "{error}");
        let waited = began.elapsed();
        assert!(waited >= Duration::from_millis(200) && waited < Duration::from_secs(5), "{waited:?}");
        // The handle still works.
        assert_eq!(backend.get(rows, b"a").unwrap(), None);
        put(&backend, rows, b"b", b"2");
    };
    let snapshot = backend.snapshot().unwrap();
    assert_refused();
    let cursor = snapshot.cursor(rows, Scan::all()).unwrap();
    drop(snapshot);
    assert_refused();
    let value = backend.get(rows, b"large").unwrap().unwrap();
    drop(cursor);
    assert_refused();
    drop(value);
    commit().unwrap();
    assert_eq!(backend.get(rows, b"a").unwrap().unwrap().len(), 3 * 1_024 * 1_024);
}

#[test]
fn a_commit_waits_for_a_reader_that_ends_in_time() {
    let home = tempfile::tempdir().unwrap();
    let backend = LmdbBackend::open(home.path(), by_name(&[("map_bytes", "1MiB")])).unwrap();
    let rows = keyspace(&backend);
    fill(&backend, rows, 0..100, &[7; 100]);
    let snapshot = backend.snapshot().unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| fill(&backend, rows, 0..20_000, &[8; 100]));
        std::thread::sleep(Duration::from_millis(300));
        assert!(!writer.is_finished());
        // A thread with an open snapshot may read on, and begin another read in order to finish.
        assert_eq!(snapshot.get(rows, &99_u32.to_be_bytes()).unwrap().unwrap(), [7; 100][..]);
        assert_eq!(backend.get(rows, &99_u32.to_be_bytes()).unwrap().unwrap(), [7; 100][..]);
        drop(snapshot);
    });
    assert_eq!(backend.get(rows, &99_u32.to_be_bytes()).unwrap().unwrap(), [8; 100][..]);
}

#[test]
fn keyspaces_are_created_and_dropped_in_a_full_map() {
    let home = tempfile::tempdir().unwrap();
    let backend = LmdbBackend::open(home.path(), by_name(&[("map_bytes", "1MiB")])).unwrap();
    for round in 0..60_u32 {
        let name = format!("keyspace-{round}");
        let keyspace = backend.create_keyspace(&name, KeyspaceHints::default()).unwrap();
        fill(&backend, keyspace, 0..100, &[7; 1_000]);
        if round % 3 == 0 {
            backend.drop_keyspace(keyspace).unwrap();
        }
    }
    assert_eq!(backend.keyspaces().unwrap().len(), 40);
    assert!(figure(&backend, "map_growths") > 0);
}

#[test]
fn a_batch_larger_than_the_map_needs_one_growth() {
    let home = tempfile::tempdir().unwrap();
    let backend = LmdbBackend::open(home.path(), by_name(&[("map_bytes", "1MiB")])).unwrap();
    let rows = keyspace(&backend);
    fill(&backend, rows, 0..4, &vec![7; 16 * 1_024 * 1_024]);
    assert_eq!(figure(&backend, "map_growths"), 1);
}

#[test]
fn a_checkpoint_of_a_small_map_is_complete_and_can_grow() {
    let home = tempfile::tempdir().unwrap();
    let backend = small_map(&home.path().join("store"));
    let rows = keyspace(&backend);
    fill(&backend, rows, 0..5_000, &[7; 500]);
    let copy = home.path().join("copy");
    backend.checkpoint(&copy).unwrap();
    let copy = small_map(&copy);
    let rows = keyspace(&copy);
    fill(&copy, rows, 5_000..20_000, &[7; 500]);
    assert_eq!(copy.get(rows, &4_999_u32.to_be_bytes()).unwrap().unwrap(), [7; 500][..]);
}

#[test]
fn a_second_writer_in_another_process_is_locked_out() {
    let home = tempfile::tempdir().unwrap();
    let backend = LmdbBackend::new(home.path()).unwrap();
    let output = child("child_wants_to_write", home.path()).wait_with_output().unwrap();
    let output = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.contains("kind: locked") && output.contains("read-only"), "{output}");
    drop(backend);
    let output = child("child_wants_to_write", home.path()).wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("opened"));
}

#[test]
#[ignore = "run by others, in a process of its own"]
fn child_wants_to_write() {
    let Some(directory) = directory_of_child() else { return };
    match LmdbBackend::new(directory) {
        Ok(_) => println!("opened"),
        Err(error) => println!("kind: {}: {}", error.kind(), error.one_line()),
    }
}

#[test]
fn readers_that_died_are_cleared() {
    let home = tempfile::tempdir().unwrap();
    let backend = LmdbBackend::open(home.path(), LmdbOptions::new().max_readers(2)).unwrap();
    let rows = keyspace(&backend);
    put(&backend, rows, b"a", b"1");
    // The child dies with a snapshot in every slot.
    let output = child("child_dies_reading", home.path()).wait_with_output().unwrap();
    assert!(!output.status.success());
    assert_eq!(backend.get(rows, b"a").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(figure(&backend, "readers_seen"), figure(&backend, "readers_max"));
    assert_eq!(figure(&backend, "readers_stale_cleared"), figure(&backend, "readers_max"));
}

#[test]
#[ignore = "run by others, in a process of its own"]
fn child_dies_reading() {
    let Some(directory) = directory_of_child() else { return };
    let backend = LmdbBackend::open(directory, LmdbOptions::new().read_only()).unwrap();
    let mut held = Vec::new();
    while let Ok(snapshot) = backend.snapshot() {
        held.push(snapshot);
    }
    std::process::abort();
}

/// 1,000,000 rows of 100 bytes in batches of 10,000.
#[test]
fn a_million_rows_need_little_memory() {
    let home = tempfile::tempdir().unwrap();
    let output = child("child_loads_a_million_rows", home.path()).wait_with_output().unwrap();
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{report}");
    assert!(
        output.status.success() && (report.contains("at most 256 MiB") || report.contains("SKIPPED")),
        "{report}"
    );
}

#[test]
#[ignore = "run by others, in a process of its own"]
fn child_loads_a_million_rows() {
    let Some(directory) = directory_of_child() else { return };
    let backend = LmdbBackend::new(directory).unwrap();
    let rows = keyspace(&backend);
    let mut peak = 0;
    let mut batch = WriteBatch::new();
    for number in 0..1_000_000_u64 {
        batch.put(rows, &number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes(), &[7; 100]);
        if batch.len() == 10_000 {
            backend.commit(&batch, Durability::Buffered).unwrap();
            batch.clear();
            let Some(bytes) = support::anonymous_bytes(std::process::id()) else {
                println!("SKIPPED: this system does not report anonymous memory");
                return;
            };
            peak = peak.max(bytes);
        }
    }
    println!("anonymous memory at its peak: {} MiB", peak / MIB);
    assert!(peak <= 256 * MIB);
    println!("at most 256 MiB");
}

#[test]
fn the_map_grows_without_waiting_for_the_shared_read_view() {
    let home = tempfile::tempdir().unwrap();
    // A timeout of zero: any open transaction makes the commit fail.
    let options = by_name(&[("map_bytes", "1MiB"), ("grow_timeout_ms", "0")]);
    let backend = LmdbBackend::open(home.path(), options).unwrap();
    let rows = keyspace(&backend);
    backend.create_keyspace("count", KeyspaceHints::default()).unwrap();
    put(&backend, rows, b"a", b"1");
    for round in 0..4 {
        for _ in 0..3 {
            assert_eq!(backend.get(rows, b"a").unwrap().unwrap(), b"1"[..]);
        }
        assert!(backend.stats().unwrap().read_view_held);
        assert_eq!(figure(&backend, "transactions_held"), 1);
        let before = figure(&backend, "map_growths");
        for step in 0..4 {
            load_batch(&backend, (round * 4 + step) * BATCH);
            backend.get(rows, b"a").unwrap();
            backend.get(rows, b"a").unwrap();
        }
        assert!(round > 1 || figure(&backend, "map_growths") > before);
    }
    // A snapshot belongs to the caller, so the commit waits for it.
    let _snapshot = backend.snapshot().unwrap();
    let error = (100..200).find_map(|step| {
        let mut batch = WriteBatch::new();
        batch.put(rows, &u64::to_be_bytes(step), &vec![7; 1_024 * 1_024]);
        backend.commit(&batch, Durability::Buffered).err()
    });
    assert_eq!(error.unwrap().kind(), ErrorKind::Unavailable);
}
