//! Reads of the newest state: through the shared view if the engine gains by it, or else from the engine.

use super::keyspaces::Slot;
use super::placed::Placed;
use super::shared::Shared;
use super::view::{Taken, View};
use crate::engine::Engine;
use crate::keyspace::KeyspaceId;
use crate::limits::check_backend_key;
use crate::read_view::ViewSharing;
use crate::{Error, ErrorKind, Result};
use bytes::Bytes;
use std::sync::Arc;
use std::task::Poll;

impl<E: Engine> Shared<E> {
    pub(super) fn get(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>> {
        check_backend_key(key)?;
        let slot = self.keyspaces.get(keyspace)?;
        let found = self.health.call("get", || match E::VIEW {
            ViewSharing::Never => slot.placed.get(&*self.engine, key),
            ViewSharing::InTurns | ViewSharing::AtOnce => self.get_in_view(slot, key),
        })?;
        if found.is_none() {
            // The rows of a packed keyspace are removed after it was marked as dropped, so an absent row is
            // checked again.
            slot.check()?;
        }
        Ok(found)
    }

    #[inline]
    fn get_in_view(&self, slot: &Slot<Placed<E::Keyspace>>, key: &[u8]) -> Result<Option<Bytes>> {
        let found = self.view.with_current(|view| {
            if !slot.existed_at(view.epoch()) {
                return Ok(Poll::Ready(None));
            }
            slot.placed.try_get_in(&***view, key)
        });
        match found {
            Some(Ok(Poll::Ready(found))) => Ok(found),
            None => self.get_without_view(slot, key),
            Some(Ok(Poll::Pending)) => self.get_beside_others(slot, key),
            Some(Err(error)) => self.get_after_error(slot, key, error),
        }
    }

    /// Reads again if the view of a failed read was the reason.
    fn get_after_error(
        &self,
        slot: &Slot<Placed<E::Keyspace>>,
        key: &[u8],
        error: Error,
    ) -> Result<Option<Bytes>> {
        // The error may have ended the engine's transaction, so the next get has to open another.
        self.view.release();
        if error.kind() == ErrorKind::SnapshotExpired { self.get_past_view(slot, key) } else { Err(error) }
    }

    /// Reads when there is no current view.
    fn get_without_view(&self, slot: &Slot<Placed<E::Keyspace>>, key: &[u8]) -> Result<Option<Bytes>> {
        if self.shares_view()
            && self.view.is_worth_opening()
            && let Some(view) = self.view.open(|| self.take())?
        {
            if !slot.existed_at(view.epoch()) {
                return Ok(None);
            }
            return slot.placed.get_in(&**view, key).or_else(|error| self.get_after_error(slot, key, error));
        }
        self.get_past_view(slot, key)
    }

    /// Reads when another thread uses the view of an engine that admits one at a time.
    fn get_beside_others(&self, slot: &Slot<Placed<E::Keyspace>>, key: &[u8]) -> Result<Option<Bytes>> {
        // During a change, a get past the view would have to release it for all threads, so this one waits
        // instead.
        let waited = self.view.is_changing().then(|| {
            self.view
                .with_current(|view| slot.existed_at(view.epoch()).then(|| slot.placed.get_in(&***view, key)))
        });
        match waited.flatten() {
            Some(found) => found.unwrap_or(Ok(None)).or_else(|error| self.get_after_error(slot, key, error)),
            None => self.get_past_view(slot, key),
        }
    }

    fn get_past_view(&self, slot: &Slot<Placed<E::Keyspace>>, key: &[u8]) -> Result<Option<Bytes>> {
        let found = slot.placed.get(&*self.engine, key);
        self.view.passed_by();
        found
    }

    /// Returns whether gets share a view. Concurrently with another writing process, a view would lag behind
    /// that process's last commit.
    fn shares_view(&self) -> bool {
        E::VIEW != ViewSharing::Never && !self.reads_beside_a_writer()
    }

    /// Returns a view for a snapshot of the newest state: the shared one, or one of its own.
    pub(super) fn view_for_snapshot(&self) -> Result<Arc<View<E::Snapshot>>> {
        if !self.shares_view() {
            return Ok(Arc::new(View::apart(self.take()?)));
        }
        // If one thread at a time may use a view, snapshots do not share it: their scans would wait for each
        // other.
        let is_free = |view: &Arc<_>| E::VIEW == ViewSharing::AtOnce || Arc::strong_count(view) == 1;
        match self.view.with_current(|view| is_free(view).then(|| Arc::clone(view))) {
            Some(Some(view)) => {
                view.lend();
                return Ok(view);
            }
            Some(None) => {}
            None => {
                if let Some(view) = self.view.open(|| self.take())? {
                    view.lend();
                    return Ok(view);
                }
            }
        }
        let view = View::apart(self.take()?);
        self.view.passed_by();
        Ok(Arc::new(view))
    }

    fn take(&self) -> Result<Taken<E::Snapshot>> {
        loop {
            // The epoch has to be the same before and after. Otherwise the snapshot could miss a keyspace that
            // was created in between, and show a batch only in its other keyspaces.
            let epoch = self.keyspaces.epoch();
            let snapshot = self.engine.snapshot()?;
            if self.keyspaces.epoch() == epoch {
                return Ok(Taken { snapshot, epoch });
            }
        }
    }
}
