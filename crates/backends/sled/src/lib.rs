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
//! backend.commit(&batch, Durability::Buffered)?; // power-safe is not claimed: see below
//! assert_eq!(backend.get(events, b"0001")?.as_deref(), Some(&b"inception"[..]));
//! # Ok(()) }
//! ```
//!
//! It is not power-safe by default, and not a cure for sled: a damaged bit in its log makes it forget what
//! came after, without an error; all stores of a process share its threads, which do not come back after a
//! panic, and one lock, so that a batch makes the readers of every sled store wait while it is applied.
//!
//! | Contract | sled |
//! |---|---|
//! | files | `db`, `conf`, `snap.*` (for recovery; nothing to do with snapshots), and `blobs/` for values over a quarter of a segment |
//! | keyspace | tree; hints are of no use to it. `__sled__default` is shown only if somebody has put something into it |
//! | get | shares sled's `IVec`; it is memory of its own and pins nothing, so it is not counted |
//! | batch | one operation: `insert` or `remove`; one keyspace: `Tree::apply_batch`; several: a transaction |
//! | snapshot | the undo overlay: sled has none, and this crate no `snapshot.rs` |
//! | cursor | sled's iterator, holding one row; backwards in blocks of our own where sled would panic |
//! | power-safe | refused, unless [`unproven_power_safe`](SledOptions::unproven_power_safe) |
//! | buffered | sled's buffer, handed to the operating system by its background thread |
//! | flush | sled's `flush`, and `fsync` of its files and directories through descriptors of our own |
//! | checkpoint | core's: one snapshot copied |
//! | compaction, integrity check | sled has none |
//!
//! The cache is [128 MiB](CACHE_BYTES_DEFAULT) unless `cache_bytes` says otherwise.
//!
//! # Durability
//!
//! **A kill of the process** leaves a whole number of batches, a prefix of the history, over several keyspaces
//! too: sled writes into its log how far a batch reaches, and recovery stops before one that is not whole. What
//! was buffered in the last half second may be gone: sled's background thread hands it to the operating
//! system every [500 ms](FLUSH_EVERY_MS_DEFAULT). It is left on because it costs nothing measurable;
//! [`flush_every_ms`](SledOptions::flush_every_ms) switches it off.
//!
//! **A loss of power** is another matter. sled's own `flush` never calls `fsync` on Linux, and loses what it
//! acknowledged. `flush` of this backend does: everything that sled wrote is fsynced, blobs and settings and
//! directories included, through descriptors that were open before sled's first write, so that an error of a
//! write cannot be missed. With that, and sled's background thread off, nothing of 3,000 writes was lost
//! in a simulated power cut, once; the harness that repeats this is still to come. But sled uses segments of its file again as soon as it believes what replaced them to be
//! written, which is before it is safe, and removes blobs likewise: whether a disk that reorders writes *between* two
//! flushes can still lose older data is not decided. So the backend does **not** claim power-safe commits, and
//! answers [`Unsupported`](strongroom_core::ErrorKind::Unsupported) to them.
//!
//! [`unproven_power_safe`](SledOptions::unproven_power_safe) makes it claim them all the same, for the harness
//! that is to decide it. It switches sled's background thread off, as it was off when this was measured, so
//! that buffered commits stay in the process's memory until a power-safe one, a flush or a full buffer.
//!
//! Creating and dropping a keyspace, and creating a store, end with such a flush.
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

pub use cursor::SledCursor;
pub use engine::SledEngine;
pub use keyspace::SledKeyspace;
pub use options::{CACHE_BYTES_DEFAULT, FLUSH_EVERY_MS_DEFAULT, SledMode, SledOptions};

use strongroom_core::{Backend, Undo};

/// A store in sled's files.
pub type SledBackend = Backend<Undo<SledEngine>>;
