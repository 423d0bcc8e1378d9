//! A case, and the feature that it shows.

use super::fixture::StoreFixture;
use crate::conformance::Need;
use std::fmt;

/// Something that the store offers on every engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Feature {
    /// One consistent state over all keyspaces.
    Snapshots,
    /// Scans from the last row to the first.
    ReverseScans,
    /// Batches over keyspaces, whole or not at all, with conditions.
    ConditionalBatches,
    /// Concurrent commits share a sync.
    GroupCommit,
    /// By value and by version, insertion and update.
    CompareAndSwap,
    /// Numbers that are added to inside the commit.
    Counters,
    /// Numbers that are never given out twice.
    GeneratedIds,
    /// Serializable, over keyspaces, keys and ranges.
    Transactions,
    /// What was committed, in order.
    Watch,
    /// Rows that are gone at their instant.
    TimeToLive,
    /// What is stored is what was written.
    Checksums,
    /// What should be there is there.
    MissingData,
    /// Copies that are made while readers and writers go on.
    HotBackup,
    /// One digest for the same contents on every engine.
    Digest,
    /// Figures.
    Statistics,
}

impl Feature {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 15] = [
        Self::Snapshots,
        Self::ReverseScans,
        Self::ConditionalBatches,
        Self::GroupCommit,
        Self::CompareAndSwap,
        Self::Counters,
        Self::GeneratedIds,
        Self::Transactions,
        Self::Watch,
        Self::TimeToLive,
        Self::Checksums,
        Self::MissingData,
        Self::HotBackup,
        Self::Digest,
        Self::Statistics,
    ];
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Snapshots => "snapshots over all keyspaces",
            Self::ReverseScans => "reverse scans",
            Self::ConditionalBatches => "conditional batches over keyspaces",
            Self::GroupCommit => "group commit",
            Self::CompareAndSwap => "compare-and-swap by value and version",
            Self::Counters => "counters",
            Self::GeneratedIds => "generated ids",
            Self::Transactions => "serializable transactions",
            Self::Watch => "watch",
            Self::TimeToLive => "time to live",
            Self::Checksums => "checksums on every read",
            Self::MissingData => "missing data is noticed",
            Self::HotBackup => "hot backup",
            Self::Digest => "one digest on every engine",
            Self::Statistics => "statistics",
        })
    }
}

/// One thing that has to hold of a store, as a test.
#[derive(Debug, Clone, Copy)]
pub struct StoreCase {
    /// What has to hold, in words joined by `_`; also the name of the test.
    pub name: &'static str,
    /// The feature that it shows.
    pub feature: Feature,
    /// What an engine has to offer for the case to mean something.
    pub needs: Option<Need>,
    /// Panics if it does not hold.
    pub run: fn(&StoreFixture),
}
