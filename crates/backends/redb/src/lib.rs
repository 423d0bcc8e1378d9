//! redb as a Strongroom backend: one file, copy-on-write B-trees, and power-safe commits.
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
//! redb's limits remain: writers run one after another and do not share a sync, a page that a reader can see is
//! not reused until the reader has ended, and checksums are not verified on reads.
//!
//! | Contract | redb |
//! |---|---|
//! | files | `data.redb`, created as `data.redb.new` and renamed when it is complete |
//! | keyspace | table of `&[u8]` by `&[u8]`; hints are not used |
//! | get | in a read transaction that gets share between two commits; the value shares redb's page and keeps the transaction open |
//! | batch | one write transaction, each table opened once |
//! | snapshot | one read transaction; a table is opened at its first use and kept |
//! | cursor | redb's range, holding one row's guards |
//! | power-safe | `Durability::Immediate` |
//! | buffered | `Durability::None` |
//! | flush | an empty power-safe commit |
//! | compaction | `Database::compact`; readers and writers wait, and it returns `Unavailable` if a snapshot, cursor or shared value is open for longer than 0.2 s |
//! | read-only | opened as for writing, with the lock; if the file cannot be written, as a `ReadOnlyDatabase`, provided that it was closed properly |
//! | integrity check | `Database::check_integrity`, under the same conditions; it repairs what it can and then returns `Corruption` |
//!
//! # Durability
//!
//! A power-safe commit is on disk when it returns, with one sync (two with
//! [`quick_repair`](RedbOptions::quick_repair)). A buffered commit stays in this process's memory: a crash of
//! the *process* loses it as surely as a power cut, until the next power-safe commit, flush or proper close
//! writes it. Until then the pages that buffered commits replace are not reused, so that a file with only
//! buffered commits may grow to four times its contents. [`compact`](strongroom_core::StorageBackend::compact)
//! reclaims the space. After a crash the first open reads the whole file to repair it.

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
