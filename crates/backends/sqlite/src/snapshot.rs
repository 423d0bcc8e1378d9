//! A snapshot is a connection in a read transaction. A get is a statement in a shared one, or on its own.

use crate::cursor::SqliteCursor;
use crate::database::Database;
use crate::error::translate;
use crate::schema::SqliteKeyspace;
use crate::view::{View, bytes};
use rusqlite::Connection;
use std::sync::Arc;
use std::task::Poll;
use strongroom_core::{Bytes, EngineSnapshot, Result, Scan};

/// A snapshot of SQLite. It keeps the write-ahead log from restarting.
pub struct SqliteSnapshot(Arc<View>);

impl SqliteSnapshot {
    pub(crate) fn open(database: &Arc<Database>) -> Result<Self> {
        Ok(Self(Arc::new(View::open(database)?)))
    }
}

impl EngineSnapshot for SqliteSnapshot {
    type Keyspace = SqliteKeyspace;
    type Cursor = SqliteCursor;

    fn get(&self, keyspace: &SqliteKeyspace, key: &[u8]) -> Result<Option<Bytes>> {
        self.0.with(|connection| get(connection, keyspace, key))
    }

    #[inline]
    fn try_get(&self, keyspace: &SqliteKeyspace, key: &[u8]) -> Result<Poll<Option<Bytes>>> {
        self.0.try_with(|connection| get(connection, keyspace, key))
    }

    fn cursor(&self, keyspace: &SqliteKeyspace, scan: &Scan) -> Result<SqliteCursor> {
        Ok(SqliteCursor::new(Arc::clone(&self.0), keyspace.clone(), scan))
    }
}

/// Returns the value of `key`, copied once: SQLite reuses its buffer with the next call.
pub(crate) fn get(connection: &Connection, keyspace: &SqliteKeyspace, key: &[u8]) -> Result<Option<Bytes>> {
    let mut statement = connection.prepare_cached(keyspace.get()).map_err(translate)?;
    statement.raw_bind_parameter(1, key).map_err(translate)?;
    let mut rows = statement.raw_query();
    match rows.next().map_err(translate)? {
        Some(row) => Ok(Some(Bytes::copy_from_slice(bytes(row.get_ref(0).map_err(translate)?)?))),
        None => Ok(None),
    }
}
