//! Statistics of a store.

use crate::readers::OldestReader;
use strongroom_core::Stats;

/// Statistics of a store.
///
/// A field that is added here is in every output by itself: the admin protocol and the JSON of `strongroom stats` carry
/// this struct. With the feature `serde` it has serde's traits, and the backend's figures stand among its own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct StoreStats {
    /// Statistics of the backend.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub backend: Stats,
    /// Groups of commits, each of which was one batch of the engine.
    pub groups: u64,
    /// Commits in those groups: commits per sync are `group_commits / groups`.
    pub group_commits: u64,
    /// Commits that were refused, because a condition did not hold or a transaction's read set was overwritten.
    pub conflicts: u64,
    /// Size of the commits that wait in the queue, in bytes.
    pub queued_bytes: u64,
    /// Expired rows that sweeps have removed since the store was opened.
    pub expired_rows: u64,
    /// Background sweeps that failed. Alert if the number grows: expired rows then stay on disk, although no read
    /// returns them.
    pub sweep_failures: u64,
    /// Snapshots, scans and transactions that are open now.
    pub readers_open: u64,
    /// The reader that has been open longest. Alert if its age grows: the engine keeps everything that it may
    /// still see.
    pub oldest_reader: Option<OldestReader>,
    /// Readers that were released because they were older than
    /// [`snapshot_age_max`](crate::StoreOptions::snapshot_age_max).
    pub readers_expired: u64,
    /// Reads that found a damaged row. Alert on anything above zero.
    pub damaged_rows: u64,
    /// The sequence number in the high-water mark. None for a store that keeps no mark or is read-only.
    pub high_water: Option<u64>,
    /// High-water marks that could not be written. Alert on anything above zero: until the store is reopened, a
    /// loss of later commits may not be noticed.
    pub high_water_failures: u64,
}
