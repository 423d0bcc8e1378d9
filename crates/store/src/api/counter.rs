//! Additions to counters.

use super::keyspace::Keyspace;
use crate::request::{Addition, Answer, Commit as _};
use strongroom_core::limits::check_key_against;
use strongroom_core::{Error, ErrorKind, Result};

impl Keyspace {
    /// Adds `by` to the counter under `key`, and returns the sum. An absent key counts as 0. The leader of the
    /// commit does the addition, so concurrent additions share a sync and none is retried. A row that expires
    /// keeps its expiry.
    ///
    /// A counter is decimal text: ASCII digits, `-` before a negative number, no leading zeros, no `+`. So it can be read
    /// and set like any value, and equal counters are equal bytes.
    ///
    /// Returns [`InvalidInput`](ErrorKind::InvalidInput), and changes nothing, if the value is not a counter or
    /// the sum overflows a signed 64-bit number.
    ///
    /// ```
    /// # use strongroom_core::{Durability, MemoryBackend};
    /// # use strongroom_store::{Store, StoreOptions};
    /// # fn main() -> strongroom_core::Result<()> {
    /// # let store = Store::new(MemoryBackend::in_memory(), StoreOptions::new().durability(Durability::Buffered))?;
    /// let visits = store.create_keyspace("visits")?;
    /// assert_eq!(visits.increment("home", 1)?, 1);
    /// assert_eq!(visits.increment("home", -3)?, -2);
    /// assert_eq!(visits.get("home")?.as_deref(), Some(&b"-2"[..]));
    /// # Ok(()) }
    /// ```
    pub fn increment(&self, key: impl AsRef<[u8]>, by: i64) -> Result<i64> {
        self.located("increment", || self.try_increment(key.as_ref(), by, false))
    }

    /// As [`increment`](Self::increment), for a counter that never expires, whatever the keyspace's default TTL is.
    pub(crate) fn increment_permanent(&self, key: &[u8], by: i64) -> Result<i64> {
        self.located("increment", || self.try_increment(key, by, true))
    }

    fn try_increment(&self, key: &[u8], by: i64, is_permanent: bool) -> Result<i64> {
        check_key_against(key, self.base().options.key_bytes_max)?;
        let mut request = self.request();
        request.additions.push(Addition { keyspace: self.id(), key: key.to_vec(), by, is_permanent });
        match self.handle().commit(&request)?.answer {
            Answer::Sum(sum) => Ok(sum),
            _ => Err(Error::new(
                ErrorKind::CommitUnknown,
                "invariant 8: a counter was committed without a sum",
            )),
        }
    }
}
