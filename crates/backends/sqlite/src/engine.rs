//! SQLite as an [`Engine`].

use crate::commit::Writer;
use crate::error::{translate, translate_io};
use crate::files::{self, Files};
use crate::housekeep;
use crate::options::SqliteOptions;
use crate::pool::{Place, Pool};
use crate::schema::{self, SqliteKeyspace};
use crate::snapshot::{self, SqliteSnapshot};
use rusqlite::Connection;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use strongroom_core::{
    Bytes, Capabilities, Durability, Engine, EngineBatch, EngineInfo, Error, ErrorKind, KeyspaceHints,
    OpenContext, Result, Stats, Tuning, TypedOptions,
};

/// SQLite, opened. Applications use it as [`SqliteBackend`](crate::SqliteBackend).
pub struct SqliteEngine {
    database: Arc<Database>,
}

/// What the engine and its snapshots share.
pub(crate) struct Database {
    // In the order in which they are closed: readers, the writer, the lock that keeps other writers out.
    pub(crate) pool: Pool,
    /// None: the handle only reads.
    writer: Option<Mutex<Writer>>,
    pub(crate) snapshots: AtomicU64,
    files: Files,
}

impl Database {
    fn open(directory: &Path, options: &SqliteOptions) -> Result<Self> {
        options.check()?;
        let (mut files, place) = Files::open(directory, options)?;
        let (writer, pool) = if options.common().read_only {
            (None, Pool::new(readable(&mut files, place)?, options))
        } else {
            let writer = Writer::open(&place, options)?;
            files::check_header(writer.connection())?;
            schema::check(writer.connection())?;
            (Some(Mutex::new(writer)), Pool::new(place, options))
        };
        Ok(Self { pool, writer, snapshots: AtomicU64::new(0), files })
    }

    fn writer(&self) -> Result<MutexGuard<'_, Writer>> {
        match &self.writer {
            // A panic poisons the whole handle above us, so nothing behind the lock is used after one.
            Some(writer) => Ok(writer.lock().unwrap_or_else(PoisonError::into_inner)),
            None => Err(Error::new(ErrorKind::Unsupported, "the handle only reads")),
        }
    }
}

/// The place as it can be read: as it is, or as one that does not change.
fn readable(files: &mut Files, place: Place) -> Result<Place> {
    let look = |place: &Place| {
        let connection = place.reader(SqliteOptions::least_cache_kib())?;
        files::check_header(&connection)?;
        schema::check(&connection)
    };
    match look(&place) {
        Ok(()) => Ok(place),
        Err(error) if error.kind() == ErrorKind::Io => {
            let unchanging = place.immutable();
            if !files.keep_unchanging()? {
                return Err(error.hint(
                    "let SQLite make its -wal and -shm files here: open it where the directory can be written, \
                     or close the writer and read it from a read-only file system",
                ));
            }
            look(&unchanging).map(|()| unchanging)
        }
        Err(error) => Err(error),
    }
}

impl Engine for SqliteEngine {
    const INFO: EngineInfo = EngineInfo {
        name: "sqlite",
        version: "3.54",
        snapshots: "engine",
        capabilities: Capabilities {
            persistent: true,
            power_safe: true,
            checkpoint: true,
            compaction: true,
            integrity_check: true,
            shared_reads: true,
        },
        tuning: Tuning { cache: true, ..Tuning::NONE },
    };
    type Options = SqliteOptions;
    type Keyspace = SqliteKeyspace;
    type Snapshot = SqliteSnapshot;

    fn open(context: OpenContext<'_, SqliteOptions>) -> Result<Self> {
        let database = Database::open(context.directory, context.options)?;
        Ok(Self { database: Arc::new(database) })
    }

    fn exists(directory: &Path) -> bool {
        files::exists(directory)
    }

    fn keyspace_names(&self) -> Result<Vec<String>> {
        let keyspaces = self.database.pool.with(schema::keyspaces)?;
        Ok(keyspaces.into_iter().map(|(_, name)| name).collect())
    }

    fn open_keyspace(&self, name: &str, _: KeyspaceHints) -> Result<SqliteKeyspace> {
        if self.database.writer.is_none() {
            return match self.database.pool.with(|connection| schema::find(connection, name))? {
                Some(keyspace) => Ok(keyspace),
                None => Err(Error::new(ErrorKind::NotFound, format!("there is no keyspace {name:?}"))),
            };
        }
        // Looked for on the writer's connection, which is open already: nothing fails before it is begun.
        let mut writer = self.database.writer()?;
        if let Some(keyspace) = schema::find(writer.connection(), name)? {
            return Ok(keyspace);
        }
        writer.transact(Durability::PowerSafe, |connection| schema::add(connection, name))
    }

    fn is_current(&self, name: &str, keyspace: &SqliteKeyspace) -> Result<bool> {
        let found = self.database.pool.with(|connection| schema::find(connection, name))?;
        Ok(found.is_some_and(|found| found.number() == keyspace.number()))
    }

    fn drop_keyspace(&self, _: &str, keyspace: &SqliteKeyspace) -> Result<()> {
        let mut writer = self.database.writer()?;
        writer.transact(Durability::PowerSafe, |connection| schema::remove(connection, keyspace))
    }

    #[inline]
    fn get(&self, keyspace: &SqliteKeyspace, key: &[u8]) -> Result<Option<Bytes>> {
        self.database.pool.with(|connection| snapshot::get(connection, keyspace, key))
    }

    fn snapshot(&self) -> Result<SqliteSnapshot> {
        SqliteSnapshot::open(&self.database)
    }

    fn apply(&self, batch: &EngineBatch<'_, SqliteKeyspace>, durability: Durability) -> Result<()> {
        self.database.writer()?.apply(batch, durability)
    }

    fn flush(&self) -> Result<()> {
        self.database.writer()?.flush()
    }

    fn stats(&self, stats: &mut Stats) -> Result<()> {
        let Database { pool, files, .. } = &*self.database;
        stats.disk_bytes = Some(files.disk_bytes()?);
        stats.engine.push(("wal_bytes".into(), files.log_bytes()?));
        stats.engine.push(("reader_connections".into(), pool.open_count()));
        pool.with(|connection| {
            for name in ["page_size", "page_count", "freelist_count"] {
                stats.engine.push((name.into(), figure(connection, name)?));
            }
            Ok(())
        })
    }

    fn compact(&self) -> Result<()> {
        housekeep::compact(&self.database, &mut *self.database.writer()?)
    }

    fn checkpoint(&self, directory: &Path) -> Result<bool> {
        housekeep::copy(&self.database, directory).map(|()| true)
    }

    fn verify(&self) -> Result<()> {
        housekeep::verify(&self.database)
    }
}

fn figure(connection: &Connection, name: &str) -> Result<u64> {
    let figure: i64 =
        connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0)).map_err(translate)?;
    u64::try_from(figure).map_err(|error| translate_io(std::io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_one_that_is_built_in() {
        let built_in = rusqlite::version();
        assert!(built_in.starts_with(&format!("{}.", SqliteEngine::INFO.version)), "{built_in}");
        // Before it a log could be reset under a reader, which lost pages.
        assert!(rusqlite::version_number() > 3_051_002);
    }
}
