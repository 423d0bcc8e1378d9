//! RocksDB without the layer, with the adapter's defaults.

use super::Raw;
use crate::measure::{read, read_row};
use crate::workload::Op;
use rocksdb::{BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, DBCompressionType, Options};
use rocksdb::{ReadOptions, WriteBatch, WriteOptions};
use std::path::Path;

const ROWS: &str = "bench";

pub struct RocksDb(DB);

impl Raw for RocksDb {
    fn open(directory: &Path, cache_bytes: u64) -> Self {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&Cache::new_lru_cache(usize::try_from(cache_bytes).unwrap()));
        table.set_bloom_filter(10.0, false);
        table.set_cache_index_and_filter_blocks(true);
        table.set_pin_l0_filter_and_index_blocks_in_cache(true);
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_block_based_table_factory(&table);
        options.set_compression_type(DBCompressionType::Lz4);
        options.set_write_buffer_size(32 << 20);
        options.set_db_write_buffer_size(96 << 20);
        options.set_max_total_wal_size(192 << 20);
        options.set_max_background_jobs(2);
        options.set_max_open_files(512);
        let rows = ColumnFamilyDescriptor::new(ROWS, options.clone());
        Self(DB::open_cf_descriptors(&options, directory, [rows]).unwrap())
    }

    fn get(&self, key: &[u8]) -> usize {
        let rows = self.0.cf_handle(ROWS).unwrap();
        self.0.get_pinned_cf(&rows, key).unwrap().map_or(0, |value| read(&value))
    }

    fn scan(&self) -> (u64, u64) {
        let rows = self.0.cf_handle(ROWS).unwrap();
        let mut walk = self.0.raw_iterator_cf_opt(&rows, ReadOptions::default());
        let (mut count, mut bytes) = (0, 0);
        walk.seek_to_first();
        while let Some((key, value)) = walk.item() {
            count += 1;
            bytes += read_row(key, value);
            walk.next();
        }
        walk.status().unwrap();
        (count, bytes)
    }

    fn apply(&self, ops: &[Op]) {
        let rows = self.0.cf_handle(ROWS).unwrap();
        let mut batch = WriteBatch::default();
        for op in ops {
            match op {
                Op::Put(key, value) => batch.put_cf(&rows, key, value),
                Op::Delete(key) => batch.delete_cf(&rows, key),
            }
        }
        self.0.write_opt(batch, &WriteOptions::default()).unwrap();
    }

    fn put_durably(&self, key: &[u8], value: &[u8]) {
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.0.put_cf_opt(&self.0.cf_handle(ROWS).unwrap(), key, value, &options).unwrap();
    }

    fn flush(&self) {
        self.0.flush_wal(true).unwrap();
    }
}
