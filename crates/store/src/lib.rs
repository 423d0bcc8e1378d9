//! The store of Strongroom: the layer that applications use, built once over any backend.
//!
//! A [`Store`] owns a [`StorageBackend`](strongroom_core::StorageBackend) and offers the same on every engine:
//! keyspaces, batches with conditions, snapshots, scans in both directions, versions, commits that share a sync,
//! and a digest of the contents that does not depend on the engine. Each row has a checksum over keyspace, key
//! and value, which is verified whenever the value is read; a scan of keys only need not read it. A store on disk
//! is a marked and locked directory.
//!
//! It is not a query engine. One process at a time writes a store; on SQLite and LMDB other processes may read it
//! meanwhile.

mod api;
mod base;
mod catalog;
mod clock;
mod commit;
mod directory;
mod features;
mod format;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod handle;
mod integrity;
mod keyspace_changes;
#[cfg(all(test, shuttle))]
mod model;
mod options;
mod read_set;
mod readers;
mod request;
mod row;
mod sequence;
mod stage;
mod sync;
mod view;
mod worker;

#[cfg(feature = "async")]
pub use api::async_store::AsyncStore;
pub use api::batch::Batch;
pub use api::compare_and_swap::Swap;
pub use api::digest::Digest;
pub use api::id_generator::IdGenerator;
pub use api::keyspace::Keyspace;
pub use api::rows::Rows;
pub use api::snapshot::Snapshot;
pub use api::stats::StoreStats;
pub use api::store::Store;
pub use api::transaction::{TRANSACTION_ATTEMPTS_MAX, Transaction, TransactionOptions, TransactionRows};
pub use api::verify::{Verified, VerifyProgress};
pub use api::watch::{WATCH_BUFFER_BYTES_MAX, Watch};
pub use api::weak::WeakStore;
pub use clock::Clock;
pub use directory::{ADMIN_SOCKET_FILE, StoreId};
pub use features::expiry::sweep::Swept;
pub use features::high_water::mark::HIGH_WATER_LAG_MS;
pub use features::watch::event::{
    Change, ChangeKind, KeyspaceChangeKind, WatchEvent, WatchedCommit, WatchedKeyspace,
};
pub use format::own_keyspaces::DEFAULT_KEYSPACE;
pub use integrity::Integrity;
pub use options::StoreOptions;
pub use readers::{OldestReader, ReaderKind};
pub use row::{Commit, Row};
