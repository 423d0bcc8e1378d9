//! The state that a snapshot and its cursors read.

use crate::keyspace::{Database, OpenDatabase};
use rocksdb::{ReadOptions, SnapshotWithThreadMode};
use self_cell::self_cell;
use std::sync::Arc;

/// A snapshot, and the options that make a read use it.
pub(crate) struct View<'d> {
    pub(crate) snapshot: SnapshotWithThreadMode<'d, Database>,
    pub(crate) options: ReadOptions,
}

self_cell!(
    /// A snapshot and its database, which stays open as long.
    pub(crate) struct OwnedView {
        owner: Arc<OpenDatabase>,
        #[covariant]
        dependent: View,
    }
);

/// Opens a snapshot of the current state.
pub(crate) fn open(database: Arc<OpenDatabase>) -> OwnedView {
    OwnedView::new(database, |database| {
        let snapshot = database.snapshot();
        let mut options = ReadOptions::default();
        options.set_snapshot(&snapshot);
        View { snapshot, options }
    })
}
