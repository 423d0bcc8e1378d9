//! The undo overlay: snapshots of engines that have none.
//!
//! Each test runs on two engines that differ in how stale their cursors are: the memory engine fetches blocks,
//! the other one looks anew for each row.

// Helpers of tests fail like tests.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};
use strongroom_core::{
    Backend, Bytes, Cursor, Direction, Durability, EngineBatch, EngineCursor, EngineInfo, ErrorKind,
    KeyRange, KeyspaceHints, KeyspaceId, LiveEngine, MemoryBackend, MemoryEngine, MemoryKeyspace,
    MemoryOptions, OpenContext, Options, Result, Scan, Snapshot, Stats, StorageBackend, TypedOptions, Undo,
    WriteBatch,
};

// The engine without blocks.

/// What the engine does at a moment that no thread could hit for sure.
type Hook = Box<dyn FnOnce()>;

thread_local! {
    /// How many reads from now, whether before or after the engine has looked, and what then.
    static HOOK: RefCell<Option<(usize, Moment, Hook)>> = const { RefCell::new(None) };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    BeforeRead,
    AfterRead,
    BeforeApply,
}

/// Counts a read, or runs what waits for this one.
fn reach(moment: Moment) {
    let due = HOOK.with_borrow_mut(|hook| match hook.take() {
        Some((0, wanted, run)) if wanted == moment => Some(run),
        Some((reads, wanted, run)) if wanted == moment => {
            *hook = Some((reads - 1, wanted, run));
            None
        }
        other => {
            *hook = other;
            None
        }
    });
    if let Some(run) = due {
        run();
    }
}

struct FreshEngine(MemoryEngine);

struct FreshCursor {
    keyspace: MemoryKeyspace,
    scan: Scan,
    row: Option<<MemoryEngine as LiveEngine>::Cursor>,
}

impl LiveEngine for FreshEngine {
    const INFO: EngineInfo = MemoryEngine::INFO;
    type Options = MemoryOptions;
    type Keyspace = MemoryKeyspace;
    type Cursor = FreshCursor;

    fn open(context: OpenContext<'_, MemoryOptions>) -> Result<Self> {
        MemoryEngine::open(context).map(Self)
    }
    fn exists(_: &Path) -> bool {
        false
    }
    fn keyspace_names(&self) -> Result<Vec<String>> {
        self.0.keyspace_names()
    }
    fn open_keyspace(&self, name: &str, hints: KeyspaceHints) -> Result<MemoryKeyspace> {
        self.0.open_keyspace(name, hints)
    }
    fn drop_keyspace(&self, name: &str, keyspace: &MemoryKeyspace) -> Result<()> {
        self.0.drop_keyspace(name, keyspace)
    }
    fn get(&self, keyspace: &MemoryKeyspace, key: &[u8]) -> Result<Option<Bytes>> {
        reach(Moment::BeforeRead);
        let found = self.0.get(keyspace, key);
        reach(Moment::AfterRead);
        found
    }
    fn cursor(&self, keyspace: &MemoryKeyspace, scan: &Scan) -> Result<FreshCursor> {
        Ok(FreshCursor { keyspace: keyspace.clone(), scan: scan.clone(), row: None })
    }
    fn apply(&self, batch: &EngineBatch<'_, MemoryKeyspace>) -> Result<()> {
        reach(Moment::BeforeApply);
        self.0.apply(batch)
    }
    fn flush(&self) -> Result<()> {
        Ok(())
    }
    fn stats(&self, _: &mut Stats) -> Result<()> {
        Ok(())
    }
}

impl EngineCursor for FreshCursor {
    fn advance(&mut self) -> Result<bool> {
        if let Some(row) = &self.row {
            self.scan.range = self.scan.range.after_position(row.key(), self.scan.direction);
        }
        if self.scan.range.is_empty() {
            return Ok(false);
        }
        reach(Moment::BeforeRead);
        let mut fresh = MemoryEngine::default().cursor(&self.keyspace, &self.scan)?;
        let found = fresh.advance()?;
        reach(Moment::AfterRead);
        self.row = Some(fresh);
        Ok(found)
    }
    fn key(&self) -> &[u8] {
        self.row.as_ref().unwrap().key()
    }
    fn value(&self) -> &[u8] {
        self.row.as_ref().unwrap().value()
    }
}

/// A directory of its own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("strongroom-undo-{}-{number}", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs `test` on both engines, with a bound on what is kept.
fn on_both(undo_bytes_max: u64, test: impl Fn(&dyn StorageBackend)) {
    let options = Options::new().undo_bytes_max(undo_bytes_max);
    test(&MemoryBackend::in_memory_with(&options));
    let scratch = Scratch::new();
    let options = MemoryOptions::from_options(&options).unwrap();
    test(&Backend::<Undo<FreshEngine>>::open(&scratch.0, options).unwrap());
}

const PLENTY: u64 = 1 << 30;

fn keyspace(backend: &dyn StorageBackend, name: &str) -> KeyspaceId {
    backend.create_keyspace(name, KeyspaceHints::default()).unwrap()
}

fn put(backend: &dyn StorageBackend, keyspace: KeyspaceId, rows: &[(&str, &str)]) {
    let mut batch = WriteBatch::new();
    for (key, value) in rows {
        batch.put(keyspace, key.as_bytes(), value.as_bytes());
    }
    backend.commit(&batch, Durability::Buffered).unwrap();
}

fn delete(backend: &dyn StorageBackend, keyspace: KeyspaceId, keys: &[&str]) {
    let mut batch = WriteBatch::new();
    for key in keys {
        batch.delete(keyspace, key.as_bytes());
    }
    backend.commit(&batch, Durability::Buffered).unwrap();
}

type Row = (Vec<u8>, Vec<u8>);

fn row(cursor: &dyn Cursor) -> Row {
    (cursor.key().to_vec(), cursor.value().to_vec())
}

fn rest(cursor: &mut dyn Cursor) -> Vec<Row> {
    let mut rows = Vec::new();
    while cursor.advance().unwrap() {
        rows.push(row(cursor));
    }
    rows
}

fn scan(snapshot: &dyn Snapshot, keyspace: KeyspaceId, scan: Scan) -> Vec<Row> {
    rest(&mut *snapshot.cursor(keyspace, scan).unwrap())
}

fn text(rows: &[Row]) -> String {
    let shown = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    rows.iter().map(|(key, value)| format!("{}={}", shown(key), shown(value))).collect::<Vec<_>>().join(" ")
}

fn undo_bytes(backend: &dyn StorageBackend) -> u64 {
    backend.stats().unwrap().undo_bytes
}

#[test]
fn a_snapshot_sees_what_was_there_before_overwrites_deletes_and_inserts() {
    on_both(PLENTY, |backend| {
        let data = keyspace(backend, "data");
        put(backend, data, &[("b", "1"), ("d", "2"), ("f", "3"), ("h", "4")]);
        let snapshot = backend.snapshot().unwrap();
        put(backend, data, &[("a", "new"), ("d", "changed"), ("e", "new"), ("i", "new")]);
        delete(backend, data, &["b", "h"]);

        assert_eq!(text(&scan(&*snapshot, data, Scan::all())), "b=1 d=2 f=3 h=4");
        assert_eq!(text(&scan(&*snapshot, data, Scan::all().reverse())), "h=4 f=3 d=2 b=1");
        let now = backend.snapshot().unwrap();
        assert_eq!(text(&scan(&*now, data, Scan::all())), "a=new d=changed e=new f=3 i=new");
        let get = |key: &str| snapshot.get(data, key.as_bytes()).unwrap();
        assert_eq!(get("b").as_deref(), Some(&b"1"[..]));
        assert_eq!(get("d").as_deref(), Some(&b"2"[..]));
        assert_eq!(get("f").as_deref(), Some(&b"3"[..]));
        assert_eq!(get("a"), None);
        // Deleted, written anew, deleted: still the first value.
        put(backend, data, &[("b", "again")]);
        delete(backend, data, &["b"]);
        assert_eq!(get("b").as_deref(), Some(&b"1"[..]));
    });
}

#[test]
fn seeks_ranges_and_prefixes_see_kept_rows() {
    on_both(PLENTY, |backend| {
        let data = keyspace(backend, "data");
        put(backend, data, &[("a", "1"), ("aa", "2"), ("ab", "3"), ("b", "4"), ("ba", "5"), ("c", "6")]);
        let snapshot = backend.snapshot().unwrap();
        delete(backend, data, &["aa", "b", "c"]);
        put(backend, data, &[("aaa", "new"), ("ab", "changed"), ("bb", "new")]);

        assert_eq!(text(&scan(&*snapshot, data, Scan::prefix(b"a"))), "a=1 aa=2 ab=3");
        assert_eq!(text(&scan(&*snapshot, data, Scan::prefix(b"b").reverse())), "ba=5 b=4");
        let middle = Scan::new(KeyRange::between("aa", "ba"));
        assert_eq!(text(&scan(&*snapshot, data, middle.clone())), "aa=2 ab=3 b=4");
        assert_eq!(text(&scan(&*snapshot, data, middle.clone().reverse())), "b=4 ab=3 aa=2");

        let mut cursor = snapshot.cursor(data, middle.clone()).unwrap();
        cursor.seek(b"aaa").unwrap();
        assert_eq!(text(&rest(&mut *cursor)), "ab=3 b=4");
        cursor.seek(b"a").unwrap();
        assert_eq!(text(&rest(&mut *cursor)), "aa=2 ab=3 b=4", "backwards, and held to its range");
        let mut cursor = snapshot.cursor(data, middle.reverse()).unwrap();
        cursor.seek(b"b").unwrap();
        assert!(cursor.advance().unwrap());
        assert_eq!(text(&[row(&*cursor)]), "b=4");
        cursor.seek(b"aaa").unwrap();
        assert_eq!(text(&rest(&mut *cursor)), "aa=2");
    });
}

#[test]
fn keys_of_ff_are_merged_in_order() {
    on_both(PLENTY, |backend| {
        let data = keyspace(backend, "data");
        let keys: [&[u8]; 5] = [b"a\xff", b"a\xff\0", b"a\xff\xff", b"a\xff\xff\xff", b"\xff\xff"];
        let mut batch = WriteBatch::new();
        for key in keys {
            batch.put(data, key, b"old");
        }
        backend.commit(&batch, Durability::Buffered).unwrap();
        let snapshot = backend.snapshot().unwrap();
        for removed in [&keys[..1], &keys[3..]] {
            batch.clear();
            for key in removed {
                batch.delete(data, key);
            }
            backend.commit(&batch, Durability::Buffered).unwrap();
        }
        let found: Vec<_> =
            scan(&*snapshot, data, Scan::prefix(b"a\xff")).into_iter().map(|(key, _)| key).collect();
        assert_eq!(found, &keys[..4]);
        let found = scan(&*snapshot, data, Scan::prefix(b"\xff").reverse());
        assert_eq!(found[0].0, keys[4]);
    });
}

#[test]
fn snapshots_of_different_age_see_different_states() {
    on_both(PLENTY, |backend| {
        let data = keyspace(backend, "data");
        let mut snapshots = Vec::new();
        for age in 0..20 {
            put(backend, data, &[("k", &age.to_string()), (&format!("only{age:02}"), "x")]);
            if age > 0 {
                delete(backend, data, &[&format!("only{:02}", age - 1)]);
            }
            snapshots.push(backend.snapshot().unwrap());
        }
        // Dropped from the middle, both ends and in between, and what stays sees what it saw.
        for gone in [10, 0, 17, 5, 4, 3] {
            snapshots.remove(gone);
            for snapshot in &snapshots {
                let age: u32 = std::str::from_utf8(&snapshot.get(data, b"k").unwrap().unwrap())
                    .unwrap()
                    .parse()
                    .unwrap();
                let wanted = format!("k={age} only{age:02}=x");
                assert_eq!(text(&scan(&**snapshot, data, Scan::all())), wanted);
            }
        }
        snapshots.clear();
        assert_eq!(undo_bytes(backend), 0);
    });
}

#[test]
fn nothing_is_kept_without_a_snapshot_and_nothing_stays_after_it() {
    on_both(PLENTY, |backend| {
        let data = keyspace(backend, "data");
        put(backend, data, &[("a", "1")]);
        put(backend, data, &[("a", "2")]);
        assert_eq!(undo_bytes(backend), 0);
        let snapshot = backend.snapshot().unwrap();
        for number in 0..5_000 {
            put(backend, data, &[(&number.to_string(), "x"), ("a", "3")]);
        }
        assert!(undo_bytes(backend) > 5_000 * 100);
        // A cursor keeps what it reads, and so does a clone.
        let cursor = snapshot.cursor(data, Scan::all()).unwrap();
        let clone = Arc::clone(&snapshot);
        drop(snapshot);
        drop(clone);
        assert!(undo_bytes(backend) > 0);
        std::thread::scope(|scope| drop(scope.spawn(move || drop(cursor))));
        assert_eq!(undo_bytes(backend), 0);
        assert_eq!(backend.stats().unwrap().snapshots_open, 0);
    });
}

#[test]
fn short_snapshots_beside_a_long_one_do_not_pile_up() {
    on_both(PLENTY, |backend| {
        let data = keyspace(backend, "data");
        put(backend, data, &[("hot", "0"), ("warm", "0")]);
        let long = backend.snapshot().unwrap();
        let mut kept = 0;
        let mut overlapping = backend.snapshot().unwrap();
        for round in 1..1_000 {
            // Two short ones, one after the other and overlapping.
            drop(backend.snapshot().unwrap());
            put(backend, data, &[("hot", &round.to_string())]);
            overlapping = backend.snapshot().unwrap();
            if round == 10 {
                kept = undo_bytes(backend);
            }
        }
        assert!(undo_bytes(backend) <= kept, "{} > {kept}", undo_bytes(backend));
        assert_eq!(text(&scan(&*long, data, Scan::all())), "hot=0 warm=0");
        assert_eq!(text(&scan(&*overlapping, data, Scan::all())), "hot=999 warm=0");
        drop((long, overlapping));
        assert_eq!(undo_bytes(backend), 0);
    });
}

#[test]
fn beyond_the_bound_the_oldest_expire_and_the_newer_survive() {
    const BOUND: u64 = 100_000;
    on_both(BOUND, |backend| {
        let data = keyspace(backend, "data");
        let rows: Vec<_> = (0..1_000).map(|number| (format!("{number:04}"), "old")).collect();
        let rows: Vec<_> = rows.iter().map(|(key, value)| (key.as_str(), *value)).collect();
        put(backend, data, &rows);

        let oldest = backend.snapshot().unwrap();
        let mut half_walked = oldest.cursor(data, Scan::all()).unwrap();
        let mut half_walked_back = oldest.cursor(data, Scan::all().reverse()).unwrap();
        assert!(half_walked.advance().unwrap() && half_walked_back.advance().unwrap());
        delete(backend, data, &["0001"]);
        let middle = backend.snapshot().unwrap();

        for number in 0..1_000 {
            put(backend, data, &[(&format!("{number:04}"), "new")]);
            assert!(undo_bytes(backend) <= BOUND, "{}", undo_bytes(backend));
            if number == 500 {
                assert_eq!(middle.get(data, b"0002").unwrap_err().kind(), ErrorKind::SnapshotExpired);
            }
        }
        let newest = backend.snapshot().unwrap();
        put(backend, data, &[("0000", "newest")]);

        assert_eq!(row(&*half_walked).0, b"0000", "the row that is lent stays");
        for cursor in [&mut half_walked, &mut half_walked_back] {
            for _ in 0..2 {
                assert_eq!(cursor.advance().unwrap_err().kind(), ErrorKind::SnapshotExpired);
            }
        }
        for expired in [&oldest, &middle] {
            assert_eq!(expired.get(data, b"0000").unwrap_err().kind(), ErrorKind::SnapshotExpired);
            assert_eq!(expired.get(data, b"none").unwrap_err().kind(), ErrorKind::SnapshotExpired);
            let mut cursor = expired.cursor(data, Scan::prefix(b"none")).unwrap();
            assert_eq!(cursor.advance().unwrap_err().kind(), ErrorKind::SnapshotExpired);
        }
        assert_eq!(newest.get(data, b"0000").unwrap().as_deref(), Some(&b"new"[..]));
        assert_eq!(scan(&*newest, data, Scan::all()).len(), 1_000);
        drop((half_walked, half_walked_back, oldest, middle, newest));
        assert_eq!(undo_bytes(backend), 0);
    });
}

#[test]
fn only_as_many_expire_as_must() {
    on_both(40_000, |backend| {
        let data = keyspace(backend, "data");
        put(backend, data, &[("k", "0")]);
        let large = "x".repeat(10_000);
        let mut snapshots = Vec::new();
        for _ in 0..10 {
            snapshots.push(backend.snapshot().unwrap());
            put(backend, data, &[("k", &large)]);
        }
        let alive: Vec<_> = snapshots.iter().map(|snapshot| snapshot.get(data, b"k").is_ok()).collect();
        let first_alive = alive.iter().position(|alive| *alive).unwrap();
        assert_eq!(first_alive, 7, "{alive:?}");
        assert!(alive[first_alive..].iter().all(|alive| *alive), "{alive:?}");
    });
}

#[test]
fn one_batch_larger_than_the_bound_expires_what_is_open_and_goes_on() {
    on_both(10_000, |backend| {
        let data = keyspace(backend, "data");
        let keys: Vec<_> = (0..1_000).map(|number| format!("{number:04}")).collect();
        let rows: Vec<_> = keys.iter().map(|key| (key.as_str(), "old")).collect();
        put(backend, data, &rows);
        let expired = backend.snapshot().unwrap();
        put(backend, data, &rows);
        assert_eq!(expired.get(data, b"0000").unwrap_err().kind(), ErrorKind::SnapshotExpired);
        assert!(undo_bytes(backend) <= 10_000);
        // Held or not, it holds no memory for long.
        put(backend, data, &rows[..1]);
        assert_eq!(undo_bytes(backend), 0);
        let fresh = backend.snapshot().unwrap();
        assert_eq!(scan(&*fresh, data, Scan::all()).len(), 1_000);
    });
}

#[test]
fn a_snapshot_crosses_long_stretches_that_only_older_ones_need() {
    for removed in [1_023, 1_024, 1_025, 3_000] {
        on_both(PLENTY, |backend| {
            let data = keyspace(backend, "data");
            let keys: Vec<_> = (0..removed).map(|number| format!("m{number:04}")).collect();
            let rows: Vec<_> = keys.iter().map(|key| (key.as_str(), "old")).collect();
            put(backend, data, &[("a", "1"), ("z", "2")]);
            put(backend, data, &rows);
            let older = backend.snapshot().unwrap();
            delete(backend, data, &keys.iter().map(String::as_str).collect::<Vec<_>>());
            // With 1,023 the last key that is looked at in one go is the engine's next row.
            put(backend, data, &[("a", "3"), ("z", "3")]);
            let newer = backend.snapshot().unwrap();
            put(backend, data, &[("zz", "4")]);
            assert_eq!(text(&scan(&*newer, data, Scan::all())), "a=3 z=3");
            assert_eq!(text(&scan(&*newer, data, Scan::all().reverse())), "z=3 a=3");
            assert_eq!(text(&scan(&*newer, data, Scan::prefix(b"m"))), "");
            assert_eq!(scan(&*older, data, Scan::all()).len(), removed + 2);
        });
    }
}

/// Opens a snapshot, and has a batch committed in the middle of its `reads`-th read.
fn read_with_a_commit_between(
    undo_bytes_max: u64,
    reads: usize,
    moment: Moment,
    read: impl FnOnce(&dyn Snapshot, KeyspaceId) -> Result<()>,
) -> Result<()> {
    let scratch = Scratch::new();
    let options = MemoryOptions::from_options(&Options::new().undo_bytes_max(undo_bytes_max)).unwrap();
    let backend = Arc::new(Backend::<Undo<FreshEngine>>::open(&scratch.0, options).unwrap());
    let data = keyspace(&*backend, "data");
    put(&*backend, data, &[("b", "old"), ("d", "old"), ("f", "old")]);
    let snapshot = backend.snapshot().unwrap();
    let writer = Arc::clone(&backend);
    let commit = move || {
        let mut batch = WriteBatch::new();
        batch.delete(data, b"b").put(data, b"d", b"new").put(data, b"f", b"new");
        batch.put(data, b"a", b"new").put(data, b"c", b"new").put(data, b"g", b"new");
        writer.commit(&batch, Durability::Buffered).unwrap();
    };
    HOOK.set(Some((reads, moment, Box::new(commit))));
    let outcome = read(&*snapshot, data);
    HOOK.set(None);
    outcome
}

#[test]
fn a_commit_in_the_middle_of_a_read_is_not_seen() {
    for moment in [Moment::BeforeRead, Moment::AfterRead] {
        for reads in 0..5 {
            for scan in [Scan::all(), Scan::all().reverse()] {
                read_with_a_commit_between(PLENTY, reads, moment, |snapshot, data| {
                    let mut rows = self::scan(snapshot, data, scan.clone());
                    if scan.direction == Direction::Reverse {
                        rows.reverse();
                    }
                    assert_eq!(text(&rows), "b=old d=old f=old", "{moment:?} {reads} {scan:?}");
                    Ok(())
                })
                .unwrap();
            }
        }
        for (key, wanted) in [("a", None), ("b", Some("old")), ("d", Some("old"))] {
            read_with_a_commit_between(PLENTY, 0, moment, |snapshot, data| {
                let found = snapshot.get(data, key.as_bytes())?;
                assert_eq!(found.as_deref(), wanted.map(str::as_bytes), "{moment:?} {key}");
                Ok(())
            })
            .unwrap();
        }
    }
}

#[test]
fn a_snapshot_that_expires_in_the_middle_of_a_read_says_so() {
    for moment in [Moment::BeforeRead, Moment::AfterRead] {
        for reads in 0..3 {
            for scan in [Scan::all(), Scan::all().reverse()] {
                let outcome = read_with_a_commit_between(0, reads, moment, |snapshot, data| {
                    let mut cursor = snapshot.cursor(data, scan.clone())?;
                    while cursor.advance()? {
                        assert_eq!(cursor.value(), b"old", "{moment:?} {reads} {scan:?}");
                    }
                    Ok(())
                });
                assert_eq!(outcome.unwrap_err().kind(), ErrorKind::SnapshotExpired);
            }
        }
        for key in ["a", "b", "d"] {
            let outcome = read_with_a_commit_between(0, 0, moment, |snapshot, data| {
                snapshot.get(data, key.as_bytes()).map(drop)
            });
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::SnapshotExpired, "{moment:?} {key}");
        }
    }
}

// Random histories against a model.

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % end
    }

    fn key(&mut self) -> Vec<u8> {
        (0..=self.below(3)).map(|_| [0, b'a', b'b', 0xff][self.below(4)]).collect()
    }

    fn scan(&mut self) -> Scan {
        let range = match self.below(4) {
            0 => KeyRange::all(),
            1 => KeyRange::prefix(&self.key()),
            2 => KeyRange::from(self.key()),
            _ => KeyRange::between(self.key(), self.key()),
        };
        let scan = Scan::new(range);
        if self.below(2) == 0 { scan } else { scan.reverse() }
    }
}

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

fn expected(map: &Map, scan: &Scan) -> Vec<Row> {
    if scan.range.is_empty() {
        return Vec::new();
    }
    let end = scan.range.end().map_or(Bound::Unbounded, Bound::Excluded);
    let mut rows: Vec<Row> = map
        .range::<[u8], _>((Bound::Included(scan.range.start()), end))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if scan.direction == Direction::Forward {
        // Taken from the end.
        rows.reverse();
    }
    rows
}

struct Open {
    snapshot: Arc<dyn Snapshot>,
    state: [Map; 2],
}

struct Walk {
    cursor: Box<dyn Cursor>,
    scan: Scan,
    state: Map,
    left: Vec<Row>,
}

struct History<'b> {
    backend: &'b dyn StorageBackend,
    ids: [KeyspaceId; 2],
    now: [Map; 2],
    open: Vec<Open>,
    walks: Vec<Walk>,
    random: Random,
}

impl History<'_> {
    fn step(&mut self) {
        match self.random.below(10) {
            0..=3 => self.write(),
            4 => self.open.push(Open { snapshot: self.backend.snapshot().unwrap(), state: self.now.clone() }),
            5 if self.open.len() > 4 => drop(self.open.swap_remove(self.random.below(self.open.len()))),
            6 if self.walks.len() > 6 => drop(self.walks.swap_remove(self.random.below(self.walks.len()))),
            5..=7 => self.begin_walk(),
            _ => self.walk(),
        }
    }

    fn write(&mut self) {
        let mut batch = WriteBatch::new();
        for _ in 0..=self.random.below(5) {
            let (place, key) = (self.random.below(2), self.random.key());
            if self.random.below(3) == 0 {
                batch.delete(self.ids[place], &key);
                self.now[place].remove(&key);
            } else {
                let value = self.random.below(1_000_000).to_string().into_bytes();
                batch.put(self.ids[place], &key, &value);
                self.now[place].insert(key, value);
            }
        }
        self.backend.commit(&batch, Durability::Buffered).unwrap();
    }

    fn begin_walk(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let open = &self.open[self.random.below(self.open.len())];
        let place = self.random.below(2);
        let key = self.random.key();
        let found = open.snapshot.get(self.ids[place], &key).unwrap();
        assert_eq!(found.as_deref(), open.state[place].get(&key).map(Vec::as_slice));
        let scan = self.random.scan();
        let state = open.state[place].clone();
        let cursor = open.snapshot.cursor(self.ids[place], scan.clone()).unwrap();
        let left = expected(&state, &scan);
        self.walks.push(Walk { cursor, scan, state, left });
    }

    fn walk(&mut self) {
        if self.walks.is_empty() {
            return;
        }
        let chosen = self.random.below(self.walks.len());
        let walk = &mut self.walks[chosen];
        if self.random.below(5) == 0 {
            let key = self.random.key();
            walk.cursor.seek(&key).unwrap();
            walk.left = expected(&walk.state, &walk.scan.seek(&key));
        }
        for _ in 0..=self.random.below(4) {
            let wanted = walk.left.pop();
            assert_eq!(walk.cursor.advance().unwrap(), wanted.is_some());
            match wanted {
                Some(wanted) => assert_eq!(row(&*walk.cursor), wanted),
                None => break,
            }
        }
    }
}

#[test]
fn random_histories_agree_with_a_model() {
    for seed in 1..=30 {
        on_both(PLENTY, |backend| {
            let ids = ["left", "right"].map(|name| keyspace(backend, name));
            let random = Random(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
            let (now, open, walks) = (Default::default(), Vec::new(), Vec::new());
            let mut history = History { backend, ids, now, open, walks, random };
            for _ in 0..1_500 {
                history.step();
            }
            for open in &history.open {
                for (id, state) in ids.iter().zip(&open.state) {
                    let mut wanted = expected(state, &Scan::all());
                    wanted.reverse();
                    assert_eq!(scan(&*open.snapshot, *id, Scan::all()), wanted);
                }
            }
            drop(history);
            assert_eq!(undo_bytes(backend), 0);
        });
    }
}

// Threads.

const ACCOUNTS: u32 = 200;
const IN_EACH: u64 = 1_000;

fn balance(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(bytes[..8].try_into().unwrap())
}

/// Moves one amount between accounts of two keyspaces; accounts that are empty are not there.
fn transfer(backend: &dyn StorageBackend, ids: [KeyspaceId; 2], random: &mut Random) {
    let mut accounts = [0; 2].map(|_| u32::try_from(random.below(ACCOUNTS as usize)).unwrap().to_be_bytes());
    let mut ids = ids;
    if random.below(2) == 0 {
        ids.reverse();
        accounts.reverse();
    }
    let read =
        |place: usize| backend.get(ids[place], &accounts[place]).unwrap().map_or(0, |bytes| balance(&bytes));
    let (from, to) = (read(0), read(1));
    let amount = if random.below(3) == 0 { from } else { from / 2 };
    let mut batch = WriteBatch::new();
    for (place, left) in [(0, from - amount), (1, to + amount)] {
        if left == 0 {
            batch.delete(ids[place], &accounts[place]);
        } else {
            batch.put(ids[place], &accounts[place], &left.to_be_bytes());
        }
    }
    backend.commit(&batch, Durability::Buffered).unwrap();
}

/// The sum over both keyspaces, read in one of several ways.
fn sum(snapshot: &dyn Snapshot, ids: [KeyspaceId; 2], way: usize) -> Result<u64> {
    let mut total = 0;
    for id in ids {
        if way == 0 {
            for account in 0..ACCOUNTS {
                total += snapshot.get(id, &account.to_be_bytes())?.map_or(0, |bytes| balance(&bytes));
            }
            continue;
        }
        let scan = if way == 1 { Scan::all() } else { Scan::all().reverse() };
        let mut cursor = snapshot.cursor(id, scan)?;
        while cursor.advance()? {
            total += balance(cursor.value());
        }
    }
    Ok(total)
}

/// Writers and readers for a moment; says how many snapshots were read whole, and how many expired.
fn stress(backend: &dyn StorageBackend) -> (u32, u32) {
    let ids = ["left", "right"].map(|name| keyspace(backend, name));
    let mut batch = WriteBatch::new();
    for id in ids {
        for account in 0..ACCOUNTS {
            batch.put(id, &account.to_be_bytes(), &IN_EACH.to_be_bytes());
        }
    }
    backend.commit(&batch, Durability::Buffered).unwrap();
    let done = AtomicBool::new(false);
    let [whole, expired] = [0; 2].map(AtomicU32::new);
    let read = |seed: u64| {
        let mut random = Random(seed);
        let mut held: Vec<Arc<dyn Snapshot>> = Vec::new();
        while !done.load(Ordering::Relaxed) {
            held.push(backend.snapshot().unwrap());
            let snapshot = &held[random.below(held.len())];
            match sum(&**snapshot, ids, random.below(3)) {
                Ok(total) => {
                    assert_eq!(total, 2 * u64::from(ACCOUNTS) * IN_EACH);
                    whole.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::SnapshotExpired);
                    expired.fetch_add(1, Ordering::Relaxed);
                }
            }
            if held.len() > 4 {
                held.swap_remove(random.below(held.len()));
            }
        }
    };
    std::thread::scope(|scope| {
        // One writer: a transfer reads first, and commits do not wait for conditions here.
        scope.spawn(|| {
            let mut random = Random(77);
            let begun = Instant::now();
            while begun.elapsed().as_millis() < 700 {
                transfer(backend, ids, &mut random);
            }
            done.store(true, Ordering::Relaxed);
        });
        for seed in 1..=3 {
            scope.spawn(move || read(seed));
        }
    });
    (whole.into_inner(), expired.into_inner())
}

#[test]
fn sums_hold_in_every_snapshot_while_a_writer_writes() {
    on_both(PLENTY, |backend| {
        let (whole, expired) = stress(backend);
        assert!(whole > 10 && expired == 0, "{whole} {expired}");
        assert_eq!(undo_bytes(backend), 0);
    });
}

#[test]
fn a_snapshot_that_expires_under_its_reader_never_shows_a_wrong_sum() {
    on_both(20_000, |backend| {
        let (whole, expired) = stress(backend);
        assert!(whole > 10 && expired > 10, "{whole} {expired}");
        assert!(undo_bytes(backend) <= 20_000);
    });
}

#[test]
fn opening_a_snapshot_over_a_million_keys_takes_no_time() {
    let backend = MemoryBackend::in_memory();
    let data = keyspace(&backend, "data");
    let mut batch = WriteBatch::new();
    for thousand in 0..1_000_u32 {
        batch.clear();
        for number in 0..1_000_u32 {
            batch.put(data, &(thousand * 1_000 + number).to_be_bytes(), b"value");
        }
        backend.commit(&batch, Durability::Buffered).unwrap();
    }
    let mut times: Vec<_> = (0..101)
        .map(|_| {
            let begun = Instant::now();
            let snapshot = backend.snapshot().unwrap();
            let took = begun.elapsed();
            drop(snapshot);
            took
        })
        .collect();
    times.sort();
    // The median: another process may have had the processor.
    assert!(times[50].as_micros() < 1_000, "{:?}", times[50]);
}

#[test]
fn a_snapshot_opens_while_a_batch_is_being_applied_and_lies_behind_it() {
    let scratch = Scratch::new();
    let backend = Arc::new(Backend::<Undo<FreshEngine>>::new(&scratch.0).unwrap());
    let rows = keyspace(&*backend, "rows");
    put(&*backend, rows, &[("a", "old"), ("b", "old")]);
    let (opened, snapshots) = mpsc::channel();
    let (read, values) = mpsc::channel();
    let other = Arc::clone(&backend);
    let hook: Hook = Box::new(move || {
        let reader = Arc::clone(&other);
        thread::spawn(move || {
            let snapshot = reader.snapshot().unwrap();
            opened.send(Arc::clone(&snapshot)).unwrap();
            // Waits for the batch, which waits for nobody.
            let value = snapshot.get(rows, b"a").unwrap();
            drop(snapshot);
            read.send(value).unwrap();
        });
    });
    HOOK.set(Some((
        0,
        Moment::BeforeApply,
        Box::new(move || {
            hook();
            let snapshot = snapshots.recv_timeout(Duration::from_secs(20)).unwrap();
            SEEN.set(Some(snapshot));
        }),
    )));
    put(&*backend, rows, &[("a", "new"), ("c", "new")]);
    assert_eq!(values.recv_timeout(Duration::from_secs(20)).unwrap().as_deref(), Some(&b"new"[..]));
    let snapshot = SEEN.take().unwrap();
    // Of the state behind that batch, and before the next.
    put(&*backend, rows, &[("a", "newer"), ("b", "newer")]);
    delete(&*backend, rows, &["c"]);
    assert_eq!(
        text(&scan(&*snapshot, rows, Scan::all())),
        text(&[
            (b"a".to_vec(), b"new".to_vec()),
            (b"b".to_vec(), b"old".to_vec()),
            (b"c".to_vec(), b"new".to_vec()),
        ])
    );
    drop(snapshot);
    assert_eq!(undo_bytes(&*backend), 0);
}

thread_local! {
    static SEEN: RefCell<Option<Arc<dyn Snapshot>>> = const { RefCell::new(None) };
}
