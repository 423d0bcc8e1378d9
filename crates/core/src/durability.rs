//! How durable a commit has to be before it is acknowledged.

use crate::{Error, ErrorKind};
use std::fmt;
use std::str::FromStr;

/// What an acknowledged commit survives. Set per commit; the default is the safe one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Durability {
    /// Guarantees order and atomicity only. After a crash of the process or of the machine the newest buffered
    /// commits may be lost; the remaining commits are a prefix of the history.
    Buffered,
    /// Survives the loss of power. It also makes all earlier commits durable.
    #[default]
    PowerSafe,
}

impl Durability {
    /// Returns the name used in URLs, configuration and output: `buffered` or `power-safe`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Buffered => "buffered",
            Self::PowerSafe => "power-safe",
        }
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Durability {
    type Err = Error;

    /// Parses `power-safe` (or `sync`, for short) and `buffered`.
    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "buffered" => Ok(Self::Buffered),
            "power-safe" | "sync" => Ok(Self::PowerSafe),
            _ => Err(Error::new(ErrorKind::InvalidInput, format!("{text:?} is not a durability"))
                .hint("use power-safe (or sync) or buffered")),
        }
    }
}
