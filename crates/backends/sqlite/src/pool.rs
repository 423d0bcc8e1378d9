//! Connections: how they are opened, and the pool of those for readers.
//!
//! One thread at a time uses a connection, which the types ensure, so SQLite needs no mutexes of its own in it.
//! Readers never wait for the writer, and the writer never waits for them.

use crate::error::translate;
use crate::options::SqliteOptions;
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use strongroom_core::Result;
use strongroom_core::files::Directory;
use strongroom_core::limits::{
    KEY_BYTES_MAX, KEY_OVERHEAD_BYTES_MAX, VALUE_BYTES_MAX, VALUE_OVERHEAD_BYTES_MAX,
};

/// The size of a whole row: key, value, and what SQLite adds.
const ROW_BYTES_MAX: usize =
    KEY_BYTES_MAX + KEY_OVERHEAD_BYTES_MAX + VALUE_BYTES_MAX + VALUE_OVERHEAD_BYTES_MAX + 1_024;

/// Prepared statements that a connection keeps.
const STATEMENTS_KEPT: usize = 128;

/// Limits what an untrusted file can do, makes syncs reach the disk on a Mac, and keeps SQLite from moving the
/// log by itself and hiding its errors.
const PRAGMAS: &str = "
    PRAGMA trusted_schema = OFF;
    PRAGMA cell_size_check = ON;
    PRAGMA mmap_size = 0;
    PRAGMA fullfsync = ON;
    PRAGMA checkpoint_fullfsync = ON;
    PRAGMA wal_autocheckpoint = 0;";

/// The path of the database, and how to open it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Absolute, because SQLite takes a name that begins with `file:` for a URI.
    path: PathBuf,
    is_uri: bool,
    busy_timeout: Duration,
    /// None: the file is not in a store yet.
    home: Option<Directory>,
}

impl Place {
    pub(crate) fn new(path: PathBuf, options: &SqliteOptions) -> Self {
        Self { path, is_uri: false, busy_timeout: options.busy_timeout(), home: None }
    }

    /// Returns the same file, checked against its directory: an open is refused if the path leads elsewhere.
    /// SQLite opens files by path whenever a connection is opened.
    pub(crate) fn in_directory(self, home: &Directory) -> Self {
        Self { home: Some(home.clone()), ..self }
    }

    fn check(&self) -> Result<()> {
        self.home.as_ref().map_or(Ok(()), Directory::check)
    }

    /// Returns the same file as immutable: SQLite then creates no files and takes no locks. Only for a file
    /// that is known not to change.
    pub(crate) fn immutable(&self) -> Self {
        let mut uri = b"file:".to_vec();
        #[cfg(not(unix))]
        uri.extend_from_slice(b"///");
        for byte in self.path.as_os_str().as_encoded_bytes() {
            match byte {
                b'%' | b'?' | b'#' => uri.extend(format!("%{byte:02X}").bytes()),
                b'\\' if cfg!(windows) => uri.push(b'/'),
                other => uri.push(*other),
            }
        }
        uri.extend_from_slice(b"?immutable=1");
        Self { path: path_of(uri), is_uri: true, ..self.clone() }
    }

    pub(crate) fn busy_timeout(&self) -> Duration {
        self.busy_timeout
    }

    pub(crate) fn writer(&self, cache_kib: u32) -> Result<Connection> {
        self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE, cache_kib)
    }

    pub(crate) fn reader(&self, cache_kib: u32) -> Result<Connection> {
        let connection = self.connect(OpenFlags::SQLITE_OPEN_READ_ONLY, cache_kib)?;
        connection.execute_batch("PRAGMA query_only = ON").map_err(translate)?;
        // Only the writer moves the log into the file.
        set(&connection, DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        Ok(connection)
    }

    fn connect(&self, mode: OpenFlags, cache_kib: u32) -> Result<Connection> {
        let mut flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        if self.is_uri {
            flags |= OpenFlags::SQLITE_OPEN_URI;
        }
        self.check()?;
        let connection = Connection::open_with_flags(&self.path, flags).map_err(translate)?;
        self.check()?;
        connection.busy_timeout(self.busy_timeout).map_err(translate)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        harden(&connection)?;
        connection.execute_batch(PRAGMAS).map_err(translate)?;
        connection.execute_batch(&format!("PRAGMA cache_size = -{cache_kib}")).map_err(translate)?;
        Ok(connection)
    }
}

#[cfg(unix)]
fn path_of(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(not(unix))]
fn path_of(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

fn set(connection: &Connection, config: DbConfig, on: bool) -> Result<()> {
    connection.set_db_config(config, on).map(drop).map_err(translate)
}

/// Disables features that a hostile file could use and this adapter does not need.
fn harden(connection: &Connection) -> Result<()> {
    set(connection, DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    set(connection, DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    set(connection, DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    set(connection, DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    set(connection, DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    set(connection, DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    let row_bytes_max = i32::try_from(ROW_BYTES_MAX).unwrap_or(i32::MAX);
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, row_bytes_max).map_err(translate)?;
    // One for the database that VACUUM writes.
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 1).map_err(translate)?;
    connection.set_limit(Limit::SQLITE_LIMIT_WORKER_THREADS, 0).map(drop).map_err(translate)
}

/// Runs a statement that returns no rows.
pub(crate) fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.raw_execute().map(drop)
}

/// A reader's connection.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) connection: Connection,
    /// Its part of the cache, if it has one.
    share_kib: Option<u32>,
}

/// The readers' connections.
#[derive(Debug)]
pub(crate) struct Pool {
    place: Place,
    state: Mutex<State>,
    kept_max: usize,
}

#[derive(Debug)]
struct State {
    /// The one with the largest cache is last. It is taken first, so that a single thread always uses it.
    idle: Vec<Reader>,
    /// Parts of the cache that no connection has, the largest last.
    shares_kib: Vec<u32>,
    open: u64,
}

impl Pool {
    pub(crate) fn new(place: Place, options: &SqliteOptions) -> Self {
        let shares_kib = options.reader_cache_kib();
        let state = Mutex::new(State { idle: Vec::new(), shares_kib, open: 0 });
        Self { place, state, kept_max: options.readers_kept() }
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Returns the number of open connections, idle or not.
    pub(crate) fn open_count(&self) -> u64 {
        self.state().open
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code under the lock can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `f` with a connection that is not in use and not in a transaction. If `f` panics, the connection
    /// is closed.
    #[inline]
    pub(crate) fn with<T>(&self, f: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let reader = self.take()?;
        let outcome = f(&reader.connection);
        self.give_back(reader);
        outcome
    }

    pub(crate) fn take(&self) -> Result<Reader> {
        let mut state = self.state();
        if let Some(reader) = state.idle.pop() {
            return Ok(reader);
        }
        let share_kib = state.shares_kib.pop();
        state.open += 1;
        drop(state);
        match self.place.reader(share_kib.unwrap_or(SqliteOptions::least_cache_kib())) {
            Ok(connection) => Ok(Reader { connection, share_kib }),
            Err(error) => {
                self.forget(share_kib);
                Err(error)
            }
        }
    }

    /// Returns a connection to the pool, unless it is still in a transaction or the pool is full.
    pub(crate) fn give_back(&self, reader: Reader) {
        let mut state = self.state();
        if reader.connection.is_autocommit() && state.idle.len() < self.kept_max {
            let place = state.idle.partition_point(|idle| idle.share_kib <= reader.share_kib);
            state.idle.insert(place, reader);
            return;
        }
        drop(state);
        let share_kib = reader.share_kib;
        drop(reader);
        self.forget(share_kib);
    }

    fn forget(&self, share_kib: Option<u32>) {
        let mut state = self.state();
        state.open -= 1;
        if let Some(share_kib) = share_kib {
            let place = state.shares_kib.partition_point(|free| *free <= share_kib);
            state.shares_kib.insert(place, share_kib);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_connection_is_hardened() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("some 100%? #file");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
        let place = Place::new(path, &SqliteOptions::new());
        let reader = place.reader(64).unwrap();
        for connection in [&place.writer(64).unwrap(), &reader, &place.immutable().reader(64).unwrap()] {
            let number = |pragma: &str| -> i64 {
                connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0)).unwrap()
            };
            assert_eq!(number("trusted_schema"), 0);
            assert_eq!(number("cell_size_check"), 1);
            assert_eq!(number("mmap_size"), 0);
            assert_eq!(number("cache_size"), -64);
            assert_eq!(number("wal_autocheckpoint"), 0);
            assert_eq!(number("fullfsync"), 1);
            assert!(connection.db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE).unwrap());
            assert!(!connection.db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER).unwrap());
            assert!(!connection.db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW).unwrap());
            assert_eq!(
                usize::try_from(connection.limit(Limit::SQLITE_LIMIT_LENGTH).unwrap()),
                Ok(ROW_BYTES_MAX)
            );
        }
        assert!(reader.execute_batch("CREATE TABLE u (a)").is_err());
    }

    #[test]
    fn connections_are_kept_up_to_the_limit_and_the_largest_cache_is_used_first() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
        let options = SqliteOptions::new().readers_max(2).cache_bytes(8 << 20);
        let pool = Pool::new(Place::new(path, &options), &options);
        let readers: Vec<_> = (0..4).map(|_| pool.take().unwrap()).collect();
        let shares: Vec<_> = readers.iter().map(|reader| reader.share_kib).collect();
        assert_eq!(shares, [Some(4_096), Some(2_048), None, None]);
        assert_eq!(pool.open_count(), 4);
        for reader in readers {
            pool.give_back(reader);
        }
        assert_eq!(pool.open_count(), 2);
        let first = pool.take().unwrap();
        assert_eq!(first.share_kib, Some(4_096));
        // A connection that is still in a transaction is not reused.
        first.connection.execute_batch("BEGIN").unwrap();
        pool.give_back(first);
        assert_eq!(pool.open_count(), 1);
        assert_eq!(pool.take().unwrap().share_kib, Some(2_048));
        assert_eq!(pool.take().unwrap().share_kib, Some(4_096));
    }
}
