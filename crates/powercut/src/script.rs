//! Scripts: the deterministic steps that each writer of a child runs against a store.
//!
//! Every writer has its own rows (`w0/...`), and each of its commits also writes its row `w0/step` in the first
//! keyspace. So the possible states of a writer's rows after a crash form a sequence, one after each step, whatever
//! the other writers did.

use crate::random::Random;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// The keyspaces that are created before a script begins.
pub const KEYSPACES: [&str; 3] = ["accounts", "events", "index"];

/// The length of the single-writer churn script, as a multiple of other scripts.
const CHURN_FACTOR: usize = 6;

/// The kinds of script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Workload {
    /// One row per commit.
    Single,
    /// Several rows in several keyspaces per commit, some commits with conditions.
    Batches,
    /// A few rows, repeatedly overwritten and deleted.
    Overwrites,
    /// Values of up to 300 KiB among small ones.
    Large,
    /// Four writers.
    Concurrent,
    /// One writer, and another thread that compacts.
    Compaction,
    /// One writer, and another thread that takes checkpoints.
    Checkpoint,
    /// Keyspaces created, filled and dropped between commits.
    Keyspaces,
    /// Buffered commits, every sixth followed by a power-safe one.
    Buffered,
    /// Four writers, each commit a transaction that reads before it writes.
    Transactions,
    /// Rows that expire: some at once, some long after the trial.
    Expiring,
    /// A few larger rows, overwritten again and again, mostly buffered and sometimes in large batches. Between two
    /// flushes an engine writes many times the size of the rows, and reuses the space of old rows.
    Churn,
    /// As `Churn`, by four writers with power-safe commits.
    ChurnConcurrent,
}

impl Workload {
    /// All workloads.
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
            .ok_or_else(|| format!("unknown workload {text:?}"))
    }
}

/// A value, described by its seed and length; its bytes are generated on demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value {
    /// The seed of its bytes.
    pub seed: u64,
    /// Its length in bytes.
    pub len: usize,
}

impl Value {
    /// Generates its bytes. No two values of a script are equal.
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
    /// The value; `None` deletes the key.
    pub value: Option<Value>,
    /// When the row expires, for subjects with expiry.
    pub expiry: Expiry,
}

impl Op {
    /// Creates an operation whose row does not expire.
    pub fn new(keyspace: impl Into<String>, key: impl Into<String>, value: Option<Value>) -> Self {
        Self { keyspace: keyspace.into(), key: key.into(), value, expiry: Expiry::Never }
    }
}

/// When a row expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// The row does not expire.
    Never,
    /// The row expires, but long after the trial.
    Long,
    /// Only for an operation that deletes: it sets this value, which expires before the store is inspected. A subject
    /// without expiry deletes the row.
    Brief(Value),
}

/// A condition that must hold for a batch to be committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The keyspace's name.
    pub keyspace: String,
    /// The key.
    pub key: String,
    /// The expected value; `None` for an absent key.
    pub expect: Option<Value>,
}

/// A batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// The changes.
    pub ops: Vec<Op>,
    /// The conditions; all must hold.
    pub conditions: Vec<Condition>,
    /// Whether buffered durability suffices.
    pub buffered: bool,
    /// Whether to run it as a transaction, for subjects with transactions.
    pub transaction: bool,
}

/// One step of a writer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Commits a batch, which must be refused unless `holds`.
    Commit {
        /// The batch.
        batch: Batch,
        /// Whether its conditions hold.
        holds: bool,
    },
    /// Creates a keyspace.
    Create(String),
    /// Drops a keyspace.
    Drop(String),
    /// Compacts the store.
    Compact,
    /// Takes a checkpoint, in a directory of this name next to the store.
    Checkpoint(String),
}

/// The steps of all writers.
#[derive(Debug, Clone)]
pub struct Script {
    /// One list of steps per thread.
    pub writers: Vec<Vec<Step>>,
}

impl Script {
    /// Creates the script of `workload` and `seed`, with about `commits` commits, depending on the workload.
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

    /// Returns every keyspace and key that any step writes or deletes.
    pub fn places(&self) -> BTreeSet<(&str, &str)> {
        let batches = self.writers.iter().flatten().filter_map(|step| match step {
            Step::Commit { batch, .. } => Some(batch),
            _ => None,
        });
        batches.flat_map(|batch| &batch.ops).map(|op| (op.keyspace.as_str(), op.key.as_str())).collect()
    }
}

/// Generates the steps of one writer, and tracks the contents of its rows.
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
        // Sometimes reuses the name of a dropped keyspace, whose rows must not come back.
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
            // One change per row: other tests cover batches that change a row twice.
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
                0 if op.value.is_some() => op.expiry = Expiry::Long,
                1 => op = Op { value: None, expiry: Expiry::Brief(self.value()), ..op },
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
        // Empty values are all equal, so a condition on one could not distinguish states.
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

    /// As long as on the simulated disk, so that the properties checked here apply there.
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
        assert!(made.iter().enumerate().any(|(at, step)| made[..at].contains(step)), "no name is reused");
        for workload in [Workload::Concurrent, Workload::Transactions] {
            assert_eq!(script(workload).writers.len(), 4);
        }
        assert!(batches(&script(Workload::Transactions)).iter().all(|(batch, _)| batch.transaction));
        let expiring = script(Workload::Expiring);
        let ops = batches(&expiring).into_iter().flat_map(|(batch, _)| batch.ops.clone());
        let ops: Vec<Op> = ops.collect();
        assert!(ops.iter().any(|op| op.expiry == Expiry::Long && op.value.is_some()));
        assert!(ops.iter().any(|op| matches!(op.expiry, Expiry::Brief(_))));
        assert!(ops.iter().all(|op| !matches!(op.expiry, Expiry::Brief(_)) || op.value.is_none()));
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
    fn only_the_buffered_workloads_have_buffered_commits() {
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
    fn batches_span_keyspaces_delete_rows_and_have_conditions_of_both_kinds() {
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
    fn the_same_seed_makes_the_same_script_and_no_batch_changes_a_row_twice() {
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
