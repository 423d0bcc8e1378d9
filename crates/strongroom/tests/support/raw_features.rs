//! What the engines have by themselves, in a word, as their documentation says: redb 4.6, sled 0.34, fjall 3.1, RocksDB
//! 11.8 through its crate, SQLite 3.54, LMDB 0.9.

use strongroom_testkit::Feature;

/// What the engine of this name has.
pub fn of(engine: &str) -> fn(Feature) -> &'static str {
    match engine {
        "redb" => redb,
        "sled" => sled,
        "fjall" => fjall,
        "rocksdb" => rocksdb,
        "sqlite" => sqlite,
        "lmdb" => lmdb,
        other => panic!("nothing is said about {other} by itself"),
    }
}

fn redb(feature: Feature) -> &'static str {
    match feature {
        Feature::Snapshots | Feature::ReverseScans | Feature::Statistics => "yes",
        Feature::ConditionalBatches | Feature::CompareAndSwap | Feature::Counters => "by hand",
        Feature::Transactions => "one writer",
        // `check_integrity` does, reads do not.
        Feature::Checksums => "on request",
        _ => "no",
    }
}

fn sled(feature: Feature) -> &'static str {
    match feature {
        // Some panic: see `reverse` in its adapter.
        Feature::ReverseScans => "most",
        Feature::ConditionalBatches => "by hand",
        Feature::CompareAndSwap => "by value",
        Feature::Counters | Feature::GeneratedIds | Feature::Watch | Feature::Checksums => "yes",
        // `transaction` has gets and no scans.
        Feature::Transactions => "without scans",
        Feature::Digest => "its own CRC",
        Feature::Statistics => "size",
        _ => "no",
    }
}

fn fjall(feature: Feature) -> &'static str {
    match feature {
        // Transactions by `OptimisticTxDatabase`.
        Feature::Snapshots
        | Feature::Transactions
        | Feature::ReverseScans
        | Feature::Checksums
        | Feature::Statistics => "yes",
        Feature::ConditionalBatches | Feature::CompareAndSwap | Feature::Counters => "by hand",
        Feature::TimeToLive => "at compaction",
        _ => "no",
    }
}

fn rocksdb(feature: Feature) -> &'static str {
    match feature {
        Feature::Snapshots
        | Feature::ReverseScans
        | Feature::GroupCommit
        | Feature::Checksums
        | Feature::HotBackup
        | Feature::Statistics => "yes",
        Feature::ConditionalBatches | Feature::CompareAndSwap => "by hand",
        Feature::Counters => "merge operator",
        // Keys are locked or checked, ranges are not.
        Feature::Transactions => "without ranges",
        Feature::TimeToLive => "at compaction",
        _ => "no",
    }
}

fn sqlite(feature: Feature) -> &'static str {
    match feature {
        Feature::Snapshots | Feature::ReverseScans | Feature::HotBackup | Feature::Statistics => "yes",
        Feature::ConditionalBatches | Feature::CompareAndSwap | Feature::Counters => "by hand",
        Feature::GeneratedIds => "AUTOINCREMENT",
        Feature::Transactions => "one writer",
        // `sqlite3_update_hook`: the connection's own changes, before they are committed.
        Feature::Watch => "own changes",
        _ => "no",
    }
}

fn lmdb(feature: Feature) -> &'static str {
    match feature {
        Feature::Snapshots | Feature::ReverseScans | Feature::HotBackup | Feature::Statistics => "yes",
        Feature::ConditionalBatches | Feature::CompareAndSwap | Feature::Counters => "by hand",
        Feature::Transactions => "one writer",
        _ => "no",
    }
}
