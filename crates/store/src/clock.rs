//! The store's clock: what time it is for expiry, and which read timestamp a reader may use.
//!
//! A row expires without a commit. So a state of the store is an engine snapshot *and* a read timestamp, and both
//! have to lie between the same two groups of commits. [`Time::between_groups`] takes such a pair.
//!
//! In the picture time runs to the right. Row `a` expires at 50. At 30 a group begins. It finds `a` alive and
//! writes `b`; the engine acknowledges it at 70.
//!
//! ```text
//!             10        30        50        70        90
//!              |         |--- group in flight --|      |
//!   row a  ------------------------|                       expires
//!   row b                                       |-------   written by the group
//!
//!   read at 10, timestamp 10:   a
//!   read at 60, timestamp 30:   a         the group's timestamp, not the time of the clock
//!   read at 60, timestamp 60:   nothing   forbidden: a state that never existed
//!   read at 90, timestamp 90:   b
//! ```

use crate::sync::Arc;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use strongroom_core::{Error, ErrorKind, Result};

/// The largest backward step of the system clock that is not an error, in milliseconds. A clock that is being
/// adjusted makes small steps all the time.
const STEP_BACK_MS_MAX: u64 = 1_000;

/// Attempts to take a snapshot between two groups.
const ATTEMPTS_MAX: usize = 8;

/// In place of a timestamp: no group is in flight.
const NO_GROUP: u64 = u64::MAX;

/// The clock by which rows expire, in milliseconds since 1970: the system clock, or a manual clock for tests.
///
/// ```
/// # use std::time::Duration;
/// # use strongroom_core::{Durability, MemoryBackend};
/// # use strongroom_store::{Clock, Store, StoreOptions};
/// # fn main() -> strongroom_core::Result<()> {
/// let clock = Clock::manual(1_700_000_000_000);
/// let options = StoreOptions::new().durability(Durability::Buffered).clock(clock.clone());
/// let store = Store::new(MemoryBackend::in_memory(), options)?;
/// let sessions = store.create_keyspace("sessions")?;
/// sessions.set_with_ttl("ada", "token", Duration::from_secs(90))?;
/// clock.advance(Duration::from_secs(89));
/// assert!(sessions.has("ada")?);
/// clock.advance(Duration::from_secs(1));
/// assert!(!sessions.has("ada")?);
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct Clock(Option<Arc<AtomicU64>>);

impl Clock {
    /// Returns the system clock.
    pub fn system() -> Self {
        Self(None)
    }

    /// Returns a clock that stands still until it is set or advanced. Clones are the same clock.
    pub fn manual(now_ms: u64) -> Self {
        Self(Some(Arc::new(AtomicU64::new(now_ms))))
    }

    /// Returns the time in milliseconds since 1970.
    pub fn now_ms(&self) -> u64 {
        match &self.0 {
            Some(now_ms) => now_ms.load(Ordering::Acquire),
            // Zero if the system clock is before 1970.
            None => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, whole_ms),
        }
    }

    /// Sets a manual clock. Does nothing to the system clock.
    pub fn set_ms(&self, now_ms: u64) {
        if let Some(clock) = &self.0 {
            clock.store(now_ms, Ordering::Release);
        }
    }

    /// Advances a manual clock. Does nothing to the system clock.
    pub fn advance(&self, by: Duration) {
        if let Some(clock) = &self.0 {
            let moved = |now_ms: u64| Some(now_ms.saturating_add(whole_ms(by)));
            // The closure always returns a value, so this cannot fail.
            let _ = clock.fetch_update(Ordering::AcqRel, Ordering::Acquire, moved);
        }
    }
}

/// Converts to milliseconds, rounded up so that nothing expires early. Saturates at `u64::MAX`.
pub(crate) fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

impl PartialEq for Clock {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            _ => false,
        }
    }
}

impl Eq for Clock {}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Clock(manual)" } else { "Clock(system)" })
    }
}

/// A clock that never goes backwards, so that an expired row stays expired.
#[derive(Debug)]
pub(crate) struct Time {
    clock: Clock,
    latest_ms: AtomicU64,
    /// The timestamp of the group that is in flight, or [`NO_GROUP`].
    in_flight_ms: AtomicU64,
    /// Groups that have ended.
    groups: AtomicU64,
    has_expiring_rows: AtomicBool,
}

/// The timestamp of a group, from its validation to the engine's answer.
///
/// While a group is in flight, snapshot readers may not use a later timestamp. Otherwise they could miss a row
/// that the group found alive without seeing what the group writes: a state that never existed.
pub(crate) struct GroupTime<'t> {
    time: &'t Time,
    now_ms: u64,
}

impl GroupTime<'_> {
    pub(crate) fn now_ms(&self) -> u64 {
        self.now_ms
    }
}

impl Drop for GroupTime<'_> {
    fn drop(&mut self) {
        // In this order: a reader that finds no group in flight has to see that this one has ended.
        self.time.groups.fetch_add(1, Ordering::AcqRel);
        self.time.in_flight_ms.store(NO_GROUP, Ordering::Release);
    }
}

impl Time {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            latest_ms: AtomicU64::new(0),
            in_flight_ms: AtomicU64::new(NO_GROUP),
            groups: AtomicU64::new(0),
            has_expiring_rows: AtomicBool::new(false),
        }
    }

    /// Begins a group and returns its timestamp. The caller holds the commit lock, so there is one group at a
    /// time.
    pub(crate) fn begin_group(&self) -> GroupTime<'_> {
        // Announced before its timestamp is final: a reader that reads the clock later has to find a group in flight.
        // With the time of now, since a reader that finds this one uses it.
        self.in_flight_ms.store(self.now_ms(), Ordering::SeqCst);
        let now_ms = self.now_ms();
        self.in_flight_ms.store(now_ms, Ordering::SeqCst);
        GroupTime { time: self, now_ms }
    }

    /// Records that rows may expire from now on.
    pub(crate) fn note_expiring_rows(&self) {
        // Usually it is set already. A load leaves the cache line shared; a store would take it from readers.
        if !self.has_expiring_rows() {
            self.has_expiring_rows.store(true, Ordering::Release);
        }
    }

    /// Whether any row of the store may expire. If not, a read needs no timestamp.
    pub(crate) fn has_expiring_rows(&self) -> bool {
        self.has_expiring_rows.load(Ordering::Acquire)
    }

    /// Takes a snapshot, and a read timestamp that lies after every commit in the snapshot and before every other
    /// one. Returns none if groups follow each other so fast that every attempt was interrupted by one.
    pub(crate) fn between_groups<T>(&self, mut take: impl FnMut() -> T) -> Option<(T, u64)> {
        for _ in 0..ATTEMPTS_MAX {
            let groups = self.groups.load(Ordering::SeqCst);
            // The clock first: see `begin_group`.
            let now_ms = self.now_ms();
            let now_ms = now_ms.min(self.in_flight_ms.load(Ordering::SeqCst));
            let taken = take();
            // A group that has begun since may be in the snapshot, with a later timestamp.
            let in_flight_ms = self.in_flight_ms.load(Ordering::SeqCst);
            let is_after_group = in_flight_ms <= now_ms || in_flight_ms == NO_GROUP;
            if is_after_group && self.groups.load(Ordering::SeqCst) == groups {
                return Some((taken, now_ms));
            }
            // A group began or ended during the attempt, perhaps with a later timestamp.
        }
        None
    }

    /// Returns the time, or the latest time seen if the clock has stepped back.
    pub(crate) fn now_ms(&self) -> u64 {
        let now_ms = self.clock.now_ms();
        self.latest_ms.fetch_max(now_ms, Ordering::AcqRel).max(now_ms)
    }

    /// Returns the time from which a TTL counts. Fails if the clock has stepped back, since such a row would
    /// expire late.
    pub(crate) fn ttl_base_ms(&self) -> Result<u64> {
        let (latest_ms, now_ms) = (self.now_ms(), self.clock.now_ms());
        let step_back_ms = latest_ms.saturating_sub(now_ms);
        if step_back_ms > STEP_BACK_MS_MAX {
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!("the clock has stepped back by {step_back_ms} ms, so a TTL cannot be computed"),
            )
            .hint("correct the clock, or reopen the store to continue with the clock as it is"));
        }
        Ok(latest_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_does_not_go_back() {
        let clock = Clock::manual(10_000);
        let time = Time::new(clock.clone());
        assert_eq!(time.now_ms(), 10_000);
        clock.set_ms(9_000);
        assert_eq!(time.now_ms(), 10_000);
        assert_eq!(time.ttl_base_ms().unwrap(), 10_000, "a small step is tolerated");
        clock.set_ms(8_999);
        assert_eq!(time.ttl_base_ms().unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(time.now_ms(), 10_000);
        clock.set_ms(10_001);
        assert_eq!(time.ttl_base_ms().unwrap(), 10_001);
    }

    #[test]
    fn a_snapshot_falls_between_two_groups_or_is_not_taken() {
        let clock = Clock::manual(100);
        let time = Time::new(clock.clone());
        let group = time.begin_group();
        clock.set_ms(200);
        assert_eq!(time.between_groups(|| "rows"), Some(("rows", 100)), "a group is in flight");
        drop(group);
        let mut attempts = 0;
        let found = time.between_groups(|| {
            attempts += 1;
            if attempts < 3 {
                clock.set_ms(200 + attempts);
                drop(time.begin_group());
            }
        });
        assert_eq!((found, attempts), (Some(((), 202)), 3));
        assert_eq!(time.between_groups(|| drop(time.begin_group())), None);
    }

    #[test]
    fn a_snapshot_with_rows_of_a_group_in_flight_is_not_read_at_an_earlier_time() {
        let clock = Clock::manual(100);
        let time = Time::new(clock.clone());
        let mut group = None;
        let mut attempts = 0;
        let found = time.between_groups(|| {
            attempts += 1;
            if attempts == 1 {
                // The group begins after the time was read, and the engine has its rows before the snapshot is taken.
                clock.set_ms(200);
                group = Some(time.begin_group());
            }
        });
        assert_eq!((found, attempts), (Some(((), 200)), 2));
        drop(group);
    }

    #[test]
    fn a_part_of_a_millisecond_counts_as_one() {
        assert_eq!(whole_ms(Duration::from_nanos(1)), 1);
        assert_eq!(whole_ms(Duration::from_millis(7)), 7);
        assert_eq!(whole_ms(Duration::MAX), u64::MAX);
        let clock = Clock::manual(5);
        clock.advance(Duration::MAX);
        assert_eq!(clock.now_ms(), u64::MAX);
        // A test that set the system clock would set it for every process.
        Clock::system().set_ms(1);
        assert!(Clock::system().now_ms() > 1_700_000_000_000);
    }
}
