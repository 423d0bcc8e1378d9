//! The read view: one consistent state of all keyspaces, at one read timestamp.
//!
//! A state is a snapshot of the engine and a read timestamp that both lie between the same two groups of commits;
//! [`clock`](crate::clock) shows why. [`Time`](crate::clock::Time) detects a group that ends meanwhile. Where
//! commits come too fast for that, the view is taken under the commit lock.

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
    /// The read timestamp. A row that expires at or before it is absent; other rows stay visible as long as the
    /// view is held.
    pub(crate) now_ms: u64,
    /// Every commit up to this one is in the view. Later ones may be.
    pub(crate) sequence: u64,
    /// Counts the view as open. Everything that reads the snapshot holds it.
    pub(crate) reader: Arc<ReaderGuard>,
}

/// A state that does not yet count as open.
struct State {
    snapshot: Arc<dyn Snapshot>,
    now_ms: u64,
    sequence: u64,
}

/// The kind of reader and the code that opened it, to find a forgotten one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadBy {
    pub(crate) kind: ReaderKind,
    pub(crate) opened_at: &'static Location<'static>,
}

impl ReadBy {
    /// Records the line of code that called the caller.
    #[track_caller]
    pub(crate) fn caller(kind: ReaderKind) -> Self {
        Self { kind, opened_at: Location::caller() }
    }
}

impl Base {
    /// Takes a view of the newest state.
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
            // In the writing process the state was taken while the catalog was locked.
            if !self.is_beside_a_writer() {
                return Ok((self.open_view(state, by), then));
            }
            // Another process may have created a keyspace before the snapshot was taken.
            self.refresh_catalog()?;
            if self.catalog.read().by_id.keys().eq(then.by_id.keys()) {
                return Ok((self.open_view(state, by), then));
            }
        }
    }

    fn state_and_catalog(&self) -> Result<(State, Keyspaces)> {
        let found = {
            // While the catalog is locked, no keyspace is created or dropped. The lock is released before the
            // commit lock is acquired: a creation holds the commit lock and waits for the catalog.
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

    /// Returns none if the state has to be taken under the commit lock.
    fn try_state(&self) -> Result<Option<State>> {
        if !self.time.has_expiring_rows() {
            let state = self.take_state()?;
            // Checked again: the snapshot may have the first row that expires, and the time be later than that row's
            // commit knew.
            if !self.time.has_expiring_rows() {
                return Ok(Some(state));
            }
        }
        let sequence = self.newest_sequence();
        match self.time.between_groups(|| self.backend().snapshot()) {
            Some((snapshot, now_ms)) => Ok(Some(State { snapshot: snapshot?, now_ms, sequence })),
            None => Ok(None),
        }
    }

    /// Takes a state. No row may expire, or the caller holds the commit lock.
    fn take_state(&self) -> Result<State> {
        let sequence = self.newest_sequence();
        Ok(State { snapshot: self.backend().snapshot()?, now_ms: self.time.now_ms(), sequence })
    }
}
