//! Names and ids of keyspaces.

use crate::{Error, ErrorKind, Result};
use std::fmt;

/// Longest name of a keyspace, in bytes.
pub const KEYSPACE_NAME_BYTES_MAX: usize = 64;

/// A handle to a keyspace of one open backend: small, copyable, and meaningless to any other backend. It
/// becomes invalid when the keyspace is dropped, and stays so if one of the same name is created again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyspaceId(pub(crate) u32);

impl KeyspaceId {
    /// Returns an id, for a backend that does not build on [`Backend`](crate::Backend).
    pub const fn from_index(index: u32) -> Self {
        Self(index)
    }

    /// Returns the index.
    pub const fn index(self) -> u32 {
        self.0
    }
}

/// What an application knows about a keyspace that helps the engine. A hint never changes a result, and an
/// engine that has no use for one ignores it. Hints are read when the keyspace is created, and stored with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct KeyspaceHints {
    /// Keys are written in ascending order and seldom deleted, as in an event log.
    pub append_only: bool,
    /// Most values are larger than 4 KiB. Engines that can separate values from keys do so.
    pub large_values: bool,
    /// Whether it shares a table of the engine with other keyspaces.
    pub placement: Placement,
}

/// Where the rows of a keyspace are stored. It changes costs, never results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Placement {
    /// A dedicated table for the first [`TABLES_AUTO_MAX`] keyspaces. Packed once there are that many, or once
    /// that many were dropped through this handle.
    #[default]
    Auto,
    /// A table of its own in the engine: the fastest to read, and to drop when it has many rows. For at most
    /// some dozens of large or hot keyspaces; the cost of each differs between engines. Not for keyspaces that
    /// come and go: fjall keeps the files of a dropped table open until the store is closed, without a bound. If
    /// the engine has no room for another table, the keyspace is [`Packed`](Self::Packed).
    Dedicated,
    /// In a table shared with others, with a four-byte id before each key. Tens of thousands of these cost next
    /// to nothing, and neither does creating or dropping one. A drop takes longer the more rows the keyspace
    /// has: later commits remove the rows that the drop did not remove at once.
    Packed,
}

/// How many keyspaces get a dedicated table under [`Placement::Auto`], and how many of them may be dropped
/// through one handle before new ones are packed. Some engines keep files and memory of a dropped table until
/// they are closed.
pub const TABLES_AUTO_MAX: usize = 32;

impl KeyspaceHints {
    /// Returns hints for an event log.
    pub const fn append_only() -> Self {
        Self { append_only: true, large_values: false, placement: Placement::Auto }
    }

    /// Returns hints for blobs.
    pub const fn large_values() -> Self {
        Self { append_only: false, large_values: true, placement: Placement::Auto }
    }

    /// Returns hints for a keyspace with a table of its own.
    pub const fn dedicated() -> Self {
        Self { append_only: false, large_values: false, placement: Placement::Dedicated }
    }

    /// Returns hints for one of many keyspaces in a shared table.
    pub const fn packed() -> Self {
        Self { append_only: false, large_values: false, placement: Placement::Packed }
    }

    /// Returns the same hints with another placement.
    #[must_use]
    pub const fn placed(mut self, placement: Placement) -> Self {
        self.placement = placement;
        self
    }

    /// Returns whether any hint concerns the engine.
    pub(crate) fn says_something(self) -> bool {
        self.append_only || self.large_values
    }
}

/// Checks a keyspace's name: 1 to 64 bytes of ASCII letters, digits, `_`, `-` and `.`, so that it is the same
/// name in every engine, file system and shell. Names that begin with `_` are reserved for the layers above.
///
/// ```
/// use strongroom_core::check_keyspace_name;
///
/// assert!(check_keyspace_name("events.2026").is_ok());
/// assert!(check_keyspace_name("a/b").is_err());
/// ```
pub fn check_keyspace_name(name: &str) -> Result<()> {
    let fits = !name.is_empty() && name.len() <= KEYSPACE_NAME_BYTES_MAX;
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    if fits && plain {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidInput, format!("{name:?} is not a valid keyspace name"))
        .hint(format!("use 1 to {KEYSPACE_NAME_BYTES_MAX} ASCII letters, digits, '_', '-' and '.'")))
}

/// Returns whether a keyspace of this name belongs to the layers above and is hidden from applications.
pub fn is_reserved_keyspace(name: &str) -> bool {
    name.starts_with('_')
}

impl fmt::Display for KeyspaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}
