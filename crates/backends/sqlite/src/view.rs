//! The state that a snapshot and its cursors read: a connection in a read transaction.

use crate::database::Database;
use crate::error::translate;
use crate::pool::{Reader, execute};
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::task::Poll;
use strongroom_core::{Error, ErrorKind, Result};

/// The state that a snapshot and its cursors share.
pub(crate) struct View {
    /// SQLite lets one thread at a time use a connection. None only while it is dropped.
    reader: Mutex<Option<Reader>>,
    // Declared last: it closes the writer, which has to be the last connection.
    database: Arc<Database>,
}

impl View {
    pub(crate) fn open(database: &Arc<Database>) -> Result<Self> {
        let reader = database.pool.take()?;
        if let Err(error) = begin(&reader.connection) {
            end(&reader.connection);
            database.pool.give_back(reader);
            return Err(error);
        }
        database.snapshots.fetch_add(1, Ordering::SeqCst);
        Ok(Self { reader: Mutex::new(Some(reader)), database: Arc::clone(database) })
    }

    /// Calls `f` with the connection, which sees the snapshot's state.
    pub(crate) fn with<T>(&self, f: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        // A panic poisons the whole handle, so no state under the lock is used after one.
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        call(reader.as_ref(), f)
    }

    /// As [`with`](Self::with), unless another thread uses the connection.
    #[inline]
    pub(crate) fn try_with<T>(&self, f: impl FnOnce(&Connection) -> Result<T>) -> Result<Poll<T>> {
        let reader = match self.reader.try_lock() {
            Ok(reader) => reader,
            Err(TryLockError::Poisoned(reader)) => PoisonError::into_inner(reader),
            Err(TryLockError::WouldBlock) => return Ok(Poll::Pending),
        };
        call(reader.as_ref(), f).map(Poll::Ready)
    }
}

#[inline]
fn call<T>(reader: Option<&Reader>, f: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    match reader {
        // Some errors end the transaction. Later reads would then see a newer state.
        Some(reader) if !reader.connection.is_autocommit() => f(&reader.connection),
        _ => Err(Error::new(ErrorKind::SnapshotExpired, "an earlier error has ended the snapshot")),
    }
}

impl Drop for View {
    fn drop(&mut self) {
        let reader = self.reader.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(reader) = reader {
            end(&reader.connection);
            self.database.pool.give_back(reader);
        }
        self.database.snapshots.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Begins a read transaction and takes the snapshot, which SQLite does with the first read of the file.
pub(crate) fn begin(connection: &Connection) -> Result<()> {
    execute(connection, "BEGIN").map_err(translate)?;
    let mut first = connection.prepare_cached("SELECT number FROM syncs LIMIT 1").map_err(translate)?;
    first.exists([]).map(drop).map_err(translate)
}

/// Ends the transaction. A connection that is still in a transaction afterwards is not reused.
pub(crate) fn end(connection: &Connection) {
    let _ = execute(connection, "ROLLBACK");
}

/// Returns the bytes of a value. A foreign or damaged file may contain other types.
#[inline]
pub(crate) fn bytes(value: ValueRef<'_>) -> Result<&[u8]> {
    match value {
        ValueRef::Blob(bytes) => Ok(bytes),
        _ => Err(Error::new(ErrorKind::Corruption, "a row contains a value that is not bytes")),
    }
}
