//! Time to live: rows that are gone at their instant.
//!
//! When a row expires stands in its envelope. From that instant on it is absent for every read, scan and condition,
//! whether it is still on the disk or not. To take it from there without looking at everything, each commit of an
//! expiring row also writes a row of an index, in the same atomic batch, whose keys begin with the instant. A
//! [`sweep`] reads that index from its beginning up to now, in bounded steps, and removes what has expired.
//!
//! A row that is written again gets a new row of the index; the old one stays until its instant comes, and is then found
//! to be of no use. That costs a few dozen bytes for each overwrite within a life, and spares every write a read.

pub(crate) mod index;
pub(crate) mod settings;
pub(crate) mod sweep;

use crate::clock::{Time, whole_ms};
use crate::keyspace::KeyspaceInfo;
use std::time::Duration;
use strongroom_core::{Error, ErrorKind, Result};

pub use sweep::Swept;

/// When an operation says that its row expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Expiry {
    /// As is the keyspace's default.
    #[default]
    Default,
    Never,
    /// So many milliseconds after the commit.
    After(u64),
    /// Then, in milliseconds since 1970.
    At(u64),
}

impl Expiry {
    pub(crate) fn after(time_to_live: Duration) -> Self {
        Self::After(whole_ms(time_to_live))
    }

    /// What can be said before the commit's moment is known.
    pub(crate) fn check(self) -> Result<()> {
        if self == Self::After(0) {
            return Err(Error::new(ErrorKind::InvalidInput, "a time to live of nothing")
                .hint("delete the key instead"));
        }
        Ok(())
    }

    /// When a row of this keyspace that is committed now expires.
    pub(crate) fn instant(self, keyspace: &KeyspaceInfo, time: &Time, now_ms: u64) -> Result<Option<u64>> {
        let after_ms = match self {
            Self::Never => return Ok(None),
            Self::At(at_ms) if at_ms <= now_ms => {
                return Err(Error::new(ErrorKind::InvalidInput, "the row would expire in the past")
                    .hint("delete the key instead, or choose a later instant"));
            }
            Self::At(at_ms) => return Ok(Some(at_ms)),
            Self::After(after_ms) => after_ms,
            Self::Default => match keyspace.settings.default_ttl_ms() {
                Some(after_ms) => after_ms,
                None => return Ok(None),
            },
        };
        let at_ms = time.now_to_count_from()?.max(now_ms).checked_add(after_ms);
        let beyond = || {
            Error::new(ErrorKind::InvalidInput, "the time to live ends behind the end of the clock")
                .hint("choose a shorter one, or none")
        };
        at_ms.map(Some).ok_or_else(beyond)
    }
}
