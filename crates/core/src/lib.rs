//! The contract of Strongroom: one ordered key-value interface over many embedded engines.
//!
//! * [`StorageBackend`], [`Snapshot`] and [`Cursor`] are what callers use: object-safe, and chosen at run time.
//! * [`Engine`] is what an adapter for an embedded engine implements. It only translates; [`Backend`] makes a
//!   `StorageBackend` of it and adds what all engines share. An engine without snapshots implements
//!   [`LiveEngine`] and gets them from [`Undo`].
//! * [`MemoryBackend`] is the reference.
//!
//! Keys and values are bytes, and order is bytewise. A batch is atomic over all keyspaces. Each commit chooses
//! its durability; power-safe is the default. An empty value differs from an absent one.
//!
//! ```
//! use strongroom_core::{Durability, KeyspaceHints, MemoryBackend, StorageBackend, WriteBatch};
//!
//! # fn main() -> strongroom_core::Result<()> {
//! let backend = MemoryBackend::in_memory();
//! let names = backend.create_keyspace("names", KeyspaceHints::default())?;
//!
//! let mut batch = WriteBatch::new();
//! batch.put(names, b"ada", b"Lovelace").put(names, b"alan", b"Turing");
//! backend.commit(&batch, Durability::Buffered)?; // memory survives nothing, and says so
//!
//! assert_eq!(backend.get(names, b"ada")?.as_deref(), Some(&b"Lovelace"[..]));
//! # Ok(()) }
//! ```
//!
//! This crate is not a database: it stores nothing on disk, and has no checksums, TTLs or transactions.
//! `strongroom-store` builds those once, for all engines.

mod adapter;
mod backend;
mod batch;
mod capabilities;
mod closing;
mod durability;
mod engine;
mod error;
pub mod files;
mod keyspace;
pub mod limits;
mod memory;
mod options;
mod packed;
mod range;
mod read_view;
mod stats;
mod sync;
mod undo;

pub use adapter::Backend;
pub use backend::{Cursor, Snapshot, StorageBackend, Visitor};
pub use batch::{CommitToken, Condition, Expect, Op, WriteBatch};
pub use bytes::Bytes;
pub use capabilities::{BatchLimits, Capabilities, EngineInfo, Tuning};
pub use closing::{Closed, Closer, LeftBehind, is_left_behind, left_behind};
pub use durability::Durability;
pub use engine::{Engine, EngineBatch, EngineCursor, EngineSnapshot, LiveEngine, OpenContext, TypedOptions};
pub use error::{Error, ErrorKind, Result};
pub use files::MARKER_FILE;
pub use keyspace::{
    KEYSPACE_NAME_BYTES_MAX, KeyspaceHints, KeyspaceId, Placement, TABLES_AUTO_MAX, check_keyspace_name,
    is_reserved_keyspace,
};
pub use memory::{MemoryBackend, MemoryEngine, MemoryKeyspace, MemoryOptions};
pub use options::{Compression, Create, EngineOptions, Marked, Options, UNDO_BYTES_MAX_DEFAULT, parse_bytes};
pub use range::{Direction, KeyRange, Scan, after_prefix, just_after};
pub use read_view::{ViewPause, ViewRelease, ViewSharing};
pub use stats::{Gauge, GaugeGuard, Pinned, Stats};
pub use undo::{Undo, UndoKeyspace, UndoSnapshot};
