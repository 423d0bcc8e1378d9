//! SQLite without the layer: a writing and a reading connection, with cached statements.

use super::Raw;
use crate::measure::{read, read_row};
use crate::workload::Op;
use rusqlite::{Connection, OptionalExtension as _};
use std::path::Path;

pub struct Sqlite {
    writer: Connection,
    reader: Connection,
}

impl Raw for Sqlite {
    fn open(directory: &Path, cache_bytes: u64) -> Self {
        let connection = |share: u64| {
            let connection = Connection::open(directory.join("data.sqlite")).unwrap();
            connection
                .execute_batch(&format!(
                    "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA mmap_size = 0;
                     PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF; PRAGMA cache_size = -{};",
                    cache_bytes / share / 1_024
                ))
                .unwrap();
            connection
        };
        // The cache shares that the adapter gives to its connections.
        let writer = connection(4);
        writer
            .execute_batch(
                "CREATE TABLE rows (key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL) WITHOUT ROWID",
            )
            .unwrap();
        Self { writer, reader: connection(2) }
    }

    fn get(&self, key: &[u8]) -> usize {
        let mut statement = self.reader.prepare_cached("SELECT value FROM rows WHERE key = ?1").unwrap();
        let found = statement.query_row([key], |row| Ok(read(row.get_ref(0)?.as_blob()?))).optional();
        found.unwrap().unwrap_or(0)
    }

    fn scan(&self) -> (u64, u64) {
        let mut statement = self.reader.prepare_cached("SELECT key, value FROM rows ORDER BY key").unwrap();
        let mut found = statement.query([]).unwrap();
        let (mut rows, mut bytes) = (0, 0);
        while let Some(row) = found.next().unwrap() {
            let (key, value) = (row.get_ref(0).unwrap(), row.get_ref(1).unwrap());
            rows += 1;
            bytes += read_row(key.as_blob().unwrap(), value.as_blob().unwrap());
        }
        (rows, bytes)
    }

    fn apply(&self, batch: &[Op]) {
        self.writer.execute_batch("BEGIN IMMEDIATE").unwrap();
        for op in batch {
            match op {
                Op::Put(key, value) => self
                    .writer
                    .prepare_cached("INSERT INTO rows VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2")
                    .unwrap()
                    .execute((&key[..], &value[..])),
                Op::Delete(key) => {
                    self.writer.prepare_cached("DELETE FROM rows WHERE key = ?1").unwrap().execute([&key[..]])
                }
            }
            .unwrap();
        }
        self.writer.execute_batch("COMMIT").unwrap();
    }

    fn put_durably(&self, key: &[u8], value: &[u8]) {
        // Set on every put, because it costs nothing after the first.
        self.writer.execute_batch("PRAGMA synchronous = FULL").unwrap();
        self.writer
            .prepare_cached("INSERT INTO rows VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2")
            .unwrap()
            .execute((key, value))
            .unwrap();
    }

    fn flush(&self) {
        self.writer.execute_batch("PRAGMA wal_checkpoint(PASSIVE)").unwrap();
    }
}
