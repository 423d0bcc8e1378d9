//! The shared tables, the placement of new keyspaces, and the catalogue's rows.

use super::leftovers::Leftovers;
use super::placed::Placed;
use crate::batch::WriteBatch;
use crate::keyspace::{KeyspaceId, Placement, TABLES_AUTO_MAX};
use crate::packed::format::{FIRST_ID, Row, TABLES};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// The shared tables, and counts of keyspaces.
#[derive(Debug)]
pub(super) struct Catalogue<K> {
    /// The tables that exist so far.
    tables: [OnceLock<K>; TABLES.len()],
    pub(super) next_id: AtomicU32,
    /// Number of the engine's tables that belong to a single keyspace.
    own_tables: AtomicUsize,
    /// Number of such tables that were dropped through this handle.
    own_tables_dropped: AtomicUsize,
    packed: AtomicUsize,
    pub(super) leftovers: Leftovers,
}

impl<K> Catalogue<K> {
    pub(super) fn new() -> Self {
        Self {
            tables: Default::default(),
            next_id: AtomicU32::new(FIRST_ID),
            own_tables: AtomicUsize::new(0),
            own_tables_dropped: AtomicUsize::new(0),
            packed: AtomicUsize::new(0),
            leftovers: Leftovers::default(),
        }
    }

    /// Returns the cell of a shared table.
    pub(super) fn cell(&self, place: usize) -> &OnceLock<K> {
        &self.tables[place]
    }

    /// Returns a shared table, if it exists.
    pub(super) fn table(&self, place: usize) -> Option<&K> {
        self.tables.get(place).and_then(OnceLock::get)
    }

    pub(super) fn packed_keyspaces(&self) -> u64 {
        self.packed.load(Ordering::Relaxed) as u64
    }

    /// Returns whether a new keyspace gets a table of its own, on an engine that can hold `keyspaces_max` of
    /// them.
    pub(super) fn wants_own_table(&self, placement: Placement, keyspaces_max: usize) -> bool {
        let tables = self.own_tables.load(Ordering::Relaxed);
        let dropped = self.own_tables_dropped.load(Ordering::Relaxed);
        match placement {
            Placement::Packed => false,
            Placement::Dedicated => tables < keyspaces_max,
            Placement::Auto => tables < keyspaces_max.min(TABLES_AUTO_MAX) && dropped < TABLES_AUTO_MAX,
        }
    }

    pub(super) fn count<P>(&self, placed: &Placed<P>) {
        let counter = if placed.id().is_some() { &self.packed } else { &self.own_tables };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_off<P>(&self, placed: &Placed<P>) {
        if placed.id().is_some() {
            self.packed.fetch_sub(1, Ordering::Relaxed);
        } else {
            self.own_tables.fetch_sub(1, Ordering::Relaxed);
            self.own_tables_dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Returns the keyspace id for operations of a batch over the catalogue and the shared tables. Such ids are
/// indices in [`TABLES`].
pub(super) fn table_id(place: usize) -> KeyspaceId {
    // There are only two tables.
    KeyspaceId(u32::try_from(place).unwrap_or(u32::MAX))
}

pub(super) fn put_row(batch: &mut WriteBatch, row: &Row) {
    let (key, value) = row.encode();
    batch.put(table_id(0), &key, &value);
}

pub(super) fn delete_row(batch: &mut WriteBatch, row: &Row) {
    let (key, _) = row.encode();
    batch.delete(table_id(0), &key);
}
