//! The steps of a random history, as data.

use crate::random::Random;
use strongroom_core::{Expect, KeyRange, Scan};

/// Keyspace names of a history.
const NAMES: [&str; 4] = ["red", "green", "blue", "Blue"];

/// One operation of a batch; `None` as the value deletes.
pub type Change = (&'static str, Vec<u8>, Option<Vec<u8>>);

/// One step of a history. Snapshots are identified by their index among the open ones, modulo their number.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Creates a keyspace, or opens it if it exists.
    Create(&'static str),
    /// Drops a keyspace if it exists.
    Drop(&'static str),
    /// Commits a batch with conditions, and creates the keyspaces that it needs.
    Commit(Vec<Change>, Vec<(&'static str, Vec<u8>, Expect)>),
    /// Deletes a range.
    DeleteRange(&'static str, KeyRange),
    /// Opens a snapshot.
    Snapshot,
    /// Closes a snapshot.
    Close(usize),
    /// Reads keys of the newest state.
    Get(&'static str, Vec<Vec<u8>>),
    /// Reads keys in a snapshot.
    GetIn(usize, &'static str, Vec<Vec<u8>>),
    /// Scans in a snapshot (or a new one, if none is open), then seeks on the same cursor and reads the given
    /// number of rows after each seek.
    Scan(usize, &'static str, Scan, Vec<(Vec<u8>, usize)>),
    /// Closes and reopens the backend.
    Reopen,
}

/// Generates the first `count` steps of the history of `seed`.
pub fn generate(seed: u64, count: usize) -> Vec<Step> {
    let mut random = Random::new(seed);
    (0..count).map(|_| step(&mut random)).collect()
}

fn step(random: &mut Random) -> Step {
    let name = *random.pick(&NAMES);
    match random.below(100) {
        0..4 => Step::Create(name),
        4..6 => Step::Drop(name),
        6..36 => Step::Commit(changes(random), Vec::new()),
        36..48 => Step::Commit(changes(random), conditions(random)),
        48..54 => Step::DeleteRange(name, range(random)),
        54..60 => Step::Snapshot,
        60..65 => Step::Close(random.below(8)),
        65..72 => Step::Get(name, keys(random)),
        72..78 => Step::GetIn(random.below(8), name, keys(random)),
        78..98 => Step::Scan(random.below(8), name, scan(random), seeks(random)),
        _ => Step::Reopen,
    }
}

fn keys(random: &mut Random) -> Vec<Vec<u8>> {
    (0..=random.below(6)).map(|_| random.key()).collect()
}

fn changes(random: &mut Random) -> Vec<Change> {
    let count = if random.once_in(3) { 12 } else { 2 };
    let mut changes = Vec::new();
    for _ in 0..=random.below(count) {
        let value = if random.once_in(3) { None } else { Some(random.value()) };
        changes.push((*random.pick(&NAMES), random.key(), value));
    }
    changes
}

fn conditions(random: &mut Random) -> Vec<(&'static str, Vec<u8>, Expect)> {
    let mut conditions = Vec::new();
    for _ in 0..=random.below(2) {
        let expect = match random.below(5) {
            0 | 1 => Expect::Absent,
            2 => Expect::Present,
            3 => Expect::Equals(Vec::new()),
            _ => Expect::StartsWith(Vec::new()),
        };
        conditions.push((*random.pick(&NAMES), random.key(), expect));
    }
    conditions
}

fn range(random: &mut Random) -> KeyRange {
    match random.below(4) {
        0 => KeyRange::prefix(&random.key()),
        1 => KeyRange::from(random.key()),
        // Half of these are inverted, and thus empty.
        _ => KeyRange::between(random.key(), random.key()),
    }
}

fn scan(random: &mut Random) -> Scan {
    let mut scan = Scan::new(if random.once_in(2) { KeyRange::all() } else { range(random) });
    if random.once_in(2) {
        scan = scan.reverse();
    }
    if random.once_in(4) { scan.keys_only() } else { scan }
}

fn seeks(random: &mut Random) -> Vec<(Vec<u8>, usize)> {
    (0..random.below(4)).map(|_| (random.key(), random.below(10))).collect()
}
