//! RocksDB as a Strongroom backend.
