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
//! It is not small: a C++ library that takes a quarter of an hour to compile, and a process with threads of
//! RocksDB's that all its databases share. It opens a store for one handle at a time, for reading too, and a
//! snapshot, a cursor or a large value that outlives the backend keeps the store open, and locked. It keeps no
//! values apart from keys: RocksDB could, but a walk over keys only would read them all the same.
//!
//! | Contract | RocksDB |
//! |---|---|
//! | files | all in the directory `rocksdb/`, because RocksDB has a file `LOCK` too; on Linux it opens them by `/proc/self/fd`, so that a directory that was moved is still the one it writes to |
//! | keyspace | column family of the same name; the keyspace `default` has `keyspace:default`, as RocksDB's own `default` is always there; hints are of no use to it |
//! | get | `get_pinned_cf`; a value of more than 256 bytes shares RocksDB's block |
//! | batch | one `WriteBatch` over all column families; later operations on a key win |
//! | snapshot | `GetSnapshot`: a sequence number |
//! | cursor | a raw iterator with the scan's bounds, its status looked at when it ends |
//! | power-safe | `WriteOptions::sync`; commits that come at once share a sync |
//! | buffered | the log, without a sync |
//! | flush | `FlushWAL` with a sync |
//! | checkpoint | RocksDB's own: tables are linked where the file system can, so that damage done to one in place is done to both |
//! | compaction | all column families, down to the last level, while readers go on |
//! | integrity check | a second database reads all files again, the log too; readers go on |
//! | report | `LOG` and `LOG.old.0`, warnings and errors, up to 1 MiB each; written by the adapter, since RocksDB crashes when it cannot begin a new one |
//! | threads | tried before RocksDB starts any, which aborts the process where it can start none: opening, compaction and the integrity check answer `Unavailable` |
//! | read-only | opened as ever, with the lock; on a read-only file system without it, as it was then; without write permission likewise, if a store above holds its own lock |
//!
//! # Durability
//!
//! A power-safe commit has been synced to the log when it returns, and every commit before it with it. A
//! buffered commit has been handed to the operating system: it survives the end of the process, but not a
//! power cut. On Apple's systems no commit is claimed to be power-safe: as its crate compiles it, RocksDB calls
//! `fsync` there, which leaves data in the drive's cache. The log is never left out. When a store is opened, the log is read up to the first record that
//! is not whole: that is where a crash has torn it. RocksDB cannot tell such an end from damage done to the
//! last log later, so that damage loses what comes after it without an error; a log before the last that is
//! missing or short is an error. [`verify`](strongroom_core::StorageBackend::verify) finds either, as long
//! as the store is open. Blocks of tables are held against their checksums whenever they are read.

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

/// A store in a directory of RocksDB's.
pub type RocksDbBackend = Backend<RocksDbEngine>;
