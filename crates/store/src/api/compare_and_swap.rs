//! Compare-and-swap on single keys, by value and by version.

use super::keyspace::Keyspace;
use super::retry::pause;
use crate::request::{Expect, Expiry};
use crate::row::{Commit, Row};
use crate::sync::thread;
use bytes::Bytes;
use strongroom_core::{Error, ErrorKind, Result};

/// Maximum number of attempts of an update.
const ATTEMPTS_MAX: u32 = 1_000;

/// The result of a compare-and-swap.
#[must_use = "a refused swap has changed nothing"]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Swap {
    /// The key was as expected and was changed.
    Swapped(Commit),
    /// The key was not as expected, and nothing was changed. Holds its row as read afterwards; none if it is
    /// absent.
    Refused(Option<Row>),
}

impl Swap {
    /// Returns whether the key was changed.
    pub fn is_swapped(&self) -> bool {
        matches!(self, Self::Swapped(_))
    }
}

impl Keyspace {
    /// Changes `key` from `expected` to `new`. None stands for an absent key, on both sides. The new row gets the
    /// keyspace's default TTL, as with [`set`](Self::set); a [`Batch`](crate::Batch) with conditions can set
    /// another.
    ///
    /// A value that was changed and changed back meanwhile counts as unchanged. Where that matters, compare
    /// [versions](Self::compare_and_swap_version).
    ///
    /// ```
    /// # use strongroom_core::{Durability, MemoryBackend};
    /// # use strongroom_store::{Store, StoreOptions, Swap};
    /// # fn main() -> strongroom_core::Result<()> {
    /// # let store = Store::new(MemoryBackend::in_memory(), StoreOptions::new().durability(Durability::Buffered))?;
    /// let leases = store.create_keyspace("leases")?;
    /// assert!(leases.compare_and_swap("north", None, Some(b"ada"))?.is_swapped());
    /// let Swap::Refused(Some(row)) = leases.compare_and_swap("north", None, Some(b"alan"))? else { panic!() };
    /// assert_eq!(&row.value[..], b"ada");
    /// # Ok(()) }
    /// ```
    pub fn compare_and_swap(
        &self,
        key: impl AsRef<[u8]>,
        expected: Option<&[u8]>,
        new: Option<&[u8]>,
    ) -> Result<Swap> {
        let key = key.as_ref();
        let expect = expected.map_or(Expect::Absent, |value| Expect::Equals(value.to_vec()));
        self.swap("compare and swap", key, new, Expiry::Default, expect)
    }

    /// Changes `key` to `new` (none deletes it) if it was last written by the commit with this version
    /// ([`get_row`](Self::get_row)). No two commits have the same version, so every change since is detected.
    pub fn compare_and_swap_version(
        &self,
        key: impl AsRef<[u8]>,
        version: u64,
        new: Option<&[u8]>,
    ) -> Result<Swap> {
        self.swap("compare and swap", key.as_ref(), new, Expiry::Default, Expect::Version(version))
    }

    /// Sets `key` to `value` if it is absent.
    pub fn insert_if_absent(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<Swap> {
        self.swap("insert", key.as_ref(), Some(value.as_ref()), Expiry::Default, Expect::Absent)
    }

    /// Replaces the value of `key` by what `update` returns for it, and returns the previous value. None stands
    /// for an absent key, as argument and as result. A row that expires keeps its expiry. If another commit comes
    /// first, `update` is called again with the new value.
    ///
    /// Returns [`Conflict`](ErrorKind::Conflict) if another commit came first in each of 1,000 attempts.
    pub fn fetch_and_update(
        &self,
        key: impl AsRef<[u8]>,
        mut update: impl FnMut(Option<&[u8]>) -> Option<Vec<u8>>,
    ) -> Result<Option<Bytes>> {
        let key = key.as_ref();
        for attempt in 1..=ATTEMPTS_MAX {
            let found = self.get_row(key)?;
            let new = update(found.as_ref().map(|row| &row.value[..]));
            if found.is_none() && new.is_none() {
                return Ok(None);
            }
            // An update does not renew the TTL.
            let expiry = match found.as_ref().map(|row| row.expires_at_ms) {
                Some(Some(at_ms)) => Expiry::At(at_ms),
                Some(None) => Expiry::Never,
                None => Expiry::Default,
            };
            let expect = found.as_ref().map_or(Expect::Absent, |row| Expect::Version(row.version));
            let swap = self.swap("update", key, new.as_deref(), expiry, expect)?;
            if swap.is_swapped() {
                return Ok(found.map(|row| row.value));
            }
            thread::sleep(pause(attempt));
        }
        let message = format!("another commit came first in each of {ATTEMPTS_MAX} attempts");
        self.located("update", || Err(Error::new(ErrorKind::Conflict, message)))
    }

    fn swap(
        &self,
        operation: &'static str,
        key: &[u8],
        new: Option<&[u8]>,
        expiry: Expiry,
        expect: Expect,
    ) -> Result<Swap> {
        let mut request = self.request();
        request.expect(self.id(), key, expect);
        match new {
            Some(value) => request.put(self.id(), key, value, expiry),
            None => request.delete(self.id(), key),
        }
        let swapped = self.located(operation, || self.commit(&request));
        match swapped {
            Ok(commit) => Ok(Swap::Swapped(commit)),
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(Swap::Refused(self.get_row(key)?)),
            Err(error) => Err(error),
        }
    }
}
