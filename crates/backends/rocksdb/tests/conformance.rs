//! The conformance suite on RocksDB.

use strongroom_rocksdb::RocksDbBackend;

strongroom_testkit::conformance!(rocksdb, |directory| Ok(Box::new(RocksDbBackend::new(directory)?)));
