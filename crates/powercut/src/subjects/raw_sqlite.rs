//! SQLite without the layer: one connection, and a table for each keyspace.

use super::raw::{CACHE_BYTES, Raw, conditions_hold, lock};
use crate::script::{Batch, Op};
use crate::subject::{Done, Failure, Opened, Promise, Verdict};
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};
use std::path::Path;
use std::sync::Mutex;

/// SQLite with a write-ahead log that it syncs at every commit.
pub(super) const SAFE: Raw = Raw {
    name: "sqlite",
    engine: "sqlite",
    promise: Promise::PowerSafe,
    note: "journal_mode=WAL, synchronous=FULL",
    open: |directory| Ok(Box::new(Sqlite::open(directory, "FULL")?)),
};

/// SQLite as it is often recommended: it syncs the log only before a checkpoint.
pub(super) const CONTROL: Raw = Raw {
    name: "sqlite-normal",
    promise: Promise::Loses,
    note: "journal_mode=WAL, synchronous=NORMAL: the log is not synced",
    open: |directory| Ok(Box::new(Sqlite::open(directory, "NORMAL")?)),
    ..SAFE
};

/// As in the store's options; small, so that a script causes checkpoints.
const CHECKPOINT_PAGES: u32 = 64;

struct Sqlite(Mutex<Connection>);

/// The name quoted for SQL, with quotes in it doubled.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Sqlite {
    fn open(directory: &Path, synchronous: &str) -> Result<Self, Failure> {
        let connection = Connection::open(directory.join("data.sqlite"))?;
        let journal: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        if journal != "wal" {
            return Err(Failure::new(format!("the journal is {journal:?}, not a write-ahead log")));
        }
        connection.execute_batch(&format!(
            "PRAGMA synchronous = {synchronous}; PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};
             PRAGMA mmap_size = 0; PRAGMA cache_size = -{};",
            CACHE_BYTES / 1_024
        ))?;
        Ok(Self(Mutex::new(connection)))
    }

    /// Runs `change` in a transaction, and commits it.
    fn transact(&self, change: impl FnOnce(&Transaction<'_>) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut connection = lock(&self.0)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        change(&transaction)?;
        Ok(transaction.commit()?)
    }
}

fn write(transaction: &Transaction<'_>, op: &Op) -> Result<(), Failure> {
    let (table, key) = (quoted(&op.keyspace), op.key.as_bytes());
    match op.value {
        Some(value) => transaction
            .prepare_cached(&format!(
                "INSERT INTO {table} (key, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2"
            ))?
            .execute((key, value.bytes()))?,
        None => transaction.prepare_cached(&format!("DELETE FROM {table} WHERE key = ?1"))?.execute([key])?,
    };
    Ok(())
}

impl Opened for Sqlite {
    fn keyspaces(&self) -> Result<Vec<String>, Failure> {
        let connection = lock(&self.0)?;
        let mut statement = connection.prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*' ORDER BY name",
        )?;
        let names = statement.query_map([], |row| row.get(0))?;
        Ok(names.collect::<rusqlite::Result<_>>()?)
    }

    fn create_keyspace(&self, name: &str) -> Result<(), Failure> {
        let sql = format!(
            "CREATE TABLE IF NOT EXISTS {} (key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL) WITHOUT ROWID",
            quoted(name)
        );
        self.transact(|transaction| Ok(transaction.execute_batch(&sql)?))
    }

    fn drop_keyspace(&self, name: &str) -> Result<(), Failure> {
        self.transact(|transaction| Ok(transaction.execute_batch(&format!("DROP TABLE {}", quoted(name)))?))
    }

    fn commit(&self, batch: &Batch) -> Result<Verdict, Failure> {
        if !conditions_hold(self, batch)? {
            return Ok(Verdict::Refused);
        }
        self.transact(|transaction| batch.ops.iter().try_for_each(|op| write(transaction, op)))?;
        Ok(Verdict::Committed)
    }

    fn get(&self, keyspace: &str, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        let connection = lock(&self.0)?;
        let sql = format!("SELECT value FROM {} WHERE key = ?1", quoted(keyspace));
        Ok(connection.prepare_cached(&sql)?.query_row([key], |row| row.get(0)).optional()?)
    }

    fn scan(&self, keyspace: &str, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Failure> {
        let connection = lock(&self.0)?;
        let sql = format!("SELECT key, value FROM {} ORDER BY key", quoted(keyspace));
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let blob = |column| row.get_ref(column)?.as_blob().map_err(rusqlite::Error::from);
            visit(blob(0)?, blob(1)?);
        }
        Ok(())
    }

    fn compact(&self) -> Result<Done, Failure> {
        lock(&self.0)?.execute_batch("VACUUM")?;
        Ok(Done::Done)
    }

    fn checkpoint(&self, _: &Path) -> Result<Done, Failure> {
        Ok(Done::Lacking)
    }

    fn verify(&self) -> Result<Done, Failure> {
        let said: String = lock(&self.0)?.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        if said == "ok" { Ok(Done::Done) } else { Err(Failure::new(said)) }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::new(error)
    }
}
