//! The engine with everything around it that its backend, snapshots and cursors share.

use super::health::Health;
use super::held::Held;
use super::keyspaces::Keyspaces;
use super::view::{Pause, SharedView};
use crate::capabilities::EngineInfo;
use crate::engine::Engine;
use crate::keyspace::{KeyspaceHints, KeyspaceId, check_keyspace_name};
use crate::stats::{Gauge, Stats};
use crate::sync::write;
use crate::{Error, ErrorKind, Result};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

/// What a backend, its snapshots and its cursors share.
pub(super) struct Shared<E: Engine> {
    pub(super) view: Arc<SharedView<E::Snapshot>>,
    pub(super) engine: Held<E>,
    pub(super) info: EngineInfo,
    pub(super) keyspaces: Keyspaces<E::Keyspace>,
    pub(super) health: Health,
    /// Held alone by whatever conditions, creations and housekeeping must not be disturbed in; shared by
    /// commits without conditions, where the engine lets them run side by side.
    pub(super) commit_turn: RwLock<()>,
    pub(super) read_only: bool,
    pub(super) pins: Gauge,
    pub(super) snapshots: Gauge,
    pub(super) commits: AtomicU64,
    pub(super) power_safe_commits: AtomicU64,
}

impl<E: Engine> Shared<E> {
    pub(super) fn over(
        engine: E,
        health: Health,
        pins: Gauge,
        view: Arc<SharedView<E::Snapshot>>,
        read_only: bool,
    ) -> Self {
        let mut info = E::INFO;
        let unclaimed = engine.unclaimed();
        info.capabilities.power_safe = unclaimed.is_none();
        info.unclaimed = unclaimed.unwrap_or_default();
        Self {
            view,
            engine: Held::new(engine),
            info,
            keyspaces: Keyspaces::new(),
            health,
            commit_turn: RwLock::default(),
            read_only,
            pins,
            snapshots: Gauge::default(),
            commits: AtomicU64::new(0),
            power_safe_commits: AtomicU64::new(0),
        }
    }

    pub(super) fn open_keyspaces(&self) -> Result<()> {
        let mut names = self.keyspaces.names();
        for name in self.health.call("open", || self.engine.keyspace_names())? {
            if let Some(handle) = self.open_listed("open", &name)? {
                self.keyspaces.add_existing(&mut names, &name, handle)?;
            }
        }
        Ok(())
    }

    /// The handle of a keyspace that the engine has just listed; none if the process that writes beside us has
    /// dropped it since.
    fn open_listed(&self, operation: &'static str, name: &str) -> Result<Option<E::Keyspace>> {
        let open = || self.engine.open_keyspace(name, KeyspaceHints::default());
        match self.health.call(operation, open) {
            Err(error) if error.kind() == ErrorKind::NotFound && self.reads_beside_a_writer() => Ok(None),
            opened => opened.map(Some),
        }
    }

    pub(super) fn reads_beside_a_writer(&self) -> bool {
        self.read_only && self.info.capabilities.shared_reads
    }

    /// Takes up what the process that writes has created and dropped since, where others may read beside it. A snapshot that was opened before sees them empty.
    pub(super) fn learn_keyspaces(&self, names: &mut BTreeMap<String, KeyspaceId>) -> Result<()> {
        if !self.reads_beside_a_writer() {
            return Ok(());
        }
        let found = self.health.call("list keyspaces", || self.engine.keyspace_names())?;
        let mut gone = Vec::new();
        for (name, id) in names.iter() {
            let Ok(slot) = self.keyspaces.get(*id) else { continue };
            let is_current = || self.engine.is_current(name, &slot.handle);
            if !(found.contains(name) && self.health.call("list keyspaces", is_current)?) {
                slot.mark_dropped();
                gone.push(name.clone());
            }
        }
        names.retain(|name, _| !gone.contains(name));
        for name in found {
            if !names.contains_key(&name) {
                let Some(handle) = self.open_listed("open keyspace", &name)? else { continue };
                self.keyspaces.add_created(names, &name, handle)?;
            }
        }
        Ok(())
    }

    /// Adds engine and operation to errors of our own.
    pub(super) fn located<T>(&self, operation: &'static str, f: impl FnOnce() -> Result<T>) -> Result<T> {
        f().map_err(|error| error.at(self.info.name, operation))
    }

    /// Keeps the engine without a read transaction of ours until the guard is dropped.
    pub(super) fn pause_view(&self) -> Pause<'_, E::Snapshot> {
        self.view.pause(self.snapshots.get() > 0)
    }

    pub(super) fn create_keyspace(&self, name: &str, hints: KeyspaceHints) -> Result<KeyspaceId> {
        check_keyspace_name(name)?;
        self.health.check("create keyspace")?;
        let mut names = self.keyspaces.names();
        if let Some(id) = names.get(name) {
            return Ok(*id);
        }
        self.check_writable()?;
        let _in_turn = write(&self.commit_turn);
        let _change = self.view.begin_change();
        let mut handle = None;
        self.health.try_change("create keyspace", || {
            handle = Some(self.engine.open_keyspace(name, hints)?);
            Ok(())
        })?;
        match handle {
            Some(handle) => self.keyspaces.add_created(&mut names, name, handle),
            None => Err(Error::new(ErrorKind::Closed, "the engine gave no keyspace")),
        }
    }

    pub(super) fn drop_keyspace(&self, keyspace: KeyspaceId) -> Result<()> {
        self.health.check("drop keyspace")?;
        self.check_writable()?;
        let mut names = self.keyspaces.names();
        let slot = self.keyspaces.get(keyspace)?;
        let _in_turn = write(&self.commit_turn);
        let _change = self.view.begin_change();
        slot.mark_dropped();
        let dropped =
            self.health.try_change("drop keyspace", || self.engine.drop_keyspace(&slot.name, &slot.handle));
        match &dropped {
            // Nothing was touched.
            Err(error) if error.kind() == ErrorKind::Unavailable => slot.unmark_dropped(),
            _ => drop(names.remove(&slot.name)),
        }
        dropped
    }

    pub(super) fn stats(&self) -> Result<Stats> {
        let mut stats = Stats {
            commits: self.commits.load(Ordering::Relaxed),
            power_safe_commits: self.power_safe_commits.load(Ordering::Relaxed),
            snapshots_open: self.snapshots.get(),
            read_views_opened: self.view.opened(),
            read_view_held: self.view.is_held(),
            values_pinned: self.pins.get(),
            ..Stats::default()
        };
        self.health.call("stats", || self.engine.stats(&mut stats))?;
        Ok(stats)
    }
}

impl<E: Engine> Drop for Shared<E> {
    fn drop(&mut self) {
        // Waits for a thread that is releasing it: the engine has closed its files when a handle is dropped.
        self.view.close();
    }
}
