//! RocksDB as a Strongroom backend: a log-structured merge tree in C++, proven at scale for ten years.
//!
//! This crate only translates. [`RocksDbBackend`] is [`Backend`] over [`RocksDbEngine`], with the whole
//! contract of `strongroom-core`; the layers above build on it.
//!
//! ```
//! use strongroom_core::{Durability, KeyspaceHints, StorageBackend, WriteBatch};
//! use strongroom_rocksdb::RocksDbBackend;
//!
//! # fn main() -> strongroom_core::Result<()> {
//! # let home = tempfile::tempdir()?;
//! # let path = home.path().join("data");
//! let backend = RocksDbBackend::new(&path)?;
//! let events = backend.create_keyspace("events", KeyspaceHints::append_only())?;
//! let mut batch = WriteBatch::new();
//! batch.put(events, b"0001", b"inception");
//! backend.commit(&batch, Durability::PowerSafe)?;
//! assert_eq!(backend.get(events, b"0001")?.as_deref(), Some(&b"inception"[..]));
//! # Ok(()) }
//! ```
//!
//! It is not small: a C++ library that takes a quarter of an hour to compile, and background threads that all
//! databases of a process share. A store can be open in one handle at a time, even for reading. A snapshot, a
//! cursor or a large value that outlives the backend keeps the store open and locked. Values are not separated
//! from keys: RocksDB could do it, but a keys-only scan would read them all the same.
//!
//! | Contract | RocksDB |
//! |---|---|
//! | files | all in the directory `rocksdb/`, because RocksDB has a file `LOCK` too; on Linux they are opened through `/proc/self/fd`, so that RocksDB still writes to the same directory after it was renamed |
//! | keyspace | column family of the same name; the keyspace `default` has `keyspace:default`, as RocksDB's own `default` always exists; hints are not used |
//! | get | `get_pinned_cf`; a value of more than 256 bytes shares RocksDB's block |
//! | batch | one `WriteBatch` over all column families; later operations on a key win |
//! | snapshot | `GetSnapshot`: a sequence number |
//! | cursor | a raw iterator with the scan's bounds, its status checked when it ends |
//! | power-safe | `WriteOptions::sync`; concurrent commits share a sync |
//! | buffered | the log, without a sync |
//! | flush | `FlushWAL` with a sync |
//! | checkpoint | RocksDB's own: tables are hard links where the file system allows it, so damage to a linked table damages both stores |
//! | compaction | all column families, down to the last level, concurrently with readers |
//! | integrity check | a second database reads all files again, including the log; readers are not blocked |
//! | report | `LOG` and `LOG.old.0`, warnings and errors, up to 1 MiB each; written by the adapter, since RocksDB crashes when it cannot begin a new one |
//! | threads | tried before RocksDB starts any, since it aborts the process if it can start none: opening, compaction and the integrity check return `Unavailable` |
//! | read-only | opened as for writing, with the lock; on a read-only file system without it, in the state of the last write; the same without write permission, if a store holds its own lock |
//!
//! # Durability
//!
//! A power-safe commit and every commit before it have been synced to the log when it returns. A buffered
//! commit has been handed to the operating system: it survives the end of the process, but not a power cut. On
//! Apple's systems no commit is claimed to be power-safe: as its crate compiles it, RocksDB calls `fsync`
//! there, which leaves data in the drive's cache. The log is always written.
//!
//! When a store is opened, the log is read up to the first incomplete record, which is where a crash has torn
//! it. RocksDB cannot distinguish such an end from later damage to the last log, so such damage loses the
//! commits after it without an error. A missing or short log before the last one is an error.
//! [`verify`](strongroom_core::StorageBackend::verify) finds both while the store is open. Blocks of tables are
//! checked against their checksums whenever they are read.

mod commit;
mod cursor;
mod engine;
mod error;
mod files;
mod keyspace;
mod options;
mod pass_through;
mod report;
mod snapshot;
mod threads;
mod verify;
mod view;

pub use cursor::RocksDbCursor;
pub use engine::RocksDbEngine;
pub use keyspace::RocksDbKeyspace;
pub use options::{CompactionStyle, RocksDbOptions};
pub use snapshot::RocksDbSnapshot;

use strongroom_core::Backend;

/// A store in a RocksDB directory.
pub type RocksDbBackend = Backend<RocksDbEngine>;
