//! The read view: one consistent state of all keyspaces, with the time at which it shows them.
//!
//! A row expires without a commit, so a state is a snapshot of the engine *and* a read timestamp. Both have to lie
//! between the same two commits. Otherwise a reader could see a row that a commit found expired, and not see what that
//! commit wrote: a state that never existed. [`Time`](crate::clock::Time) tells whether a group came through meanwhile;
//! where commits come too fast for that, the view is taken under the commit lock.

use crate::base::Base;
use crate::catalog::Keyspaces;
use crate::readers::{ReaderGuard, ReaderKind};
use crate::sync::Arc;
use std::panic::Location;
use strongroom_core::{Result, Snapshot};

/// One consistent state. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ReadView {
    pub(crate) snapshot: Arc<dyn Snapshot>,
    /// A row that expires up to this time is absent; one that expires later is there as long as the view is held.
    pub(crate) now_ms: u64,
    /// Every commit up to this one is in the view. Later ones may be.
    pub(crate) sequence: u64,
    /// Counts it as open. Whatever reads the snapshot has to hold it.
    pub(crate) reader: Arc<ReaderGuard>,
}

/// A state that is not counted as open yet.
struct State {
    snapshot: Arc<dyn Snapshot>,
    now_ms: u64,
    sequence: u64,
}

/// Who reads, for those who look for a forgotten reader.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadBy {
    pub(crate) kind: ReaderKind,
    pub(crate) opened_at: &'static Location<'static>,
}

impl ReadBy {
    /// The caller's caller.
    #[track_caller]
    pub(crate) fn caller(kind: ReaderKind) -> Self {
        Self { kind, opened_at: Location::caller() }
    }
}

impl Base {
    /// The newest state.
    pub(crate) fn read_view(&self, by: ReadBy) -> Result<ReadView> {
        self.state().map(|state| self.open_view(state, by))
    }

    fn open_view(&self, state: State, by: ReadBy) -> ReadView {
        let State { snapshot, now_ms, sequence } = state;
        let (snapshot, reader) = self.readers.open(by.kind, by.opened_at, snapshot);
        ReadView { snapshot, now_ms, sequence, reader }
    }

    fn state(&self) -> Result<State> {
        if let Some(state) = self.try_state()? {
            return Ok(state);
        }
        let _lock = self.commit_lock.acquire()?;
        self.take_state()
    }

    /// As [`read_view`](Self::read_view), with the keyspaces of the same state.
    pub(crate) fn read_view_with_keyspaces(&self, by: ReadBy) -> Result<(ReadView, Keyspaces)> {
        loop {
            self.refresh_catalog()?;
            let (state, then) = self.state_and_catalog()?;
            // Another process may have created a keyspace before the snapshot was taken.
            self.refresh_catalog()?;
            if self.catalog.read().by_id.keys().eq(then.by_id.keys()) {
                return Ok((self.open_view(state, by), then));
            }
        }
    }

    fn state_and_catalog(&self) -> Result<(State, Keyspaces)> {
        let found = {
            // While the catalog is held, no keyspace is created or dropped. It is not held while the commit lock is
            // waited for: a creation holds that lock and waits for the catalog.
            let keyspaces = self.catalog.read();
            self.try_state()?.map(|state| (state, keyspaces.clone()))
        };
        if let Some(found) = found {
            return Ok(found);
        }
        let _lock = self.commit_lock.acquire()?;
        let keyspaces = self.catalog.read();
        Ok((self.take_state()?, keyspaces.clone()))
    }

    /// None: it has to be taken under the commit lock.
    fn try_state(&self) -> Result<Option<State>> {
        if !self.time.has_expiring_rows() {
            return self.take_state().map(Some);
        }
        let sequence = self.newest_sequence();
        match self.time.between_groups(|| self.backend().snapshot()) {
            Some((snapshot, now_ms)) => Ok(Some(State { snapshot: snapshot?, now_ms, sequence })),
            None => Ok(None),
        }
    }

    /// Takes a state where nothing expires, or where nobody commits.
    fn take_state(&self) -> Result<State> {
        let sequence = self.newest_sequence();
        Ok(State { snapshot: self.backend().snapshot()?, now_ms: self.time.now_ms(), sequence })
    }
}
