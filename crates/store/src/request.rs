//! Requests to the commit pipeline, as plain data.

use crate::clock::whole_ms;
use crate::format::envelope::Meta;
use crate::read_set::ReadSet;
use crate::sync::Arc;
use std::time::Duration;
use strongroom_core::{Durability, Error, ErrorKind, KeyspaceId, Result, WriteBatch};

/// Everything that one commit writes and checks, atomically.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Plain values. They get their envelopes when the commit has its sequence number.
    pub(crate) ops: WriteBatch,
    /// Expiries by the index of the operation that sets them, ascending. All other operations use the default.
    pub(crate) expiries: Vec<(usize, Expiry)>,
    pub(crate) conditions: Vec<Condition>,
    /// Counters to add to.
    pub(crate) additions: Vec<Addition>,
    /// Entries of the expiry index that are due.
    pub(crate) due: Vec<DueEntry>,
    /// The read set of its transaction.
    pub(crate) reads: Option<Reads>,
    pub(crate) purpose: Purpose,
    pub(crate) durability: Durability,
}

/// The purpose of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Application,
    /// Writes its sequence number as the engine's half of the high-water mark.
    HighWater {
        /// Whether it is the last commit before the store is closed.
        is_last: bool,
    },
}

/// The expected state of a key, as a reader would see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expect {
    Absent,
    Present,
    Equals(Vec<u8>),
    Version(u64),
}

#[derive(Debug, Clone)]
pub(crate) struct Condition {
    pub(crate) keyspace: KeyspaceId,
    pub(crate) key: Vec<u8>,
    pub(crate) expect: Expect,
}

/// An addition to a counter.
#[derive(Debug, Clone)]
pub(crate) struct Addition {
    pub(crate) keyspace: KeyspaceId,
    pub(crate) key: Vec<u8>,
    pub(crate) by: i64,
    /// The counter never expires, whatever the keyspace's default and the row's previous expiry are.
    pub(crate) is_permanent: bool,
}

/// A due entry of the expiry index. The commit removes it, and its row too if that has expired.
#[derive(Debug, Clone)]
pub(crate) struct DueEntry {
    pub(crate) index_key: Vec<u8>,
    /// None if the keyspace is missing.
    pub(crate) row: Option<(KeyspaceId, Vec<u8>)>,
}

/// The read set of a transaction, and the commit after which no other commit may have written to it.
#[derive(Debug, Clone)]
pub(crate) struct Reads {
    pub(crate) set: Arc<ReadSet>,
    pub(crate) start: u64,
}

/// The result of a commit inside the store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Committed {
    pub(crate) sequence: u64,
    pub(crate) answer: Answer,
}

/// A result that the leader computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    None,
    /// The counter's new value.
    Sum(i64),
    /// The number of expired rows that were removed.
    Expired(u64),
}

/// The pipeline, for features that commit requests of their own.
pub(crate) trait Commit {
    fn commit(&self, request: &Request) -> Result<Committed>;
}

impl Request {
    pub(crate) fn new(durability: Durability) -> Self {
        Self {
            ops: WriteBatch::new(),
            expiries: Vec::new(),
            conditions: Vec::new(),
            additions: Vec::new(),
            due: Vec::new(),
            reads: None,
            purpose: Purpose::Application,
            durability,
        }
    }

    pub(crate) fn put(&mut self, keyspace: KeyspaceId, key: &[u8], value: &[u8], expiry: Expiry) {
        if expiry != Expiry::Default {
            self.expiries.push((self.ops.len(), expiry));
        }
        self.ops.put(keyspace, key, value);
    }

    pub(crate) fn delete(&mut self, keyspace: KeyspaceId, key: &[u8]) {
        self.ops.delete(keyspace, key);
    }

    pub(crate) fn expect(&mut self, keyspace: KeyspaceId, key: &[u8], expect: Expect) {
        self.conditions.push(Condition { keyspace, key: key.to_vec(), expect });
    }

    /// Whether the leader has to read rows, including those that earlier members of the group wrote.
    pub(crate) fn reads_rows(&self) -> bool {
        !(self.conditions.is_empty() && self.additions.is_empty() && self.due.is_empty())
    }

    /// Returns the size of the keys and values that it writes, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let additions: usize = self.additions.iter().map(|addition| addition.key.len()).sum();
        let due = |entry: &DueEntry| entry.index_key.len() + entry.row.as_ref().map_or(0, |row| row.1.len());
        self.ops.bytes() + additions + self.due.iter().map(due).sum::<usize>()
    }

    /// Returns the memory that it uses while it waits, in bytes.
    pub(crate) fn weight(&self) -> usize {
        let of_condition = |condition: &Condition| {
            let value = if let Expect::Equals(value) = &condition.expect { value.len() } else { 0 };
            condition.key.len() + value
        };
        let conditions: usize = self.conditions.iter().map(of_condition).sum();
        self.bytes() + conditions + self.reads.as_ref().map_or(0, |reads| reads.set.bytes())
    }

    /// Clears the request. Keeps its memory and its durability.
    pub(crate) fn clear(&mut self) {
        self.ops.clear();
        self.expiries.clear();
        self.conditions.clear();
        self.additions.clear();
        self.due.clear();
        self.reads = None;
    }
}

impl Expect {
    pub(crate) fn holds(&self, found: Option<(Meta, &[u8])>) -> bool {
        match (self, found) {
            (Self::Absent, found) => found.is_none(),
            (Self::Present, found) => found.is_some(),
            (Self::Equals(wanted), Some((_, value))) => wanted == value,
            (Self::Version(wanted), Some((meta, _))) => *wanted == meta.version,
            (Self::Equals(_) | Self::Version(_), None) => false,
        }
    }
}

/// The expiry that an operation asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Expiry {
    /// The keyspace's default TTL.
    #[default]
    Default,
    Never,
    /// This many milliseconds after the commit.
    After(u64),
    /// At this time, in milliseconds since 1970.
    At(u64),
}

impl Expiry {
    pub(crate) fn after(time_to_live: Duration) -> Self {
        Self::After(whole_ms(time_to_live))
    }

    /// Refuses an expiry that is invalid at any time.
    pub(crate) fn check(self) -> Result<()> {
        if self == Self::After(0) {
            return Err(Error::new(ErrorKind::InvalidInput, "the TTL is zero").hint("delete the key instead"));
        }
        Ok(())
    }
}
