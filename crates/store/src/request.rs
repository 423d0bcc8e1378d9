//! What a caller asks of the commit pipeline: plain data.

use crate::clock::whole_ms;
use crate::format::envelope::Meta;
use crate::read_set::ReadSet;
use crate::sync::Arc;
use std::time::Duration;
use strongroom_core::{Durability, Error, ErrorKind, KeyspaceId, Result, WriteBatch};

/// Everything that is committed together, or not at all.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Plain values; the envelope is put around them when the commit has its sequence number.
    pub(crate) ops: WriteBatch,
    /// When rows expire, by the place of the operation that sets them, ascending; all others take the default.
    pub(crate) expiries: Vec<(usize, Expiry)>,
    pub(crate) conditions: Vec<Condition>,
    /// Counters to add to.
    pub(crate) additions: Vec<Addition>,
    /// Entries of the expiry index that are due.
    pub(crate) due: Vec<DueEntry>,
    /// What its transaction has read.
    pub(crate) reads: Option<Reads>,
    pub(crate) purpose: Purpose,
    pub(crate) durability: Durability,
}

/// Why a commit is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Application,
    /// It writes its sequence number as the engine's half of the high-water mark.
    HighWater {
        /// It is the last commit before the store is closed.
        is_last: bool,
    },
}

/// What has to hold of a key, as a reader would see it.
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

/// Adds to a counter.
#[derive(Debug, Clone)]
pub(crate) struct Addition {
    pub(crate) keyspace: KeyspaceId,
    pub(crate) key: Vec<u8>,
    pub(crate) by: i64,
    /// The counter never expires, whatever the keyspace's default is or the row had.
    pub(crate) is_permanent: bool,
}

/// An entry of the expiry index that is due: it is removed, and so is its row if that has expired.
#[derive(Debug, Clone)]
pub(crate) struct DueEntry {
    pub(crate) index_key: Vec<u8>,
    /// None: the keyspace is missing.
    pub(crate) row: Option<(KeyspaceId, Vec<u8>)>,
}

/// What a transaction has read, and the commit after which nobody may have written it.
#[derive(Debug, Clone)]
pub(crate) struct Reads {
    pub(crate) set: Arc<ReadSet>,
    pub(crate) start: u64,
}

/// What a commit is answered with inside the store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Committed {
    pub(crate) sequence: u64,
    pub(crate) answer: Answer,
}

/// What the leader worked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    None,
    /// The counter's new value.
    Sum(i64),
    /// Rows that had expired and were removed.
    Expired(u64),
}

/// Commits a request: the pipeline, for features that have to commit something themselves.
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

    /// Whether the leader has to know the newest state of a row, earlier members of its group included.
    pub(crate) fn reads_rows(&self) -> bool {
        !(self.conditions.is_empty() && self.additions.is_empty() && self.due.is_empty())
    }

    /// Keys and values that it writes, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let additions: usize = self.additions.iter().map(|addition| addition.key.len()).sum();
        let due = |entry: &DueEntry| entry.index_key.len() + entry.row.as_ref().map_or(0, |row| row.1.len());
        self.ops.bytes() + additions + self.due.iter().map(due).sum::<usize>()
    }

    /// Memory that it takes while it waits, in bytes.
    pub(crate) fn weight(&self) -> usize {
        let of_condition = |condition: &Condition| {
            let value = if let Expect::Equals(value) = &condition.expect { value.len() } else { 0 };
            condition.key.len() + value
        };
        let conditions: usize = self.conditions.iter().map(of_condition).sum();
        self.bytes() + conditions + self.reads.as_ref().map_or(0, |reads| reads.set.bytes())
    }

    /// Empties it and keeps its memory and its durability.
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

/// When an operation wants its row to expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Expiry {
    /// The keyspace's default TTL.
    #[default]
    Default,
    Never,
    /// So many milliseconds after the commit.
    After(u64),
    /// At this time, in milliseconds since 1970.
    At(u64),
}

impl Expiry {
    pub(crate) fn after(time_to_live: Duration) -> Self {
        Self::After(whole_ms(time_to_live))
    }

    /// Refuses what is wrong whatever time it is.
    pub(crate) fn check(self) -> Result<()> {
        if self == Self::After(0) {
            return Err(Error::new(ErrorKind::InvalidInput, "the TTL is zero").hint("delete the key instead"));
        }
        Ok(())
    }
}
