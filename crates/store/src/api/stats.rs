//! Figures about a store.

use crate::readers::OldestReader;
use strongroom_core::Stats;

/// Figures about a store.
///
/// A field that is added here is in every output by itself: the admin protocol and the JSON of `strongroom stats` carry
/// this struct. With the feature `serde` it has serde's traits, and the backend's figures stand among its own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct StoreStats {
    /// Figures of the backend.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub backend: Stats,
    /// Groups of commits that went to the engine as one.
    pub groups: u64,
    /// Commits in those groups: commits per sync are `group_commits / groups`.
    pub group_commits: u64,
    /// Commits that were refused, since a condition did not hold or a transaction's reads were overwritten.
    pub conflicts: u64,
    /// Commits that wait in the queue now, in bytes of their keys and values.
    pub queued_bytes: u64,
    /// Expired rows that sweeps have removed since the store was opened.
    pub expired_rows: u64,
    /// Sweeps in the background that failed. Alert on a number that grows: what has expired stays on the disk, though
    /// nobody reads it.
    pub sweep_failures: u64,
    /// Snapshots, scans and transactions that are open now.
    pub readers_open: u64,
    /// The one that has been open longest. The engine keeps all that it may still see: alert on an age that grows.
    pub oldest_reader: Option<OldestReader>,
    /// Readers that were older than [`snapshot_age_max`](crate::StoreOptions::snapshot_age_max).
    pub readers_expired: u64,
    /// Rows read that were not what was written. Alert on anything above zero.
    pub damaged_rows: u64,
    /// Sequence number of the commit up to which the high-water mark stands; none for a store that keeps no
    /// mark or is only read.
    pub high_water: Option<u64>,
    /// Marks that could not be written. Alert on anything above zero: until the store is opened anew, a loss
    /// of later commits may not be noticed.
    pub high_water_failures: u64,
}
