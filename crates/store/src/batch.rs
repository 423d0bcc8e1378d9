//! Batches of a store: operations and conditions over its keyspaces, committed together or not at all.

use crate::envelope::Meta;
use crate::keyspace::Keyspace;
use crate::pipeline::Checked;
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
    pub(crate) conditions: Vec<Condition>,
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
            conditions: Vec::new(),
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
        self.ops.bytes()
    }

    /// Empties the batch, keeping its memory and its durability.
    pub fn clear(&mut self) {
        self.ops.clear();
        self.conditions.clear();
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
