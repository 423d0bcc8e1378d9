//! RocksDB as an [`Engine`].

use crate::commit::Commits;
use crate::error::{is_denied, is_outdated_list, is_read_only_place, translate};
use crate::keyspace::{Database, OpenDatabase, RocksDbKeyspace, UNUSED_FAMILY, family_name, keyspace_name};
use crate::options::RocksDbOptions;
use crate::snapshot::{RocksDbSnapshot, get};
use crate::{files, report, threads, verify};
use rocksdb::checkpoint::Checkpoint;
use rocksdb::properties::{ACTUAL_DELAYED_WRITE_RATE, CUR_SIZE_ALL_MEM_TABLES, IS_WRITE_STOPPED, PropName};
use rocksdb::statistics::Ticker;
use rocksdb::{
    BottommostLevelCompaction, Cache, ColumnFamilyDescriptor, CompactOptions, Options, ReadOptions,
    WaitForCompactOptions,
};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use strongroom_core::{
    BatchLimits, Bytes, Capabilities, Compression, Create, Durability, Engine, EngineBatch, EngineInfo,
    Gauge, KeyspaceHints, Marked, OpenContext, Options as CommonOptions, Result, Stats, Tuning, TypedOptions,
};

/// An open RocksDB engine. Applications use it as [`RocksDbBackend`](crate::RocksDbBackend).
pub struct RocksDbEngine {
    database: Arc<OpenDatabase>,
    is_locked: bool,
    options: RocksDbOptions,
    /// The options as RocksDB uses them: for new column families, and to read its counters.
    families: Options,
    cache: Cache,
    /// Names of the keyspaces.
    names: Mutex<BTreeSet<String>>,
    reads: ReadOptions,
    commits: Commits,
    pins: Gauge,
}

impl RocksDbEngine {
    fn names(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a figure of the whole database.
    fn figure(&self, property: &PropName) -> Result<u64> {
        Ok(self.database.property_int_value(property).map_err(translate)?.unwrap_or(0))
    }

    /// Returns the sum of a figure over all keyspaces.
    fn sum(&self, property: &PropName) -> Result<u64> {
        let mut sum = 0;
        for name in self.keyspace_names()? {
            let Some(family) = self.database.cf_handle(family_name(&name)) else { continue };
            sum += self.database.property_int_value_cf(&family, property).map_err(translate)?.unwrap_or(0);
        }
        Ok(sum)
    }
}

/// A database that was just opened.
struct Opened {
    database: Database,
    families: Vec<String>,
    /// Nothing is locked if nothing can be written.
    is_locked: bool,
}

/// Opens the database at `home` with all its column families.
fn open(home: &Path, options: &Options, common: &CommonOptions) -> Result<Opened> {
    // Without write permission RocksDB's lock cannot be taken, so a writer of another user would go unnoticed.
    // A store has taken its own lock.
    let is_unwritable =
        |text: &str| is_read_only_place(text) || (common.marked == Marked::Writable && is_denied(text));
    let try_once = || {
        // A database that cannot be listed cannot be opened either, and opening reports the better reason: it
        // may be locked.
        let families = Database::list_cf(&Options::default(), home);
        let families = families.unwrap_or_else(|_| vec![UNUSED_FAMILY.to_owned()]);
        let describe = || families.iter().map(|name| ColumnFamilyDescriptor::new(name, options.clone()));
        match Database::open_cf_descriptors(options, home, describe()) {
            Err(error) if common.read_only && is_unwritable(error.as_ref()) => {
                let database = Database::open_cf_descriptors_read_only(options, home, describe(), false)?;
                Ok(Opened { database, families, is_locked: false })
            }
            outcome => outcome.map(|database| Opened { database, families, is_locked: true }),
        }
    };
    match try_once() {
        // Another handle has created or dropped a column family since, and is closed again.
        Err(error) if is_outdated_list(&error) => try_once(),
        outcome => outcome,
    }
    .map_err(translate)
}

impl Engine for RocksDbEngine {
    const INFO: EngineInfo = EngineInfo {
        name: "rocksdb",
        version: "11.8",
        snapshots: "engine",
        capabilities: Capabilities {
            persistent: true,
            // There its C++, as its crate compiles it, calls `fsync` where only `F_FULLFSYNC` reaches the disk.
            power_safe: cfg!(not(target_vendor = "apple")),
            checkpoint: true,
            compaction: true,
            integrity_check: true,
            shared_reads: false,
        },
        tuning: Tuning {
            cache: true,
            compression: &[Compression::None, Compression::Lz4, Compression::Zstd],
            background_threads: true,
        },
        batch: BatchLimits::NONE,
        unclaimed: "",
    };
    /// Concurrent commits share a sync.
    const CONCURRENT_COMMITS: bool = true;
    type Options = RocksDbOptions;
    type Keyspace = RocksDbKeyspace;
    type Snapshot = RocksDbSnapshot;

    fn open(context: OpenContext<'_, RocksDbOptions>) -> Result<Self> {
        let OpenContext { directory, options, pins, .. } = context;
        let cache = options.cache()?;
        let mut families = options.rocksdb(&cache)?;
        let common = options.common();
        let creates = files::prepare(directory, common.create)?;
        families.create_if_missing(creates && common.create == Create::IfMissing);
        let home = files::enter_home(directory)?;
        // Last, since parsing options from text resets it.
        families.set_info_logger(report::logger(home.directory().pinned_path()));
        threads::check(options.threads_max())?;
        let Opened { database, families: found, is_locked } =
            open(home.directory().pinned_path(), &families, common)?;
        if is_locked && !common.read_only {
            // For an existing database too: its creation may have been interrupted just before this.
            files::sync_names(directory)?;
        }
        let names = found.iter().filter_map(|family| keyspace_name(family)).map(str::to_owned).collect();
        Ok(Self {
            database: Arc::new(OpenDatabase::new(database, home)),
            is_locked,
            options: options.clone(),
            families,
            cache,
            names: Mutex::new(names),
            reads: ReadOptions::default(),
            commits: Commits::new(),
            pins,
        })
    }

    fn exists(directory: &Path) -> bool {
        files::exists(directory)
    }

    fn keyspace_names(&self) -> Result<Vec<String>> {
        Ok(self.names().iter().cloned().collect())
    }

    fn open_keyspace(&self, name: &str, _: KeyspaceHints) -> Result<RocksDbKeyspace> {
        let mut names = self.names();
        if !names.contains(name) {
            // On disk when it returns: RocksDB writes it to its manifest and syncs that.
            self.database.create_cf(family_name(name), &self.families).map_err(translate)?;
            names.insert(name.to_owned());
        }
        RocksDbKeyspace::find(&self.database, name)
    }

    fn drop_keyspace(&self, name: &str, keyspace: &RocksDbKeyspace) -> Result<()> {
        let mut names = self.names();
        self.database.drop_cf(family_name(name)).map_err(translate)?;
        names.remove(name);
        keyspace.let_go();
        Ok(())
    }

    fn get(&self, keyspace: &RocksDbKeyspace, key: &[u8]) -> Result<Option<Bytes>> {
        keyspace.with(|family| get(&self.database, family, key, &self.reads, &self.pins))
    }

    fn snapshot(&self) -> Result<RocksDbSnapshot> {
        Ok(RocksDbSnapshot::new(Arc::clone(&self.database), self.options.prefix_len(), self.pins.clone()))
    }

    fn apply(&self, batch: &EngineBatch<'_, RocksDbKeyspace>, durability: Durability) -> Result<()> {
        self.commits.apply(&self.database, batch, durability)
    }

    fn flush(&self) -> Result<()> {
        self.database.flush_wal(true).map_err(translate)
    }

    fn stats(&self, stats: &mut Stats) -> Result<()> {
        let usage = files::usage(self.database.home())?;
        stats.disk_bytes = Some(usage.disk_bytes);
        stats.cache_bytes = Some(u64::try_from(self.cache.get_usage()).unwrap_or(u64::MAX));
        let mut add = |name: &str, figure: u64| stats.engine.push((name.to_owned(), figure));
        add("tables", usage.tables);
        add("log_bytes", usage.log_bytes);
        add("write_buffer_bytes", self.sum(CUR_SIZE_ALL_MEM_TABLES)?);
        add("write_stopped", self.figure(IS_WRITE_STOPPED)?);
        add("write_bytes_per_second_max", self.figure(ACTUAL_DELAYED_WRITE_RATE)?);
        if self.options.has_statistics() {
            for ticker in
                [Ticker::BlockCacheHit, Ticker::BlockCacheMiss, Ticker::StallMicros, Ticker::WalFileSynced]
            {
                add(ticker.name(), self.families.get_ticker_count(ticker));
            }
        }
        Ok(())
    }

    fn compact(&self) -> Result<()> {
        threads::check(self.options.threads_max())?;
        let mut options = CompactOptions::default();
        // Otherwise deleted rows stay in the last level.
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        for name in self.keyspace_names()? {
            let Some(family) = self.database.cf_handle(family_name(&name)) else { continue };
            self.database.compact_range_cf_opt::<&[u8], &[u8]>(&family, None, None, &options);
        }
        // The compaction itself returns no errors; this call does.
        self.database.wait_for_compact(&WaitForCompactOptions::default()).map_err(translate)
    }

    fn checkpoint(&self, directory: &Path) -> Result<bool> {
        if !self.is_locked {
            // RocksDB copies only databases that it could also write.
            return Ok(false);
        }
        let checkpoint = Checkpoint::new(&self.database).map_err(translate)?;
        checkpoint.create_checkpoint(files::home(directory)).map_err(translate)?;
        files::sync_copy(directory)?;
        Ok(true)
    }

    fn verify(&self) -> Result<()> {
        threads::check(self.options.threads_max())?;
        verify::files(&self.database, self.database.home(), &self.options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declared_version_is_the_built_in_one() {
        let lock_file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../Cargo.lock");
        let text = std::fs::read_to_string(lock_file).unwrap();
        let (_, version) = text.split_once("name = \"librocksdb-sys\"\nversion = \"").unwrap();
        let (_, bundled) = version.split_once('+').unwrap();
        let version = RocksDbEngine::INFO.version;
        assert!(bundled.starts_with(&format!("{version}.")), "INFO.version is not the one of Cargo.lock");
    }
}
