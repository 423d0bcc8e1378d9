//! Raw engines with one table per keyspace, as an application without the layer would use them.
//!
//! Creating and dropping a table is as durable as the engine makes it; rows are buffered.

use std::path::Path;

/// The result of a raw call; an error is the engine's own.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Named tables of one raw engine.
pub trait Tables: Sized {
    /// Opens the engine with its existing tables and with room for `tables_max`.
    fn open(directory: &Path, tables_max: u32) -> Outcome<Self>;
    /// Creates a table and keeps it open.
    fn create(&mut self, name: &str) -> Outcome<()>;
    /// Writes a row.
    fn put(&mut self, name: &str, key: &[u8], value: &[u8]) -> Outcome<()>;
    /// Removes a table.
    fn remove(&mut self, name: &str) -> Outcome<()>;
}

#[cfg(feature = "storage-redb")]
pub mod redb {
    use super::{Outcome, Path, Tables};
    use redb::{Database, Durability, TableDefinition};

    pub struct Redb(Database);

    fn table(name: &str) -> TableDefinition<'_, &'static [u8], &'static [u8]> {
        TableDefinition::new(name)
    }

    impl Tables for Redb {
        fn open(directory: &Path, _: u32) -> Outcome<Self> {
            Ok(Self(Database::create(directory.join("data.redb"))?))
        }

        fn create(&mut self, name: &str) -> Outcome<()> {
            let transaction = self.0.begin_write()?;
            transaction.open_table(table(name))?;
            Ok(transaction.commit()?)
        }

        fn put(&mut self, name: &str, key: &[u8], value: &[u8]) -> Outcome<()> {
            let mut transaction = self.0.begin_write()?;
            transaction.set_durability(Durability::None)?;
            transaction.open_table(table(name))?.insert(key, value)?;
            Ok(transaction.commit()?)
        }

        fn remove(&mut self, name: &str) -> Outcome<()> {
            let transaction = self.0.begin_write()?;
            transaction.delete_table(table(name))?;
            Ok(transaction.commit()?)
        }
    }
}

#[cfg(feature = "storage-sled")]
pub mod sled {
    use super::{Outcome, Path, Tables};

    pub struct Sled(sled::Db);

    impl Tables for Sled {
        fn open(directory: &Path, _: u32) -> Outcome<Self> {
            Ok(Self(sled::open(directory)?))
        }

        fn create(&mut self, name: &str) -> Outcome<()> {
            self.0.open_tree(name)?;
            self.0.flush()?;
            Ok(())
        }

        fn put(&mut self, name: &str, key: &[u8], value: &[u8]) -> Outcome<()> {
            self.0.open_tree(name)?.insert(key, value)?;
            Ok(())
        }

        fn remove(&mut self, name: &str) -> Outcome<()> {
            self.0.drop_tree(name)?;
            self.0.flush()?;
            Ok(())
        }
    }
}

#[cfg(feature = "storage-fjall")]
pub mod fjall {
    use super::{Outcome, Path, Tables};
    use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
    use std::collections::BTreeMap;

    pub struct Fjall {
        open: BTreeMap<String, Keyspace>,
        database: Database,
    }

    impl Fjall {
        fn table(&mut self, name: &str) -> Outcome<Keyspace> {
            if let Some(known) = self.open.get(name) {
                return Ok(known.clone());
            }
            let opened = self.database.keyspace(name, KeyspaceCreateOptions::default)?;
            self.open.insert(name.to_owned(), opened.clone());
            Ok(opened)
        }
    }

    impl Tables for Fjall {
        fn open(directory: &Path, _: u32) -> Outcome<Self> {
            Ok(Self { open: BTreeMap::new(), database: Database::builder(directory).open()? })
        }

        fn create(&mut self, name: &str) -> Outcome<()> {
            self.table(name)?;
            Ok(self.database.persist(PersistMode::SyncAll)?)
        }

        fn put(&mut self, name: &str, key: &[u8], value: &[u8]) -> Outcome<()> {
            Ok(self.table(name)?.insert(key, value)?)
        }

        fn remove(&mut self, name: &str) -> Outcome<()> {
            let table = self.table(name)?;
            self.open.remove(name);
            Ok(self.database.delete_keyspace(table)?)
        }
    }
}

#[cfg(feature = "storage-rocksdb")]
pub mod rocksdb {
    use super::{Outcome, Path, Tables};
    use rocksdb::{DB, Options};

    pub struct RocksDb(DB);

    impl Tables for RocksDb {
        fn open(directory: &Path, _: u32) -> Outcome<Self> {
            let mut options = Options::default();
            options.create_if_missing(true);
            options.set_max_open_files(512);
            let families = DB::list_cf(&options, directory).unwrap_or_else(|_| vec!["default".to_owned()]);
            Ok(Self(DB::open_cf(&options, directory, families)?))
        }

        fn create(&mut self, name: &str) -> Outcome<()> {
            Ok(self.0.create_cf(name, &Options::default())?)
        }

        fn put(&mut self, name: &str, key: &[u8], value: &[u8]) -> Outcome<()> {
            let family = self.0.cf_handle(name).ok_or("no such column family")?;
            Ok(self.0.put_cf(&family, key, value)?)
        }

        fn remove(&mut self, name: &str) -> Outcome<()> {
            Ok(self.0.drop_cf(name)?)
        }
    }
}

#[cfg(feature = "storage-sqlite")]
pub mod sqlite {
    use super::{Outcome, Path, Tables};
    use rusqlite::Connection;

    pub struct Sqlite(Connection);

    impl Sqlite {
        fn run(&self, durability: &str, sql: &str) -> Outcome<()> {
            Ok(self.0.execute_batch(&format!("PRAGMA synchronous = {durability}; {sql}"))?)
        }
    }

    impl Tables for Sqlite {
        fn open(directory: &Path, _: u32) -> Outcome<Self> {
            let connection = Connection::open(directory.join("data.sqlite"))?;
            connection.execute_batch("PRAGMA journal_mode = WAL;")?;
            Ok(Self(connection))
        }

        fn create(&mut self, name: &str) -> Outcome<()> {
            self.run(
                "FULL",
                &format!(
                    "CREATE TABLE \"{name}\" (key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL) WITHOUT ROWID"
                ),
            )
        }

        fn put(&mut self, name: &str, key: &[u8], value: &[u8]) -> Outcome<()> {
            self.run("NORMAL", "")?;
            self.0.prepare(&format!("INSERT INTO \"{name}\" VALUES (?1, ?2)"))?.execute((key, value))?;
            Ok(())
        }

        fn remove(&mut self, name: &str) -> Outcome<()> {
            self.run("FULL", &format!("DROP TABLE \"{name}\""))
        }
    }
}

#[cfg(feature = "storage-lmdb")]
pub mod lmdb {
    use super::{Outcome, Path, Tables};
    use heed::types::Bytes;
    use heed::{CommitOrAbort, Env, EnvOpenOptions, WithoutTls};

    /// Each call opens its named database anew, because heed's handles borrow the environment.
    pub struct Lmdb(Env<WithoutTls>);

    impl Lmdb {
        /// Runs `work` on a named database, created if missing, in one durable transaction.
        fn with(
            &self,
            name: &str,
            work: impl for<'e> Fn(heed::Database<'e, Bytes, Bytes>, &mut heed::RwTxn<'e>) -> heed::Result<()>,
        ) -> Outcome<()> {
            let transaction = self.0.write_txn()?;
            let done = self.0.create_databases_and_commit(transaction, |opener, transaction| {
                let map = opener.create_database::<Bytes, Bytes>(transaction, Some(name))?;
                work(map, transaction).map(CommitOrAbort::<(), ()>::Commit)
            })?;
            match done {
                CommitOrAbort::Commit(()) => Ok(()),
                CommitOrAbort::Abort(()) => Err("the transaction was aborted".into()),
            }
        }
    }

    impl Tables for Lmdb {
        fn open(directory: &Path, tables_max: u32) -> Outcome<Self> {
            let mut options = EnvOpenOptions::new().read_txn_without_tls();
            options.map_size(64 << 30).max_dbs(tables_max + 8);
            // SAFETY: no other process or thread opens or changes the files of this benchmark.
            #[allow(unsafe_code)]
            Ok(Self(unsafe { options.open(directory) }?))
        }

        fn create(&mut self, name: &str) -> Outcome<()> {
            self.with(name, |_, _| Ok(()))
        }

        fn put(&mut self, name: &str, key: &[u8], value: &[u8]) -> Outcome<()> {
            self.with(name, |map, transaction| map.put(transaction, key, value))
        }

        fn remove(&mut self, name: &str) -> Outcome<()> {
            self.with(name, |map, transaction| {
                // SAFETY: no other handle to this database is open.
                #[allow(unsafe_code)]
                unsafe {
                    map.remove(transaction)
                }
            })
        }
    }
}
