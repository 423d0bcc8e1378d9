//! The store of Strongroom: what applications use, built once over any backend.
//!
//! A [`Store`] consumes a [`StorageBackend`](strongroom_core::StorageBackend) and gives, on every engine:
//! keyspaces, batches with conditions, snapshots, scans both ways, a checksum over keyspace, key and value
//! that is verified whenever a value is read (a scan of keys only reads none), versions, commits that share a sync, and one digest that is the same on
//! every engine. A store on disk is a marked and locked directory.
//!
//! It is not a query engine, and one process at a time writes a store; on SQLite and LMDB others may read it
//! meanwhile.

#[cfg(feature = "async")]
mod async_store;
mod batch;
mod clock;
mod compare_and_swap;
mod counter;
mod digest;
mod directory;
mod envelope;
mod expiry;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod handle;
mod high_water;
mod id_generator;
mod integrity;
mod keyspace;
mod keyspaces;
mod known;
mod opening;
mod options;
mod pipeline;
mod rows;
mod snapshot;
mod stats;
mod store;
mod transaction;
mod verify;
mod watch;
mod weak;

#[cfg(feature = "async")]
pub use async_store::AsyncStore;
pub use batch::Batch;
pub use clock::Clock;
pub use compare_and_swap::Swap;
pub use digest::Digest;
pub use directory::{ADMIN_SOCKET_FILE, StoreId};
pub use expiry::Swept;
pub use high_water::HIGH_WATER_LAG_MS;
pub use id_generator::IdGenerator;
pub use integrity::Integrity;
pub use keyspace::Keyspace;
pub use options::StoreOptions;
pub use rows::Rows;
pub use snapshot::Snapshot;
pub use stats::StoreStats;
pub use store::{Commit, DEFAULT_KEYSPACE, Row, Store};
pub use transaction::{TRANSACTION_ATTEMPTS_MAX, Transaction, TransactionOptions, TransactionRows};
pub use verify::{Verified, VerifyProgress};
pub use watch::{Change, ChangeKind, WATCH_BUFFER_BYTES_MAX, Watch, WatchEvent, WatchedCommit};
pub use weak::WeakStore;
