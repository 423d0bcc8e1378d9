//! SQLite as an [`Engine`].

use crate::database::Database;
use crate::error::{translate, translate_io};
use crate::files;
use crate::housekeep;
use crate::options::SqliteOptions;
use crate::schema::{self, SqliteKeyspace};
use crate::snapshot::{self, SqliteSnapshot};
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;
use strongroom_core::{
    BatchLimits, Bytes, Capabilities, Durability, Engine, EngineBatch, EngineInfo, Error, ErrorKind,
    KeyspaceHints, OpenContext, Result, Stats, Tuning, ViewSharing,
};

/// An open SQLite engine. Applications use it as [`SqliteBackend`](crate::SqliteBackend).
pub struct SqliteEngine {
    database: Arc<Database>,
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
        batch: BatchLimits::NONE,
        unclaimed: "",
    };
    type Options = SqliteOptions;
    type Keyspace = SqliteKeyspace;
    type Snapshot = SqliteSnapshot;

    const VIEW: ViewSharing = ViewSharing::InTurns;

    fn open(context: OpenContext<'_, SqliteOptions>) -> Result<Self> {
        let database = Database::open(context.home, context.options, context.view)?;
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
        if self.database.is_read_only() {
            return match self.database.pool.with(|connection| schema::find(connection, name))? {
                Some(keyspace) => Ok(keyspace),
                None => Err(Error::new(ErrorKind::NotFound, format!("there is no keyspace {name:?}"))),
            };
        }
        // Looked up on the writer's connection, which is open already, so nothing can fail before the creation
        // begins.
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
    fn the_declared_version_is_the_built_in_one() {
        let built_in = rusqlite::version();
        assert!(built_in.starts_with(&format!("{}.", SqliteEngine::INFO.version)), "{built_in}");
        // Older versions could reset the log under a reader, which lost pages.
        assert!(rusqlite::version_number() > 3_051_002);
    }
}
