//! Options of a store, the same on every engine.

use crate::clock::Clock;
use crate::integrity::Integrity;
use std::time::Duration;
use strongroom_core::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use strongroom_core::{Durability, Error, ErrorKind, Result};

/// Options of a store. They may differ from one opening to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreOptions {
    /// Durability of commits that set none. The default is power-safe; less has to be set explicitly.
    pub durability: Durability,
    /// Maximum length of a key in bytes, at most [`KEY_BYTES_MAX`]. Lower it to the limit of an engine that you
    /// may move to.
    pub key_bytes_max: usize,
    /// Maximum length of a value in bytes, at most [`VALUE_BYTES_MAX`].
    pub value_bytes_max: usize,
    /// Maximum size of the commit queue, in bytes of keys and values. A commit blocks while the queue is full.
    pub queue_bytes_max: usize,
    /// How the store detects missing rows. None means the setting of an existing store, or [`Integrity::Rows`]
    /// for a new one. It cannot change, so opening a store with another setting fails.
    pub integrity: Option<Integrity>,
    /// Opens a store even if its newest commits or its high-water mark are lost, and continues with what is
    /// there. The store gets a new high-water mark, unless it is read-only. Check first what is missing:
    /// afterwards the loss is no longer detectable.
    pub accept_lost_tail: bool,
    /// How often expired rows are removed from disk, in milliseconds. 0 means only by
    /// [`Store::sweep`](crate::Store::sweep). Reads do not depend on it.
    pub sweep_interval_ms: u64,
    /// Maximum age of a snapshot, a scan or a transaction. An older one returns
    /// [`SnapshotExpired`](ErrorKind::SnapshotExpired) and no longer pins anything, on every engine. Ages are
    /// checked every quarter of this time, and at least once a second. None means no limit: the engine then keeps
    /// everything that the reader may still see. With a limit, readers copy the rows that they read.
    pub snapshot_age_max: Option<Duration>,
    /// The clock by which rows expire.
    pub clock: Clock,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            durability: Durability::PowerSafe,
            key_bytes_max: KEY_BYTES_MAX,
            value_bytes_max: VALUE_BYTES_MAX,
            queue_bytes_max: 64 * 1_024 * 1_024,
            integrity: None,
            accept_lost_tail: false,
            sweep_interval_ms: 1_000,
            snapshot_age_max: None,
            clock: Clock::system(),
        }
    }
}

impl StoreOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the durability of commits that set none.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets the maximum length of a key, in bytes.
    #[must_use]
    pub fn key_bytes_max(mut self, bytes: usize) -> Self {
        self.key_bytes_max = bytes;
        self
    }

    /// Sets the maximum length of a value, in bytes.
    #[must_use]
    pub fn value_bytes_max(mut self, bytes: usize) -> Self {
        self.value_bytes_max = bytes;
        self
    }

    /// Sets the maximum size of the commit queue, in bytes.
    #[must_use]
    pub fn queue_bytes_max(mut self, bytes: usize) -> Self {
        self.queue_bytes_max = bytes;
        self
    }

    /// Sets how the store detects missing rows.
    #[must_use]
    pub fn integrity(mut self, integrity: Integrity) -> Self {
        self.integrity = Some(integrity);
        self
    }

    /// Sets whether to continue without lost commits.
    #[must_use]
    pub fn accept_lost_tail(mut self, accept: bool) -> Self {
        self.accept_lost_tail = accept;
        self
    }

    /// Sets how often expired rows are removed from disk, in milliseconds.
    #[must_use]
    pub fn sweep_interval_ms(mut self, interval_ms: u64) -> Self {
        self.sweep_interval_ms = interval_ms;
        self
    }

    /// Sets the maximum age of a reader. None means no limit.
    #[must_use]
    pub fn snapshot_age_max(mut self, age_max: Option<Duration>) -> Self {
        self.snapshot_age_max = age_max;
        self
    }

    /// Sets the clock.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        let within = |name, given, bytes_max| match given {
            given if (1..=bytes_max).contains(&given) => Ok(()),
            _ => Err(Error::new(ErrorKind::InvalidInput, format!("{name} cannot be {given}"))
                .hint(format!("choose 1 to {bytes_max} bytes"))),
        };
        within("key_bytes_max", self.key_bytes_max, KEY_BYTES_MAX)?;
        within("value_bytes_max", self.value_bytes_max, VALUE_BYTES_MAX)
    }
}
