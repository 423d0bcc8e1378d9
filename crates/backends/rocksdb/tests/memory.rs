//! A load of a million rows stays within its memory limit.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used)] // Tests fail by panicking.

use std::sync::atomic::{AtomicBool, Ordering};
use strongroom_core::{Durability, KeyspaceHints, StorageBackend, WriteBatch};
use strongroom_rocksdb::{RocksDbBackend, RocksDbOptions};

const ROWS: u32 = 1_000_000;
const BATCH_ROWS: u32 = 1_000;
const CACHE_BYTES: u64 = 16 << 20;
/// Limit besides the cache.
const MEMORY_BYTES_MAX: u64 = 256 << 20;

/// Returns the memory of this process that is not backed by files, in bytes.
fn anonymous_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1_024
}

#[test]
fn a_load_of_a_million_rows_stays_within_its_memory() {
    let home = tempfile::tempdir().unwrap();
    let options = RocksDbOptions::new().cache_bytes(CACHE_BYTES);
    let backend = RocksDbBackend::open(home.path(), options).unwrap();
    let spaces =
        ["a", "b", "c", "d"].map(|name| backend.create_keyspace(name, KeyspaceHints::default()).unwrap());
    let done = AtomicBool::new(false);
    let most = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut most = 0;
            while !done.load(Ordering::Relaxed) {
                most = anonymous_bytes().max(most);
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
            most
        });
        let mut batch = WriteBatch::new();
        for number in 0..ROWS {
            // In random order, and over several keyspaces.
            let key = number.wrapping_mul(2_654_435_761).to_be_bytes();
            let value = [&key[..], &[number.to_be_bytes()[3]; 96]].concat();
            batch.put(spaces[(number % 4) as usize], &key, &value);
            if number % BATCH_ROWS == BATCH_ROWS - 1 {
                backend.commit(&batch, Durability::Buffered).unwrap();
                batch.clear();
            }
        }
        backend.flush().unwrap();
        done.store(true, Ordering::Relaxed);
        watch.join().unwrap()
    });
    println!("{} MiB at most", most >> 20);
    assert!(most < CACHE_BYTES + MEMORY_BYTES_MAX, "{most}");
}
