//! The writer's connection. A batch is one transaction.

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

/// A longer log file is cut to this many bytes when the log restarts.
const LOG_BYTES_KEPT: u32 = 16 * 1_024 * 1_024;

/// How long a commit that moves the log waits for gets in the shared read view. They take microseconds.
const VIEW_TIMEOUT: Duration = Duration::from_millis(20);

/// How long it waits for other readers, once the log is twice as long as configured, and whenever it has
/// doubled again.
const READERS_TIMEOUT: Duration = Duration::from_millis(100);

/// The writer's connection.
#[derive(Debug)]
pub(crate) struct Writer {
    connection: Connection,
    /// The current setting of the connection.
    synchronous: Durability,
    /// Whether the log may hold unsynced commits: of this handle, or of an earlier one that did not close
    /// properly.
    is_unsynced: bool,
    checkpoint_pages: u32,
    /// The length of the log at which it waits for readers.
    wait_at_pages: u32,
    busy_timeout: Duration,
    /// Releases the view that gets share when the log is moved into the file.
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

    /// Runs `f` in a transaction. `Unavailable`: another program is writing, such as a shell, and nothing
    /// changed. After any other error the writer cannot be used any more.
    pub(crate) fn transact<T>(
        &mut self,
        durability: Durability,
        f: impl FnOnce(&Connection) -> Result<T>,
    ) -> Result<T> {
        self.synchronize(durability)?;
        execute(&self.connection, "BEGIN IMMEDIATE").map_err(translate)?;
        self.finish_transaction(durability, f).map_err(|error| {
            self.give_up();
            match error.kind() {
                ErrorKind::Unavailable => {
                    error.into_kind(ErrorKind::Io, "SQLite failed in the middle of a commit")
                }
                _ => error,
            }
        })
    }

    /// Runs the rest of a transaction that has begun.
    fn finish_transaction<T>(
        &mut self,
        durability: Durability,
        f: impl FnOnce(&Connection) -> Result<T>,
    ) -> Result<T> {
        let connection = &self.connection;
        let outcome = f(connection)?;
        if durability == Durability::PowerSafe && self.is_unsynced {
            // A transaction that changes no page syncs nothing, but earlier commits rely on this sync.
            execute(connection, "UPDATE syncs SET number = number + 1").map_err(translate)?;
        }
        execute(connection, "COMMIT").map_err(translate)?;
        self.is_unsynced = durability == Durability::Buffered;
        self.move_log()?;
        Ok(outcome)
    }

    /// For operations beyond a transaction: they end with a sync, whatever the setting was.
    pub(crate) fn synchronize_fully(&mut self) -> Result<()> {
        self.synchronize(Durability::PowerSafe)
    }

    fn synchronize(&mut self, durability: Durability) -> Result<()> {
        if self.synchronous == durability {
            return Ok(());
        }
        let level = match durability {
            // Sync the log with every commit.
            Durability::PowerSafe => "PRAGMA synchronous = FULL",
            // Sync the log only before its pages are moved into the file, which keeps the file intact.
            Durability::Buffered => "PRAGMA synchronous = NORMAL",
        };
        execute(&self.connection, level).map_err(translate)?;
        self.synchronous = durability;
        Ok(())
    }

    /// Moves the log into the file when it is long. SQLite could do so by itself, but would hide errors: a
    /// later sync could succeed after a failed one, with pages lost in between.
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
        // A read transaction from before the commit keeps the newest pages in the log. One that begins before
        // all pages are moved keeps the log from restarting with the next commit. One that begins afterwards
        // reads only the file.
        let _no_view = self.view.pause(VIEW_TIMEOUT);
        self.checkpoint(CheckpointMode::PASSIVE)?;
        if pages >= self.wait_at_pages {
            self.wait_for_readers()?;
            // Some readers remain. Waiting is worth it again once the log has doubled.
            self.wait_at_pages = pages.saturating_mul(2);
        }
        Ok(())
    }

    /// Waits for readers of the log. With many readers, one is always in the middle of a get when a commit
    /// checks, and the log would never restart.
    fn wait_for_readers(&self) -> Result<()> {
        let usual = self.busy_timeout;
        self.connection.busy_timeout(READERS_TIMEOUT).map_err(translate)?;
        let outcome = self.checkpoint(CheckpointMode::RESTART);
        self.connection.busy_timeout(usual).map_err(translate)?;
        outcome.map(drop)
    }

    /// Returns the number of pages in the log, and how many of them are moved. Blocking readers are not an
    /// error.
    fn checkpoint(&self, mode: CheckpointMode) -> Result<(i32, i32)> {
        match self.connection.wal_checkpoint_v2(Some(MAIN_DB), mode) {
            Ok(pages) => Ok(pages),
            Err(error) if is_busy(&error) => Ok((0, 0)),
            Err(error) => Err(translate(error)),
        }
    }

    /// Moves all of the log into the file and empties it. Returns `false` if a reader blocks it.
    pub(crate) fn empty_log(&self) -> Result<bool> {
        match self.connection.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::TRUNCATE) {
            Ok(_) => Ok(true),
            Err(error) if is_busy(&error) => Ok(false),
            Err(error) => Err(translate(error)),
        }
    }

    /// Call after an error: the connection's memory may not be used any more. The log stays as it is, for the
    /// next open to check.
    pub(crate) fn give_up(&self) {
        let _ = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        if !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }
}

/// The statements of one keyspace, prepared on first use.
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
