//! Names and ids of keyspaces.

use crate::{Error, ErrorKind, Result};
use std::fmt;

/// Longest name of a keyspace, in bytes.
pub const KEYSPACE_NAME_BYTES_MAX: usize = 64;

/// A handle to a keyspace of one open backend: small, copyable, meaningless to any other backend.
/// It stays invalid after the keyspace was dropped, also when one of the same name is created again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyspaceId(pub(crate) u32);

impl KeyspaceId {
    /// An id for a backend that does not build on [`Backend`](crate::Backend).
    pub const fn from_index(index: u32) -> Self {
        Self(index)
    }

    /// The number inside.
    pub const fn index(self) -> u32 {
        self.0
    }
}

/// What an application knows about a keyspace that helps an engine. A hint never changes a result; an
/// engine that has no use for one ignores it. Hints count when the keyspace is created, and are kept with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct KeyspaceHints {
    /// Keys are written in rising order and seldom deleted: an event log.
    pub append_only: bool,
    /// Most values are over 4 KiB: engines that can keep values apart from keys do so.
    pub large_values: bool,
    /// Whether it shares a table of the engine with other keyspaces.
    pub placement: Placement,
}

/// Where the rows of a keyspace are kept. It changes what things cost, never what they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Placement {
    /// A table of its own for the first [`TABLES_AUTO_MAX`] keyspaces; a shared one for those that come when there
    /// are so many, or when so many were dropped through this handle.
    #[default]
    Auto,
    /// A table of its own in the engine: the quickest to read, and to drop when it has many rows. For keyspaces that
    /// are large or hot, some dozens at the most: what each costs differs from engine to engine. Where the engine
    /// has no room for another table, it is [`Packed`](Self::Packed).
    Dedicated,
    /// In a table with others, with an id of four bytes before each key. It costs next to nothing to have tens of
    /// thousands of them, and to create and drop them. To drop one takes longer the more rows it has: what is not
    /// removed at once is removed by later commits, bit by bit.
    Packed,
}

/// How many keyspaces get a table of their own if nothing else is asked for ([`Placement::Auto`]), and how many of
/// them may be dropped through one handle before new ones are packed: some engines keep files and memory of a dropped
/// table until they are closed.
pub const TABLES_AUTO_MAX: usize = 32;

impl KeyspaceHints {
    /// Hints for an event log.
    pub const fn append_only() -> Self {
        Self { append_only: true, large_values: false, placement: Placement::Auto }
    }

    /// Hints for blobs.
    pub const fn large_values() -> Self {
        Self { append_only: false, large_values: true, placement: Placement::Auto }
    }

    /// For a keyspace with a table of its own.
    pub const fn dedicated() -> Self {
        Self { append_only: false, large_values: false, placement: Placement::Dedicated }
    }

    /// For one of many keyspaces, in a shared table.
    pub const fn packed() -> Self {
        Self { append_only: false, large_values: false, placement: Placement::Packed }
    }

    /// The same hints with another placement.
    #[must_use]
    pub const fn placed(mut self, placement: Placement) -> Self {
        self.placement = placement;
        self
    }

    /// Whether an engine has to be told anything.
    pub(crate) fn says_something(self) -> bool {
        self.append_only || self.large_values
    }
}

/// Checks a keyspace's name: 1 to 64 bytes of ASCII letters, digits, `_`, `-` and `.`, so that it is
/// the same name in every engine, file system and shell. Names that begin with `_` belong to the layers.
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
    Err(Error::new(ErrorKind::InvalidInput, format!("{name:?} is no name for a keyspace"))
        .hint(format!("use 1 to {KEYSPACE_NAME_BYTES_MAX} letters, digits, '_', '-' and '.' of ASCII")))
}

/// Whether a keyspace of this name belongs to the layers and is not shown to applications.
pub fn is_reserved_keyspace(name: &str) -> bool {
    name.starts_with('_')
}

impl fmt::Display for KeyspaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}
