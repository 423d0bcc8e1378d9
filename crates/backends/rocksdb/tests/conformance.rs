//! The conformance suite on RocksDB.

use strongroom_rocksdb::RocksDbBackend;

strongroom_testkit::conformance!(rocksdb, |directory| Ok(Box::new(RocksDbBackend::new(directory)?)));

// Again with all keyspaces in shared tables.
strongroom_testkit::conformance!(rocksdb_packed, |directory| Ok(strongroom_testkit::packed(
    RocksDbBackend::new(directory)?
)));
