//! The open readers of a store: snapshots, scans and transactions, with their ages.
//!
//! An engine keeps every old page or value that an open reader may still see. So a forgotten reader makes the
//! files grow unnoticed. This module counts the readers and their ages, and names the line of code that opened
//! the oldest one. With a limit ([`StoreOptions::snapshot_age_max`](crate::StoreOptions)), a reader that is older
//! releases what it pins and returns `SnapshotExpired`, on every engine.

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use crate::worker::Alarm;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::panic::Location;
use std::time::{Duration, Instant};
use strongroom_core::{Cursor, Error, ErrorKind, KeyspaceId, Result, Scan, Snapshot};

/// The kinds of readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ReaderKind {
    /// A [`Snapshot`](crate::Snapshot).
    Snapshot,
    /// [`Rows`](crate::Rows) of a scan.
    Scan,
    /// A [`Transaction`](crate::Transaction).
    Transaction,
}

impl ReaderKind {
    /// `snapshot`, `scan` or `transaction`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Scan => "scan",
            Self::Transaction => "transaction",
        }
    }
}

/// The oldest open reader of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct OldestReader {
    /// The kind of reader.
    pub kind: ReaderKind,
    /// How long it has been open; in serialized form `age_ms`, in milliseconds.
    #[cfg_attr(feature = "serde", serde(rename = "age_ms", with = "whole_ms"))]
    pub age: Duration,
    /// The line of code that opened it, as `FILE:LINE:COLUMN`.
    pub opened_at: String,
}

/// Serializes a duration as whole milliseconds.
#[cfg(feature = "serde")]
mod whole_ms {
    use serde::{Deserialize as _, Deserializer, Serializer};
    use std::time::Duration;

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

/// All open readers, oldest first.
pub(crate) struct Readers {
    open: Mutex<BTreeMap<u64, Reader>>,
    next: AtomicU64,
    expired: AtomicU64,
    /// None means no limit.
    age_max: Option<Duration>,
    /// Wakes the thread that expires readers.
    pub(crate) alarm: Alarm,
}

struct Reader {
    kind: ReaderKind,
    since: Instant,
    opened_at: &'static Location<'static>,
    /// The snapshot to release at the limit. Dangling if there is no limit.
    lease: Weak<LeasedSnapshot>,
}

/// Counts a reader as open while it exists.
pub(crate) struct ReaderGuard {
    readers: Arc<Readers>,
    id: u64,
    /// A scan itself holds only its cursor. This keeps the snapshot, through which the cursor is released at the
    /// limit.
    _lease: Option<Arc<LeasedSnapshot>>,
}

impl Readers {
    pub(crate) fn new(age_max: Option<Duration>) -> Self {
        let age_max = age_max.filter(|age_max| !age_max.is_zero());
        let interval = age_max.map_or(Duration::from_secs(1), |age_max| age_max / 4);
        let alarm = Alarm::new(interval.clamp(Duration::from_millis(1), Duration::from_secs(1)));
        let (open, next, expired) = (Mutex::default(), AtomicU64::new(0), AtomicU64::new(0));
        Self { open, next, expired, age_max, alarm }
    }

    /// Whether the store has a thread that expires readers.
    pub(crate) fn has_limit(&self) -> bool {
        self.age_max.is_some()
    }

    /// Registers an open reader of `snapshot`. Returns the snapshot to read through, and the reader's guard.
    pub(crate) fn open(
        self: &Arc<Self>,
        kind: ReaderKind,
        opened_at: &'static Location<'static>,
        snapshot: Arc<dyn Snapshot>,
    ) -> (Arc<dyn Snapshot>, Arc<ReaderGuard>) {
        let (snapshot, lease): (Arc<dyn Snapshot>, _) = if self.has_limit() {
            let leased = Arc::new(LeasedSnapshot::new(snapshot));
            (Arc::clone(&leased) as Arc<_>, Some(leased))
        } else {
            (snapshot, None)
        };
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let weak = lease.as_ref().map_or_else(Weak::new, Arc::downgrade);
        self.lock().insert(id, Reader { kind, since: Instant::now(), opened_at, lease: weak });
        if self.has_limit() {
            self.alarm.set();
        }
        (snapshot, Arc::new(ReaderGuard { readers: Arc::clone(self), id, _lease: lease }))
    }

    /// Returns the number of open readers.
    pub(crate) fn len(&self) -> u64 {
        self.lock().len() as u64
    }

    /// Returns how many readers were released at the limit.
    pub(crate) fn expired(&self) -> u64 {
        self.expired.load(Ordering::Relaxed)
    }

    /// Returns the oldest open reader.
    pub(crate) fn oldest(&self) -> Option<OldestReader> {
        let open = self.lock();
        // Two readers that are opened at the same time may be listed in either order, which is harmless.
        let (_, reader) = open.first_key_value()?;
        let (age, opened_at) = (reader.since.elapsed(), reader.opened_at.to_string());
        Some(OldestReader { kind: reader.kind, age, opened_at })
    }

    /// Runs the thread that expires readers, until the store is closed.
    pub(crate) fn run(&self) {
        while self.alarm.wait() {
            if self.expire_old() > 0 {
                self.alarm.set();
            }
        }
    }

    /// Releases readers beyond the limit. Returns how many have not reached it yet.
    fn expire_old(&self) -> usize {
        let Some(age_max) = self.age_max else { return 0 };
        let mut old = Vec::new();
        let mut young = 0;
        for reader in self.lock().values() {
            let Some(lease) = reader.lease.upgrade() else { continue };
            if reader.since.elapsed() >= age_max { old.push(lease) } else { young += 1 }
        }
        // Without the lock: a release waits for a read in progress, and may be work for the engine.
        for lease in old {
            if lease.expire() {
                self.expired.fetch_add(1, Ordering::Relaxed);
            }
        }
        young
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Reader>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ReaderGuard {
    fn drop(&mut self) {
        self.readers.lock().remove(&self.id);
    }
}

/// A value that can be revoked from its holder.
struct Slot<T>(Mutex<Option<T>>);

impl<T> Slot<T> {
    fn new(held: T) -> Self {
        Self(Mutex::new(Some(held)))
    }

    /// Returns [`SnapshotExpired`](ErrorKind::SnapshotExpired) if the value was revoked.
    fn with<R>(&self, f: impl FnOnce(&mut T) -> Result<R>) -> Result<R> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        f(held.as_mut().ok_or_else(too_old)?)
    }

    fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn too_old() -> Error {
    Error::new(ErrorKind::SnapshotExpired, "the reader was open for longer than snapshot_age_max")
        .hint("take a new snapshot, or raise the limit")
}

type Cursors = Vec<Weak<Slot<Box<dyn Cursor>>>>;

/// A snapshot that can be revoked from its reader, with all of its cursors.
struct LeasedSnapshot {
    snapshot: Slot<Arc<dyn Snapshot>>,
    cursors: Mutex<Cursors>,
}

impl LeasedSnapshot {
    fn new(snapshot: Arc<dyn Snapshot>) -> Self {
        Self { snapshot: Slot::new(snapshot), cursors: Mutex::default() }
    }

    /// Releases the snapshot and its cursors. Returns whether there were any.
    fn expire(&self) -> bool {
        // The snapshot first: after that, no new cursor is created.
        let snapshot = self.snapshot.take();
        let cursors = std::mem::take(&mut *self.lock_cursors());
        let taken = cursors.iter().filter_map(|cursor| cursor.upgrade()?.take()).count();
        snapshot.is_some() || taken > 0
    }

    fn lock_cursors(&self) -> MutexGuard<'_, Cursors> {
        self.cursors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Snapshot for LeasedSnapshot {
    fn get(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>> {
        // Copied: a shared value would pin what the limit is there to release.
        self.snapshot
            .with(|snapshot| Ok(snapshot.get(keyspace, key)?.map(|value| Bytes::copy_from_slice(&value))))
    }

    fn cursor(&self, keyspace: KeyspaceId, scan: Scan) -> Result<Box<dyn Cursor>> {
        self.snapshot.with(|snapshot| {
            let slot = Arc::new(Slot::new(snapshot.cursor(keyspace, scan)?));
            // Under the snapshot's lock, so that a concurrent expiry finds the cursor in the list.
            let mut cursors = self.lock_cursors();
            cursors.retain(|cursor| cursor.strong_count() > 0);
            cursors.push(Arc::downgrade(&slot));
            Ok(Box::new(LeasedCursor { slot, key: Vec::new(), value: Vec::new(), on_row: false }) as Box<_>)
        })
    }
}

/// A cursor that can be revoked from its reader. It lends copies.
struct LeasedCursor {
    slot: Arc<Slot<Box<dyn Cursor>>>,
    key: Vec<u8>,
    value: Vec<u8>,
    on_row: bool,
}

impl Cursor for LeasedCursor {
    fn advance(&mut self) -> Result<bool> {
        let Self { slot, key, value, on_row } = self;
        *on_row = false;
        *on_row = slot.with(|cursor| {
            if !cursor.advance()? {
                return Ok(false);
            }
            let row = cursor.row();
            row.0.clone_into(key);
            row.1.clone_into(value);
            Ok(true)
        })?;
        Ok(*on_row)
    }

    fn key(&self) -> &[u8] {
        assert!(self.on_row, "invariant 3: the cursor stands on no row");
        &self.key
    }

    fn value(&self) -> &[u8] {
        assert!(self.on_row, "invariant 3: the cursor stands on no row");
        &self.value
    }

    fn seek(&mut self, key: &[u8]) -> Result<()> {
        self.on_row = false;
        self.slot.with(|cursor| cursor.seek(key))
    }
}
