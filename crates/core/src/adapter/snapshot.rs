//! Snapshots and cursors for callers: the engine's own, with all checks around them.

use super::cursor::PackedCursor;
use super::keyspaces::Slot;
use super::placed::Placed;
use super::shared::Shared;
use super::view::View;
use crate::backend::{Cursor, Snapshot, Visitor};
use crate::engine::{Engine, EngineCursor, EngineSnapshot};
use crate::keyspace::KeyspaceId;
use crate::limits::check_backend_key;
use crate::range::{Scan, check_seek};
use crate::stats::GaugeGuard;
use crate::{Error, ErrorKind, Result};
use bytes::Bytes;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

/// A snapshot. Its cursors share its content.
pub(super) struct GuardedSnapshot<E: Engine>(Arc<Inner<E>>);

struct Inner<E: Engine> {
    // Declared first: an engine needs its snapshots closed before itself.
    view: Arc<View<E::Snapshot>>,
    shared: Arc<Shared<E>>,
    _counted: GaugeGuard,
}

type CursorOf<E> = PackedCursor<<<E as Engine>::Snapshot as EngineSnapshot>::Cursor>;
type SlotOf<E> = Slot<Placed<<E as Engine>::Keyspace>>;

impl<E: Engine> GuardedSnapshot<E> {
    pub(super) fn open(shared: &Arc<Shared<E>>) -> Result<Self> {
        let view = shared.health.call("snapshot", || shared.view_for_snapshot())?;
        let counted = shared.snapshots.enter();
        Ok(Self(Arc::new(Inner { view, shared: Arc::clone(shared), _counted: counted })))
    }
}

impl<E: Engine> Inner<E> {
    /// Returns a cursor of the engine, or `None` if there are no rows to see.
    fn cursor(&self, slot: &SlotOf<E>, scan: &Scan) -> Result<Option<CursorOf<E>>> {
        if scan.range.is_empty() || !slot.existed_at(self.view.epoch()) {
            return Ok(None);
        }
        let open = || {
            // A seek calls this too, possibly after the keyspace was dropped.
            slot.check()?;
            slot.placed.cursor_in(&**self.view, scan)
        };
        self.shared.health.call("scan", open).map(Some)
    }
}

impl<E: Engine> Snapshot for GuardedSnapshot<E> {
    fn get(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>> {
        let inner = &*self.0;
        inner.shared.located("get", || {
            check_backend_key(key)?;
            let slot = inner.shared.keyspaces.get(keyspace)?;
            if !slot.existed_at(inner.view.epoch()) {
                return Ok(None);
            }
            let get = || slot.placed.get_in(&**inner.view, key);
            let found = inner.shared.health.call("get", get)?;
            if found.is_none() {
                // The rows of a packed keyspace are removed after it was marked as dropped, and the undo
                // overlay does not keep them.
                slot.check()?;
            }
            Ok(found)
        })
    }

    fn cursor(&self, keyspace: KeyspaceId, scan: Scan) -> Result<Box<dyn Cursor>> {
        let inner = &self.0;
        inner.shared.located("scan", || {
            let slot = Arc::clone(inner.shared.keyspaces.get(keyspace)?);
            let engine_cursor = inner.cursor(&slot, &scan)?;
            let snapshot = Arc::clone(inner);
            let (on_row, failure) = (false, None);
            Ok(Box::new(GuardedCursor { engine_cursor, on_row, failure, slot, scan, snapshot }) as Box<_>)
        })
    }
}

struct GuardedCursor<E: Engine> {
    /// None at the end and after an error. Declared before the snapshot, which it reads from.
    engine_cursor: Option<CursorOf<E>>,
    on_row: bool,
    /// The engine's error, to be repeated by later calls: an error never turns into the end.
    failure: Option<(ErrorKind, String)>,
    slot: Arc<SlotOf<E>>,
    /// The whole scan. A seek restricts it to the rest.
    scan: Scan,
    snapshot: Arc<Inner<E>>,
}

impl<E: Engine> GuardedCursor<E> {
    /// Handles the end, an error or a panic of the engine.
    #[cold]
    fn without_row(&mut self, outcome: std::thread::Result<Result<bool>>) -> Result<bool> {
        self.engine_cursor = None;
        self.on_row = false;
        let health = &self.snapshot.shared.health;
        let outcome = match outcome {
            // An apparent end may come from rows that a drop has removed meanwhile.
            Ok(Ok(false)) => {
                self.slot.check().map(|()| false).map_err(|error| error.at(E::INFO.name, "scan"))
            }
            Ok(outcome) => outcome.map_err(|error| error.at(E::INFO.name, "scan")),
            Err(_) => Err(health.panicked_in_read("scan")),
        };
        self.failure = outcome.as_ref().err().map(|error| (error.kind(), error.one_line()));
        outcome
    }

    /// Handles a handle that was poisoned, or a keyspace that was dropped, while the cursor was open.
    #[cold]
    fn stopped(&mut self) -> Result<bool> {
        let shared = &self.snapshot.shared;
        let refused = shared.health.check("scan").and_then(|()| self.slot.check());
        self.without_row(Ok(refused.map(|()| false)))
    }

    #[cold]
    fn after_the_last(&self) -> Result<bool> {
        match &self.failure {
            None => Ok(false),
            Some((kind, story)) => {
                Err(Error::new(*kind, format!("the scan failed before: {story}")).at(E::INFO.name, "scan"))
            }
        }
    }

    #[inline]
    fn standing(&self) -> &CursorOf<E> {
        match &self.engine_cursor {
            Some(cursor) if self.on_row => cursor,
            _ => unreachable!("invariant 3: the cursor stands on no row"),
        }
    }
}

impl<E: Engine> Cursor for GuardedCursor<E> {
    // The hot path of every scan: two flags, the frame that catches a panic, and the engine.
    fn advance(&mut self) -> Result<bool> {
        let Some(cursor) = &mut self.engine_cursor else { return self.after_the_last() };
        if self.snapshot.shared.health.is_poisoned() || self.slot.is_dropped() {
            return self.stopped();
        }
        match catch_unwind(AssertUnwindSafe(|| cursor.advance())) {
            // Checked again: a concurrent drop may have removed rows before this one.
            Ok(Ok(true)) if self.slot.is_dropped() => self.stopped(),
            Ok(Ok(true)) => {
                self.on_row = true;
                Ok(true)
            }
            outcome => self.without_row(outcome),
        }
    }

    fn key(&self) -> &[u8] {
        self.standing().key()
    }

    fn value(&self) -> &[u8] {
        let cursor = self.standing();
        if self.scan.keys_only { &[] } else { cursor.value() }
    }

    fn row(&self) -> (&[u8], &[u8]) {
        let cursor = self.standing();
        (cursor.key(), if self.scan.keys_only { &[] } else { cursor.value() })
    }

    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<()> {
        let Some(cursor) = &mut self.engine_cursor else { return self.after_the_last().map(drop) };
        let (health, slot, keys_only) = (&self.snapshot.shared.health, &self.slot, self.scan.keys_only);
        let mut is_stopped = health.is_poisoned() || slot.is_dropped();
        let mut is_visiting = false;
        let walked = catch_unwind(AssertUnwindSafe(|| {
            if is_stopped {
                return Ok(true);
            }
            while cursor.advance()? {
                is_stopped = slot.is_dropped();
                if is_stopped {
                    return Ok(true);
                }
                let (key, value) = (cursor.key(), if keys_only { &[] } else { cursor.value() });
                is_visiting = true;
                let flow = visitor(key, value);
                is_visiting = false;
                is_stopped = health.is_poisoned() || slot.is_dropped();
                if is_stopped || flow.is_break() {
                    return Ok(true);
                }
            }
            Ok(false)
        }));
        self.on_row = false;
        match walked {
            Err(panic) if is_visiting => resume_unwind(panic), // The visitor's own panic, not the engine's.
            Ok(Ok(true)) if is_stopped => self.stopped().map(drop),
            Ok(Ok(true)) => Ok(()),
            outcome => self.without_row(outcome).map(drop),
        }
    }

    fn seek(&mut self, key: &[u8]) -> Result<()> {
        self.snapshot.shared.located("seek", || check_seek(key))?;
        // Close the old cursor first: some engines count open cursors.
        self.engine_cursor = None;
        self.on_row = false;
        self.failure = None;
        match self.snapshot.cursor(&self.slot, &self.scan.seek(key)) {
            Ok(cursor) => {
                self.engine_cursor = cursor;
                Ok(())
            }
            Err(error) => {
                self.failure = Some((error.kind(), error.one_line()));
                Err(error)
            }
        }
    }
}
