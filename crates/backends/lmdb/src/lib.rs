//! LMDB as a Strongroom backend: one mapped file, copy-on-write B-trees, readers in many processes.
//!
//! This crate only translates. [`LmdbBackend`] is [`Backend`] over [`LmdbEngine`], with the whole contract
//! of `strongroom-core`; the layers above build on it.
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
//! It is not a way around LMDB's limits: writers take turns and do not share a sync, a page that a reader can see
//! is not used again until the reader has gone, the file never becomes smaller, and there are no checksums. It
//! has no cache of its own, so a cache's size is refused: what it keeps in memory is the operating system's page
//! cache, which is not this process's memory.
//!
//! | Contract | LMDB |
//! |---|---|
//! | files | `data.mdb` (made as `data.mdb.new` and renamed when it is whole), `lock.mdb`, and `data.mdb.writer`, which the one writer locks |
//! | keyspace | named database, and a row in the unnamed one with the number of the transaction that created it; hints are of no use to it |
//! | get | a read transaction each; a value of more than 4 KiB shares the map and keeps the transaction open |
//! | batch | one write transaction |
//! | snapshot | one read transaction, used by threads in turns |
//! | cursor | LMDB's cursor; the places of up to 64 rows are fetched in one turn and lent from the map |
//! | power-safe | LMDB's default: data synced, then the meta page |
//! | buffered | the same |
//! | flush | nothing to do |
//! | checkpoint | LMDB's compacting copy, while writers go on; it is what gives space back |
//! | compaction | none: LMDB cannot shrink a file in place |
//! | integrity check | none |
//! | other processes | may open it read-only while one writes, and see its commits |
//!
//! # The map grows by itself
//!
//! LMDB maps the file at a fixed size. So address space is reserved, 1 TiB on 64-bit machines: that is neither
//! memory nor disk, and the disk is full long before it. A process that may not have so much gets half of it, or half
//! of that. Where the map is full all the same (with a small [`map_bytes`](LmdbOptions::map_bytes), or on a 32-bit
//! machine) the commit waits until nobody in this process reads, doubles the map and goes on. New readers wait
//! meanwhile. A commit that has waited for [`grow_timeout`](LmdbOptions::grow_timeout), because snapshots, cursors
//! or shared values stay open, answers `Unavailable` and has touched nothing. Whoever commits while it holds a
//! snapshot itself waits for itself, until then. Only where the address space runs out while the map grows is the
//! handle lost.
//!
//! # What readers cost
//!
//! A read transaction, however short, takes one of [`max_readers`](LmdbOptions::max_readers) slots and some 50
//! bytes for each of [`max_keyspaces`](LmdbOptions::max_keyspaces). One that stays open (a snapshot, a cursor,
//! a shared value) keeps every page that is freed from then on from being used again: the file grows. Slots of
//! processes that died are cleared when a store is opened and when slots run out.
//!
//! # Durability
//!
//! A commit is on the disk when it returns. Buffered ones are too: LMDB without its syncs may write a meta page before
//! the pages that it refers to, and a power cut would then cost the whole store, not only the newest commits. A
//! commit is one sync of the data and one synchronous write; put many rows into one. The pages that a batch changes
//! are kept in memory until it is committed: a batch of values takes as much again as its size, rows in random
//! order up to 512 MiB, after which LMDB writes pages early.
//!
//! # Files that are not trusted
//!
//! Before LMDB maps a file its meta pages are read, and whether all pages are there that they count, so a
//! truncated file is `Corruption`. But LMDB trusts what it maps: a file that is damaged inside, or cut off while it
//! is open, can end in a killed process, and one that was made up to do harm in anything. Open such files in a
//! child process. The directory must be changed by nobody but LMDB, and must not be on a network file system.
//! A process opens a store once, whether it writes or reads; LMDB would lose its locks otherwise.
//!
//! A file can be moved between machines with the same order of bytes and the same words; others are refused. It
//! has been tested on Linux. On Windows LMDB's read-only map does not follow a file that another process makes
//! larger; that is not covered here.

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
