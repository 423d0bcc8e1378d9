//! Snapshots for engines that have none: an overlay of old values.
//!
//! While a snapshot is open, a commit first keeps the values that it is about to replace, each under (keyspace,
//! key, sequence of the commit). Only then does it change the engine (invariant 2). A read in the snapshot
//! reads the engine *first* and the kept values *second*:
//!
//! * If it finds a kept value that was replaced after the snapshot was taken, that is the snapshot's value,
//!   whatever the engine returned.
//! * If it finds none, no commit since the snapshot had changed the key when the engine was read. The engine's
//!   value is the snapshot's value.
//!
//! The order matters: reading the kept values first would miss a commit between the two reads. For the same
//! reason an engine's cursor may lag by a few rows; it is never older than the snapshot.
//!
//! The cost without an open snapshot is two uncontended locks per commit. With one, the first write to each key
//! since the newest snapshot also reads the old value. Opening a snapshot takes a sequence number and never
//! waits. A snapshot that opens while a batch is being applied includes that batch; its first read waits until
//! the batch is applied (not for its sync).
//!
//! The kept values are bounded in bytes. Beyond the bound the oldest snapshots expire and return
//! [`SnapshotExpired`](crate::ErrorKind::SnapshotExpired), so that writers can continue. A kept value is
//! dropped with the last snapshot that needs it, even if older snapshots stay open: a long-lived snapshot keeps
//! one value per changed key, however many other snapshots are opened and dropped.

mod cursor;
mod overlay;

use crate::capabilities::EngineInfo;
use crate::durability::Durability;
use crate::engine::{Engine, EngineBatch, EngineSnapshot, LiveEngine, OpenContext, TypedOptions};
use crate::keyspace::KeyspaceHints;
use crate::options::UNDO_BYTES_MAX_DEFAULT;
use crate::range::Scan;
use crate::stats::Stats;
use crate::{Error, ErrorKind, Result};
use bytes::Bytes;
use cursor::UndoCursor;
use overlay::{KeyspaceUndo, Overlay, Ticket};
use std::path::Path;
use std::sync::Arc;

/// Adds snapshots to a [`LiveEngine`], which makes it an [`Engine`].
#[derive(Debug)]
pub struct Undo<L> {
    live: Arc<L>,
    overlay: Arc<Overlay>,
}

/// A keyspace of the live engine, with its kept values.
#[derive(Debug)]
pub struct UndoKeyspace<K> {
    handle: K,
    kept: Arc<KeyspaceUndo>,
}

impl<K: Clone> Clone for UndoKeyspace<K> {
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone(), kept: Arc::clone(&self.kept) }
    }
}

/// A snapshot of a live engine.
#[derive(Debug)]
pub struct UndoSnapshot<L> {
    live: Arc<L>,
    ticket: Arc<Ticket>,
}

impl<L: LiveEngine> Undo<L> {
    /// Wraps an open engine, and keeps at most `bytes_max` for snapshots.
    pub fn over(live: L, bytes_max: u64) -> Self {
        Self { live: Arc::new(live), overlay: Arc::new(Overlay::new(bytes_max)) }
    }
}

impl<L: LiveEngine> Engine for Undo<L> {
    const INFO: EngineInfo = L::INFO;
    type Options = L::Options;
    type Keyspace = UndoKeyspace<L::Keyspace>;
    type Snapshot = UndoSnapshot<L>;

    fn open(context: OpenContext<'_, L::Options>) -> Result<Self> {
        let bytes_max = context.options.common().undo_bytes_max.unwrap_or(UNDO_BYTES_MAX_DEFAULT);
        Ok(Self::over(L::open(context)?, bytes_max))
    }

    fn exists(directory: &Path) -> bool {
        L::exists(directory)
    }

    fn keyspace_names(&self) -> Result<Vec<String>> {
        self.live.keyspace_names()
    }

    fn open_keyspace(&self, name: &str, hints: KeyspaceHints) -> Result<Self::Keyspace> {
        let handle = self.live.open_keyspace(name, hints)?;
        Ok(UndoKeyspace { handle, kept: Arc::default() })
    }

    fn drop_keyspace(&self, name: &str, keyspace: &Self::Keyspace) -> Result<()> {
        // The other keyspaces of open snapshots stay readable. The adapter returns `NotFound` for the dropped
        // one.
        self.live.drop_keyspace(name, &keyspace.handle)
    }

    fn get(&self, keyspace: &Self::Keyspace, key: &[u8]) -> Result<Option<Bytes>> {
        self.live.get(&keyspace.handle, key)
    }

    fn snapshot(&self) -> Result<Self::Snapshot> {
        Ok(UndoSnapshot { live: Arc::clone(&self.live), ticket: Overlay::open_snapshot(&self.overlay) })
    }

    fn apply(&self, batch: &EngineBatch<'_, Self::Keyspace>, durability: Durability) -> Result<()> {
        let handles: Vec<_> = batch.keyspaces().iter().map(|ks| ks.handle.clone()).collect();
        {
            let mut change = self.overlay.begin_change();
            if change.is_watched() && !batch.is_unseen() {
                for (slot, op) in batch.ops() {
                    let read_old = || self.live.get(&handles[slot], op.key());
                    change.keep(&batch.keyspaces()[slot].kept, op.key(), read_old)?;
                }
            }
            self.live.apply(&batch.with_keyspaces(&handles)).map_err(outcome_unknown)?;
            change.done();
        }
        match durability {
            Durability::Buffered => Ok(()),
            Durability::PowerSafe => self.live.flush().map_err(outcome_unknown),
        }
    }

    fn flush(&self) -> Result<()> {
        self.live.flush()
    }

    fn stats(&self, stats: &mut Stats) -> Result<()> {
        stats.undo_bytes = self.overlay.kept_bytes();
        self.live.stats(stats)
    }

    fn unclaimed(&self) -> Option<&'static str> {
        self.live.unclaimed()
    }
}

/// Makes sure that the batch is not reported as untouched: its old values have been kept already.
fn outcome_unknown(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Unavailable => {
            error.into_kind(ErrorKind::Io, "the engine failed in the middle of a batch")
        }
        _ => error,
    }
}

impl<L: LiveEngine> EngineSnapshot for UndoSnapshot<L> {
    type Keyspace = UndoKeyspace<L::Keyspace>;
    type Cursor = UndoCursor<L::Cursor>;

    fn get(&self, keyspace: &Self::Keyspace, key: &[u8]) -> Result<Option<Bytes>> {
        self.ticket.wait()?;
        // The engine first, the kept values second: see the module docs.
        let newest = self.live.get(&keyspace.handle, key)?;
        let kept = keyspace.kept.value_at(key, self.ticket.sequence());
        self.ticket.check()?;
        Ok(kept.unwrap_or(newest))
    }

    fn cursor(&self, keyspace: &Self::Keyspace, scan: &Scan) -> Result<Self::Cursor> {
        self.ticket.wait()?;
        let live = self.live.cursor(&keyspace.handle, scan)?;
        let kept = Arc::clone(&keyspace.kept);
        Ok(UndoCursor::new(live, kept, Arc::clone(&self.ticket), scan.clone()))
    }
}
