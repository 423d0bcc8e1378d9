//! The integrity check: a second, read-only database reads all files again.
//!
//! So nothing is taken from caches or write buffers, and every block is checked against its checksum. The log
//! is checked too. An open would cut off a torn end, but no commit runs during the check, so the log has to be
//! complete.

use crate::error::translate;
use crate::keyspace::Database;
use crate::options::RocksDbOptions;
use rocksdb::{Cache, ColumnFamilyDescriptor, DBRecoveryMode, InfoLogger, LogLevel, Options, ReadOptions};
use std::path::Path;
use strongroom_core::Result;

/// For the indexes; rows are not cached.
const CACHE_BYTES: usize = 8 * 1_024 * 1_024;
const READAHEAD_BYTES: usize = 1_024 * 1_024;

/// Checks the files of `database` at `home`.
pub(crate) fn files(database: &Database, home: &Path, options: &RocksDbOptions) -> Result<()> {
    // Compactions continue. The files that they replace stay until the check is done.
    database.disable_file_deletions().map_err(translate)?;
    let outcome = read_all(home, options);
    let resumed = database.enable_file_deletions().map_err(translate);
    outcome.and(resumed)
}

fn read_all(home: &Path, options: &RocksDbOptions) -> Result<()> {
    let mut options = options.rocksdb(&Cache::new_lru_cache(CACHE_BYTES))?;
    options.set_wal_recovery_mode(DBRecoveryMode::AbsoluteConsistency);
    // The report belongs to the first database.
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
