//! The results of reads and commits.

use bytes::Bytes;

/// A value with its version and expiry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// The value.
    pub value: Bytes,
    /// Sequence number of the commit that wrote it.
    pub version: u64,
    /// When the row expires, in milliseconds since 1970. None if it does not expire.
    pub expires_at_ms: Option<u64>,
}

/// An acknowledged commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Commit {
    /// The commit's sequence number, which is the version of the rows that it wrote. Sequence numbers increase,
    /// with gaps.
    pub sequence: u64,
}
