//! Batches of a store: operations and conditions over its keyspaces, committed atomically.

use super::keyspace::Keyspace;
use crate::request::{Expect, Expiry, Request};
use std::time::Duration;
use strongroom_core::{Durability, Error, ErrorKind, KeyspaceId, Result};

/// Operations and conditions that are committed atomically.
///
/// ```
/// # use strongroom_core::{Durability, ErrorKind, MemoryBackend};
/// # use strongroom_store::{Store, StoreOptions};
/// # fn main() -> strongroom_core::Result<()> {
/// # let options = StoreOptions::new().durability(Durability::Buffered);
/// let store = Store::new(MemoryBackend::in_memory(), options)?;
/// let accounts = store.create_keyspace("accounts")?;
/// accounts.set("ada", "10")?;
///
/// let mut batch = store.batch();
/// batch.expect_equals(&accounts, "ada", "10");
/// batch.set(&accounts, "ada", "7").set(&accounts, "alan", "3");
/// store.commit(&batch)?;
///
/// assert_eq!(store.commit(&batch).unwrap_err().kind(), ErrorKind::Conflict);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Batch {
    request: Request,
    store: u64,
    /// A keyspace of another store was used. The commit reports it.
    foreign: bool,
}

impl Batch {
    pub(crate) fn new(store: u64, durability: Durability) -> Self {
        Self { request: Request::new(durability), store, foreign: false }
    }

    /// Sets `key` to `value`. Limits are checked at the commit.
    pub fn set(&mut self, keyspace: &Keyspace, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> &mut Self {
        let id = self.own(keyspace);
        self.request.put(id, key.as_ref(), value.as_ref(), Expiry::Default);
        self
    }

    /// Sets `key` to `value`, which expires `time_to_live` after the commit, in milliseconds rounded up.
    pub fn set_with_ttl(
        &mut self,
        keyspace: &Keyspace,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        time_to_live: Duration,
    ) -> &mut Self {
        self.set_with(keyspace, key.as_ref(), value.as_ref(), Expiry::after(time_to_live))
    }

    /// Sets `key` to `value`, which expires at `at_ms`, in milliseconds since 1970.
    pub fn set_expiring_at(
        &mut self,
        keyspace: &Keyspace,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        at_ms: u64,
    ) -> &mut Self {
        self.set_with(keyspace, key.as_ref(), value.as_ref(), Expiry::At(at_ms))
    }

    /// Sets `key` to `value`, which never expires, whatever the keyspace's default TTL is.
    pub fn set_for_ever(
        &mut self,
        keyspace: &Keyspace,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> &mut Self {
        self.set_with(keyspace, key.as_ref(), value.as_ref(), Expiry::Never)
    }

    fn set_with(&mut self, keyspace: &Keyspace, key: &[u8], value: &[u8], expiry: Expiry) -> &mut Self {
        let id = self.own(keyspace);
        self.request.put(id, key, value, expiry);
        self
    }

    /// Deletes `key`. Does nothing if it is absent.
    pub fn delete(&mut self, keyspace: &Keyspace, key: impl AsRef<[u8]>) -> &mut Self {
        let id = self.own(keyspace);
        self.request.delete(id, key.as_ref());
        self
    }

    /// Commits only if `key` is absent.
    pub fn expect_absent(&mut self, keyspace: &Keyspace, key: impl AsRef<[u8]>) -> &mut Self {
        self.expect(keyspace, key.as_ref(), Expect::Absent)
    }

    /// Commits only if `key` is present.
    pub fn expect_present(&mut self, keyspace: &Keyspace, key: impl AsRef<[u8]>) -> &mut Self {
        self.expect(keyspace, key.as_ref(), Expect::Present)
    }

    /// Commits only if the value of `key` is `value`.
    pub fn expect_equals(
        &mut self,
        keyspace: &Keyspace,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> &mut Self {
        self.expect(keyspace, key.as_ref(), Expect::Equals(value.as_ref().to_vec()))
    }

    /// Commits only if `key` was last written by the commit with this version, as [`Keyspace::get_row`] returns
    /// it. Unlike a comparison of values, this detects a value that was changed and changed back.
    pub fn expect_version(&mut self, keyspace: &Keyspace, key: impl AsRef<[u8]>, version: u64) -> &mut Self {
        self.expect(keyspace, key.as_ref(), Expect::Version(version))
    }

    /// Sets the durability of this commit, in place of the store's default.
    pub fn durability(&mut self, durability: Durability) -> &mut Self {
        self.request.durability = durability;
        self
    }

    /// Returns the number of operations.
    pub fn len(&self) -> usize {
        self.request.ops.len()
    }

    /// Returns whether there are no operations.
    pub fn is_empty(&self) -> bool {
        self.request.ops.is_empty()
    }

    /// Returns the size of keys and values, in bytes.
    pub fn bytes(&self) -> usize {
        self.request.bytes()
    }

    /// Clears the batch. Keeps its memory and its durability.
    pub fn clear(&mut self) {
        self.request.clear();
        self.foreign = false;
    }

    /// Returns the request, for the store that commits it.
    pub(crate) fn request(&self, store: u64) -> Result<&Request> {
        if self.store == store && !self.foreign {
            return Ok(&self.request);
        }
        Err(Error::new(ErrorKind::InvalidInput, "the batch uses a keyspace of another store")
            .hint("make the batch and its keyspaces with the store that commits it"))
    }

    fn expect(&mut self, keyspace: &Keyspace, key: &[u8], expect: Expect) -> &mut Self {
        let keyspace = self.own(keyspace);
        self.request.expect(keyspace, key, expect);
        self
    }

    fn own(&mut self, keyspace: &Keyspace) -> KeyspaceId {
        self.foreign |= keyspace.base().instance != self.store;
        keyspace.id()
    }
}
