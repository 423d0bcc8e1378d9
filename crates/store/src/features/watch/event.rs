//! What a watcher is notified of.

use crate::sync::Arc;
use bytes::Bytes;

/// What a watcher is notified of.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WatchEvent {
    /// A commit that changed something that is watched.
    Commit(WatchedCommit),
    /// A keyspace was created or dropped. Only those who watch all keyspaces are notified.
    Keyspace(WatchedKeyspace),
    /// So many events were left out here, since the buffer was full. Read again what matters, then go on.
    Lagged(u64),
}

/// A commit, as far as it is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WatchedCommit {
    /// Its sequence number.
    pub sequence: u64,
    /// Its changes, in the order of its operations.
    pub changes: Vec<Change>,
}

/// A keyspace that was created or dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WatchedKeyspace {
    /// It happened after the commit with this sequence number and before the next one.
    pub sequence: u64,
    /// The keyspace's name.
    pub keyspace: Arc<str>,
    /// What happened to it.
    pub kind: KeyspaceChangeKind,
}

/// What happened to a keyspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyspaceChangeKind {
    /// It was created, and is empty.
    Created,
    /// It was dropped, with all of its rows.
    Dropped,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The keyspace's name.
    pub keyspace: Arc<str>,
    /// The key.
    pub key: Bytes,
    /// What happened to it.
    pub kind: ChangeKind,
    /// When its row expires, in milliseconds since 1970, if it was set and expires.
    pub expires_at_ms: Option<u64>,
}

/// What happened to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChangeKind {
    /// It was set to this value.
    Set(Bytes),
    /// It was deleted, whether it was there or not.
    Deleted,
    /// It had expired, and was removed from the disk.
    Expired,
}
