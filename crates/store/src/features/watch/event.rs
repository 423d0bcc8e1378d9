//! The events of a watch.

use crate::sync::Arc;
use bytes::Bytes;

/// An event of a watch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WatchEvent {
    /// A commit that changed a watched key.
    Commit(WatchedCommit),
    /// A keyspace was created or dropped. Only watches of all keyspaces get this event.
    Keyspace(WatchedKeyspace),
    /// This many events are missing here, because the buffer was full. Read the watched keys again, then
    /// continue.
    Lagged(u64),
}

/// A commit, with its changes to watched keys.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WatchedCommit {
    /// Its sequence number.
    pub sequence: u64,
    /// Its changes, in the order of its operations.
    pub changes: Vec<Change>,
}

/// A change of a keyspace.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WatchedKeyspace {
    /// The change came after the commit with this sequence number, and before the next one.
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
    /// The keyspace was created, and is empty.
    Created,
    /// The keyspace was dropped, with all of its rows.
    Dropped,
}

/// A change of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The keyspace's name.
    pub keyspace: Arc<str>,
    /// The key.
    pub key: Bytes,
    /// What happened to it.
    pub kind: ChangeKind,
    /// When the row expires, in milliseconds since 1970. None if it does not expire, or was not set.
    pub expires_at_ms: Option<u64>,
}

/// What happened to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChangeKind {
    /// The key was set to this value.
    Set(Bytes),
    /// The key was deleted, whether it was present or not.
    Deleted,
    /// The row had expired, and was removed from disk.
    Expired,
}
