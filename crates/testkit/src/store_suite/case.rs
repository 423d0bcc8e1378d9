//! Cases of the store's suite, and the features that they prove.

use super::fixture::StoreFixture;
use crate::conformance::Need;
use std::fmt;

/// A feature that the store offers on every engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Feature {
    /// Snapshots of one consistent state over all keyspaces.
    Snapshots,
    /// Scans from the last row to the first.
    ReverseScans,
    /// Atomic batches over keyspaces, with conditions.
    ConditionalBatches,
    /// Concurrent commits that share a sync.
    GroupCommit,
    /// Compare-and-swap by value and by version, insertion and update.
    CompareAndSwap,
    /// Counters that are incremented inside the commit.
    Counters,
    /// Ids that are never generated twice.
    GeneratedIds,
    /// Serializable transactions over keyspaces, keys and ranges.
    Transactions,
    /// Streams of committed changes, in order.
    Watch,
    /// Rows that expire at a given instant.
    TimeToLive,
    /// Detection of damaged values.
    Checksums,
    /// Detection of missing rows.
    MissingData,
    /// Copies taken while readers and writers continue.
    HotBackup,
    /// One digest for the same contents on every engine.
    Digest,
    /// Statistics of the store and the engine.
    Statistics,
}

impl Feature {
    /// All features, in the order of the table.
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

/// One property of the store as a test.
#[derive(Debug, Clone, Copy)]
pub struct StoreCase {
    /// The property in words joined by `_`; also the name of the test.
    pub name: &'static str,
    /// The feature that it proves.
    pub feature: Feature,
    /// What the engine must offer; the case is skipped otherwise.
    pub needs: Option<Need>,
    /// Panics if the property does not hold.
    pub run: fn(&StoreFixture),
}
