//! Backends whose snapshots are not consistent.

use super::backend::{Broken, on_memory};
use crate::twist::{CursorTwist, Twist, TwistedCursor, View};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use strongroom_core::{Cursor, ErrorKind, KeyspaceId, Result, Scan};

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "gets share a snapshot that commits do not replace",
        caught_by: "no_get_is_older_than_an_acknowledged_commit",
        fixture: on_memory::<SharesTooLong>,
    },
    Broken {
        name: "a snapshot sees later writes",
        caught_by: "a_snapshot_sees_no_later_write",
        fixture: on_memory::<SeesLater>,
    },
    Broken {
        name: "a snapshot's get sees later inserts",
        caught_by: "a_later_keyspace_is_empty_in_a_snapshot",
        fixture: on_memory::<GetSeesInserts>,
    },
    Broken {
        name: "a snapshot of each keyspace is taken when it is first read",
        caught_by: "a_snapshot_is_consistent_across_keyspaces",
        fixture: on_memory::<Lazy>,
    },
    Broken {
        name: "all snapshots see what the first one sees",
        caught_by: "snapshots_of_several_ages_each_see_their_own",
        fixture: on_memory::<OldestForAll>,
    },
    Broken {
        name: "a dropped keyspace is empty in a snapshot",
        caught_by: "a_dropped_keyspace_is_not_found_in_a_snapshot",
        fixture: on_memory::<DroppedIsEmpty>,
    },
    Broken {
        name: "a cursor continues in the newest state",
        caught_by: "a_cursor_sees_no_write_that_happens_while_it_walks",
        fixture: on_memory::<GoesOnInNewest>,
    },
];

#[derive(Default)]
struct SeesLater;

impl Twist for SeesLater {
    fn snapshot_get(&self, view: &View, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>> {
        view.backend.get(keyspace, key)
    }

    fn cursor(&self, view: &View, keyspace: KeyspaceId, scan: Scan) -> Result<Box<dyn Cursor>> {
        view.backend.snapshot()?.cursor(keyspace, scan)
    }
}

#[derive(Default)]
struct GetSeesInserts;

impl Twist for GetSeesInserts {
    fn snapshot_get(&self, view: &View, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>> {
        match view.snapshot.get(keyspace, key)? {
            Some(value) => Ok(Some(value)),
            None => view.backend.get(keyspace, key),
        }
    }
}

#[derive(Default)]
struct DroppedIsEmpty;

impl Twist for DroppedIsEmpty {
    fn snapshot_get(&self, view: &View, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>> {
        match view.snapshot.get(keyspace, key) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            other => other,
        }
    }
}

/// Takes the snapshot of each keyspace at its first read.
#[derive(Default)]
struct Lazy(Mutex<BTreeMap<(usize, KeyspaceId), View>>);

impl Lazy {
    fn view(&self, view: &View, keyspace: KeyspaceId) -> Result<View> {
        let address = std::sync::Arc::as_ptr(&view.snapshot).cast::<()>() as usize;
        let newest = View { backend: view.backend.clone(), snapshot: view.backend.snapshot()? };
        let mut views = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(views.entry((address, keyspace)).or_insert(newest).clone())
    }
}

impl Twist for Lazy {
    fn snapshot_get(&self, view: &View, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>> {
        self.view(view, keyspace)?.snapshot.get(keyspace, key)
    }

    fn cursor(&self, view: &View, keyspace: KeyspaceId, scan: Scan) -> Result<Box<dyn Cursor>> {
        self.view(view, keyspace)?.snapshot.cursor(keyspace, scan)
    }
}

/// Serves all snapshots from the first one that was read.
#[derive(Default)]
struct OldestForAll(Mutex<Option<View>>);

impl Twist for OldestForAll {
    fn cursor(&self, view: &View, keyspace: KeyspaceId, scan: Scan) -> Result<Box<dyn Cursor>> {
        let mut oldest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        oldest.get_or_insert_with(|| view.clone()).snapshot.cursor(keyspace, scan)
    }
}

#[derive(Default)]
struct GoesOnInNewest;

impl Twist for GoesOnInNewest {
    fn cursor(&self, view: &View, keyspace: KeyspaceId, scan: Scan) -> Result<Box<dyn Cursor>> {
        let inner = view.snapshot.cursor(keyspace, scan.clone())?;
        let twist = Blocks { view: view.clone(), keyspace, scan, rows: 0 };
        Ok(TwistedCursor::boxed(inner, twist))
    }
}

/// Fetches every block of 64 rows from the newest state.
struct Blocks {
    view: View,
    keyspace: KeyspaceId,
    scan: Scan,
    rows: u32,
}

impl CursorTwist for Blocks {
    fn advance(&mut self, inner: &mut Box<dyn Cursor>) -> Result<bool> {
        if self.rows == 64 {
            self.rows = 0;
            self.scan.range = self.scan.range.after_position(inner.key(), self.scan.direction);
            *inner = self.view.backend.snapshot()?.cursor(self.keyspace, self.scan.clone())?;
        }
        self.rows += 1;
        inner.advance()
    }

    fn seek(&mut self, inner: &mut Box<dyn Cursor>, key: &[u8]) -> Result<()> {
        self.rows = 0;
        inner.seek(key)
    }
}

/// Serves many gets from one shared snapshot, even after later commits.
#[derive(Default)]
struct SharesTooLong(Mutex<Option<(std::sync::Arc<dyn strongroom_core::Snapshot>, u32)>>);

impl Twist for SharesTooLong {
    fn get(
        &self,
        inner: &dyn strongroom_core::StorageBackend,
        keyspace: KeyspaceId,
        key: &[u8],
    ) -> Result<Option<Bytes>> {
        const GETS: u32 = 100;
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (snapshot, gets) = match shared.take() {
            Some((snapshot, gets)) if gets < GETS => (snapshot, gets + 1),
            _ => (inner.snapshot()?, 1),
        };
        let found = snapshot.get(keyspace, key);
        *shared = Some((snapshot, gets));
        found
    }
}
