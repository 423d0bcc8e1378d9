//! SQLite as a Strongroom backend: one file that the `sqlite3` shell can read, a write-ahead log, and
//! readers in other processes.
//!
//! This crate only translates. [`SqliteBackend`] is [`Backend`] over [`SqliteEngine`], with the whole contract
//! of `strongroom-core`; the layers above build on it. SQLite is compiled in, because the system's own may have
//! a bug of 3.7.0 to 3.51.2 that loses pages when a log restarts.
//!
//! ```
//! use strongroom_core::{Durability, KeyspaceHints, StorageBackend, WriteBatch};
//! use strongroom_sqlite::SqliteBackend;
//!
//! # fn main() -> strongroom_core::Result<()> {
//! # let home = tempfile::tempdir()?;
//! # let path = home.path().join("data");
//! let backend = SqliteBackend::new(&path)?;
//! let events = backend.create_keyspace("events", KeyspaceHints::append_only())?;
//! let mut batch = WriteBatch::new();
//! batch.put(events, b"0001", b"inception");
//! backend.commit(&batch, Durability::PowerSafe)?;
//! assert_eq!(backend.get(events, b"0001")?.as_deref(), Some(&b"inception"[..]));
//! # Ok(()) }
//! ```
//!
//! SQLite's limits remain: writers run one after another and do not share a sync, single random writes are many
//! times slower than those of a batch, pages have no checksums once they have left the log, and the file does
//! not shrink by itself.
//!
//! | Contract | SQLite |
//! |---|---|
//! | files | `data.sqlite` with SQLite's `-wal` and `-shm`, created as `data.sqlite.new` and renamed when it is complete; a writer locks `data.sqlite.writer` |
//! | keyspace | `WITHOUT ROWID` table of blobs; hints are not used |
//! | get | a statement in a read transaction that gets share between two commits, one thread at a time, or on a connection of its own; the value is copied once, because SQLite reuses its buffer |
//! | batch | `BEGIN IMMEDIATE` … `COMMIT` on the writer's connection |
//! | snapshot | a reader's connection in a read transaction |
//! | cursor | blocks of up to 256 KiB or 4,096 rows, read under the snapshot's lock and lent from there |
//! | power-safe | `synchronous = FULL` |
//! | buffered | `synchronous = NORMAL` |
//! | flush | a transaction with `FULL` that increments a counter, if there were buffered commits |
//! | checkpoint | the online backup API, from a read transaction, concurrently with writers |
//! | compaction | `VACUUM`, then the log is emptied; `Unavailable` while a snapshot is open or another process reads |
//! | integrity check | `PRAGMA quick_check` on a connection of its own |
//! | shared reads | other processes open it with [`read_only`](SqliteOptions::read_only) |
//!
//! # Durability
//!
//! A power-safe commit is on disk when it returns, with one sync of the log, and so are all earlier commits. A
//! buffered commit has been handed to the operating system when it returns. A crash of the process does not
//! lose it. A power cut may lose it, but never a part of it.
//!
//! When the log has reached [`wal_autocheckpoint_pages`](SqliteOptions::wal_autocheckpoint_pages), a commit
//! also moves it into the file, which takes two more syncs. The adapter does this itself, because SQLite would
//! hide an error of that step, and a later sync would seem to succeed. After any error the log is left for the
//! next open to check.
//!
//! A long-lived snapshot keeps all newer pages in the log, so the log grows with everything that is written
//! meanwhile. It also grows with one large batch. The shared read view is closed while the log is moved. A
//! commit that finds the log twice as long as configured waits for other readers, up to 100 ms, and again when
//! it has doubled. The log's file is cut to 16 MiB when the log restarts.
//!
//! # Memory and large values
//!
//! The cache size is the bound for all connections together; see [`SqliteOptions::cache_bytes`]. A batch that
//! is larger than the writer's part goes into the log before its commit. A connection drops its cached pages if
//! there was a commit since its last read.
//!
//! In a `WITHOUT ROWID` table a row is stored in the B-tree itself up to a quarter of a page, also in inner
//! pages, so rows of some hundred bytes make the tree deeper. The rest of a larger row is a chain of pages. A
//! value of 16 MiB is a chain of 4,096 pages, written twice (log and file) and read page by page. A
//! [`page_size`](SqliteOptions::page_size) of 65,536 makes the chain shorter. A keys-only scan skips the
//! chains.
//!
//! A snapshot takes a connection of its own: two open files, and 64 KiB of cache or more.
//!
//! # The file, read with a shell
//!
//! The file's `application_id` is 1400140397 ("Strm"), its `user_version` 1.
//!
//! | Name | Content |
//! |---|---|
//! | `keyspaces (number, name)` | the catalogue; a number is never reused |
//! | `keyspace_N (key, value)` | the rows of the keyspace with number N |
//! | `entries (keyspace, key, value_bytes, value)` | a view over the first 100 tables of keyspaces (packed ones share `_packed`, with four bytes before each key): keys and values as text if they are printable, or else as `X'…'` |
//! | `syncs (number)` | a counter that is incremented to sync buffered commits |
//!
//! ```sh
//! sqlite3 -readonly data.sqlite 'SELECT name FROM keyspaces'
//! sqlite3 -readonly data.sqlite "SELECT key, value_bytes FROM entries WHERE keyspace = 'events' LIMIT 10"
//! sqlite3 -readonly data.sqlite "SELECT hex(value) FROM keyspace_1 WHERE key = x'30303031'"
//! ```
//!
//! Older shells can read the file too (3.40 is tested), even while a store has it open. Do not write to it with
//! a shell while a store has it open. SQLite would allow it between two commits, and a shell that keeps a
//! transaction open for longer than [`busy_timeout_ms`](SqliteOptions::busy_timeout_ms) makes a commit return
//! `Unavailable`. Altered tables, and indexes or triggers on them, are refused when the store is opened.
//!
//! A process that has a store open must not read its files by other means than SQLite, not even to copy them:
//! on Unix, closing any descriptor of a file drops the locks that SQLite has on it. Use a checkpoint to copy a
//! store.
//!
//! # Readers in other processes and read-only media
//!
//! A read-only handle takes no writer's lock and changes no data, but SQLite shares its index of the log
//! through `data.sqlite-shm` and creates that file if it is missing. On a read-only file system, or without
//! permission, it cannot. There a store that was closed properly (no log is left) is opened as immutable, with
//! a shared lock on the writer's file that keeps writers out. Any other store is refused there.

mod commit;
mod cursor;
mod database;
mod engine;
mod error;
mod files;
mod housekeep;
mod options;
mod pool;
mod schema;
mod shared_memory;
mod snapshot;
mod view;

pub use cursor::SqliteCursor;
pub use engine::SqliteEngine;
pub use options::SqliteOptions;
pub use schema::SqliteKeyspace;
pub use snapshot::SqliteSnapshot;

use strongroom_core::Backend;

/// A store in one SQLite file.
pub type SqliteBackend = Backend<SqliteEngine>;
