//! redb as a Strongroom backend: one file, copy-on-write B-trees, nothing lost when the power is cut.
//!
//! This crate only translates. [`RedbBackend`] is [`Backend`] over [`RedbEngine`], with the whole contract
//! of `strongroom-core`; the layers above build on it.
//!
//! ```
//! use strongroom_core::{Durability, KeyspaceHints, StorageBackend, WriteBatch};
//! use strongroom_redb::RedbBackend;
//!
//! # fn main() -> strongroom_core::Result<()> {
//! # let home = tempfile::tempdir()?;
//! # let path = home.path().join("data");
//! let backend = RedbBackend::new(&path)?;
//! let events = backend.create_keyspace("events", KeyspaceHints::append_only())?;
//! let mut batch = WriteBatch::new();
//! batch.put(events, b"0001", b"inception");
//! backend.commit(&batch, Durability::PowerSafe)?;
//! assert_eq!(backend.get(events, b"0001")?.as_deref(), Some(&b"inception"[..]));
//! # Ok(()) }
//! ```
//!
//! It is not a way around redb's limits: writers take turns and do not share a sync, a page that a reader
//! can see is not used again until the reader has gone, and checksums are not checked on reads.
//!
//! | Contract | redb |
//! |---|---|
//! | files | `data.redb`, made as `data.redb.new` and renamed when it is whole |
//! | keyspace | table of `&[u8]` by `&[u8]`; hints are of no use to it |
//! | get | in a read transaction that gets share between two commits; the value shares redb's page and keeps the transaction open |
//! | batch | one write transaction, each table opened once |
//! | snapshot | one read transaction; a table is opened at its first use and kept |
//! | cursor | redb's range, holding one row's guards |
//! | power-safe | `Durability::Immediate` |
//! | buffered | `Durability::None` |
//! | flush | an empty power-safe commit |
//! | compaction | `Database::compact`; readers and writers wait, and it answers `Unavailable` while a snapshot, cursor or shared value is alive |
//! | read-only | opened as ever, with the lock; where the file cannot be written, as a `ReadOnlyDatabase`, if it was closed in order |
//! | integrity check | `Database::check_integrity`, on the same terms; it repairs what it can and then answers `Corruption` |
//!
//! # Durability
//!
//! A power-safe commit is on the disk when it returns, with one sync (two with
//! [`quick_repair`](RedbOptions::quick_repair)). A buffered commit stays in this process's memory: a crash of
//! the *process* loses it as surely as a power cut, until the next power-safe commit, flush or orderly close
//! writes it. Buffered commits also leave the pages that they replace unused until then, so that a file which
//! sees nothing else may grow to four times its contents. [`compact`](strongroom_core::StorageBackend::compact)
//! gives the space back. After a crash the first open reads the whole file to repair it.

mod commit;
mod cursor;
mod engine;
mod error;
mod files;
mod keyspace;
mod options;
mod snapshot;

pub use cursor::RedbCursor;
pub use engine::RedbEngine;
pub use keyspace::RedbKeyspace;
pub use options::RedbOptions;
pub use snapshot::RedbSnapshot;

use strongroom_core::Backend;

/// A store in one redb file.
pub type RedbBackend = Backend<RedbEngine>;
