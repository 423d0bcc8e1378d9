//! RocksDB without the layer: a column family for each keyspace.

use super::raw::{CACHE_BYTES, Raw, conditions_hold, lock, no_keyspace};
use crate::script::Batch;
use crate::subject::{Done, Failure, Opened, Promise, Verdict};
use rocksdb::checkpoint::Checkpoint;
use rocksdb::{
    BlockBasedOptions, BoundColumnFamily, Cache, ColumnFamilyDescriptor, DBWithThreadMode, MultiThreaded,
    Options, WaitForCompactOptions, WriteBatch, WriteOptions,
};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// RocksDB with synced writes.
pub(super) const SAFE: Raw = Raw {
    name: "rocksdb",
    engine: "rocksdb",
    promise: Promise::PowerSafe,
    note: "sync=true",
    open: |directory| Ok(Box::new(RocksDb::open(directory, true)?)),
};

/// RocksDB with its default settings.
pub(super) const CONTROL: Raw = Raw {
    name: "rocksdb-nosync",
    promise: Promise::Loses,
    note: "default write options: the log is not synced",
    open: |directory| Ok(Box::new(RocksDb::open(directory, false)?)),
    ..SAFE
};

/// As in the store's options; small, so that a script fills tables and not only the log.
const WRITE_BUFFER_BYTES: usize = 64 * 1_024;

/// The default column family, which always exists and is not a keyspace of a script.
const UNUSED_FAMILY: &str = rocksdb::DEFAULT_COLUMN_FAMILY_NAME;

type Database = DBWithThreadMode<MultiThreaded>;

struct RocksDb {
    database: Database,
    options: Options,
    /// Names of the column families, because an open RocksDB cannot list them.
    names: Mutex<BTreeSet<String>>,
    sync: bool,
}

fn options() -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&Cache::new_lru_cache(CACHE_BYTES));
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_block_based_table_factory(&table);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_max_open_files(512);
    options
}

impl RocksDb {
    fn open(directory: &Path, sync: bool) -> Result<Self, Failure> {
        let options = options();
        let families = if directory.join("CURRENT").exists() {
            Database::list_cf(&options, directory)?
        } else {
            vec![UNUSED_FAMILY.to_owned()]
        };
        let descriptors = families.iter().map(|name| ColumnFamilyDescriptor::new(name, options.clone()));
        let database = Database::open_cf_descriptors(&options, directory, descriptors)?;
        let names = families.into_iter().filter(|name| name != UNUSED_FAMILY).collect();
        Ok(Self { database, options, names: Mutex::new(names), sync })
    }

    fn family(&self, name: &str) -> Result<Arc<BoundColumnFamily<'_>>, Failure> {
        self.database.cf_handle(name).ok_or_else(|| no_keyspace(name))
    }
}

impl Opened for RocksDb {
    fn keyspaces(&self) -> Result<Vec<String>, Failure> {
        Ok(lock(&self.names)?.iter().cloned().collect())
    }

    fn create_keyspace(&self, name: &str) -> Result<(), Failure> {
        let mut names = lock(&self.names)?;
        if !names.contains(name) {
            self.database.create_cf(name, &self.options)?;
            names.insert(name.to_owned());
        }
        Ok(())
    }

    fn drop_keyspace(&self, name: &str) -> Result<(), Failure> {
        let mut names = lock(&self.names)?;
        self.database.drop_cf(name)?;
        names.remove(name);
        Ok(())
    }

    fn commit(&self, batch: &Batch) -> Result<Verdict, Failure> {
        if !conditions_hold(self, batch)? {
            return Ok(Verdict::Refused);
        }
        let mut writes = WriteBatch::default();
        for op in &batch.ops {
            let family = self.family(&op.keyspace)?;
            match op.value {
                Some(value) => writes.put_cf(&family, &op.key, value.bytes()),
                None => writes.delete_cf(&family, &op.key),
            }
        }
        let mut options = WriteOptions::default();
        options.set_sync(self.sync && !batch.buffered);
        self.database.write_opt(writes, &options)?;
        Ok(Verdict::Committed)
    }

    fn get(&self, keyspace: &str, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.database.get_cf(&self.family(keyspace)?, key)?)
    }

    fn scan(&self, keyspace: &str, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Failure> {
        let mut rows = self.database.raw_iterator_cf(&self.family(keyspace)?);
        rows.seek_to_first();
        while let Some((key, value)) = rows.item() {
            visit(key, value);
            rows.next();
        }
        Ok(rows.status()?)
    }

    fn compact(&self) -> Result<Done, Failure> {
        for name in self.keyspaces()? {
            self.database.compact_range_cf::<&[u8], &[u8]>(&self.family(&name)?, None, None);
        }
        // A compaction does not report errors; waiting for it does.
        self.database.wait_for_compact(&WaitForCompactOptions::default())?;
        Ok(Done::Done)
    }

    fn checkpoint(&self, directory: &Path) -> Result<Done, Failure> {
        Checkpoint::new(&self.database)?.create_checkpoint(directory)?;
        sync_parent(directory)?;
        Ok(Done::Done)
    }

    fn verify(&self) -> Result<Done, Failure> {
        Ok(Done::Lacking)
    }
}

/// Syncs the directory entry of a checkpoint, because RocksDB syncs only its contents.
fn sync_parent(directory: &Path) -> Result<(), Failure> {
    let Some(parent) = directory.parent().filter(|_| cfg!(unix)) else { return Ok(()) };
    std::fs::File::open(parent).and_then(|parent| parent.sync_all()).map_err(Failure::new)
}

impl From<rocksdb::Error> for Failure {
    fn from(error: rocksdb::Error) -> Self {
        Self::new(error)
    }
}
