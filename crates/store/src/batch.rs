//! Batches of a store: operations and conditions over its keyspaces, committed together or not at all.

use crate::envelope::Meta;
use crate::expiry::Expiry;
use crate::keyspace::Keyspace;
use crate::pipeline::Checked;
use std::time::Duration;
use strongroom_core::{Durability, Error, ErrorKind, KeyspaceId, Result, WriteBatch};

/// Operations and conditions that are committed together.
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
    /// Plain values; the envelope is put around them when the commit has its sequence number.
    pub(crate) ops: WriteBatch,
    /// When rows expire, by the place of the operation that sets them, ascending; all others as is the default.
    pub(crate) expiries: Vec<(usize, Expiry)>,
    pub(crate) conditions: Vec<Condition>,
    /// What the leader of the commit is to work out.
    pub(crate) computed: Vec<Computed>,
    pub(crate) durability: Durability,
    /// What its transaction has read.
    pub(crate) checked: Option<Checked>,
    /// The commit writes its sequence number as the engine's witness of the high-water mark.
    pub(crate) is_witness: bool,
    /// It is the last commit before the store is closed.
    pub(crate) is_last: bool,
    store: u64,
    /// A keyspace of another store was used; reported at the commit.
    foreign: bool,
}

/// What has to hold of a key, as a reader would see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expect {
    Absent,
    Present,
    Equals(Vec<u8>),
    Version(u64),
}

#[derive(Debug, Clone)]
pub(crate) struct Condition {
    pub(crate) keyspace: KeyspaceId,
    pub(crate) key: Vec<u8>,
    pub(crate) expect: Expect,
}

/// What depends on the state that the commit finds, worked out by the leader behind the members before it.
#[derive(Debug, Clone)]
pub(crate) enum Computed {
    /// Adds to a counter. One that counts for ever has no end, whatever the keyspace's default is or the row had.
    Add { keyspace: KeyspaceId, key: Vec<u8>, by: i64, for_ever: bool },
    /// Removes a row of the index of what expires, and the row that it is about, if that has expired.
    Sweep { index_key: Vec<u8>, row: Option<(KeyspaceId, Vec<u8>, u64)> },
}

impl Computed {
    fn bytes(&self) -> usize {
        match self {
            Self::Add { key, .. } => key.len(),
            Self::Sweep { index_key, row } => {
                index_key.len() + row.as_ref().map_or(0, |(_, key, _)| key.len())
            }
        }
    }
}

impl Expect {
    pub(crate) fn holds(&self, found: Option<(Meta, &[u8])>) -> bool {
        match (self, found) {
            (Self::Absent, found) => found.is_none(),
            (Self::Present, found) => found.is_some(),
            (Self::Equals(wanted), Some((_, value))) => wanted == value,
            (Self::Version(wanted), Some((meta, _))) => *wanted == meta.version,
            (Self::Equals(_) | Self::Version(_), None) => false,
        }
    }
}

impl Batch {
    pub(crate) fn new(store: u64, durability: Durability) -> Self {
        Self {
            ops: WriteBatch::new(),
            expiries: Vec::new(),
            conditions: Vec::new(),
            computed: Vec::new(),
            durability,
            checked: None,
            is_witness: false,
            is_last: false,
            store,
            foreign: false,
        }
    }

    /// What marks the commits before it.
    pub(crate) fn witness(store: u64, durability: Durability, is_last: bool) -> Self {
        Self { is_witness: true, is_last, ..Self::new(store, durability) }
    }

    /// Commits only if nothing of this was written meanwhile.
    pub(crate) fn check_reads(&mut self, checked: Checked) {
        self.checked = Some(checked);
    }

    /// Sets `key` to `value`. Limits are checked at the commit.
    pub fn set(&mut self, keyspace: &Keyspace, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> &mut Self {
        let id = self.own(keyspace);
        self.ops.put(id, key.as_ref(), value.as_ref());
        self
    }

    /// Sets `key` to `value`, which is gone when `time_to_live` is over, counted from the commit in milliseconds.
    pub fn set_with_ttl(
        &mut self,
        keyspace: &Keyspace,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        time_to_live: Duration,
    ) -> &mut Self {
        self.set_with(keyspace, key.as_ref(), value.as_ref(), Expiry::after(time_to_live))
    }

    /// Sets `key` to `value`, which is gone from then on, in milliseconds since 1970.
    pub fn set_expiring_at(
        &mut self,
        keyspace: &Keyspace,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        at_ms: u64,
    ) -> &mut Self {
        self.set_with(keyspace, key.as_ref(), value.as_ref(), Expiry::At(at_ms))
    }

    /// Sets `key` to `value`, which stays, whatever the keyspace's default is.
    pub fn set_for_ever(
        &mut self,
        keyspace: &Keyspace,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> &mut Self {
        self.set_with(keyspace, key.as_ref(), value.as_ref(), Expiry::Never)
    }

    pub(crate) fn set_with(
        &mut self,
        keyspace: &Keyspace,
        key: &[u8],
        value: &[u8],
        expiry: Expiry,
    ) -> &mut Self {
        let id = self.own(keyspace);
        self.put(id, key, value, expiry);
        self
    }

    pub(crate) fn put(&mut self, keyspace: KeyspaceId, key: &[u8], value: &[u8], expiry: Expiry) {
        if expiry != Expiry::Default {
            self.expiries.push((self.ops.len(), expiry));
        }
        self.ops.put(keyspace, key, value);
    }

    pub(crate) fn compute(&mut self, computed: Computed) {
        self.computed.push(computed);
    }

    /// Removes `key`; nothing happens if it is absent.
    pub fn delete(&mut self, keyspace: &Keyspace, key: impl AsRef<[u8]>) -> &mut Self {
        let id = self.own(keyspace);
        self.ops.delete(id, key.as_ref());
        self
    }

    /// Commits only if `key` is absent.
    pub fn expect_absent(&mut self, keyspace: &Keyspace, key: impl AsRef<[u8]>) -> &mut Self {
        self.expect(keyspace, key.as_ref(), Expect::Absent)
    }

    /// Commits only if `key` is there.
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

    /// Commits only if `key` was last written by the commit with this version, which
    /// [`Keyspace::get_row`] tells. Unlike a comparison of values, this notices a value that was changed
    /// and changed back.
    pub fn expect_version(&mut self, keyspace: &Keyspace, key: impl AsRef<[u8]>, version: u64) -> &mut Self {
        self.expect(keyspace, key.as_ref(), Expect::Version(version))
    }

    /// Sets the durability of this commit, in place of the store's default.
    pub fn durability(&mut self, durability: Durability) -> &mut Self {
        self.durability = durability;
        self
    }

    /// The number of operations.
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Whether there are no operations.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Keys and values together, in bytes.
    pub fn bytes(&self) -> usize {
        self.ops.bytes() + self.computed.iter().map(Computed::bytes).sum::<usize>()
    }

    /// What it takes to wait with it, in bytes.
    pub(crate) fn weight(&self) -> usize {
        let of_condition = |condition: &Condition| {
            let value = if let Expect::Equals(value) = &condition.expect { value.len() } else { 0 };
            condition.key.len() + value
        };
        let conditions: usize = self.conditions.iter().map(of_condition).sum();
        self.bytes() + conditions + self.checked.as_ref().map_or(0, Checked::bytes)
    }

    /// Empties the batch, keeping its memory and its durability.
    pub fn clear(&mut self) {
        self.ops.clear();
        self.expiries.clear();
        self.conditions.clear();
        self.computed.clear();
        self.checked = None;
        self.foreign = false;
    }

    pub(crate) fn check_store(&self, store: u64) -> Result<()> {
        if self.store == store && !self.foreign {
            return Ok(());
        }
        Err(Error::new(ErrorKind::InvalidInput, "the batch uses a keyspace of another store")
            .hint("make the batch and its keyspaces with the store that commits it"))
    }

    fn expect(&mut self, keyspace: &Keyspace, key: &[u8], expect: Expect) -> &mut Self {
        let keyspace = self.own(keyspace);
        self.conditions.push(Condition { keyspace, key: key.to_vec(), expect });
        self
    }

    fn own(&mut self, keyspace: &Keyspace) -> KeyspaceId {
        self.foreign |= keyspace.store_instance() != self.store;
        keyspace.id()
    }
}
