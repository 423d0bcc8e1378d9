//! What reads and commits answer with.

use bytes::Bytes;

/// A value with what is known about it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// The value.
    pub value: Bytes,
    /// Sequence number of the commit that wrote it.
    pub version: u64,
    /// When it expires, in milliseconds since 1970, if it does.
    pub expires_at_ms: Option<u64>,
}

/// An acknowledged commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Commit {
    /// The commit's sequence number, which is the version of the rows that it wrote. It rises from commit to commit,
    /// with gaps.
    pub sequence: u64,
}
