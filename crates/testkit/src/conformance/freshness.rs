//! Many readers beside writers: how old may be what they read.

use crate::Fixture;
use crate::support::{commit, get, keyspace, ok, snapshot};
use std::sync::atomic::{AtomicU64, Ordering};
use strongroom_core::{Expect, KeyspaceId, StorageBackend, WriteBatch};

const READERS: usize = 8;
const WRITERS: usize = 2;
/// Commits of each writer.
const COMMITS: u64 = 250;
/// Steps of each reader, at least and at most.
const STEPS: std::ops::Range<u32> = 100..20_000;
/// Steps of all readers for each commit at least: a fast writer would else be done before the first of them.
const STEPS_FOR_A_COMMIT: u64 = 4;

/// What one writer has written: a number that each of its commits makes larger by one.
#[derive(Default)]
struct Written {
    /// The last commit that was acknowledged.
    acknowledged: AtomicU64,
    /// The newest that some reader was answered.
    answered: AtomicU64,
}

impl Written {
    /// Reads, and looks whether the answer may be that old. Both bounds are read before the get begins.
    fn check(&self, read: impl FnOnce() -> u64, how: &str) {
        let acknowledged = self.acknowledged.load(Ordering::SeqCst);
        let answered = self.answered.load(Ordering::SeqCst);
        let found = read();
        let demand = "property 2: no read is older than a commit that was acknowledged before it began";
        assert!(found >= acknowledged, "{demand}: {how} found {found} and not {acknowledged}");
        let demand = "property 2: no read is older than one that has ended before it began";
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
    std::thread::scope(|scope| {
        for (place, written) in written.iter().enumerate() {
            let (writing, reading, steps) = (&writing, &reading, &steps);
            scope.spawn(move || {
                let _done = Done(writing);
                for number in 1..=COMMITS {
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
                for step in 0..STEPS.end {
                    steps.fetch_add(1, Ordering::SeqCst);
                    if step >= STEPS.start && writing.load(Ordering::SeqCst) == 0 {
                        break;
                    }
                    read(backend, numbers, step, written);
                }
            });
        }
    });
    for written in &written {
        assert_eq!(written.acknowledged.load(Ordering::SeqCst), COMMITS, "property 2: every commit succeeds");
    }
}

/// Counted down also when a thread fails, or the others would wait for it.
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
        // The condition is judged on a read of the newest state too.
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

fn read(backend: &dyn StorageBackend, numbers: KeyspaceId, step: u32, written: &[Written; WRITERS]) {
    for (place, written) in written.iter().enumerate() {
        if step.is_multiple_of(8) {
            let view = snapshot_of(backend, numbers, place);
            written.check(view, "a snapshot");
        } else {
            written.check(|| number(get(backend, numbers, &key(place))), "a get");
        }
    }
}

/// A read in a snapshot that is taken in the same step.
fn snapshot_of(backend: &dyn StorageBackend, numbers: KeyspaceId, place: usize) -> impl FnOnce() -> u64 {
    move || {
        let found = ok(snapshot(backend).get(numbers, &key(place)), "a get in a snapshot");
        number(found.map(|value| value.to_vec()))
    }
}
