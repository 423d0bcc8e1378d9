//! The one connection that writes. A batch is one transaction.

use crate::error::{is_busy, translate};
use crate::files::use_log;
use crate::options::SqliteOptions;
use crate::pool::{Place, execute};
use crate::schema::SqliteKeyspace;
use rusqlite::config::DbConfig;
use rusqlite::wal::CheckpointMode;
use rusqlite::{CachedStatement, Connection, MAIN_DB};
use std::time::Duration;
use strongroom_core::{Durability, EngineBatch, ErrorKind, Op, Result, ViewRelease};

/// What a log that was longer is cut to when it begins anew, in bytes.
const LOG_BYTES_KEPT: u32 = 16 * 1_024 * 1_024;

/// How long a commit that moves the log waits for gets in the view that they share. They take microseconds.
const VIEW_TIMEOUT: Duration = Duration::from_millis(20);

/// How long it waits for other readers, when the log has become twice as long as it should be, and whenever it has
/// doubled again.
const READERS_TIMEOUT: Duration = Duration::from_millis(100);

/// The writer's connection.
#[derive(Debug)]
pub(crate) struct Writer {
    connection: Connection,
    /// What the connection is set to.
    synchronous: Durability,
    /// Whether the log may hold commits that were not synced: from this handle, or from one before that did
    /// not get to closing.
    is_unsynced: bool,
    checkpoint_pages: u32,
    /// The length of the log at which readers are waited for.
    wait_at_pages: u32,
    busy_timeout: Duration,
    /// What gets share between two commits is released when the log is moved into the file.
    view: ViewRelease,
}

impl Writer {
    pub(crate) fn open(place: &Place, options: &SqliteOptions, view: ViewRelease) -> Result<Self> {
        let connection = place.writer(options.writer_cache_kib())?;
        use_log(&connection)?;
        let limit = format!("PRAGMA synchronous = FULL; PRAGMA journal_size_limit = {LOG_BYTES_KEPT}");
        connection.execute_batch(&limit).map_err(translate)?;
        let checkpoint_pages = options.checkpoint_pages();
        Ok(Self {
            connection,
            synchronous: Durability::PowerSafe,
            is_unsynced: true,
            checkpoint_pages,
            wait_at_pages: checkpoint_pages.saturating_mul(2),
            busy_timeout: place.busy_timeout(),
            view,
        })
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(crate) fn apply(
        &mut self,
        batch: &EngineBatch<'_, SqliteKeyspace>,
        durability: Durability,
    ) -> Result<()> {
        self.transact(durability, |connection| write(connection, batch))
    }

    /// Makes buffered commits durable.
    pub(crate) fn flush(&mut self) -> Result<()> {
        if !self.is_unsynced {
            return Ok(());
        }
        self.transact(Durability::PowerSafe, |_| Ok(()))
    }

    /// Runs `f` in a transaction. `Unavailable`: somebody else is writing, with a shell maybe, and nothing was
    /// touched. After any other error the writer is of no more use.
    pub(crate) fn transact<T>(
        &mut self,
        durability: Durability,
        f: impl FnOnce(&Connection) -> Result<T>,
    ) -> Result<T> {
        self.synchronize(durability)?;
        execute(&self.connection, "BEGIN IMMEDIATE").map_err(translate)?;
        self.go_on(durability, f).map_err(|error| {
            self.give_up();
            match error.kind() {
                ErrorKind::Unavailable => {
                    error.into_kind(ErrorKind::Io, "SQLite failed in the middle of a commit")
                }
                _ => error,
            }
        })
    }

    /// From the beginning of a transaction to its end.
    fn go_on<T>(&mut self, durability: Durability, f: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let connection = &self.connection;
        let outcome = f(connection)?;
        if durability == Durability::PowerSafe && self.is_unsynced {
            // A transaction that changes no page syncs nothing, and earlier commits count on this one.
            execute(connection, "UPDATE syncs SET number = number + 1").map_err(translate)?;
        }
        execute(connection, "COMMIT").map_err(translate)?;
        self.is_unsynced = durability == Durability::Buffered;
        self.move_log()?;
        Ok(outcome)
    }

    /// For what is more than a transaction: with a sync at its end, whatever was set before.
    pub(crate) fn synchronize_fully(&mut self) -> Result<()> {
        self.synchronize(Durability::PowerSafe)
    }

    fn synchronize(&mut self, durability: Durability) -> Result<()> {
        if self.synchronous == durability {
            return Ok(());
        }
        let level = match durability {
            // The log is synced with every commit, ...
            Durability::PowerSafe => "PRAGMA synchronous = FULL",
            // ... or only before its pages are moved into the file, which is enough for that to stay whole.
            Durability::Buffered => "PRAGMA synchronous = NORMAL",
        };
        execute(&self.connection, level).map_err(translate)?;
        self.synchronous = durability;
        Ok(())
    }

    /// Moves the log into the file when it is long. SQLite could do so by itself, but then it keeps errors to
    /// itself too: a sync that failed would be followed by one that succeeds, with pages lost in between.
    fn move_log(&mut self) -> Result<()> {
        let (pages, moved) = self.checkpoint(CheckpointMode::NOOP)?;
        let is_moved = pages <= moved;
        let pages = pages.unsigned_abs();
        if pages < self.checkpoint_pages {
            self.wait_at_pages = self.checkpoint_pages.saturating_mul(2);
            return Ok(());
        }
        if is_moved {
            return Ok(());
        }
        // A read transaction that is older than the commit keeps the newest pages in the log, and one that begins
        // before all is moved keeps the log from beginning anew with the next commit. One that begins afterwards
        // reads the file alone.
        let _no_view = self.view.pause(VIEW_TIMEOUT);
        self.checkpoint(CheckpointMode::PASSIVE)?;
        if pages >= self.wait_at_pages {
            self.wait_for_readers()?;
            // Some stay: the next time it is worth the wait is when the log is twice as long.
            self.wait_at_pages = pages.saturating_mul(2);
        }
        Ok(())
    }

    /// Waits for readers that are in the log. While there are many of them, one is always in the middle of a get when a
    /// commit looks, and the log would never begin anew.
    fn wait_for_readers(&self) -> Result<()> {
        let usual = self.busy_timeout;
        self.connection.busy_timeout(READERS_TIMEOUT).map_err(translate)?;
        let outcome = self.checkpoint(CheckpointMode::RESTART);
        self.connection.busy_timeout(usual).map_err(translate)?;
        outcome.map(drop)
    }

    /// Pages in the log, and how many of them are moved. Readers in the way are no error.
    fn checkpoint(&self, mode: CheckpointMode) -> Result<(i32, i32)> {
        match self.connection.wal_checkpoint_v2(Some(MAIN_DB), mode) {
            Ok(pages) => Ok(pages),
            Err(error) if is_busy(&error) => Ok((0, 0)),
            Err(error) => Err(translate(error)),
        }
    }

    /// Moves all of the log into the file and empties it; `false` if a reader is in the way.
    pub(crate) fn empty_log(&self) -> Result<bool> {
        match self.connection.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::TRUNCATE) {
            Ok(_) => Ok(true),
            Err(error) if is_busy(&error) => Ok(false),
            Err(error) => Err(translate(error)),
        }
    }

    /// After an error: nothing more may be done with what is in memory. The log stays as it is, for the next
    /// open to check.
    pub(crate) fn give_up(&self) {
        let _ = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        if !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }
}

/// The statements of one keyspace, prepared when they are wanted first.
#[derive(Default)]
struct Prepared<'c> {
    put: Option<CachedStatement<'c>>,
    delete: Option<CachedStatement<'c>>,
}

fn write(connection: &Connection, batch: &EngineBatch<'_, SqliteKeyspace>) -> Result<()> {
    let mut prepared: Vec<_> = batch.keyspaces().iter().map(|_| Prepared::default()).collect();
    for (slot, op) in batch.ops() {
        let (keyspace, prepared) = (&batch.keyspaces()[slot], &mut prepared[slot]);
        match op {
            Op::Put { key, value } => {
                let put = prepare(connection, &mut prepared.put, keyspace.put())?;
                put.raw_bind_parameter(1, key).map_err(translate)?;
                put.raw_bind_parameter(2, value).map_err(translate)?;
                put.raw_execute().map_err(translate)?;
            }
            Op::Delete { key } => {
                let delete = prepare(connection, &mut prepared.delete, keyspace.delete())?;
                delete.raw_bind_parameter(1, key).map_err(translate)?;
                delete.raw_execute().map_err(translate)?;
            }
        }
    }
    Ok(())
}

fn prepare<'s, 'c>(
    connection: &'c Connection,
    statement: &'s mut Option<CachedStatement<'c>>,
    sql: &str,
) -> Result<&'s mut CachedStatement<'c>> {
    match statement {
        Some(statement) => Ok(statement),
        None => Ok(statement.insert(connection.prepare_cached(sql).map_err(translate)?)),
    }
}
