//! What is particular to sled and its adapter.

// Helpers of tests fail like tests.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use strongroom_core::{
    Backend, Create, Durability, ErrorKind, KeyRange, KeyspaceHints, KeyspaceId, Marked, Options, Scan,
    StorageBackend, TypedOptions, Undo, WriteBatch,
};
use strongroom_sled::{SledBackend, SledEngine, SledMode, SledOptions};
use strongroom_testkit::fault::{Faults, FaultyEngine, FaultyOptions, How};
use tempfile::TempDir;

fn open(directory: &Path) -> SledBackend {
    SledBackend::new(directory).unwrap()
}

fn keyspace(backend: &SledBackend, name: &str) -> KeyspaceId {
    backend.create_keyspace(name, KeyspaceHints::default()).unwrap()
}

fn put(backend: &SledBackend, keyspace: KeyspaceId, key: &[u8], value: &[u8]) {
    let mut batch = WriteBatch::new();
    backend.commit(batch.put(keyspace, key, value), Durability::Buffered).unwrap();
}

fn rows(backend: &SledBackend, keyspace: KeyspaceId, scan: Scan) -> Vec<Vec<u8>> {
    let mut cursor = backend.snapshot().unwrap().cursor(keyspace, scan).unwrap();
    let mut keys = Vec::new();
    while cursor.advance().unwrap() {
        keys.push(cursor.key().to_vec());
    }
    keys
}

fn refused(options: &Options) -> ErrorKind {
    SledOptions::from_options(options).unwrap_err().kind()
}

#[test]
fn options_are_read_by_sleds_own_names() {
    let options = Options::new()
        .cache_bytes(1 << 20)
        .engine_option("mode", "high_throughput")
        .engine_option("segment_size", "64KiB")
        .engine_option("flush_every_ms", "none")
        .engine_option("use_compression", "false");
    let typed = SledOptions::from_options(&options).unwrap();
    assert_eq!(typed.mode, SledMode::HighThroughput);
    assert_eq!(typed.segment_size, Some(65_536));
    assert_eq!(typed.flush_every_ms, None);
    assert_eq!(typed.common.cache_bytes, Some(1 << 20));
    assert!(!typed.unproven_power_safe);

    let claiming = Options::new().engine_option("unproven_power_safe", "true");
    let typed = SledOptions::from_options(&claiming).unwrap();
    assert!(typed.unproven_power_safe);
    assert_eq!(typed.flush_every_ms, None, "sled's own thread is off");
    assert_eq!(typed, SledOptions::new().unproven_power_safe().common(claiming));
}

#[test]
fn options_that_cannot_be_honoured_are_refused() {
    let option = |name: &str, value: &str| Options::new().engine_option(name, value);
    assert_eq!(refused(&option("use_compression", "true")), ErrorKind::Unsupported);
    assert_eq!(refused(&option("mode", "fast")), ErrorKind::InvalidInput);
    assert_eq!(refused(&option("segment_size", "1000")), ErrorKind::InvalidInput);
    assert_eq!(refused(&option("segment_size", "32MiB")), ErrorKind::InvalidInput);
    assert_eq!(refused(&option("flush_every_ms", "0")), ErrorKind::InvalidInput);
    assert_eq!(refused(&option("temporary", "true")), ErrorKind::InvalidInput);
    let contradiction = option("flush_every_ms", "100").engine_option("unproven_power_safe", "true");
    assert_eq!(refused(&contradiction), ErrorKind::InvalidInput);
}

#[test]
fn another_segment_size_is_a_clear_error() {
    let directory = TempDir::new().unwrap();
    drop(SledBackend::open(directory.path(), SledOptions::new().segment_size(65_536)).unwrap());
    let error = SledBackend::new(directory.path()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("65536"), "{error}");
    SledBackend::open(directory.path(), SledOptions::new().segment_size(65_536)).unwrap();
}

#[test]
fn a_second_open_is_told_that_the_store_is_locked() {
    let directory = TempDir::new().unwrap();
    let backend = open(directory.path());
    let error = SledBackend::new(directory.path()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Locked, "{error:?}");
    let data = keyspace(&backend, "data");
    put(&backend, data, b"k", b"v");
}

#[test]
fn it_can_be_opened_again_as_soon_as_it_was_dropped() {
    let directory = TempDir::new().unwrap();
    for round in 0..50_u32 {
        let backend = open(directory.path());
        let data = keyspace(&backend, "data");
        assert_eq!(rows(&backend, data, Scan::all()).len(), round as usize);
        put(&backend, data, &round.to_be_bytes(), &[7; 1_000]);
        if round % 2 == 0 {
            // The keyspaces, a snapshot and a cursor go after the engine's own handle.
            let snapshot = backend.snapshot().unwrap();
            let mut cursor = snapshot.cursor(data, Scan::all()).unwrap();
            assert!(cursor.advance().unwrap());
            drop(backend);
            drop(snapshot);
            assert_eq!(SledBackend::new(directory.path()).err().unwrap().kind(), ErrorKind::Locked);
            drop(cursor);
        }
    }
}

#[test]
fn a_value_outlives_the_store_and_does_not_hold_it() {
    let directory = TempDir::new().unwrap();
    let backend = open(directory.path());
    let data = keyspace(&backend, "data");
    put(&backend, data, b"k", &[7; 1_000]);
    let value = backend.get(data, b"k").unwrap().unwrap();
    assert_eq!(backend.stats().unwrap().values_pinned, 0);
    drop(backend);
    drop(open(directory.path()));
    assert_eq!(&value[..], [7; 1_000]);
}

#[test]
fn foreign_and_damaged_files_are_clean_errors() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("db"), "somebody's").unwrap();
    assert_eq!(SledBackend::new(directory.path()).err().unwrap().kind(), ErrorKind::InvalidInput);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing was touched");

    let directory = TempDir::new().unwrap();
    let backend = open(directory.path());
    let data = keyspace(&backend, "data");
    put(&backend, data, b"k", b"v");
    drop(backend);
    drop(open(directory.path()));
    let settings = directory.path().join("conf");
    let text = std::fs::read(&settings).unwrap();
    std::fs::write(&settings, "segment_size: many\nuse_compression: false\nversion: 0.34\n0000").unwrap();
    assert_eq!(SledBackend::new(directory.path()).err().unwrap().kind(), ErrorKind::Corruption);
    std::fs::write(&settings, &text).unwrap();
    drop(open(directory.path()));

    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("snap.") {
            std::fs::write(&path, "short").unwrap();
        }
    }
    assert_eq!(SledBackend::new(directory.path()).err().unwrap().kind(), ErrorKind::Corruption);
}

#[test]
fn a_creation_that_was_cut_short_is_taken_up_again() {
    for files in [&["blobs/"][..], &["blobs/", "db"], &["blobs/", "db", "conf"]] {
        let directory = TempDir::new().unwrap();
        for file in files {
            let path = directory.path().join(file);
            if file.ends_with('/') {
                std::fs::create_dir(path).unwrap();
            } else {
                std::fs::write(path, "").unwrap();
            }
        }
        let backend = open(directory.path());
        let data = keyspace(&backend, "data");
        put(&backend, data, b"k", b"v");
    }
}

/// A power cut may leave any of the names without the others, and anything in the files.
#[test]
fn what_is_left_in_an_unfinished_store_is_made_anew() {
    let unfinished = || SledOptions::new().common(Options::new().marked(Marked::Unfinished));
    let torn: [&[(&str, &[u8])]; 6] = [
        &[("db", b"")],
        &[("conf", b""), ("db", &[0; 4_096])],
        &[("db", &[7; 5_000]), ("snap.0000000000000000", b"short")],
        &[("conf", &[0; 60])],
        &[("conf", b"segment_size: \0\0\0\0\0\0\0\0"), ("db", &[7; 5_000])],
        &[("snap.0000000000000000.generating", b"")],
    ];
    for (number, files) in torn.iter().enumerate() {
        for has_blobs in [false, true] {
            let directory = TempDir::new().unwrap();
            let path = directory.path();
            std::fs::write(path.join("STRONGROOM"), "the store has looked at it").unwrap();
            std::fs::write(path.join("LOCK"), "").unwrap();
            if has_blobs {
                std::fs::create_dir(path.join("blobs")).unwrap();
            }
            for (name, bytes) in *files {
                std::fs::write(path.join(name), bytes).unwrap();
            }
            let backend = SledBackend::open(path, unfinished())
                .unwrap_or_else(|error| panic!("{number} {has_blobs}: {error:?}"));
            let data = keyspace(&backend, "data");
            put(&backend, data, b"k", b"v");
            backend.flush().unwrap();
            // Whoever has it open is not disturbed.
            assert_eq!(SledBackend::open(path, unfinished()).err().unwrap().kind(), ErrorKind::Locked);
            assert!(backend.get(data, b"k").unwrap().is_some());
            drop(backend);
            // A finished one is opened as it is.
            let finished = SledOptions::new().common(Options::new().marked(Marked::Writable));
            let backend = SledBackend::open(path, finished).unwrap();
            assert!(backend.get(backend.keyspace("data").unwrap(), b"k").unwrap().is_some());
        }
    }
}

/// Without the marker the names alone say little: such files may be anybody's.
#[test]
fn what_is_left_in_a_directory_without_a_marker_is_left_alone() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("db"), "somebody's").unwrap();
    assert_eq!(SledBackend::new(directory.path()).err().unwrap().kind(), ErrorKind::InvalidInput);
    assert_eq!(std::fs::read(directory.path().join("db")).unwrap(), b"somebody's");
    // A finished store that lost its settings and blobs is not begun again either.
    std::fs::write(directory.path().join("STRONGROOM"), "").unwrap();
    let common = Options::new().marked(Marked::Writable).create(Create::Never);
    let lost = SledBackend::open(directory.path(), SledOptions::new().common(common)).err().unwrap();
    assert_eq!(lost.kind(), ErrorKind::NotFound);
    assert_eq!(std::fs::read(directory.path().join("db")).unwrap(), b"somebody's");
}

#[test]
fn looking_touches_nothing() {
    let directory = TempDir::new().unwrap();
    let never = SledOptions::new().common(Options::new().create(Create::Never));
    assert_eq!(SledBackend::open(directory.path(), never).err().unwrap().kind(), ErrorKind::NotFound);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn power_safe_is_claimed_only_when_asked_by_name() {
    let directory = TempDir::new().unwrap();
    let backend = open(directory.path());
    let data = keyspace(&backend, "data");
    let mut batch = WriteBatch::new();
    batch.put(data, b"k", b"v");
    assert!(!backend.engine().capabilities.power_safe);
    let error = backend.commit(&batch, Durability::PowerSafe).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(backend.get(data, b"k").unwrap(), None);
    backend.commit(&batch, Durability::Buffered).unwrap();
    backend.flush().unwrap();
    drop(backend);

    let claiming = SledOptions::new().unproven_power_safe();
    let backend = SledBackend::open(directory.path(), claiming).unwrap();
    assert!(backend.engine().capabilities.power_safe);
    let data = keyspace(&backend, "data");
    batch.clear();
    backend.commit(batch.put(data, b"k", b"w"), Durability::PowerSafe).unwrap();
    assert_eq!(backend.get(data, b"k").unwrap().as_deref(), Some(&b"w"[..]));
}

#[test]
fn sleds_own_trees_are_not_keyspaces() {
    let directory = TempDir::new().unwrap();
    let backend = open(directory.path());
    keyspace(&backend, "data");
    assert_eq!(backend.keyspaces().unwrap(), ["data"]);
    drop(backend);

    let raw = sled::open(directory.path()).unwrap();
    raw.insert("somebody's", "row").unwrap();
    drop(raw);
    let backend = reopen_patiently(directory.path());
    assert_eq!(backend.keyspaces().unwrap(), ["__sled__default", "data"], "it holds something");
    let default = backend.keyspace("__sled__default").unwrap();
    assert_eq!(rows(&backend, default, Scan::all()), [b"somebody's"]);
    backend.drop_keyspace(default).unwrap();
    assert_eq!(backend.keyspaces().unwrap(), ["data"]);
    drop(backend);
    assert_eq!(open(directory.path()).keyspaces().unwrap(), ["data"]);
}

/// Raw sled, dropped, may hold its lock for a moment.
fn reopen_patiently(directory: &Path) -> SledBackend {
    let begun = Instant::now();
    loop {
        match SledBackend::new(directory) {
            Ok(backend) => return backend,
            Err(error) if error.kind() == ErrorKind::Locked && begun.elapsed().as_secs() < 5 => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// Newest first for each of many users: sled panics when it walks back over these.
fn newest_first_key(user: u32, seconds: u64) -> Vec<u8> {
    [&user.to_be_bytes()[..], &(u64::MAX - 1_700_000_000 - seconds).to_be_bytes()].concat()
}

fn load_newest_first(backend: &SledBackend, data: KeyspaceId) -> Vec<Vec<u8>> {
    let mut keys: Vec<_> =
        (1..40).flat_map(|user| (0..300).map(move |seconds| newest_first_key(user, seconds))).collect();
    let mut state = 1_u64;
    for place in (1..keys.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        keys.swap(place, (state >> 33) as usize % (place + 1));
    }
    let mut batch = WriteBatch::new();
    for some in keys.chunks(100) {
        batch.clear();
        for key in some {
            batch.put(data, key, &[0; 40]);
        }
        backend.commit(&batch, Durability::Buffered).unwrap();
    }
    keys.sort();
    keys
}

#[test]
fn it_walks_back_where_sled_would_panic() {
    let directory = TempDir::new().unwrap();
    let backend = open(directory.path());
    let data = keyspace(&backend, "data");
    let mut keys = load_newest_first(&backend, data);
    let forward = rows(&backend, data, Scan::all());
    assert!(forward == keys);
    keys.reverse();
    assert!(rows(&backend, data, Scan::all().reverse()) == keys);
    drop(backend);

    let backend = open(directory.path());
    let data = keyspace(&backend, "data");
    assert!(rows(&backend, data, Scan::all().reverse()) == keys, "it is remembered");
    let one_user = Scan::prefix(&17_u32.to_be_bytes()).reverse();
    let wanted: Vec<_> = keys.iter().filter(|key| key.starts_with(&17_u32.to_be_bytes())).cloned().collect();
    assert_eq!(rows(&backend, data, one_user), wanted);
    let between = KeyRange::between(keys[700].clone(), keys[100].clone());
    assert!(rows(&backend, data, Scan::new(between).reverse()) == keys[101..=700]);
    assert_eq!(rows(&backend, data, Scan::prefix(b"none").reverse()), Vec::<Vec<u8>>::new());
}

#[test]
fn a_walk_back_goes_on_when_such_keys_come_under_way() {
    let directory = TempDir::new().unwrap();
    let backend = open(directory.path());
    let data = keyspace(&backend, "data");
    for number in 0..500_u32 {
        put(&backend, data, &[&[0xfe], &number.to_be_bytes()[..]].concat(), b"");
    }
    let mut cursor = backend.snapshot().unwrap().cursor(data, Scan::all().reverse()).unwrap();
    for number in (250..500_u32).rev() {
        assert!(cursor.advance().unwrap());
        assert_eq!(&cursor.key()[1..], number.to_be_bytes());
    }
    load_newest_first(&backend, data);
    for number in (0..250_u32).rev() {
        assert!(cursor.advance().unwrap());
        assert_eq!(&cursor.key()[1..], number.to_be_bytes());
    }
    assert!(!cursor.advance().unwrap());
}

#[test]
fn trees_that_others_made_are_walked_carefully() {
    let directory = TempDir::new().unwrap();
    let raw = sled::open(directory.path()).unwrap();
    let tree = raw.open_tree("theirs").unwrap();
    for number in 0..1_000_u32 {
        tree.insert(number.to_be_bytes(), &[]).unwrap();
    }
    drop((tree, raw));
    let backend = reopen_patiently(directory.path());
    let theirs = backend.keyspace("theirs").unwrap();
    let keys = rows(&backend, theirs, Scan::all().reverse());
    assert!(
        keys.iter().rev().map(Vec::as_slice).eq((0..1_000_u32).map(u32::to_be_bytes).collect::<Vec<_>>())
    );
}

/// Two cores, reads of every kind, and keyspaces that come and go beneath them.
#[test]
fn dropping_a_keyspace_under_its_readers_answers_not_found() {
    let directory = TempDir::new().unwrap();
    let backend = open(directory.path());
    for _ in 0..5 {
        let data = keyspace(&backend, "data");
        let mut batch = WriteBatch::new();
        for number in 0..5_000_u32 {
            batch.put(data, &number.to_be_bytes(), &[0; 100]);
        }
        backend.commit(&batch, Durability::Buffered).unwrap();
        let read = || -> strongroom_core::Result<()> {
            loop {
                let mut cursor = backend.snapshot()?.cursor(data, Scan::all().reverse())?;
                while cursor.advance()? {}
                backend.get(data, &17_u32.to_be_bytes())?;
            }
        };
        std::thread::scope(|scope| {
            let readers = [scope.spawn(read), scope.spawn(read)];
            std::thread::sleep(Duration::from_millis(20));
            backend.drop_keyspace(data).unwrap();
            for reader in readers {
                assert_eq!(reader.join().unwrap().unwrap_err().kind(), ErrorKind::NotFound);
            }
        });
    }
}

#[test]
fn large_values_and_batches_larger_than_the_cache_work() {
    let directory = TempDir::new().unwrap();
    let options = SledOptions::new().common(Options::new().cache_bytes(1 << 20)).segment_size(65_536);
    let backend = SledBackend::open(directory.path(), options.clone()).unwrap();
    let [left, right] = ["left", "right"].map(|name| keyspace(&backend, name));
    let large = vec![3; strongroom_core::limits::VALUE_BYTES_MAX];
    let mut batch = WriteBatch::new();
    for number in 0..20_000_u32 {
        batch.put(left, &number.to_be_bytes(), &[1; 200]);
        batch.put(right, &number.to_be_bytes(), &[2; 200]);
    }
    batch.put(left, b"large", &large);
    backend.commit(&batch, Durability::Buffered).unwrap();
    backend.flush().unwrap();
    assert!(std::fs::read_dir(directory.path().join("blobs")).unwrap().count() > 0);
    drop(backend);
    let backend = SledBackend::open(directory.path(), options).unwrap();
    let [left, right] = ["left", "right"].map(|name| keyspace(&backend, name));
    assert_eq!(backend.get(left, b"large").unwrap().unwrap(), large);
    assert_eq!(rows(&backend, right, Scan::all()).len(), 20_000);
    assert!(backend.stats().unwrap().disk_bytes.unwrap() > 16 << 20);
}

// Kills.

/// Set for the child process: where its store is, and how it writes.
const CHILD_DIRECTORY: &str = "STRONGROOM_SLED_CHILD_DIRECTORY";
const CHILD_OPTIONS: &str = "STRONGROOM_SLED_CHILD_OPTIONS";
/// What the child says when it has begun to write.
const CHILD_WRITES: &str = "the child writes";
const KILLED_KEYSPACES: [&str; 3] = ["a", "b", "c"];
const KILLED_KEYS: u32 = 300;

/// Batch `round` sets every key of its keyspaces to `round`: one keyspace, or all three.
fn is_wide(round: u64) -> bool {
    !round.is_multiple_of(3)
}

/// Not a test: what the child does until it is killed.
#[test]
fn child_writes_until_it_is_killed() {
    let Ok(directory) = std::env::var(CHILD_DIRECTORY) else { return };
    let options = match std::env::var(CHILD_OPTIONS).unwrap().as_str() {
        "background" => SledOptions::new().flush_every_ms(Some(5)),
        "small segments" => SledOptions::new().segment_size(8_192).flush_every_ms(Some(5)),
        "none" => SledOptions::new().flush_every_ms(None),
        _ => SledOptions::new().unproven_power_safe(),
    };
    let backend = SledBackend::open(directory, options).unwrap();
    let ids = KILLED_KEYSPACES.map(|name| keyspace(&backend, name));
    let mut batch = WriteBatch::new();
    let (last, has_single) = last_round(&backend);
    if last > 0 && !has_single {
        // The kill before came between the two writes of a round; a second one there must not make it two behind.
        batch.put(ids[2], b"single", &last.to_be_bytes());
        backend.commit(&batch, Durability::Buffered).unwrap();
    }
    let mut round = last + 1;
    let mut said = false;
    loop {
        batch.clear();
        let written = if is_wide(round) { &ids[..] } else { &ids[..1] };
        for number in 0..KILLED_KEYS {
            for id in written {
                let value = [&round.to_be_bytes()[..], &[0; 90]].concat();
                batch.put(*id, &number.to_be_bytes(), &value);
            }
        }
        backend.commit(&batch, Durability::Buffered).unwrap();
        // One that is no batch for sled.
        batch.clear();
        backend.commit(batch.put(ids[2], b"single", &round.to_be_bytes()), Durability::Buffered).unwrap();
        if !said {
            println!("{CHILD_WRITES}");
            said = true;
        }
        round += 1;
    }
}

/// The last round that is there, and whether its single write is; checks that there is nothing but it.
fn last_round(backend: &SledBackend) -> (u64, bool) {
    let round_in = |id: KeyspaceId, key: &[u8]| -> u64 {
        backend.get(id, key).unwrap().map_or(0, |value| u64::from_be_bytes(value[..8].try_into().unwrap()))
    };
    let ids = KILLED_KEYSPACES.map(|name| keyspace(backend, name));
    let last = round_in(ids[0], &0_u32.to_be_bytes());
    let last_wide = (0..=last).rev().find(|round| is_wide(*round)).unwrap_or(0);
    for (place, id) in ids.into_iter().enumerate() {
        let wanted = if place == 0 { last } else { last_wide };
        for number in 0..KILLED_KEYS {
            assert_eq!(round_in(id, &number.to_be_bytes()), wanted, "{place} {number}");
        }
    }
    let single = round_in(ids[2], b"single");
    assert!(single == last || single + 1 == last, "the single write {single} of a prefix up to {last}");
    (last, single == last)
}

fn kill_many_times(options: &str, times: u64, segment_size: Option<u64>) {
    let directory = TempDir::new().unwrap();
    let mut before = 0;
    let mut advanced = 0;
    for time in 0..times {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child_writes_until_it_is_killed", "--exact", "--nocapture"])
            .env(CHILD_DIRECTORY, directory.path())
            .env(CHILD_OPTIONS, options)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(said.any(|line| line.unwrap().contains(CHILD_WRITES)), "the child failed by itself");
        std::thread::sleep(Duration::from_micros(time * 7_919 % 30_000));
        child.kill().unwrap();
        child.wait().unwrap();
        let mut opened = SledOptions::new();
        opened.segment_size = segment_size;
        let backend = SledBackend::open(directory.path(), opened).unwrap();
        let (last, _) = last_round(&backend);
        assert!(last >= before, "what a reader has seen after one kill is there after the next");
        advanced += u64::from(last > before);
        before = last;
    }
    assert!(advanced > times / 2, "the children got to write: {advanced} of {times}");
}

fn kills() -> u64 {
    std::env::var("STRONGROOM_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(8)
}

#[test]
fn a_kill_leaves_whole_batches_with_the_background_thread() {
    kill_many_times("background", kills(), None);
}

#[test]
fn a_kill_leaves_whole_batches_without_it() {
    kill_many_times("none", kills(), None);
}

#[test]
fn a_kill_leaves_whole_batches_over_many_segments() {
    kill_many_times("small segments", kills(), Some(8_192));
}

#[test]
fn writers_and_flushes_side_by_side_end() {
    let directory = TempDir::new().unwrap();
    let backend = open(directory.path());
    let [left, right] = ["left", "right"].map(|name| keyspace(&backend, name));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                backend.flush().unwrap();
            }
        });
        let large = vec![2; 200_000];
        let mut batch = WriteBatch::new();
        for round in 0..200_u32 {
            batch.clear();
            batch.put(left, &round.to_be_bytes(), &[1; 3_000]).put(right, &round.to_be_bytes(), &large);
            backend.commit(&batch, Durability::Buffered).unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(rows(&backend, right, Scan::all()).len(), 200);
}

#[test]
fn the_version_is_the_one_that_is_built() {
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../Cargo.lock")).unwrap();
    let directory = TempDir::new().unwrap();
    let version = open(directory.path()).engine().version;
    assert!(lock.contains(&format!("name = \"sled\"\nversion = \"{version}\"")), "{version}");
}

#[test]
fn a_checkpoint_has_the_typed_options_of_its_original() {
    let home = tempfile::tempdir().unwrap();
    let options = SledOptions::new().segment_size(65_536).mode(SledMode::HighThroughput);
    let backend = SledBackend::open(home.path().join("original"), options.clone()).unwrap();
    put(&backend, keyspace(&backend, "rows"), b"a", b"1");
    let copy = home.path().join("copy");
    backend.checkpoint(&copy).unwrap();
    let copy = SledBackend::open(copy, options).unwrap();
    assert_eq!(copy.get(copy.keyspace("rows").unwrap(), b"a").unwrap().as_deref(), Some(&b"1"[..]));
}

#[test]
fn a_checkpoint_that_fails_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let faults = Faults::new();
    let options = FaultyOptions::<SledOptions>::new(faults.clone());
    let backend =
        Backend::<Undo<FaultyEngine<SledEngine>>>::open(home.path().join("original"), options).unwrap();
    let rows = backend.create_keyspace("rows", KeyspaceHints::default()).unwrap();
    let mut batch = WriteBatch::new();
    backend.commit(batch.put(rows, b"a", b"1"), Durability::Buffered).unwrap();
    let copy = home.path().join("copies/copy");
    for operation in ["open", "keyspace_names", "open_keyspace", "apply", "flush"] {
        for how in [How::Error, How::ErrorAfterwards, How::Panic] {
            faults.fail_at_operation(operation, 1, how);
            assert!(backend.checkpoint(&copy).is_err(), "{operation} {how:?}");
            assert_eq!(faults.injected(), Some(operation));
            assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1, "{operation} {how:?}");
        }
    }
    faults.disarm();
    backend.checkpoint(&copy).unwrap();
    let copy = open(&copy);
    assert!(copy.get(copy.keyspace("rows").unwrap(), b"a").unwrap().is_some());
}

#[test]
fn a_read_only_handle_finishes_no_creation() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("blobs")).unwrap();
    let read_only = SledOptions::new().common(Options::new().read_only());
    let error = SledBackend::open(directory.path(), read_only).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    open(directory.path());
}
