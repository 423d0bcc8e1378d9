//! The state that all features share: the backend, the catalog of keyspaces, the options and the clock.
//!
//! This module knows no feature and not the pipeline. Features get a reference to it.

use crate::catalog::{Catalog, KeyspaceInfo};
use crate::clock::Time;
use crate::directory::StoreDirectory;
use crate::integrity::Integrity;
use crate::options::StoreOptions;
use crate::readers::Readers;
use crate::row::Row;
use crate::sequence::{CommitLock, Sequences};
use crate::sync::Arc;
use crate::sync::atomic::{AtomicU64, Ordering};
use bytes::Bytes;
use strongroom_core::{Durability, EngineInfo, Error, ErrorKind, KeyspaceId, Result, StorageBackend};

pub(crate) struct Base {
    /// Distinguishes the stores of one process.
    pub(crate) instance: u64,
    pub(crate) options: StoreOptions,
    /// How the store detects missing rows.
    pub(crate) integrity: Integrity,
    backend: Box<dyn StorageBackend>,
    pub(crate) catalog: Catalog,
    pub(crate) time: Time,
    pub(crate) readers: Arc<Readers>,
    pub(crate) commit_lock: CommitLock,
    /// The store's own keyspace. None for a read-only backend without one.
    own_keyspace: Option<KeyspaceId>,
    /// The newest acknowledged commit.
    newest: AtomicU64,
    damaged_rows: AtomicU64,
    // Last: the lock on the directory is released when the engine is closed.
    pub(crate) directory: Option<StoreDirectory>,
}

/// The parts of a [`Base`].
pub(crate) struct BaseParts {
    pub(crate) instance: u64,
    pub(crate) options: StoreOptions,
    pub(crate) integrity: Integrity,
    pub(crate) backend: Box<dyn StorageBackend>,
    pub(crate) catalog: Catalog,
    pub(crate) sequences: Sequences,
}

impl Base {
    pub(crate) fn new(parts: BaseParts) -> Self {
        let BaseParts { instance, options, integrity, backend, catalog, sequences } = parts;
        let time = Time::new(options.clock.clone());
        let readers = Arc::new(Readers::new(options.snapshot_age_max));
        // Another process may write the first expiring row at any time.
        let may_expire = catalog.read().by_name.values().any(|info| info.settings.may_expire());
        if backend.is_read_only() || may_expire {
            time.note_expiring_rows();
        }
        Self {
            instance,
            options,
            integrity,
            backend,
            catalog,
            time,
            readers,
            own_keyspace: sequences.own_keyspace(),
            newest: AtomicU64::new(sequences.last()),
            commit_lock: CommitLock::new(sequences),
            damaged_rows: AtomicU64::new(0),
            directory: None,
        }
    }

    pub(crate) fn backend(&self) -> &dyn StorageBackend {
        &*self.backend
    }

    pub(crate) fn engine(&self) -> &EngineInfo {
        self.backend.engine()
    }

    pub(crate) fn own_keyspace(&self) -> Option<KeyspaceId> {
        self.own_keyspace
    }

    /// Whether another process may write the store while this one reads it.
    pub(crate) fn is_beside_a_writer(&self) -> bool {
        self.backend.is_read_only() && self.engine().capabilities.shared_reads
    }

    /// Reloads the keyspaces, if another process may have created or dropped some.
    pub(crate) fn refresh_catalog(&self) -> Result<()> {
        if self.is_beside_a_writer() { self.catalog.reload(self.backend()) } else { Ok(()) }
    }

    /// Returns the sequence number of the newest acknowledged commit.
    pub(crate) fn newest_sequence(&self) -> u64 {
        self.newest.load(Ordering::Acquire)
    }

    /// Records the newest acknowledged commit. The caller holds the commit lock.
    pub(crate) fn note_newest(&self, sequence: u64) {
        self.newest.store(sequence, Ordering::Release);
    }

    /// Verifies a stored row and opens it. Returns none if it has expired by `now_ms`, which is called only for a
    /// row with an expiry.
    pub(crate) fn live_row(
        &self,
        keyspace: &KeyspaceInfo,
        key: &[u8],
        stored: Option<Bytes>,
        now_ms: impl FnOnce() -> u64,
    ) -> Result<Option<Row>> {
        let Some(stored) = stored else { return Ok(None) };
        let row = self.count_damage(keyspace.open(key, stored))?;
        Ok(Some(row).filter(|row| row.expires_at_ms.is_none_or(|at_ms| at_ms > now_ms())))
    }

    /// Whether rows of the keyspace may expire. If so, a scan of keys has to read headers too.
    pub(crate) fn may_expire(&self, keyspace: &KeyspaceInfo) -> bool {
        // Another process may have written the first such row since the catalog was loaded.
        keyspace.settings.may_expire() || self.is_beside_a_writer()
    }

    /// Returns how many reads found damage.
    pub(crate) fn damaged_rows(&self) -> u64 {
        self.damaged_rows.load(Ordering::Relaxed)
    }

    /// Passes a result on, and counts it if it reports damage.
    pub(crate) fn count_damage<T>(&self, opened: Result<T>) -> Result<T> {
        if let Err(error) = &opened {
            self.count_damaged(error);
        }
        opened
    }

    pub(crate) fn count_damaged(&self, error: &Error) {
        if error.kind() == ErrorKind::Corruption {
            self.damaged_rows.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Adds engine and operation to an error of the store.
    pub(crate) fn located<T>(&self, operation: &'static str, f: impl FnOnce() -> Result<T>) -> Result<T> {
        f().map_err(|error| error.at(self.engine().name, operation))
    }

    /// Returns [`Unsupported`](ErrorKind::Unsupported) if the engine does not claim this durability.
    pub(crate) fn check_claim(&self, durability: Durability) -> Result<()> {
        check_claim(self.engine(), durability)
    }
}

/// Returns [`Unsupported`](ErrorKind::Unsupported) if the engine does not claim this durability.
pub(crate) fn check_claim(engine: &EngineInfo, durability: Durability) -> Result<()> {
    if durability == Durability::Buffered || engine.capabilities.power_safe {
        return Ok(());
    }
    let EngineInfo { name, unclaimed, .. } = engine;
    let because = if unclaimed.is_empty() { "" } else { ": " };
    Err(Error::new(
        ErrorKind::Unsupported,
        format!("{name} does not claim that a commit survives a power cut{because}{unclaimed}"),
    )
    .hint("set durability=buffered to accept that, or choose another engine"))
}

/// Whether the handle is unusable after this error, so that the store has to be reopened.
pub(crate) fn ends_the_handle(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::CommitUnknown | ErrorKind::Closed)
}
