//! Figures about a store.

use strongroom_core::Stats;

/// Figures about a store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreStats {
    /// Figures of the backend.
    pub backend: Stats,
    /// Groups of commits that went to the engine as one.
    pub groups: u64,
    /// Commits in those groups: commits per sync are `group_commits / groups`.
    pub group_commits: u64,
    /// Commits that wait in the queue now, in bytes of their keys and values.
    pub queued_bytes: u64,
    /// Rows read that were not what was written. Alert on anything above zero.
    pub damaged_rows: u64,
}
