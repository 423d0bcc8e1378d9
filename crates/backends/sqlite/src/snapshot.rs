//! A snapshot is a connection with a read transaction, and a get is a statement of its own.

use crate::cursor::SqliteCursor;
use crate::engine::Database;
use crate::error::translate;
use crate::pool::Reader;
use crate::schema::SqliteKeyspace;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use strongroom_core::{Bytes, EngineSnapshot, Error, ErrorKind, Result, Scan};

/// Snapshot of SQLite. It keeps the write-ahead log from beginning anew.
pub struct SqliteSnapshot(Arc<View>);

/// What a snapshot and its cursors share.
pub(crate) struct View {
    /// SQLite lets one thread at a time use a connection. None: only while it is dropped.
    reader: Mutex<Option<Reader>>,
    // Declared last: it closes the writer, which is to be the last connection.
    database: Arc<Database>,
}

impl SqliteSnapshot {
    pub(crate) fn open(database: &Arc<Database>) -> Result<Self> {
        let reader = database.pool.take()?;
        if let Err(error) = begin(&reader.connection) {
            end(&reader.connection);
            database.pool.give_back(reader);
            return Err(error);
        }
        database.snapshots.fetch_add(1, Ordering::SeqCst);
        Ok(Self(Arc::new(View { reader: Mutex::new(Some(reader)), database: Arc::clone(database) })))
    }
}

impl View {
    /// Calls `f` with the connection, which sees what the snapshot sees.
    pub(crate) fn with<T>(&self, f: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        // A panic poisons the whole handle above us, so nothing behind the lock is used after one.
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        match &*reader {
            // Some errors end the transaction: what comes after would be read from a newer state.
            Some(reader) if !reader.connection.is_autocommit() => f(&reader.connection),
            _ => Err(Error::new(ErrorKind::SnapshotExpired, "an earlier error has ended the snapshot")),
        }
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

/// Begins a read transaction and takes the snapshot: SQLite does so with the first read of the file.
pub(crate) fn begin(connection: &Connection) -> Result<()> {
    execute(connection, "BEGIN").map_err(translate)?;
    let mut first = connection.prepare_cached("SELECT number FROM syncs LIMIT 1").map_err(translate)?;
    first.exists([]).map(drop).map_err(translate)
}

/// Ends it. A connection that is still in a transaction after this is not used again.
pub(crate) fn end(connection: &Connection) {
    let _ = execute(connection, "ROLLBACK");
}

pub(crate) fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.raw_execute().map(drop)
}

impl EngineSnapshot for SqliteSnapshot {
    type Keyspace = SqliteKeyspace;
    type Cursor = SqliteCursor;

    fn get(&self, keyspace: &SqliteKeyspace, key: &[u8]) -> Result<Option<Bytes>> {
        self.0.with(|connection| get(connection, keyspace, key))
    }

    fn cursor(&self, keyspace: &SqliteKeyspace, scan: &Scan) -> Result<SqliteCursor> {
        Ok(SqliteCursor::new(Arc::clone(&self.0), keyspace.clone(), scan))
    }
}

/// The value of `key`, copied once: SQLite takes its own back with the next call.
pub(crate) fn get(connection: &Connection, keyspace: &SqliteKeyspace, key: &[u8]) -> Result<Option<Bytes>> {
    let mut statement = connection.prepare_cached(keyspace.get()).map_err(translate)?;
    statement.raw_bind_parameter(1, key).map_err(translate)?;
    let mut rows = statement.raw_query();
    match rows.next().map_err(translate)? {
        Some(row) => Ok(Some(Bytes::copy_from_slice(bytes(row.get_ref(0).map_err(translate)?)?))),
        None => Ok(None),
    }
}

/// What is stored is bytes; the file may say otherwise.
#[inline]
pub(crate) fn bytes(value: ValueRef<'_>) -> Result<&[u8]> {
    match value {
        ValueRef::Blob(bytes) => Ok(bytes),
        _ => Err(Error::new(ErrorKind::Corruption, "a row holds something else than bytes")),
    }
}
