//! sled 0.34 as a Strongroom backend: a log-structured tree, quick to read and to write, with what it lacks
//! added around it: snapshots by the undo overlay of `strongroom-core`, and a `flush` that reaches the disk.
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
//! It is no cure for sled: a damaged bit in its log makes it forget what came after, without an error; all stores of a
//! process share its threads, which do not come back after a panic, and one lock, so that a batch makes the readers of
//! every sled store wait while it is applied.
//!
//! | Contract | sled |
//! |---|---|
//! | files | `db`, `conf`, `snap.*` (for recovery; nothing to do with snapshots), and `blobs/` for values over a quarter of a segment |
//! | keyspace | tree; hints are of no use to it. `__sled__default` is shown only if somebody has put something into it |
//! | get | shares sled's `IVec`; it is memory of its own and pins nothing, so it is not counted |
//! | batch | one operation: `insert` or `remove`; one keyspace: `Tree::apply_batch`; several: a transaction |
//! | snapshot | the undo overlay: sled has none, and this crate no `snapshot.rs` |
//! | cursor | sled's iterator, holding one row; backwards in blocks of our own where sled would panic |
//! | power-safe | sled's `flush`, on files that are written through; refused where that cannot be had |
//! | buffered | sled's buffer, written by its background thread |
//! | flush | sled's `flush`; where files are not written through, `fsync` of all of them through descriptors of our own |
//! | checkpoint | core's: one snapshot copied |
//! | read-only | opened as ever; not where its files cannot be written |
//! | compaction, integrity check | sled has none |
//!
//! On Linux sled opens its files by `/proc/self/fd`, so that a directory that was moved is still the one it writes to.
//!
//! The cache is [128 MiB](CACHE_BYTES_DEFAULT) unless `cache_bytes` says otherwise.
//!
//! # Durability
//!
//! **A kill of the process** leaves a whole number of batches, a prefix of the history, over several keyspaces
//! too: sled writes into its log how far a batch reaches, and recovery stops before one that is not whole. What
//! was buffered in the last half second may be gone: sled's background thread writes it every
//! [500 ms](FLUSH_EVERY_MS_DEFAULT); [`flush_every_ms`](SledOptions::flush_every_ms) switches it off.
//!
//! **A loss of power.** sled 0.34 never calls `fsync` on Linux, and loses what it acknowledged. To call `flush` and then
//! `fsync` its files is not enough: sled uses a place of its log again as soon as it believes that what replaced the
//! contents is on the disk, and believes so of all that was written; and it never syncs values in files of their own. A
//! disk that keeps a later write and loses an earlier one then lacks what was durable long before. The power-cut
//! harness has shown it, with small segments and rows that are rewritten again and again: stores that do not open, and
//! batches that are there by half.
//!
//! So the adapter marks sled's log, and the directory of values with files of their own, to be written through (the
//! attribute `S` of `chattr`). Each write of sled's is a sync then, and what it believes is true. ext4 and XFS do that;
//! there the harness finds nothing lost, and a power-safe commit is claimed. In memory (tmpfs) there is nothing to be
//! lost, and it is claimed as on every engine. **btrfs** does not pass the mark on to new files, and systems other than
//! Linux have none: nothing is claimed there, a power-safe commit is
//! [`Unsupported`](strongroom_core::ErrorKind::Unsupported), and the error says why. A marked file stays marked, also for
//! raw sled; a copy has to be opened by the adapter to be marked.
//!
//! It has its price. A power-safe commit of several rows takes two or three syncs, for sled writes its log in as
//! many pieces then. A value over a quarter of a segment takes four. Buffered commits of several rows write through too, in
//! sled's own threads. Who needs buffered commits only opens with
//! [`write_through(false)`](SledOptions::write_through): nothing is claimed then, and `flush` syncs all files behind
//! sled, as on btrfs.
//!
//! Creating and dropping a keyspace, and opening a store, end with a flush.
//!
//! # Closing and opening
//!
//! When a thread of sled's fails in an unlucky moment (an I/O error, no free descriptor, a file of a value that cannot be
//! written), sled waits for ever for the bytes that nobody will write, above all when it is closed. The adapter closes
//! it on a thread that was made when the store was opened, and waits for it
//! [30 seconds](CLOSE_WAIT_MS_DEFAULT) at most. A sled that is not closed by then is left behind: its thread, memory and
//! lock stay until the process ends, [`left_behind`](strongroom_core::left_behind) lists it, and another opening of the
//! directory, in this process or in another, answers [`Locked`](strongroom_core::ErrorKind::Locked). What was acknowledged
//! as power-safe is on the disk. A commit that waits in sled for ever, while the store is open, is not bounded.
//!
//! sled needs eight threads of its own, and waits for ever while it opens if they could not be made; so it is tried out
//! first, and the opening refused with [`Io`](strongroom_core::ErrorKind::Io).
//!
//! # Batches
//!
//! While sled applies a batch it frees nothing that the batch replaces: each operation leaves a copy of the leaf that it
//! changed and of what was written to the log. That is some 5 KiB for each operation and seven times its bytes, so that
//! two million small rows took 8 GiB. A batch may have 100,000 operations and 64 MiB
//! ([`EngineInfo::batch`](strongroom_core::EngineInfo::batch)), which takes about 1 GiB; a larger one is refused with
//! [`InvalidInput`](strongroom_core::ErrorKind::InvalidInput) before anything is touched.
//!
//! # Keys that sled cannot walk back over
//!
//! sled 0.34 panics, with the keys and values of the whole tree in its message, when it walks backwards out of
//! a leaf that begins at `x‖i` and keys that begin with `x‖i-1‖ff ff ff ff` fill leaves before it. An index
//! with the newest first has such keys. So the first such key that is written to a keyspace is noted, in a tree
//! of the adapter's own (`__strongroom_sled__`), and cursors in reverse then go another way, which is slower.
//! They also do in trees that raw sled has made. Do not write with raw sled into trees made by this backend.

mod commit;
mod cursor;
mod engine;
mod error;
mod files;
mod home;
mod keyspace;
mod options;
mod reverse;
mod sync;
mod threads;
mod write_through;

pub use cursor::SledCursor;
pub use engine::SledEngine;
pub use keyspace::SledKeyspace;
pub use options::{
    CACHE_BYTES_DEFAULT, CLOSE_WAIT_MS_DEFAULT, FLUSH_EVERY_MS_DEFAULT, SledMode, SledOptions,
};

use strongroom_core::{Backend, Undo};

/// A store in sled's files.
pub type SledBackend = Backend<Undo<SledEngine>>;
