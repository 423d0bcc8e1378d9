//! What a child does to a store: a script of steps for each writer, the same for the same seed.
//!
//! Every writer has rows of its own (`w0/...`), and each of its commits also writes its row `w0/step` in the first
//! keyspace. So the state that a writer's rows can be in after a crash is one of a line of states, one behind each
//! step, whatever the other writers did.

use crate::random::Random;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// The keyspaces that are made before a script begins.
pub const KEYSPACES: [&str; 3] = ["accounts", "events", "index"];

/// How many times as long as other scripts the churn of one writer is.
const CHURN_FACTOR: usize = 6;

/// The kinds of script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Workload {
    /// One row a commit.
    Single,
    /// Several rows in several keyspaces a commit, some with conditions.
    Batches,
    /// A few rows, written again and again and deleted.
    Overwrites,
    /// Values of up to 300 KiB among small ones.
    Large,
    /// Four writers.
    Concurrent,
    /// A writer, and another thread that compacts.
    Compaction,
    /// A writer, and another thread that makes checkpoints.
    Checkpoint,
    /// Keyspaces made, filled and dropped between commits.
    Keyspaces,
    /// Buffered commits, every sixth followed by a power-safe one.
    Buffered,
    /// Four writers, each commit a transaction that reads before it writes.
    Transactions,
    /// Rows that expire: some at once, some long after the trial.
    Expiring,
    /// A few rows of some size, written again and again, mostly buffered and at times in large batches: what an engine
    /// writes between two flushes is many times what the rows take, and it uses the places of old rows again.
    Churn,
    /// The same by four writers, each commit power-safe.
    ChurnConcurrent,
}

impl Workload {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Single,
        Self::Batches,
        Self::Overwrites,
        Self::Large,
        Self::Concurrent,
        Self::Compaction,
        Self::Checkpoint,
        Self::Keyspaces,
        Self::Buffered,
        Self::Transactions,
        Self::Expiring,
        Self::Churn,
        Self::ChurnConcurrent,
    ];
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Single => "single",
            Self::Batches => "batches",
            Self::Overwrites => "overwrites",
            Self::Large => "large",
            Self::Concurrent => "concurrent",
            Self::Compaction => "compaction",
            Self::Checkpoint => "checkpoint",
            Self::Keyspaces => "keyspaces",
            Self::Buffered => "buffered",
            Self::Transactions => "transactions",
            Self::Expiring => "expiring",
            Self::Churn => "churn",
            Self::ChurnConcurrent => "churn-concurrent",
        })
    }
}

impl FromStr for Workload {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|workload| workload.to_string() == text)
            .ok_or_else(|| format!("there is no workload {text:?}"))
    }
}

/// A value by what makes it: its bytes are only there while they are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value {
    /// What its bytes are made from.
    pub seed: u64,
    /// How many there are.
    pub len: usize,
}

impl Value {
    /// Its bytes. No two values of a script are the same.
    pub fn bytes(&self) -> Vec<u8> {
        let mut random = Random::new(self.seed);
        let mut bytes = Vec::with_capacity(self.len + 8);
        while bytes.len() < self.len {
            bytes.extend_from_slice(&random.next().to_le_bytes());
        }
        bytes.truncate(self.len);
        bytes
    }
}

/// One change of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Op {
    /// The keyspace's name.
    pub keyspace: String,
    /// The key: printable text.
    pub key: String,
    /// The value; none deletes the key.
    pub value: Option<Value>,
    /// How long it lives, for subjects that know lives.
    pub life: Life,
}

impl Op {
    /// One that lives until it is changed.
    pub fn new(keyspace: impl Into<String>, key: impl Into<String>, value: Option<Value>) -> Self {
        Self { keyspace: keyspace.into(), key: key.into(), value, life: Life::ForEver }
    }
}

/// How long a row lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// Until it is changed.
    ForEver,
    /// Beyond any trial, with an end.
    Long,
    /// Of an operation that deletes: it sets this value, which has expired before anybody looks. A subject without
    /// lives just deletes.
    Brief(Value),
}

/// What must hold for a batch to be committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The keyspace's name.
    pub keyspace: String,
    /// The key.
    pub key: String,
    /// Its value; none for a key that is not there.
    pub expect: Option<Value>,
}

/// A batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// The changes.
    pub ops: Vec<Op>,
    /// All must hold.
    pub conditions: Vec<Condition>,
    /// Whether less than power-safe will do.
    pub buffered: bool,
    /// Whether it is to be a transaction, for subjects that have such.
    pub transaction: bool,
}

/// What a writer does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Commits a batch whose conditions hold, if `holds`, and which is refused otherwise.
    Commit {
        /// The batch.
        batch: Batch,
        /// Whether its conditions hold.
        holds: bool,
    },
    /// Makes a keyspace.
    Create(String),
    /// Drops one.
    Drop(String),
    /// Compacts.
    Compact,
    /// Makes a checkpoint in a directory beside the store, with this name.
    Checkpoint(String),
}

/// What all writers do.
#[derive(Debug, Clone)]
pub struct Script {
    /// One list of steps for each thread.
    pub writers: Vec<Vec<Step>>,
}

impl Script {
    /// The script of `workload` and `seed`, with some `commits` commits in all.
    pub fn new(workload: Workload, seed: u64, commits: usize) -> Self {
        let writer = |number: usize, commits: usize| Writer::new(number, workload, seed).steps(commits);
        let mut writers = match workload {
            Workload::Concurrent | Workload::Transactions => {
                (0..4).map(|number| writer(number, commits.div_ceil(4))).collect()
            }
            Workload::Large => vec![writer(0, commits.div_ceil(3))],
            Workload::Churn => vec![writer(0, commits * CHURN_FACTOR)],
            Workload::ChurnConcurrent => (0..4).map(|number| writer(number, commits)).collect(),
            _ => vec![writer(0, commits)],
        };
        match workload {
            Workload::Compaction => writers.push(vec![Step::Compact; 6]),
            Workload::Checkpoint => {
                writers.push((0..4).map(|number| Step::Checkpoint(format!("checkpoint-{number}"))).collect());
            }
            _ => {}
        }
        Self { writers }
    }

    /// Every keyspace and key that any step writes or deletes.
    pub fn places(&self) -> BTreeSet<(&str, &str)> {
        let batches = self.writers.iter().flatten().filter_map(|step| match step {
            Step::Commit { batch, .. } => Some(batch),
            _ => None,
        });
        batches.flat_map(|batch| &batch.ops).map(|op| (op.keyspace.as_str(), op.key.as_str())).collect()
    }
}

/// Makes the steps of one writer, knowing what its rows hold.
struct Writer {
    number: usize,
    workload: Workload,
    random: Random,
    rows: Vec<(String, String, Value)>,
    extra: Vec<String>,
    dropped: Vec<String>,
    extras_made: usize,
}

impl Writer {
    fn new(number: usize, workload: Workload, seed: u64) -> Self {
        let random = Random::new(seed ^ (number as u64) << 48 ^ (workload as u64) << 56);
        Self {
            number,
            workload,
            random,
            rows: Vec::new(),
            extra: Vec::new(),
            dropped: Vec::new(),
            extras_made: 0,
        }
    }

    fn steps(mut self, commits: usize) -> Vec<Step> {
        let mut steps = Vec::new();
        for number in 0..commits {
            if self.workload == Workload::Keyspaces && number % 4 == 1 {
                steps.push(self.change_keyspaces());
            }
            steps.push(self.commit(number));
        }
        steps
    }

    fn change_keyspaces(&mut self) -> Step {
        if self.extra.len() >= 3 || (!self.extra.is_empty() && self.random.below(3) == 0) {
            let dropped = self.extra.remove(self.random.below(self.extra.len()));
            self.rows.retain(|(keyspace, ..)| *keyspace != dropped);
            self.dropped.push(dropped.clone());
            return Step::Drop(dropped);
        }
        // Under the name of a dropped one none of its rows may come back.
        let again = if self.random.below(2) == 0 { self.dropped.pop() } else { None };
        let name = again.unwrap_or_else(|| {
            self.extras_made += 1;
            format!("extra-{}-{}", self.number, self.extras_made)
        });
        self.extra.push(name.clone());
        Step::Create(name)
    }

    fn commit(&mut self, number: usize) -> Step {
        let mut batch = Batch {
            buffered: match self.workload {
                Workload::Buffered => number % 6 != 5,
                Workload::Churn => number % 24 != 23,
                _ => false,
            },
            transaction: self.workload == Workload::Transactions,
            ..Batch::default()
        };
        let with_conditions = matches!(
            self.workload,
            Workload::Batches | Workload::Concurrent | Workload::Overwrites | Workload::Transactions
        );
        let mut holds = true;
        if with_conditions && number % 3 == 2 {
            holds = self.random.below(3) != 0;
            batch.conditions.push(self.condition(holds));
        }
        for _ in 0..self.ops() {
            let op = self.op();
            // One change a row: what a batch does to a row twice is another test's business.
            if batch.ops.iter().all(|other| (&other.keyspace, &other.key) != (&op.keyspace, &op.key)) {
                batch.ops.push(op);
            }
        }
        let step = Value { seed: self.random.next(), len: 16 };
        batch.ops.push(Op::new(KEYSPACES[0], format!("w{}/step", self.number), Some(step)));
        if holds {
            batch.ops.iter().for_each(|op| self.remember(op));
        }
        Step::Commit { batch, holds }
    }

    fn ops(&mut self) -> usize {
        match self.workload {
            Workload::Single | Workload::Buffered => 1,
            Workload::Batches | Workload::Keyspaces | Workload::Expiring => 2 + self.random.below(8),
            Workload::Compaction => 4 + self.random.below(12),
            Workload::Churn if self.random.below(12) == 0 => 60,
            _ => 1 + self.random.below(4),
        }
    }

    fn op(&mut self) -> Op {
        let keyspaces = KEYSPACES.iter().map(|name| (*name).to_owned());
        let all: Vec<String> = keyspaces.chain(self.extra.iter().cloned()).collect();
        let keyspace = self.random.pick(&all).clone();
        let keys = match self.workload {
            Workload::Overwrites => 12,
            Workload::Expiring => 60,
            Workload::Large | Workload::Churn => 40,
            Workload::ChurnConcurrent => 10,
            _ => 300,
        };
        let key = format!("w{}/{:04}", self.number, self.random.below(keys));
        let deletes = match self.workload {
            Workload::Overwrites => 3,
            Workload::Compaction => 4,
            _ => 8,
        };
        let value = (self.random.below(deletes) != 0).then(|| self.value());
        let mut op = Op::new(keyspace, key, value);
        if self.workload == Workload::Expiring {
            match self.random.below(3) {
                0 if op.value.is_some() => op.life = Life::Long,
                1 => op = Op { value: None, life: Life::Brief(self.value()), ..op },
                _ => {}
            }
        }
        op
    }

    fn value(&mut self) -> Value {
        let len = match (self.workload, self.random.below(12)) {
            (Workload::Large, 0..4) => 20_000 + self.random.below(280_000),
            (Workload::Churn | Workload::ChurnConcurrent, 1) => 5_000 + self.random.below(20_000),
            (Workload::Churn | Workload::ChurnConcurrent, 2..) => 200 + self.random.below(1_400),
            (_, 0) => 0,
            (_, 1) => 2_000 + self.random.below(6_000),
            _ => 8 + self.random.below(120),
        };
        Value { seed: self.random.next(), len }
    }

    fn condition(&mut self, holds: bool) -> Condition {
        let absent = Condition {
            keyspace: KEYSPACES[1].to_owned(),
            key: format!("w{}/never", self.number),
            expect: None,
        };
        // An empty value is like any other empty one, and says nothing about which it is.
        let full: Vec<_> = self.rows.iter().filter(|(_, _, value)| value.len > 0).cloned().collect();
        if full.is_empty() {
            return if holds {
                absent
            } else {
                Condition { expect: Some(Value { seed: 1, len: 9 }), ..absent }
            };
        }
        let (keyspace, key, value) = self.random.pick(&full).clone();
        let expect = match (holds, self.random.below(2)) {
            (true, _) => Some(value),
            (false, 0) => None,
            (false, _) => Some(Value { seed: value.seed ^ 1, len: value.len }),
        };
        Condition { keyspace, key, expect }
    }

    fn remember(&mut self, op: &Op) {
        self.rows.retain(|(keyspace, key, _)| (keyspace, key) != (&op.keyspace, &op.key));
        if let Some(value) = op.value {
            self.rows.push((op.keyspace.clone(), op.key.clone(), value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(script: &Script) -> Vec<(&Batch, bool)> {
        let batch = |step: &'_ Step| matches!(step, Step::Commit { .. });
        let commits = script.writers.iter().flatten().filter(|step| batch(step));
        commits
            .filter_map(|step| match step {
                Step::Commit { batch, holds } => Some((batch, *holds)),
                _ => None,
            })
            .collect()
    }

    /// As long as on the simulated disk: there is no use in what only a longer script does.
    fn script(workload: Workload) -> Script {
        Script::new(workload, 1, crate::trial::COMMITS)
    }

    #[test]
    fn each_workload_does_what_its_name_says() {
        let steps = |workload, is_it: fn(&Step) -> bool| {
            script(workload).writers.iter().flatten().filter(|step| is_it(step)).count()
        };
        assert!(steps(Workload::Compaction, |step| *step == Step::Compact) > 0);
        assert!(steps(Workload::Checkpoint, |step| matches!(step, Step::Checkpoint(_))) > 0);
        assert!(steps(Workload::Keyspaces, |step| matches!(step, Step::Create(_))) > 1);
        assert!(steps(Workload::Keyspaces, |step| matches!(step, Step::Drop(_))) > 1);
        let made: Vec<Step> = script(Workload::Keyspaces).writers.concat();
        let made: Vec<&Step> = made.iter().filter(|step| matches!(step, Step::Create(_))).collect();
        assert!(made.iter().enumerate().any(|(at, step)| made[..at].contains(step)), "no name is used again");
        for workload in [Workload::Concurrent, Workload::Transactions] {
            assert_eq!(script(workload).writers.len(), 4);
        }
        assert!(batches(&script(Workload::Transactions)).iter().all(|(batch, _)| batch.transaction));
        let expiring = script(Workload::Expiring);
        let lives = batches(&expiring).into_iter().flat_map(|(batch, _)| batch.ops.clone());
        let lives: Vec<Op> = lives.collect();
        assert!(lives.iter().any(|op| op.life == Life::Long && op.value.is_some()));
        assert!(lives.iter().any(|op| matches!(op.life, Life::Brief(_))));
        assert!(lives.iter().all(|op| !matches!(op.life, Life::Brief(_)) || op.value.is_none()));
        let largest = |workload| {
            let script = script(workload);
            let ops = batches(&script).into_iter().flat_map(|(batch, _)| batch.ops.clone());
            ops.filter_map(|op| op.value).map(|value| value.len).max().unwrap()
        };
        assert!(largest(Workload::Large) > 100_000);
        assert!((1..10_000).contains(&largest(Workload::Single)));
        let buffered = script(Workload::Buffered);
        let buffered: Vec<bool> = batches(&buffered).iter().map(|(batch, _)| batch.buffered).collect();
        assert_eq!(buffered[..6], [true, true, true, true, true, false]);
    }

    #[test]
    fn all_but_the_buffered_ones_are_power_safe() {
        for workload in Workload::ALL {
            let script = script(workload);
            let batches = batches(&script);
            let buffered = batches.iter().filter(|(batch, _)| batch.buffered).count();
            let is_buffered = matches!(workload, Workload::Buffered | Workload::Churn);
            assert_eq!(buffered > 0, is_buffered, "{workload}");
            assert!(buffered < batches.len(), "{workload}: some commit is power-safe");
        }
    }

    #[test]
    fn batches_reach_over_keyspaces_delete_and_have_conditions_of_both_kinds() {
        let script = script(Workload::Batches);
        let batches = batches(&script);
        let keyspaces =
            |batch: &Batch| batch.ops.iter().map(|op| op.keyspace.clone()).collect::<BTreeSet<_>>().len();
        assert!(batches.iter().any(|(batch, _)| keyspaces(batch) == KEYSPACES.len()));
        assert!(batches.iter().any(|(batch, _)| batch.ops.iter().any(|op| op.value.is_none())));
        for wanted in [true, false] {
            assert!(batches.iter().any(|(batch, holds)| *holds == wanted && !batch.conditions.is_empty()));
        }
        // A batch without conditions always holds.
        assert!(batches.iter().all(|(batch, holds)| *holds || !batch.conditions.is_empty()));
    }

    #[test]
    fn the_seed_decides_and_no_row_is_changed_twice_in_a_batch() {
        for workload in Workload::ALL {
            let (first, again) = (script(workload), script(workload));
            assert_eq!(first.writers, again.writers, "{workload}");
            assert_ne!(first.writers, Script::new(workload, 2, crate::trial::COMMITS).writers, "{workload}");
            for (batch, _) in batches(&first) {
                let places: BTreeSet<_> = batch.ops.iter().map(|op| (&op.keyspace, &op.key)).collect();
                assert_eq!(places.len(), batch.ops.len(), "{workload}");
                assert!(batch.ops.iter().any(|op| op.key.ends_with("/step")), "{workload}");
            }
        }
    }
}
