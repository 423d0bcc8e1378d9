//! One ordered key-value storage layer over many embedded engines.
//!
//! You write an application once against a [`Store`] and choose its engine at run time, by a URL or a [`Config`].
//! Every engine has every feature: batches with conditions, serializable transactions, snapshots, scans both ways,
//! watches, time to live, checksums verified whenever a value is read, commits that survive a power cut, and a digest
//! that is the same on all engines.
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
//! * A **store** is a marked directory. One process at a time writes it; on SQLite and LMDB, other processes may read
//!   it at the same time. It contains **keyspaces**, named maps from bytes to bytes in bytewise order. Keys have 1 to
//!   1,024 bytes, values up to 16 MiB.
//! * A **batch** over any keyspaces is atomic and may have conditions. When [`Store::commit`] returns, the batch
//!   survives a power cut, unless you explicitly asked for less.
//! * A **snapshot** is one consistent state of all keyspaces. A scan takes one by itself.
//! * A **transaction** reads one snapshot and its own writes. It commits only if no other commit has changed a key or
//!   range that it read: it is serializable, and no commit waits for it. [`Store::transaction`] runs its closure
//!   again after a conflict. For a single key there are [`Keyspace::compare_and_swap`], [`Keyspace::increment`] and,
//!   for numbers that are never issued twice, [`Keyspace::id_generator`].
//! * A **watch** ([`Keyspace::watch`] and others) returns commits in their order, after they are acknowledged. Its
//!   buffer is bounded: a watch that is not read in time reports how many commits it has missed, and no commit waits
//!   for it.
//! * A **time to live** ([`Keyspace::set_with_ttl`], or a keyspace's default) makes a row absent for every read and
//!   condition once it expires; a sweep removes it from the disk soon after. Tests may set their own [`Clock`].
//! * Calls block. With the feature `async`, an `AsyncStore` runs closures on tokio's blocking pool, and a watch is
//!   also a stream.
//! * With the feature `admin`, an `AdminSocket` lets other processes of the same user read the figures and watch the
//!   commits of a store that this process has open.
//! * An [`ErrorKind`] is a decision: retry, reopen, stop.
//!
//! # Missing data
//!
//! A checksum shows that a row is as it was written. It cannot show that a row is missing, so there are two more
//! checks. A store on disk keeps a **high-water mark** beside its engine: an opening refuses a store that has lost
//! commits older than [`HIGH_WATER_LAG_MS`], unless `?accept_lost_tail=true` accepts the loss. And a store that is
//! created with `?integrity=full` keeps a row count and a multiset hash of each keyspace, with which
//! [`Store::verify`] detects any missing row.
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
//! An application adds its own engines to a [`Registry`].
//!
//! # What it is not
//!
//! Strongroom has no queries, no server and no replication. The benchmark in its repository measures the cost of the
//! layer against the raw engines.

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
/// The contract itself, for authors of backends.
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

/// The backend of the default engine, whatever other features are on.
#[cfg(feature = "storage-redb")]
pub type DefaultBackend = RedbBackend;

/// Opens a store by URL, such as `redb:./data` or `fjall:./data?cache=256MiB`, with the built-in engines;
/// see [`Config::from_url`]. A missing store is created, unless the URL says `?create=false`.
///
/// [`NotFound`](ErrorKind::NotFound): the store does not exist and may not be created.
/// [`InvalidInput`](ErrorKind::InvalidInput): the URL is wrong, or the directory is not a Strongroom store.
/// [`Locked`](ErrorKind::Locked): another process has the store open.
/// [`Unsupported`](ErrorKind::Unsupported): the engine does not claim the durability.
/// [`Corruption`](ErrorKind::Corruption): the files are not as they were written.
pub fn open(url: &str) -> Result<Store> {
    Registry::builtin().open(url)
}

/// The README's examples, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
