//! sled 0.34 as a Strongroom backend: a log-structured tree that is fast to read and to write. The adapter adds
//! what it lacks: snapshots, by the undo overlay of `strongroom-core`, and a `flush` that reaches the disk.
//!
//! This crate only translates. [`SledBackend`] is [`Backend`] over [`Undo`] over [`SledEngine`], with the whole
//! contract of `strongroom-core`; the layers above build on it.
//!
//! ```
//! use strongroom_core::{Durability, KeyspaceHints, StorageBackend, WriteBatch};
//! use strongroom_sled::SledBackend;
//!
//! # fn main() -> strongroom_core::Result<()> {
//! # let home = tempfile::tempdir()?;
//! # let path = home.path().join("data");
//! let backend = SledBackend::new(&path)?;
//! let events = backend.create_keyspace("events", KeyspaceHints::append_only())?;
//! let mut batch = WriteBatch::new();
//! batch.put(events, b"0001", b"inception");
//! backend.commit(&batch, Durability::Buffered)?; // power-safe not on every file system: see below
//! assert_eq!(backend.get(events, b"0001")?.as_deref(), Some(&b"inception"[..]));
//! # Ok(()) }
//! ```
//!
//! sled's weaknesses remain. A damaged bit in its log makes it lose later data without an error. All stores of
//! a process share its threads, which are not replaced after a panic. They also share one lock, so a batch
//! makes the readers of every sled store wait while it is applied.
//!
//! | Contract | sled |
//! |---|---|
//! | files | `db`, `conf`, `snap.*` (for recovery; unrelated to snapshots), and `blobs/` for values over a quarter of a segment |
//! | keyspace | tree; hints are not used. `__sled__default` is listed only if it is not empty |
//! | get | shares sled's `IVec`, a separate allocation that pins nothing, so it is not counted |
//! | batch | one operation: `insert` or `remove`; or a transaction over the trees of the batch |
//! | snapshot | the undo overlay: sled has none, and this crate has no `snapshot.rs` |
//! | cursor | sled's iterator, holding one row; in reverse the adapter's own blocks if sled would panic |
//! | power-safe | a flush, on files that are written through; refused if they cannot be |
//! | buffered | sled's buffer, flushed by a thread of the adapter |
//! | flush | waits for sled's log; if files are not written through, also `fsync` of all of them through the adapter's own descriptors |
//! | checkpoint | core's: one snapshot copied |
//! | read-only | opened as for writing; refused if its files cannot be written |
//! | compaction, integrity check | none in sled |
//!
//! On Linux sled opens its files through `/proc/self/fd`, so that it still writes to the same directory after
//! it was renamed.
//!
//! The cache is [128 MiB](CACHE_BYTES_DEFAULT) unless `cache_bytes` says otherwise.
//!
//! # Durability
//!
//! **A kill of the process** leaves a whole number of batches, a prefix of the history, also over several
//! keyspaces: sled writes into its log how far a batch reaches, and recovery stops before an incomplete one. Of
//! a batch that fails halfway (a page that cannot be read, a full disk) sled would recover the first half; the
//! adapter keeps such a batch out of what is recovered. Buffered commits of the last half second may be lost: a
//! thread of the adapter flushes them every [500 ms](FLUSH_EVERY_MS_DEFAULT);
//! [`flush_every_ms`](SledOptions::flush_every_ms) switches it off.
//!
//! **A loss of power.** The `flush` of sled 0.34 never calls `fsync` on Linux, and loses acknowledged
//! commits. Calling `flush` and then `fsync` on its files is not enough. sled reuses a place of its log as
//! soon as it believes that the replacement of its contents is on disk, and it believes that of everything
//! that was written. It also never syncs values in files of their own. A disk that keeps a later write and
//! loses an earlier one then lacks data that had been durable long before. The power-cut harness has shown
//! it, with small segments and rows that are rewritten again and again: stores that do not open, and
//! half-applied batches.
//!
//! Therefore the adapter marks sled's log, and the directory of values with files of their own, to be written
//! through (the attribute `S` of `chattr`). Each write of sled is then a sync, and its assumption is true. ext4
//! and XFS support that; there the harness finds nothing lost, and power-safe commits are claimed. In memory
//! (tmpfs) there is nothing to lose, and they are claimed as on every engine. **btrfs** does not pass the mark
//! on to new files, and other systems than Linux have no such mark. There nothing is claimed: a power-safe
//! commit is [`Unsupported`](strongroom_core::ErrorKind::Unsupported), and the error says why. A marked file
//! stays marked, also for raw sled. A copy is marked when the adapter opens it.
//!
//! This has a cost. A power-safe commit of several rows takes three or four syncs, because its log is written
//! in that many pieces. A value over a quarter of a segment takes five. Buffered commits of several rows write
//! through too, in sled's own threads. An application that needs only buffered commits can open with
//! [`write_through(false)`](SledOptions::write_through). Then no power-safe commits are claimed, and `flush`
//! syncs all files after sled, as on btrfs.
//!
//! Creating and dropping a keyspace, and opening a store, end with a flush.
//!
//! # Closing and opening
//!
//! If a thread of sled fails at a bad time (an I/O error, no free descriptor, a value's file that cannot be
//! written), sled waits without end for bytes that will never be written, in a flush or while it is closed.
//! So the adapter flushes on a thread of its own, and a failed read or write ends the wait of its callers
//! with [`Closed`](strongroom_core::ErrorKind::Closed). It also closes sled on a thread that was started when
//! the store was opened, and waits for it [30 seconds](CLOSE_WAIT_MS_DEFAULT) at most. A sled that is not
//! closed by then is left behind: its thread, memory and lock stay until the process ends, and
//! [`left_behind`](strongroom_core::left_behind) lists it. Another open of the directory, in this process or
//! in another, returns [`Locked`](strongroom_core::ErrorKind::Locked). Commits that were acknowledged as
//! power-safe are on disk. Not bounded are a call that hangs in sled because one of its threads has panicked,
//! and a read, after a failure, of a page that was neither written nor kept in the cache.
//!
//! sled needs seven threads of its own, and the adapter three. sled's open hangs if they cannot be started. So
//! the adapter tries this first, and refuses the open with [`Io`](strongroom_core::ErrorKind::Io).
//!
//! # Batches
//!
//! While sled applies a batch it frees nothing that the batch replaces. Each operation leaves a copy of the
//! changed leaf and of what was written to the log: some 5 KiB and seven times its bytes, so two million small
//! rows took 8 GiB. A batch may have 100,000 operations and 64 MiB
//! ([`EngineInfo::batch`](strongroom_core::EngineInfo::batch)), which takes about 1 GiB. A larger one is
//! refused with [`InvalidInput`](strongroom_core::ErrorKind::InvalidInput) before anything changes.
//!
//! # Keys that sled cannot walk back over
//!
//! sled 0.34 panics, with the keys and values of the whole tree in its message, when it walks backwards out of
//! a leaf that begins at `x‖i` and keys that begin with `x‖i-1‖ff ff ff ff` fill leaves before it. A
//! newest-first index has such keys. So the adapter records the first such key of a keyspace in a tree of its
//! own (`__strongroom_sled__`), and reverse cursors then use another, slower walk. They also use it in trees
//! that raw sled has created. Do not write with raw sled to trees created by this backend.

mod commit;
mod cursor;
mod engine;
mod error;
mod files;
mod flusher;
mod hold;
mod home;
mod keyspace;
mod options;
mod reverse;
mod sync;
mod threads;
mod waker;
mod write_through;
mod writes;

pub use cursor::SledCursor;
pub use engine::SledEngine;
pub use keyspace::SledKeyspace;
pub use options::{
    CACHE_BYTES_DEFAULT, CLOSE_WAIT_MS_DEFAULT, FLUSH_EVERY_MS_DEFAULT, SledMode, SledOptions,
};

use strongroom_core::{Backend, Undo};

/// A store in sled's files.
pub type SledBackend = Backend<Undo<SledEngine>>;
