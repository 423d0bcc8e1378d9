//! Freshness: how old a read may be while writers commit.

use crate::Fixture;
use crate::support::{commit, get, keyspace, ok, snapshot};
use std::sync::atomic::{AtomicU64, Ordering};
use strongroom_core::{Expect, KeyspaceId, StorageBackend, WriteBatch};

const READERS: usize = 8;
const WRITERS: usize = 2;
/// Commits of each writer, unless the environment variable [`COMMITS_VARIABLE`] sets another number.
const COMMITS: u64 = 250;
/// For a long run, see CONTRIBUTING.md.
const COMMITS_VARIABLE: &str = "STRONGROOM_FRESHNESS_COMMITS";
/// The least steps of each reader.
const STEPS_MIN: u64 = 100;
/// The most steps of each reader per commit of a writer.
const STEPS_MAX_FOR_A_COMMIT: u64 = 80;
/// The least steps of all readers per commit. Otherwise a fast writer could be done before the first read.
const STEPS_FOR_A_COMMIT: u64 = 4;

/// The state of one writer, whose commits each increment a number.
#[derive(Default)]
struct Written {
    /// The last commit that was acknowledged.
    acknowledged: AtomicU64,
    /// The newest number that a reader has returned.
    answered: AtomicU64,
}

impl Written {
    /// Reads, and checks that the result is not too old. Both bounds are loaded before the read begins.
    fn check(&self, read: impl FnOnce() -> u64, how: &str) {
        let acknowledged = self.acknowledged.load(Ordering::SeqCst);
        let answered = self.answered.load(Ordering::SeqCst);
        let found = read();
        let demand = "property 2: a read is not older than a commit acknowledged before the read began";
        assert!(found >= acknowledged, "{demand}: {how} found {found} instead of {acknowledged}");
        let demand = "property 2: a read is not older than a read that ended before it began";
        assert!(found >= answered, "{demand}: {how} found {found} after {answered}");
        self.answered.fetch_max(found, Ordering::SeqCst);
    }
}

pub(super) fn no_get_is_older_than_an_acknowledged_commit(fixture: &Fixture) {
    let backend = fixture.open();
    let backend = &*backend;
    let numbers = keyspace(backend, "numbers");
    let written: [Written; WRITERS] = Default::default();
    let (writing, reading) = (AtomicU64::new(WRITERS as u64), AtomicU64::new(READERS as u64));
    let steps = AtomicU64::new(0);
    let commits = commits();
    std::thread::scope(|scope| {
        for (place, written) in written.iter().enumerate() {
            let (writing, reading, steps) = (&writing, &reading, &steps);
            scope.spawn(move || {
                let _done = Done(writing);
                for number in 1..=commits {
                    let wanted = number * STEPS_FOR_A_COMMIT;
                    while steps.load(Ordering::SeqCst) < wanted && reading.load(Ordering::SeqCst) > 0 {
                        std::thread::yield_now();
                    }
                    write(backend, numbers, place, number, written);
                }
            });
        }
        for _ in 0..READERS {
            let (writing, reading, steps, written) = (&writing, &reading, &steps, &written);
            scope.spawn(move || {
                let _done = Done(reading);
                for step in 0..commits * STEPS_MAX_FOR_A_COMMIT {
                    steps.fetch_add(1, Ordering::SeqCst);
                    if step >= STEPS_MIN && writing.load(Ordering::SeqCst) == 0 {
                        break;
                    }
                    read(backend, numbers, step, written);
                }
            });
        }
    });
    for written in &written {
        assert_eq!(written.acknowledged.load(Ordering::SeqCst), commits, "property 2: every commit succeeds");
    }
}

fn commits() -> u64 {
    let Ok(given) = std::env::var(COMMITS_VARIABLE) else { return COMMITS };
    given.parse().unwrap_or_else(|_| panic!("{COMMITS_VARIABLE} is not a number"))
}

/// Counts down when dropped, also when a thread panics, so that the others do not wait for it.
struct Done<'w>(&'w AtomicU64);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn key(place: usize) -> [u8; 8] {
    (place as u64).to_be_bytes()
}

fn number(value: Option<Vec<u8>>) -> u64 {
    value.map_or(0, |value| value.try_into().map_or(u64::MAX, u64::from_be_bytes))
}

fn write(backend: &dyn StorageBackend, numbers: KeyspaceId, place: usize, number: u64, written: &Written) {
    let mut batch = WriteBatch::new();
    batch.put(numbers, &key(place), &number.to_be_bytes());
    if number.is_multiple_of(8) {
        // The condition also reads the newest state.
        batch.expect(numbers, &key(place), Expect::Equals((number - 1).to_be_bytes().to_vec()));
    }
    commit(backend, &batch);
    written.acknowledged.store(number, Ordering::SeqCst);
    if number.is_multiple_of(50) {
        // A keyspace that comes and goes changes no row of another.
        let name = format!("other{place}");
        ok(backend.drop_keyspace(keyspace(backend, &name)), "dropping a keyspace");
    }
}

fn read(backend: &dyn StorageBackend, numbers: KeyspaceId, step: u64, written: &[Written; WRITERS]) {
    for (place, written) in written.iter().enumerate() {
        if step.is_multiple_of(8) {
            let view = snapshot_of(backend, numbers, place);
            written.check(view, "a snapshot");
        } else {
            written.check(|| number(get(backend, numbers, &key(place))), "a get");
        }
    }
}

/// Returns a read that takes a snapshot and gets from it.
fn snapshot_of(backend: &dyn StorageBackend, numbers: KeyspaceId, place: usize) -> impl FnOnce() -> u64 {
    move || {
        let found = ok(snapshot(backend).get(numbers, &key(place)), "a get in a snapshot");
        number(found.map(|value| value.to_vec()))
    }
}
