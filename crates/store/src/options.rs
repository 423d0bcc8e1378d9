//! How a store behaves, whatever its engine.

use crate::clock::Clock;
use crate::integrity::Integrity;
use std::time::Duration;
use strongroom_core::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use strongroom_core::{Durability, Error, ErrorKind, Result};

/// Options of a store. They may differ from one opening to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreOptions {
    /// Durability of a commit that does not say its own. Power-safe unless less is asked for by name.
    pub durability: Durability,
    /// Longest key accepted, in bytes: at most [`KEY_BYTES_MAX`]. Lower it to the limit of an engine that
    /// you may move to.
    pub key_bytes_max: usize,
    /// Largest value accepted, in bytes: at most [`VALUE_BYTES_MAX`].
    pub value_bytes_max: usize,
    /// Commits that may wait behind the one that is being written, in bytes of their keys and values.
    /// Beyond it, committing blocks.
    pub queue_bytes_max: usize,
    /// What the store can tell about missing rows. None: what it has, or [`Integrity::Rows`] if it is created
    /// now. A store that has another is refused: this cannot change.
    pub integrity: Option<Integrity>,
    /// Open a store whose newest commits are lost, or whose high-water mark is, and go on with what is there.
    /// It gets a new mark, unless it is only read. Look at what is missing first: afterwards nothing tells.
    pub accept_lost_tail: bool,
    /// How often expired rows are removed from the disk, in milliseconds; 0: only by
    /// [`Store::sweep`](crate::Store::sweep). Reads do not depend on it.
    pub sweep_interval_ms: u64,
    /// How long a snapshot, a scan or a transaction may be open. Beyond it, it answers
    /// [`SnapshotExpired`](ErrorKind::SnapshotExpired) and pins nothing any more, on every engine; a check runs every
    /// quarter of it. None: as long as it likes, while the engine keeps all that it may still see. With a limit, such
    /// readers copy the rows that they read.
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

    /// Sets the durability of commits that do not say their own.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets the longest key accepted.
    #[must_use]
    pub fn key_bytes_max(mut self, bytes: usize) -> Self {
        self.key_bytes_max = bytes;
        self
    }

    /// Sets the largest value accepted.
    #[must_use]
    pub fn value_bytes_max(mut self, bytes: usize) -> Self {
        self.value_bytes_max = bytes;
        self
    }

    /// Sets how much may wait in the queue.
    #[must_use]
    pub fn queue_bytes_max(mut self, bytes: usize) -> Self {
        self.queue_bytes_max = bytes;
        self
    }

    /// Sets what the store can tell about missing rows.
    #[must_use]
    pub fn integrity(mut self, integrity: Integrity) -> Self {
        self.integrity = Some(integrity);
        self
    }

    /// Sets whether to go on without commits that are lost.
    #[must_use]
    pub fn accept_lost_tail(mut self, accept: bool) -> Self {
        self.accept_lost_tail = accept;
        self
    }

    /// Sets how often what has expired is removed.
    #[must_use]
    pub fn sweep_interval_ms(mut self, interval_ms: u64) -> Self {
        self.sweep_interval_ms = interval_ms;
        self
    }

    /// Sets how long a reader may be open; none: as long as it likes.
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
            _ => Err(Error::new(ErrorKind::InvalidInput, format!("{name} is {given}"))
                .hint(format!("choose 1 to {bytes_max} bytes"))),
        };
        within("key_bytes_max", self.key_bytes_max, KEY_BYTES_MAX)?;
        within("value_bytes_max", self.value_bytes_max, VALUE_BYTES_MAX)
    }
}
