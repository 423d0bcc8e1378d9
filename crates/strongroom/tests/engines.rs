//! One behaviour on every engine: the same history ends in the same digest, damage is noticed, a scan
//! allocates nothing for a row.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Tests fail by panicking.

mod support;

use std::path::Path;
use strongroom::core::WriteBatch;
use strongroom::{Durability, ErrorKind, KeyRange, Keyspace, Marked, Options, Registry, Scan, Store};
use support::{on_disk, open};

/// Those that keep files, and the reference.
fn all() -> Vec<&'static str> {
    std::iter::once("memory").chain(on_disk()).collect()
}

/// A small generator, so that a seed says everything about a history.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn key(&mut self) -> Vec<u8> {
        let len = 1 + self.below(3);
        // Few bytes, and the ones where bounds go wrong.
        (0..len)
            .map(|_| [0, 1, b'a', 0x7f, 0x80, 0xfe, 0xff][usize::try_from(self.below(7)).unwrap()])
            .collect()
    }

    fn value(&mut self) -> Vec<u8> {
        let len = self.below(200);
        vec![b'v'; usize::try_from(len).unwrap()]
    }
}

/// Commits, conditions, range deletions and keyspaces that come and go.
fn live_through(store: &Store, seed: u64, steps: u64) {
    let mut random = Random(seed);
    let names = ["default", "a", "b"];
    for _ in 0..steps {
        let pick = |random: &mut Random| -> Keyspace {
            store.create_keyspace(names[usize::try_from(random.below(3)).unwrap()]).unwrap()
        };
        match random.below(20) {
            0 => {
                let _ = store.drop_keyspace("b");
            }
            1 => {
                let (from, to) = (random.key(), random.key());
                pick(&mut random).delete_range(KeyRange::between(from, to)).unwrap();
            }
            2 => {
                let prefix = random.key();
                pick(&mut random).delete_range(KeyRange::prefix(&prefix[..1])).unwrap();
            }
            _ => {
                let mut batch = store.batch();
                batch.durability(Durability::Buffered);
                for _ in 0..random.below(8) {
                    let (keyspace, key) = (pick(&mut random), random.key());
                    match random.below(4) {
                        0 => batch.delete(&keyspace, key),
                        1 if random.below(3) == 0 => batch.expect_absent(&keyspace, key),
                        _ => batch.set(&keyspace, key, random.value()),
                    };
                }
                if let Err(error) = store.commit(&batch) {
                    assert_eq!(error.kind(), ErrorKind::Conflict);
                }
            }
        }
    }
}

#[test]
fn one_history_ends_in_one_digest_on_every_engine() {
    for seed in [1, 2, 2_026] {
        let mut digests = Vec::new();
        for engine in all() {
            let directory = tempfile::tempdir().unwrap();
            let store = open(engine, directory.path());
            live_through(&store, seed, 600);
            let digest = store.digest().unwrap();
            store.flush().unwrap();
            drop(store);
            if engine != "memory" {
                assert_eq!(open(engine, directory.path()).digest().unwrap(), digest, "{engine}, reopened");
            }
            digests.push(digest);
        }
        assert!(digests.iter().all(|digest| *digest == digests[0]), "seed {seed}: {digests:?}");
    }
}

/// Changes what is stored for `key` beneath a closed store.
fn damage(engine: &str, directory: &Path, key: &[u8], change: impl FnOnce(&mut Vec<u8>)) {
    let registry = Registry::builtin();
    let options = Options::new().marked(Marked::Writable);
    let backend = registry.driver(engine).unwrap().open_backend(directory, &options).unwrap();
    let keyspace = backend.keyspace("default").unwrap();
    let mut stored = backend.get(keyspace, key).unwrap().unwrap().to_vec();
    change(&mut stored);
    let mut batch = WriteBatch::new();
    batch.put(keyspace, key, &stored);
    backend.commit(&batch, Durability::Buffered).unwrap();
    backend.flush().unwrap();
}

#[test]
fn a_value_that_is_not_what_was_written_is_never_served() {
    for engine in on_disk() {
        let directory = tempfile::tempdir().unwrap();
        let rows = open(engine, directory.path()).default_keyspace().unwrap();
        rows.set("a", "one").unwrap();
        rows.set("b", "two").unwrap();
        rows.set("c", "six").unwrap();
        drop(rows);
        damage(engine, directory.path(), b"b", |stored| *stored.last_mut().unwrap() ^= 1);

        let store = open(engine, directory.path());
        let rows = store.default_keyspace().unwrap();
        assert_eq!(rows.get("a").unwrap().as_deref(), Some(&b"one"[..]));
        let error = rows.get("b").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corruption, "{engine}");
        assert!(error.to_string().contains("\"b\"") && !error.to_string().contains("two"), "{error}");
        let mut walk = rows.scan(Scan::all()).unwrap();
        assert!(walk.advance().unwrap());
        // An error is said again, and never looks like the end.
        for _ in 0..2 {
            assert_eq!(walk.advance().unwrap_err().kind(), ErrorKind::Corruption);
        }
        walk.seek("c").unwrap();
        assert!(walk.advance().unwrap());
        assert_eq!(walk.row(), (&b"c"[..], &b"six"[..]));
        let mut seen = 0;
        let visit = rows.scan(Scan::all().reverse()).unwrap().visit(|_, _| {
            seen += 1;
            std::ops::ControlFlow::Continue(())
        });
        assert_eq!((visit.unwrap_err().kind(), seen), (ErrorKind::Corruption, 1));
        assert_eq!(store.digest().unwrap_err().kind(), ErrorKind::Corruption);
        assert_eq!(store.stats().unwrap().damaged_rows, 4);
        // An iterator that ignores errors ends; one that looks sees the error.
        assert_eq!(rows.prefix("").unwrap().filter(Result::is_err).count(), 1);
        // A condition is judged on what is read, so it cannot be judged here.
        let mut batch = store.batch();
        batch.expect_present(&rows, "b").set(&rows, "d", "x");
        assert_eq!(store.commit(&batch).unwrap_err().kind(), ErrorKind::Corruption);
        assert!(!rows.has("d").unwrap());
        rows.set("b", "new").unwrap();
        assert_eq!(rows.count("").unwrap(), 3);
    }
}

#[test]
fn a_row_that_an_engine_serves_under_another_key_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let rows = open("redb", directory.path()).default_keyspace().unwrap();
    rows.set("a", "one").unwrap();
    rows.set("b", "two").unwrap();
    let mut of_a = Vec::new();
    drop(rows);
    damage("redb", directory.path(), b"a", |stored| of_a.clone_from(stored));
    damage("redb", directory.path(), b"b", |stored| stored.clone_from(&of_a));
    let rows = open("redb", directory.path()).default_keyspace().unwrap();
    assert!(rows.get("a").unwrap().is_some());
    assert_eq!(rows.get("b").unwrap_err().kind(), ErrorKind::Corruption);
}

/// Allocations of a scan over `rows` rows, on this thread.
fn allocations_of_scan(rows: &Keyspace, scan: &Scan, expected: u64) -> u64 {
    let mut count = 0;
    let info = allocation_counter::measure(|| {
        let mut walk = rows.scan(scan.clone()).unwrap();
        while walk.advance().unwrap() {
            std::hint::black_box((walk.key(), walk.value()));
            count += 1;
        }
    });
    assert_eq!(count, expected);
    info.count_total
}

#[test]
fn a_scan_allocates_nothing_for_a_row_where_the_engine_needs_none() {
    const ROWS: u64 = 20_000;
    // sled allocates each key, by decoding it from its prefix; fjall each key and value of a table's block.
    // redb and memory need nothing.
    for (engine, one_in) in [("memory", 50), ("redb", 10)] {
        let directory = tempfile::tempdir().unwrap();
        let store = open(engine, directory.path());
        let rows = store.default_keyspace().unwrap();
        let mut batch = store.batch();
        for number in 0..ROWS {
            batch.set(&rows, number.to_be_bytes(), [7; 100]);
        }
        store.commit(&batch).unwrap();
        for scan in [Scan::all(), Scan::all().reverse(), Scan::all().keys_only()] {
            let allocations = allocations_of_scan(&rows, &scan, ROWS);
            assert!(
                allocations * one_in < ROWS,
                "{engine}: {allocations} allocations for {ROWS} rows of {scan:?}"
            );
        }
    }
}
