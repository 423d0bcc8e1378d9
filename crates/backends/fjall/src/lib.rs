//! fjall 3 as a Strongroom backend: a log-structured merge tree in pure Rust, designed for many writes.
//!
//! This crate only translates. [`FjallBackend`] is [`Backend`] over [`FjallEngine`], with the whole contract
//! of `strongroom-core`; the layers above build on it.
//!
//! ```
//! use strongroom_core::{Durability, KeyspaceHints, StorageBackend, WriteBatch};
//! use strongroom_fjall::FjallBackend;
//!
//! # fn main() -> strongroom_core::Result<()> {
//! # let home = tempfile::tempdir()?;
//! # let path = home.path().join("data");
//! let backend = FjallBackend::new(&path)?;
//! let blobs = backend.create_keyspace("blobs", KeyspaceHints::large_values())?;
//! let mut batch = WriteBatch::new();
//! batch.put(blobs, b"0001", &[7; 8192]);
//! backend.commit(&batch, Durability::PowerSafe)?;
//! assert_eq!(backend.get(blobs, b"0001")?.map(|value| value.len()), Some(8192));
//! # Ok(()) }
//! ```
//!
//! Opening is not fast: fjall replays its journal, which takes longer the more was written last. Writers do not
//! share a sync. There is no integrity check on demand, but every block is checked as it is read. fjall runs
//! background threads, which end when the backend is dropped.
//!
//! | Contract | fjall |
//! |---|---|
//! | files | `version`, `lock`, `*.jnl`, `keyspaces/` |
//! | keyspace | keyspace; [`large_values`](strongroom_core::KeyspaceHints::large_values) stores values of 1 KiB and more separately from their keys, `append_only` changes nothing |
//! | get | a snapshot each, so that half a batch is never seen; the value shares fjall's block |
//! | batch | one journal entry, then the memtables; later operations on a key win |
//! | snapshot | `Database::snapshot`: a sequence number |
//! | cursor | fjall's iterator, holding one row |
//! | power-safe | `PersistMode::SyncAll` |
//! | buffered | `PersistMode::Buffer` |
//! | flush | `persist(SyncAll)` |
//! | read-only | opened as for writing; refused if its files cannot be written |
//! | compaction | memtables flushed, then `major_compact`, one keyspace after another |
//!
//! On Linux fjall opens its files through `/proc/self/fd`, so that it still writes to the same directory after
//! it was renamed.
//!
//! # Durability
//!
//! A power-safe commit and every commit before it have been synced to the journal when it returns. A buffered
//! commit has been handed to the operating system: it survives the end of the process, but not a power cut.
//! fjall syncs its own files. This crate syncs the names of new keyspaces in their directory, and of the store
//! in its own, because fjall 3.1 does not.

mod commit;
mod compact;
mod cursor;
mod engine;
mod error;
mod files;
mod journals;
mod keyspace;
mod options;
mod snapshot;

pub use cursor::FjallCursor;
pub use engine::FjallEngine;
pub use keyspace::FjallKeyspace;
pub use options::FjallOptions;
pub use snapshot::FjallSnapshot;

use strongroom_core::Backend;

/// A store in a fjall directory.
pub type FjallBackend = Backend<FjallEngine>;
