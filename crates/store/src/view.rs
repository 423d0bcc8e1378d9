//! The read view: one consistent state of all keyspaces, with the time at which it shows them.
//!
//! A row expires without a commit, so a state is a snapshot of the engine *and* a read timestamp. Both have to lie
//! between the same two commits. Otherwise a reader could see a row that a commit found expired, and not see what that
//! commit wrote: a state that never existed. [`Time`](crate::clock::Time) tells whether a group came through meanwhile;
//! where commits come too fast for that, the view is taken under the commit lock.

use crate::base::Base;
use crate::catalog::Keyspaces;
use std::sync::Arc;
use strongroom_core::{Result, Snapshot};

/// One consistent state. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ReadView {
    pub(crate) snapshot: Arc<dyn Snapshot>,
    /// A row that expires up to this time is absent; one that expires later is there as long as the view is held.
    pub(crate) now_ms: u64,
    /// Every commit up to this one is in the view. Later ones may be.
    pub(crate) sequence: u64,
}

impl Base {
    /// The newest state.
    pub(crate) fn read_view(&self) -> Result<ReadView> {
        if let Some(view) = self.try_read_view()? {
            return Ok(view);
        }
        let _lock = self.commit_lock.acquire()?;
        self.take_view()
    }

    /// As [`read_view`](Self::read_view), with the keyspaces of the same state.
    pub(crate) fn read_view_with_keyspaces(&self) -> Result<(ReadView, Keyspaces)> {
        loop {
            self.refresh_catalog()?;
            let (view, then) = self.view_and_catalog()?;
            // Another process may have created a keyspace before the snapshot was taken.
            self.refresh_catalog()?;
            if self.catalog.read().by_id.keys().eq(then.by_id.keys()) {
                return Ok((view, then));
            }
        }
    }

    fn view_and_catalog(&self) -> Result<(ReadView, Keyspaces)> {
        let viewed = {
            // While the catalog is held, no keyspace is created or dropped. It is not held while the commit lock is
            // waited for: a creation holds that lock and waits for the catalog.
            let keyspaces = self.catalog.read();
            self.try_read_view()?.map(|view| (view, keyspaces.clone()))
        };
        if let Some(viewed) = viewed {
            return Ok(viewed);
        }
        let _lock = self.commit_lock.acquire()?;
        let keyspaces = self.catalog.read();
        Ok((self.take_view()?, keyspaces.clone()))
    }

    /// None: it has to be taken under the commit lock.
    fn try_read_view(&self) -> Result<Option<ReadView>> {
        if !self.time.has_expiring_rows() {
            return self.take_view().map(Some);
        }
        let sequence = self.newest_sequence();
        match self.time.between_groups(|| self.backend().snapshot()) {
            Some((snapshot, now_ms)) => Ok(Some(ReadView { snapshot: snapshot?, now_ms, sequence })),
            None => Ok(None),
        }
    }

    /// Takes a view where nothing expires, or where nobody commits.
    fn take_view(&self) -> Result<ReadView> {
        let sequence = self.newest_sequence();
        Ok(ReadView { snapshot: self.backend().snapshot()?, now_ms: self.time.now_ms(), sequence })
    }
}
