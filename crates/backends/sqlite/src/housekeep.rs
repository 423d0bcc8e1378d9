//! Copies, compaction and the integrity check, which read or write the whole file.

use crate::commit::Writer;
use crate::database::Database;
use crate::error::{is_busy, translate};
use crate::files::{copy_target, finish};
use crate::options::SqliteOptions;
use crate::view::{begin, end};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;
use strongroom_core::files::sync_directory;
use strongroom_core::{Error, ErrorKind, Result};

/// Pages that are copied in one step.
const COPY_PAGES: i32 = 1_024;

/// How long a compaction waits for readers.
const READERS_TIMEOUT: Duration = Duration::from_millis(500);

/// Copies the database as one consistent state, page by page. Its own read transaction holds that state, so the
/// copy never restarts, however much is written meanwhile.
pub(crate) fn copy(database: &Database, directory: &Path) -> Result<()> {
    let (mut target, path) = copy_target(directory)?;
    // Synced once, when it is complete: it is not opened before that.
    target.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF").map_err(translate)?;
    let source = database.pool.take()?;
    let copied = begin(&source.connection).and_then(|()| copy_pages(&source.connection, &mut target));
    end(&source.connection);
    database.pool.give_back(source);
    copied?;
    finish(target, &path)?;
    sync_directory(directory).map_err(crate::error::translate_io)
}

fn copy_pages(source: &Connection, target: &mut Connection) -> Result<()> {
    let backup = Backup::new(source, target).map_err(translate)?;
    loop {
        match backup.step(COPY_PAGES).map_err(translate)? {
            StepResult::Done => return Ok(()),
            StepResult::More => {}
            // The target is not open anywhere else, and the source is in a read transaction.
            _ => return Err(Error::new(ErrorKind::Unavailable, "the database cannot be copied now")),
        }
    }
}

/// Rewrites the database without its free pages, and truncates the file. The new pages go through the log,
/// which cannot be emptied while a reader sees an older state.
pub(crate) fn compact(database: &Database, writer: &mut Writer) -> Result<()> {
    if database.snapshots.load(Ordering::SeqCst) > 0 {
        return Err(in_the_way());
    }
    let connection = writer.connection();
    connection.busy_timeout(READERS_TIMEOUT).map_err(translate)?;
    let outcome = try_compact(writer);
    let restored = writer.connection().busy_timeout(database.pool.place().busy_timeout()).map_err(translate);
    outcome.and(restored)
}

fn try_compact(writer: &mut Writer) -> Result<()> {
    if !writer.empty_log()? {
        return Err(in_the_way());
    }
    writer.synchronize_fully()?;
    writer.connection().execute_batch("VACUUM").map_err(|error| match error.sqlite_error_code() {
        // SQLite first copies everything elsewhere, and has changed nothing if there is no space.
        Some(ErrorCode::DiskFull) if writer.connection().is_autocommit() => no_room(error),
        // Another writing process blocks it, and nothing was done.
        _ if is_busy(&error) => translate(error),
        _ => {
            writer.give_up();
            translate(error)
        }
    })?;
    // A reader that has begun meanwhile only delays the truncation.
    writer.empty_log().map(drop)
}

fn no_room(error: rusqlite::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "no space is left for a second copy of the database")
        .hint(
            "free some space; the copy is made in SQLITE_TMPDIR or TMPDIR, and then in the store's directory",
        )
        .caused_by(error)
}

fn in_the_way() -> Error {
    Error::new(ErrorKind::Unavailable, "snapshots, cursors or other processes are reading the database")
        .hint("close them and try again")
}

/// Lets SQLite check every page, on a separate connection because it may take long.
pub(crate) fn verify(database: &Database) -> Result<()> {
    let connection = database.pool.place().reader(SqliteOptions::least_cache_kib())?;
    let verdict: String =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(translate)?;
    if verdict == "ok" {
        return Ok(());
    }
    // It names only pages and tables.
    let first = verdict.lines().last().unwrap_or_default();
    Err(Error::new(ErrorKind::Corruption, format!("SQLite reports damage: {first}")))
}
