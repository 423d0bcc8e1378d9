//! LMDB as a Strongroom backend: one mapped file, copy-on-write B-trees, readers in many processes.
//!
//! This crate only translates. [`LmdbBackend`] is [`Backend`] over [`LmdbEngine`], with the whole contract of
//! `strongroom-core`; the layers above build on it.
//!
//! ```
//! use strongroom_core::{Durability, KeyspaceHints, StorageBackend, WriteBatch};
//! use strongroom_lmdb::LmdbBackend;
//!
//! # fn main() -> strongroom_core::Result<()> {
//! # let home = tempfile::tempdir()?;
//! # let path = home.path().join("data");
//! let backend = LmdbBackend::new(&path)?;
//! let events = backend.create_keyspace("events", KeyspaceHints::append_only())?;
//! let mut batch = WriteBatch::new();
//! batch.put(events, b"0001", b"inception");
//! backend.commit(&batch, Durability::PowerSafe)?;
//! assert_eq!(backend.get(events, b"0001")?.as_deref(), Some(&b"inception"[..]));
//! # Ok(()) }
//! ```
//!
//! LMDB's limits remain: writers run one after another and do not share a sync, a page that a reader can see is
//! not reused until the reader has ended, the file never shrinks, and there are no checksums. LMDB has no cache
//! of its own, so a cache size is refused. Its pages are cached in the operating system's page cache, which
//! does not count as memory of this process.
//!
//! | Contract | LMDB |
//! |---|---|
//! | files | `data.mdb` (created as `data.mdb.new` and renamed when it is complete), `lock.mdb`, and `data.mdb.writer`, which the one writer locks |
//! | keyspace | named database, and a row in the unnamed one with the number of the transaction that created it; hints are not used |
//! | get | in a read transaction that gets share between two commits, one thread at a time; a value of more than 4 KiB shares the map and keeps the transaction open |
//! | batch | one write transaction |
//! | snapshot | one read transaction, used by one thread at a time |
//! | cursor | LMDB's cursor; the positions of up to 64 rows are fetched under one lock and lent from the map |
//! | power-safe | LMDB's default: data synced, then the meta page |
//! | buffered | the same |
//! | flush | nothing to do |
//! | checkpoint | LMDB's compacting copy, concurrently with writers; it is how space is reclaimed |
//! | compaction | none: LMDB cannot shrink a file in place |
//! | integrity check | none |
//! | other processes | may open it read-only while one writes, and see its commits |
//!
//! # The map grows by itself
//!
//! LMDB maps the file at a fixed size. So address space is reserved, 1 TiB on 64-bit machines. This is neither
//! memory nor disk, and the disk fills up long before. A process that may not reserve so much gets half of it,
//! or half of that, and so on. If the map is full nevertheless (with a small
//! [`map_bytes`](LmdbOptions::map_bytes), or on a 32-bit machine), the commit waits until this process has no
//! reader, doubles the map and continues. New readers wait meanwhile. If snapshots, cursors or shared values
//! stay open for [`grow_timeout`](LmdbOptions::grow_timeout), the commit returns `Unavailable` and has changed
//! nothing. A thread that commits while it holds a snapshot waits for itself until that timeout. The handle is
//! lost only if address space runs out while the map grows.
//!
//! # What readers cost
//!
//! A read transaction, however short, takes one of [`max_readers`](LmdbOptions::max_readers) slots and some 50
//! bytes for each of [`max_keyspaces`](LmdbOptions::max_keyspaces). One that stays open (a snapshot, a cursor,
//! a shared value) keeps every page that is freed from then on from being reused, so the file grows. Slots of
//! processes that died are cleared when a store is opened, when the file has grown, and when slots run out.
//!
//! A reader that cannot write the list of readers (a read-only file system, a file without permission) shares a
//! lock on the writer's file instead. It keeps writers out while it reads.
//!
//! # Durability
//!
//! A commit is on disk when it returns, even a buffered one. Without its syncs LMDB may write a meta page
//! before the pages that it refers to, and a power cut would then cost the whole store, not only the newest
//! commits. A commit is one sync of the data and one synchronous write, so put many rows into one. The pages
//! that a batch changes stay in memory until it is committed. A batch of large values takes about its size
//! again; rows in random order take up to 512 MiB, after which LMDB writes pages early.
//!
//! # Files that are not trusted
//!
//! Before LMDB maps a file, its meta pages are read and its length is checked against their page count, so a
//! truncated file is reported as `Corruption`. But LMDB trusts what it maps. A file that is damaged inside, or
//! truncated while it is open, can kill the process, and a maliciously crafted file can do anything. Open such
//! files in a child process. Only LMDB may change the directory, and it must not be on a network file system. A
//! process opens a store once, whether for reading or writing; LMDB would lose its locks otherwise.
//!
//! A file can be moved between machines with the same byte order and word size; others are refused. It has been
//! tested on Linux. On Windows LMDB's read-only map does not follow a file that another process enlarges; this
//! is not handled.

mod commit;
mod cursor;
mod engine;
mod environment;
mod error;
mod files;
mod keyspace;
mod lock_file;
mod meta;
mod options;
mod snapshot;
mod view;

pub use cursor::LmdbCursor;
pub use engine::LmdbEngine;
pub use keyspace::LmdbKeyspace;
pub use options::LmdbOptions;
pub use snapshot::LmdbSnapshot;

use strongroom_core::Backend;

/// A store in one LMDB file.
pub type LmdbBackend = Backend<LmdbEngine>;
