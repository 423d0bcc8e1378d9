//! [`Integrity`]: how a store detects missing rows.

use std::fmt;
use std::str::FromStr;
use strongroom_core::{Error, ErrorKind};

/// How a store detects damaged and missing rows. Chosen at creation; it cannot change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Integrity {
    /// A checksum in each row detects a damaged row. A missing row is not detected.
    #[default]
    Rows,
    /// Also a row count and a multiset hash for each keyspace, so that [`Store::verify`](crate::Store::verify)
    /// detects a missing row. Each write then reads the row that it replaces. Each commit writes one more row for
    /// each keyspace that it touches, and one for all of them.
    Full,
}

impl Integrity {
    /// `rows` or `full`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Full => "full",
        }
    }
}

impl fmt::Display for Integrity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Integrity {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        [Self::Rows, Self::Full].into_iter().find(|known| known.as_str() == text).ok_or_else(|| {
            Error::new(ErrorKind::InvalidInput, format!("integrity cannot be {text:?}"))
                .hint("use rows or full")
        })
    }
}
