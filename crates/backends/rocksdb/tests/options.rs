//! Options: how they reach RocksDB, and which are refused.

#![allow(clippy::unwrap_used, clippy::expect_used)] // Tests fail by panicking.

mod support;

use std::path::Path;
use strongroom_core::{Compression, Durability, ErrorKind, Options, StorageBackend, TypedOptions};
use strongroom_rocksdb::{CompactionStyle, RocksDbBackend, RocksDbOptions};
use support::{keyspace, names, noise, put};

/// Returns the newest file in which RocksDB records its options.
fn options_file(directory: &Path) -> String {
    let mut files = names(&directory.join("rocksdb"));
    files.retain(|name| name.starts_with("OPTIONS-"));
    files.sort();
    std::fs::read_to_string(directory.join("rocksdb").join(files.last().unwrap())).unwrap()
}

#[test]
fn the_options_file_shows_the_requested_options() {
    let home = tempfile::tempdir().unwrap();
    let options = RocksDbOptions::new()
        .write_buffer_size(3 << 20)
        .db_write_buffer_size(9 << 20)
        .compression_per_level([Compression::None, Compression::Lz4, Compression::Zstd])
        .bloom_bits(13)
        .prefix_bytes(5)
        .compaction_style(CompactionStyle::Universal)
        .background_threads(3)
        .option("level0_file_num_compaction_trigger", "7")
        .option("max_open_files", "77")
        .option("block_based_table_factory", "{block_size=8192}");
    let backend = RocksDbBackend::open(home.path(), options).unwrap();
    keyspace(&backend);
    let text = options_file(home.path());
    let (database, families) = text.split_once("[CFOptions").unwrap();
    for line in [
        "db_write_buffer_size=9437184",
        "max_background_jobs=3",
        "max_open_files=77",
        "track_and_verify_wals_in_manifest=true",
        "paranoid_checks=true",
        "wal_recovery_mode=kPointInTimeRecovery",
        "manual_wal_flush=false",
        "keep_log_file_num=2",
    ] {
        assert!(database.contains(line), "{line} is not in {database}");
    }
    let (_, rows) = families.split_once("[CFOptions \"rows\"]").unwrap();
    for line in [
        "write_buffer_size=3145728",
        "compression_per_level=kNoCompression:kLZ4Compression:kZSTD",
        "filter_policy=bloomfilter:13",
        "prefix_extractor=rocksdb.FixedPrefix.5",
        "compaction_style=kCompactionStyleUniversal",
        "level0_file_num_compaction_trigger=7",
        "block_size=8192",
        "cache_index_and_filter_blocks=true",
    ] {
        assert!(rows.contains(line), "{line} is not in {rows}");
    }
}

#[test]
fn the_common_options_reach_rocksdb() {
    let home = tempfile::tempdir().unwrap();
    for (compression, shown) in [
        (None, "kLZ4Compression"),
        (Some(Compression::None), "kNoCompression"),
        (Some(Compression::Lz4), "kLZ4Compression"),
        (Some(Compression::Zstd), "kZSTD"),
    ] {
        let mut options = Options::new().cache_bytes(1 << 20);
        options.compression = compression;
        let options = RocksDbOptions::from_options(&options).unwrap();
        let backend = RocksDbBackend::open(home.path(), options).unwrap();
        let rows = keyspace(&backend);
        let (_, of_rows) = {
            let text = options_file(home.path());
            let (before, after) = text.split_once("[CFOptions \"rows\"]").unwrap();
            (before.to_owned(), after.to_owned())
        };
        assert!(of_rows.contains(&format!("\n  compression={shown}\n")), "{of_rows}");
        // More than the cache holds, read twice.
        for key in 0..8_u8 {
            put(&backend, rows, &[key], &noise(500_000), Durability::Buffered);
        }
        backend.compact().unwrap();
        for key in 0..16_u8 {
            assert!(backend.get(rows, &[key % 8]).unwrap().is_some());
        }
        let cached = backend.stats().unwrap().cache_bytes.unwrap();
        assert!(cached > 400_000 && cached <= (1 << 20) + 600_000, "{cached}");
    }
}

#[test]
fn options_are_parsed_by_name_and_wrong_ones_are_refused() {
    let given =
        |name: &str, value: &str| RocksDbOptions::from_options(&Options::new().engine_option(name, value));
    for (name, value) in [
        ("write_buffer_size", "1MiB"),
        ("db_write_buffer_size", "64KiB"),
        ("compression_per_level", "none:none:lz4:zstd"),
        ("compaction_style", "universal"),
        ("compaction_style", "kCompactionStyleLevel"),
        ("bloom_bits", "0"),
        ("prefix_bytes", "4"),
        ("statistics", "true"),
        ("target_file_size_base", "8388608"),
        ("block_based_table_factory", "{block_size=8192;format_version=6}"),
    ] {
        assert!(given(name, value).is_ok(), "{name}");
    }
    for (name, value) in [
        ("write_buffer_size", "1"),
        ("db_write_buffer_size", "many"),
        ("compression_per_level", ""),
        ("compression_per_level", "none:snappy"),
        ("compression_per_level", "lz4:lz4:lz4:lz4:lz4:lz4:lz4:lz4"),
        ("compaction_style", "fifo"),
        ("compaction_style", "none"),
        ("bloom_bits", "33"),
        ("prefix_bytes", "0"),
        ("no_such_option", "1"),
        ("target_file_size_base", "large"),
        ("block_based_table_factory", "{checksum=kNoChecksum}"),
        ("manual_wal_flush", "true"),
    ] {
        let error = given(name, value).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name}");
        println!("{}", error.one_line());
    }
    let fifo = given("compaction_style", "fifo").unwrap_err();
    assert!(fifo.message().contains("deletes the oldest rows"), "{fifo}");
    let unknown = given("no_such_option", "1").unwrap_err();
    assert!(unknown.way_out().contains("bloom_bits") && unknown.way_out().contains("OPTIONS"), "{unknown}");
    // A refused open changes nothing.
    let home = tempfile::tempdir().unwrap();
    for options in [
        RocksDbOptions::new().option("no_such_option", "1"),
        RocksDbOptions::new().option("bloom_bits", "4"),
        RocksDbOptions::new().bloom_bits(1_000),
        RocksDbOptions::new().compression(Compression::Lz4).compression_per_level([Compression::None]),
    ] {
        let refused = RocksDbBackend::open(home.path(), options);
        assert_eq!(refused.err().unwrap().kind(), ErrorKind::InvalidInput);
        assert_eq!(names(home.path()).len(), 0);
    }
    // Typed options are also set by name.
    let typed = RocksDbOptions::new()
        .write_buffer_size(1 << 20)
        .db_write_buffer_size(1 << 21)
        .compression_per_level([Compression::None, Compression::Zstd])
        .bloom_bits(7)
        .prefix_bytes(3)
        .compaction_style(CompactionStyle::Universal)
        .statistics(true)
        .option("max_open_files", "50")
        .option("max_open_files", "51");
    let again = RocksDbOptions::from_options(typed.common()).unwrap();
    assert_eq!(format!("{typed:?}"), format!("{again:?}"));
}

#[test]
fn a_cache_of_any_size_works() {
    let home = tempfile::tempdir().unwrap();
    for bytes in [0, 1, u64::MAX] {
        let backend = RocksDbBackend::open(home.path(), RocksDbOptions::new().cache_bytes(bytes)).unwrap();
        let rows = keyspace(&backend);
        put(&backend, rows, b"a", &noise(10_000), Durability::Buffered);
        backend.compact().unwrap();
        assert!(backend.get(rows, b"a").unwrap().unwrap() == noise(10_000));
    }
}
