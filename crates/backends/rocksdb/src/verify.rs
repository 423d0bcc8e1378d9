//! The integrity check: all files are read again, by a second database that only reads.
//!
//! So nothing is taken from caches or write buffers, every block is held against its checksum, and the log
//! too, of which a torn end would be cut off at an open: nobody writes meanwhile, so it has to be whole.

use crate::error::translate;
use crate::keyspace::Database;
use crate::options::RocksDbOptions;
use rocksdb::{Cache, ColumnFamilyDescriptor, DBRecoveryMode, InfoLogger, LogLevel, Options, ReadOptions};
use std::path::Path;
use strongroom_core::Result;

/// For the indexes; rows are not kept.
const CACHE_BYTES: usize = 8 * 1_024 * 1_024;
const READAHEAD_BYTES: usize = 1_024 * 1_024;

/// Checks what `database` has on the disk at `home`.
pub(crate) fn files(database: &Database, home: &Path, options: &RocksDbOptions) -> Result<()> {
    // Compactions go on: what they replace stays until the check is through.
    database.disable_file_deletions().map_err(translate)?;
    let outcome = read_all(home, options);
    let resumed = database.enable_file_deletions().map_err(translate);
    outcome.and(resumed)
}

fn read_all(home: &Path, options: &RocksDbOptions) -> Result<()> {
    let mut options = options.rocksdb(&Cache::new_lru_cache(CACHE_BYTES))?;
    options.set_wal_recovery_mode(DBRecoveryMode::AbsoluteConsistency);
    // The report is the first database's.
    options.set_info_logger(InfoLogger::new_callback_logger(LogLevel::Fatal, |_, _| {}));
    let families = Database::list_cf(&Options::default(), home).map_err(translate)?;
    let descriptors = families.iter().map(|name| ColumnFamilyDescriptor::new(name, options.clone()));
    let second =
        Database::open_cf_descriptors_read_only(&options, home, descriptors, false).map_err(translate)?;
    for name in &families {
        let Some(family) = second.cf_handle(name) else { continue };
        let mut reads = ReadOptions::default();
        reads.set_total_order_seek(true);
        reads.fill_cache(false);
        reads.set_readahead_size(READAHEAD_BYTES);
        let mut rows = second.raw_iterator_cf_opt(&family, reads);
        rows.seek_to_first();
        while rows.valid() {
            rows.next();
        }
        rows.status().map_err(translate)?;
    }
    Ok(())
}
