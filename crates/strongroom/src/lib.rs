//! One ordered key-value storage layer over many embedded engines.
//!
//! An application is written once against a [`Store`] and chooses its engine at run time, by a URL or a
//! [`Config`]. Every feature is there on every engine: batches with conditions, serializable transactions, snapshots,
//! scans both ways, watching, time to live, checksums verified whenever a value is read, commits that survive a power
//! cut, one digest that is the same on all.
//!
//! ```
//! fn main() -> strongroom::Result<()> {
//!     # let directory = tempfile::tempdir().unwrap();
//!     # std::env::set_current_dir(&directory).unwrap();
//!     let store = strongroom::open("redb:./data")?;
//!     let cities = store.create_keyspace("cities")?;
//!     cities.set("CH/Zürich", "443037")?;
//!     for row in cities.prefix("CH/")? {
//!         let (key, value) = row?;
//!         println!("{} {}", String::from_utf8_lossy(&key), String::from_utf8_lossy(&value));
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # Mental model
//!
//! * A **store** is a marked directory that one process at a time writes; on SQLite and LMDB others may read it
//!   meanwhile. It holds **keyspaces**, named ordered maps from bytes to bytes; order is bytewise. Keys have 1 to
//!   1,024 bytes, values up to 16 MiB.
//! * A **batch** over any keyspaces is committed together or not at all, and can be made conditional. When
//!   [`Store::commit`] returns, the batch survives a power cut, unless less was asked for by name.
//! * A **snapshot** is one consistent state of all keyspaces. A scan takes one by itself.
//! * A **transaction** reads one snapshot and its own writes, and is committed only if nobody has written meanwhile what
//!   it has read, keys and ranges alike: serializable, and nothing waits for it. [`Store::transaction`] repeats its
//!   closure when others came first. For a single key there are [`Keyspace::compare_and_swap`],
//!   [`Keyspace::increment`] and, for numbers that are never given out twice, [`Keyspace::id_generator`].
//! * A **watch** ([`Keyspace::watch`] and others) tells of commits in their order, once they are acknowledged. Its buffer
//!   is bounded: a watcher that does not read is told how many commits it has missed, and nobody waits for it.
//! * A **time to live** ([`Keyspace::set_with_ttl`], or a keyspace's default) makes a row absent from its instant on, for
//!   every read and condition; it is removed from the disk soon after. Tests put in their own [`Clock`].
//! * Calls block. With the feature `async`, an `AsyncStore` runs closures on tokio's blocking pool, and a watch is also a
//!   stream.
//! * With the feature `admin`, an `AdminSocket` lets other processes of the same user look at a store that this one has
//!   open: its figures, and what is committed.
//! * An [`ErrorKind`] is a decision: retry, reopen, stop.
//!
//! # What is missing
//!
//! A checksum shows that what is there is what was written. It cannot show what is gone, so there are two more
//! witnesses. A store on disk keeps a **high-water mark** beside its engine: an opening refuses a store that has
//! lost commits of more than [`HIGH_WATER_LAG_MS`] ago, unless `?accept_lost_tail=true` says to go on without them.
//! And a store that is created with `?integrity=full` keeps a count and a hash over all rows of each keyspace,
//! with which [`Store::verify`] notices any row that is gone.
//!
//! # Engines
//!
//! | Scheme | Feature | Power-safe |
//! |---|---|---|
//! | `redb:` | `storage-redb` (default) | yes |
//! | `fjall:` | `storage-fjall` | yes |
//! | `sled:` | `storage-sled` | on Linux with ext4 or XFS; elsewhere open with `?durability=buffered` |
//! | `rocksdb:` | `storage-rocksdb` (C++) | yes, but not on Apple's systems |
//! | `sqlite:` | `storage-sqlite` (C) | yes |
//! | `lmdb:` | `storage-lmdb` (C) | yes, but not on Apple's systems |
//! | `memory:` | always | no: open with `?durability=buffered` |
//!
//! An application adds its own to a [`Registry`].
//!
//! # What it is not
//!
//! No queries, no server, no replication. A raw engine will always be a little faster; what the layer costs
//! is measured side by side by the benchmark in this repository.

mod config;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod parameters;
mod registry;
mod url;

pub use config::{ByteSize, Config};
pub use registry::{Driver, Registry};
pub use strongroom_core::{
    BatchLimits, Bytes, Capabilities, Compression, Create, Cursor, Direction, Durability, Engine, EngineInfo,
    Error, ErrorKind, KeyRange, KeyspaceHints, LeftBehind, LiveEngine, MARKER_FILE, Marked, MemoryBackend,
    Options, Placement, Result, Scan, Stats, StorageBackend, Tuning, TypedOptions, Undo, after_prefix,
    just_after, left_behind, limits, parse_bytes,
};
#[cfg(feature = "async")]
pub use strongroom_store::AsyncStore;
pub use strongroom_store::{
    ADMIN_SOCKET_FILE, Batch, Change, ChangeKind, Clock, Commit, DEFAULT_KEYSPACE, Digest, HIGH_WATER_LAG_MS,
    IdGenerator, Integrity, Keyspace, KeyspaceChangeKind, Row, Rows, Snapshot, Store, StoreId, StoreOptions,
    StoreStats, Swap, Swept, TRANSACTION_ATTEMPTS_MAX, Transaction, TransactionOptions, TransactionRows,
    Verified, VerifyProgress, WATCH_BUFFER_BYTES_MAX, Watch, WatchEvent, WatchedCommit, WatchedKeyspace,
    WeakStore,
};

/// ```
/// # #[cfg(all(unix, feature = "storage-redb"))]
/// # fn main() -> strongroom::Result<()> {
/// use strongroom::admin::{AdminClient, AdminSocket};
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("data");
///
/// let store = strongroom::open(&format!("redb:{}", path.display()))?;
/// let socket = AdminSocket::open(&store)?;
/// // In another process:
/// let stats = AdminClient::connect(&path)?.stats()?;
/// assert_eq!(stats.engine, "redb");
/// # drop(socket);
/// # Ok(()) }
/// # #[cfg(not(all(unix, feature = "storage-redb")))]
/// # fn main() {}
/// ```
#[cfg(feature = "admin")]
#[doc(inline)]
pub use strongroom_admin as admin;
#[cfg(feature = "admin")]
pub use strongroom_admin::AdminSocket;
/// The contract itself, for those who write a backend.
pub use strongroom_core as core;
#[cfg(feature = "storage-fjall")]
pub use strongroom_fjall::FjallBackend;
#[cfg(feature = "storage-lmdb")]
pub use strongroom_lmdb::LmdbBackend;
#[cfg(feature = "storage-redb")]
pub use strongroom_redb::RedbBackend;
#[cfg(feature = "storage-rocksdb")]
pub use strongroom_rocksdb::RocksDbBackend;
#[cfg(feature = "storage-sled")]
pub use strongroom_sled::SledBackend;
#[cfg(feature = "storage-sqlite")]
pub use strongroom_sqlite::SqliteBackend;

/// The default engine, whatever features are on.
#[cfg(feature = "storage-redb")]
pub type DefaultBackend = RedbBackend;

/// Opens a store by URL, such as `redb:./data` or `fjall:./data?cache=256MiB`, with the built-in engines;
/// see [`Config::from_url`]. It is created if it is not there (`?create=false` forbids that).
///
/// [`NotFound`](ErrorKind::NotFound): it is not there and may not be created.
/// [`InvalidInput`](ErrorKind::InvalidInput): the URL is wrong, or the directory is another's.
/// [`Locked`](ErrorKind::Locked): another process has it open.
/// [`Unsupported`](ErrorKind::Unsupported): the engine does not claim the durability.
/// [`Corruption`](ErrorKind::Corruption): its files are not as they were written.
pub fn open(url: &str) -> Result<Store> {
    Registry::builtin().open(url)
}

/// The README's examples, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
