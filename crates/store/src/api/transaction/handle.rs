//! [`Transaction`]: an open transaction.

use super::nesting::refuse_nested;
use super::options::TransactionOptions;
use super::rows::TransactionRows;
use super::writes::{Writes, Written};
use crate::api::keyspace::Keyspace;
use crate::api::snapshot::Snapshot;
use crate::api::store::Store;
use crate::features::transactions::commit_log::Start;
use crate::features::transactions::validate_ahead;
use crate::read_set::ReadSet;
use crate::readers::ReaderKind;
use crate::request::{Commit as _, Expiry, Request};
use crate::row::Commit;
use crate::view::ReadBy;
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use strongroom_core::limits::{BATCH_BYTES_MAX, check_key_against, check_value_against};
use strongroom_core::{Durability, Error, ErrorKind, KeyRange, KeyspaceId, Result, Scan};

/// An open transaction. Its reads see the state of the store when it began, and its own writes. Dropping it
/// without [`commit`](Self::commit) discards its writes.
///
/// [`Store::transaction`] runs a closure in a transaction and repeats it after a conflict; this is the manual
/// form.
///
/// ```
/// # use strongroom_core::{Durability, ErrorKind, MemoryBackend};
/// # use strongroom_store::{Store, StoreOptions};
/// # fn main() -> strongroom_core::Result<()> {
/// # let store = Store::new(MemoryBackend::in_memory(), StoreOptions::new().durability(Durability::Buffered))?;
/// let accounts = store.create_keyspace("accounts")?;
/// accounts.set("ada", "10")?;
///
/// let mut transaction = store.begin()?;
/// let balance = transaction.get(&accounts, "ada")?;
/// assert_eq!(balance.as_deref(), Some(&b"10"[..]));
/// transaction.set(&accounts, "ada", "7")?;
/// accounts.set("ada", "100")?; // another writer
/// assert_eq!(transaction.commit().unwrap_err().kind(), ErrorKind::Conflict);
/// assert_eq!(accounts.get("ada")?.as_deref(), Some(&b"100"[..]));
/// # Ok(()) }
/// ```
///
/// On engines without snapshots of their own, a transaction may be open for longer than old values are kept. Its
/// reads then return [`SnapshotExpired`](ErrorKind::SnapshotExpired).
pub struct Transaction {
    store: Store,
    snapshot: Snapshot,
    /// None in a read-only transaction.
    start: Option<Start>,
    reads: RefCell<ReadSet>,
    writes: BTreeMap<KeyspaceId, Writes>,
    written_bytes: usize,
    durability: Durability,
}

impl Store {
    /// Begins a transaction. Takes well under a millisecond, and blocks no reader and no writer.
    ///
    /// Returns [`InvalidInput`](ErrorKind::InvalidInput) inside the closure of another transaction of this store.
    #[track_caller]
    pub fn begin(&self) -> Result<Transaction> {
        self.begin_with(&TransactionOptions::default())
    }

    /// As [`begin`](Self::begin), with options.
    #[track_caller]
    pub fn begin_with(&self, options: &TransactionOptions) -> Result<Transaction> {
        let by = ReadBy::caller(ReaderKind::Transaction);
        self.base().located("begin transaction", || {
            refuse_nested(self.base().instance)?;
            Transaction::new(self, options, by)
        })
    }
}

impl Transaction {
    fn new(store: &Store, options: &TransactionOptions, by: ReadBy) -> Result<Self> {
        let durability = options.durability.unwrap_or(store.options().durability);
        store.base().check_claim(durability)?;
        // Before the snapshot: a commit in between is seen and still counts as later, which is safe.
        let start = (!options.read_only).then(|| store.handle.features.transactions.begin());
        Ok(Self {
            store: store.clone(),
            snapshot: store.snapshot_by(by)?,
            start,
            reads: RefCell::default(),
            writes: BTreeMap::new(),
            written_bytes: 0,
            durability,
        })
    }

    /// Returns the value of `key`, or none if it is absent. See [`Keyspace::get`].
    pub fn get(&self, keyspace: &Keyspace, key: impl AsRef<[u8]>) -> Result<Option<Bytes>> {
        let key = key.as_ref();
        self.check_keyspace(keyspace, "get")?;
        if let Some(own) = self.writes.get(&keyspace.id()).and_then(|writes| writes.get(key)) {
            return Ok(own.as_ref().map(|written| Bytes::copy_from_slice(&written.value)));
        }
        // Recorded before it is read, since a failed read may reveal something too.
        if self.start.is_some() {
            self.reads.borrow_mut().key(keyspace.id(), key);
        }
        let row = self.snapshot.get_row(keyspace, key)?;
        if let Some(at_ms) = row.as_ref().and_then(|row| row.expires_at_ms)
            && self.start.is_some()
        {
            self.reads.borrow_mut().note_expiry(at_ms);
        }
        Ok(row.map(|row| row.value))
    }

    /// Returns whether `key` is present.
    pub fn has(&self, keyspace: &Keyspace, key: impl AsRef<[u8]>) -> Result<bool> {
        Ok(self.get(keyspace, key)?.is_some())
    }

    /// Returns the rows of `scan`, with the transaction's own writes. The rows that it visits count as read, and
    /// so do the gaps between them: a row that another commit adds there is a conflict.
    pub fn scan(&self, keyspace: &Keyspace, scan: Scan) -> Result<TransactionRows<'_>> {
        self.check_keyspace(keyspace, "scan")?;
        let rows = self.snapshot.scan(keyspace, scan.clone())?;
        let reads = self.start.is_some().then_some(&self.reads);
        Ok(TransactionRows::new(keyspace.id(), scan, rows, reads, self.writes.get(&keyspace.id())))
    }

    /// Returns the rows whose keys begin with `prefix`, in key order. An empty prefix means all rows.
    pub fn prefix(&self, keyspace: &Keyspace, prefix: impl AsRef<[u8]>) -> Result<TransactionRows<'_>> {
        self.scan(keyspace, Scan::prefix(prefix.as_ref()))
    }

    /// Returns the rows in `range`, in key order.
    pub fn range(&self, keyspace: &Keyspace, range: KeyRange) -> Result<TransactionRows<'_>> {
        self.scan(keyspace, Scan::new(range))
    }

    /// Sets `key` to `value` when the transaction is committed.
    pub fn set(&mut self, keyspace: &Keyspace, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.set_with(keyspace, key.as_ref(), value.as_ref(), Expiry::Default)
    }

    /// Sets `key` to `value` when the transaction is committed. The row expires `time_to_live` after the commit.
    /// See [`Keyspace::set_with_ttl`].
    pub fn set_with_ttl(
        &mut self,
        keyspace: &Keyspace,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        time_to_live: Duration,
    ) -> Result<()> {
        self.set_with(keyspace, key.as_ref(), value.as_ref(), Expiry::after(time_to_live))
    }

    fn set_with(&mut self, keyspace: &Keyspace, key: &[u8], value: &[u8], expiry: Expiry) -> Result<()> {
        check_value_against(value, self.store.options().value_bytes_max)
            .and_then(|()| expiry.check())
            .and_then(|()| self.write(keyspace, key, Some(Written { value: value.to_vec(), expiry })))
            .map_err(|error| error.at(self.store.engine().name, "set"))
    }

    /// Deletes `key` when the transaction is committed. Does nothing if it is absent.
    pub fn delete(&mut self, keyspace: &Keyspace, key: impl AsRef<[u8]>) -> Result<()> {
        self.write(keyspace, key.as_ref(), None).map_err(|error| error.at(self.store.engine().name, "delete"))
    }

    /// Discards the writes so far. Keeps the read set.
    pub fn rollback(&mut self) {
        self.writes.clear();
        self.written_bytes = 0;
    }

    /// Commits the writes atomically. Returns none if there are none.
    ///
    /// Returns [`Conflict`](ErrorKind::Conflict) if another commit has changed what this transaction read, or if
    /// so much was written since it began that it cannot be validated. Nothing is written then: run it again.
    pub fn commit(self) -> Result<Option<Commit>> {
        let Some(start) = &self.start else { return Ok(None) };
        if self.writes.is_empty() {
            return Ok(None);
        }
        let mut request = Request::new(self.durability);
        for (keyspace, writes) in &self.writes {
            for (key, value) in writes {
                match value {
                    Some(written) => request.put(*keyspace, key, &written.value, written.expiry),
                    None => request.delete(*keyspace, key),
                }
            }
        }
        let pipeline = &self.store.handle;
        self.store.base().located("commit transaction", || {
            let reads = validate_ahead(self.reads.take(), start);
            request.reads = Some(reads.inspect_err(|_| pipeline.count_conflict())?);
            Ok(Some(Commit { sequence: pipeline.commit(&request)?.sequence }))
        })
    }

    fn write(&mut self, keyspace: &Keyspace, key: &[u8], written: Option<Written>) -> Result<()> {
        if self.start.is_none() {
            return Err(Error::new(ErrorKind::InvalidInput, "the transaction is read-only")
                .hint("begin it without read_only"));
        }
        self.check_same_store(keyspace)?;
        check_key_against(key, self.store.options().key_bytes_max)?;
        let weight = |written: &Option<Written>| written.as_ref().map_or(0, |written| written.value.len());
        let bytes = key.len() + weight(&written);
        if self.written_bytes + bytes > BATCH_BYTES_MAX {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("the transaction writes more than the limit of {BATCH_BYTES_MAX} bytes"),
            )
            .hint("write less in each transaction"));
        }
        self.written_bytes += bytes;
        let writes = self.writes.entry(keyspace.id()).or_default();
        if let Some(replaced) = writes.insert(key.to_vec(), written) {
            self.written_bytes -= key.len() + weight(&replaced);
        }
        Ok(())
    }

    fn check_keyspace(&self, keyspace: &Keyspace, operation: &'static str) -> Result<()> {
        self.check_same_store(keyspace).map_err(|error| error.at(self.store.engine().name, operation))
    }

    fn check_same_store(&self, keyspace: &Keyspace) -> Result<()> {
        if keyspace.base().instance == self.store.base().instance {
            return Ok(());
        }
        Err(Error::new(ErrorKind::InvalidInput, "the keyspace belongs to another store"))
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("is_read_only", &self.start.is_none())
            .field("written_bytes", &self.written_bytes)
            .finish_non_exhaustive()
    }
}
