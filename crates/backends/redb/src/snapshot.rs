//! A snapshot is a read transaction. A get uses a shared one, or a short one of its own.

use crate::cursor::RedbCursor;
use crate::error::translate;
use crate::keyspace::{Database, RedbKeyspace, Row, definition};
use redb::{OwnedAccessGuard, ReadOnlyTable, ReadTransaction, TableError};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use strongroom_core::{Bytes, EngineSnapshot, Gauge, Pinned, Result, Scan};

/// A snapshot of redb. It keeps the pages that it sees from being reused.
pub struct RedbSnapshot {
    // Each table is opened once, because opening one costs a search of its own.
    /// The first few tables, found without a lock.
    first_tables: [OnceLock<Opened>; FIRST_TABLES],
    /// The others, by the address of their handle, which stays alive while it is in the map.
    other_tables: RwLock<HashMap<usize, Opened>>,
    transaction: ReadTransaction,
    pins: Gauge,
    // Declared last: redb closes its file with the database, and the transaction still needs it.
    database: Arc<Database>,
}

type Table = ReadOnlyTable<Row, Row>;

/// A keyspace with its table. None: it is not in this snapshot.
type Opened = (RedbKeyspace, Option<Table>);

/// Tables of a snapshot that are found without a lock. Most applications have fewer; searching more costs as
/// much as the lock.
const FIRST_TABLES: usize = 8;

impl RedbSnapshot {
    pub(crate) fn new(transaction: ReadTransaction, pins: Gauge, database: Arc<Database>) -> Self {
        Self {
            first_tables: Default::default(),
            other_tables: RwLock::default(),
            transaction,
            pins,
            database,
        }
    }

    /// Calls `f` with the keyspace's table.
    #[inline]
    fn with_table<T>(
        &self,
        keyspace: &RedbKeyspace,
        f: impl FnOnce(Option<&Table>) -> Result<T>,
    ) -> Result<T> {
        for place in &self.first_tables {
            if place.get().is_none() {
                // Another thread may be faster, with this keyspace or with another.
                let _ = place.set(self.open(keyspace)?);
            }
            if let Some((opened, table)) = place.get()
                && opened.is(keyspace)
            {
                return f(table.as_ref());
            }
        }
        self.with_other_table(keyspace, f)
    }

    fn with_other_table<T>(
        &self,
        keyspace: &RedbKeyspace,
        f: impl FnOnce(Option<&Table>) -> Result<T>,
    ) -> Result<T> {
        // A panic poisons the whole handle, so no state under the lock is used after one.
        let opened = self.other_tables.read().unwrap_or_else(PoisonError::into_inner);
        // Under the lock, which is cheaper than sharing the table.
        if let Some((_, table)) = opened.get(&keyspace.address()) {
            return f(table.as_ref());
        }
        drop(opened);
        let (keyspace, table) = self.open(keyspace)?;
        let outcome = f(table.as_ref());
        let mut opened = self.other_tables.write().unwrap_or_else(PoisonError::into_inner);
        opened.insert(keyspace.address(), (keyspace, table));
        outcome
    }

    fn open(&self, keyspace: &RedbKeyspace) -> Result<Opened> {
        Ok((keyspace.clone(), open_table(&self.transaction, keyspace)?))
    }
}

impl EngineSnapshot for RedbSnapshot {
    type Keyspace = RedbKeyspace;
    type Cursor = RedbCursor;

    fn get(&self, keyspace: &RedbKeyspace, key: &[u8]) -> Result<Option<Bytes>> {
        self.with_table(keyspace, |table| match table {
            Some(table) => get(table, key, &self.pins),
            None => Ok(None),
        })
    }

    fn cursor(&self, keyspace: &RedbKeyspace, scan: &Scan) -> Result<RedbCursor> {
        self.with_table(keyspace, |table| RedbCursor::new(table, scan, Arc::clone(&self.database)))
    }
}

/// Returns the table as `transaction` sees it, or `None` if it does not exist.
pub(crate) fn open_table(transaction: &ReadTransaction, keyspace: &RedbKeyspace) -> Result<Option<Table>> {
    match transaction.open_table(definition(keyspace.name())) {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(translate(error)),
    }
}

/// Values up to this length are copied. A copy costs no more than the handle that would share them, and a small
/// value that is kept then pins no page and no transaction.
const COPIED_BYTES_MAX: usize = 256;

/// Returns the value of `key`, shared with redb's page and its transaction unless it is small.
pub(crate) fn get(table: &Table, key: &[u8], pins: &Gauge) -> Result<Option<Bytes>> {
    let found = table.get_owned(key).map_err(translate)?;
    Ok(found.map(|guard| match guard.value() {
        small if small.len() <= COPIED_BYTES_MAX => Bytes::copy_from_slice(small),
        _ => Pinned::share(SharedValue(guard), pins),
    }))
}

/// A value in redb's page. It keeps its read transaction open.
struct SharedValue(OwnedAccessGuard<Row>);

impl AsRef<[u8]> for SharedValue {
    fn as_ref(&self) -> &[u8] {
        self.0.value()
    }
}
