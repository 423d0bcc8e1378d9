//! [`Integrity`]: what a store can tell about missing rows.

use std::fmt;
use std::str::FromStr;
use strongroom_core::{Error, ErrorKind};

/// What a store knows about its rows. Chosen when it is created; it cannot change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Integrity {
    /// A checksum in each row: what is there is what was written. A row that is gone is not noticed.
    #[default]
    Rows,
    /// Also a count and a hash over all rows of each keyspace, so that [`Store::verify`](crate::Store::verify)
    /// notices a row that is gone. A write then reads what it replaces, and each commit writes one more row
    /// for each keyspace that it touches.
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
