//! The engine and its surrounding state, shared by a backend, its snapshots and its cursors.

use super::catalogue::Catalogue;
use super::health::Health;
use super::held::Held;
use super::keyspaces::Keyspaces;
use super::placed::Placed;
use super::view::{Pause, SharedView};
use crate::Result;
use crate::capabilities::EngineInfo;
use crate::engine::Engine;
use crate::files::Presence;
use crate::stats::{Gauge, Stats};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

/// How long a compaction or an integrity check waits for gets in the shared view.
const PAUSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The state that a backend, its snapshots and its cursors share.
pub(super) struct Shared<E: Engine> {
    pub(super) view: Arc<SharedView<E::Snapshot>>,
    pub(super) engine: Held<E>,
    pub(super) info: EngineInfo,
    pub(super) keyspaces: Keyspaces<Placed<E::Keyspace>>,
    pub(super) catalogue: Catalogue<E::Keyspace>,
    pub(super) health: Health,
    /// The commit lock. Exclusive for commits with conditions, creations, drops and housekeeping. Shared by
    /// commits without conditions, if the engine lets them run concurrently.
    pub(super) commit_turn: RwLock<()>,
    pub(super) read_only: bool,
    pub(super) pins: Gauge,
    pub(super) snapshots: Gauge,
    pub(super) commits: AtomicU64,
    pub(super) power_safe_commits: AtomicU64,
    /// None: the engine has no files. Last, because a closing engine may remove files by its pinned path.
    pub(super) home: Option<Presence>,
}

impl<E: Engine> Shared<E> {
    pub(super) fn over(
        engine: E,
        health: Health,
        pins: Gauge,
        view: Arc<SharedView<E::Snapshot>>,
        read_only: bool,
        home: Option<Presence>,
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
            catalogue: Catalogue::new(),
            health,
            commit_turn: RwLock::default(),
            read_only,
            pins,
            snapshots: Gauge::default(),
            commits: AtomicU64::new(0),
            power_safe_commits: AtomicU64::new(0),
            home,
        }
    }

    /// Returns whether another process may write concurrently.
    pub(super) fn reads_beside_a_writer(&self) -> bool {
        self.read_only && self.info.capabilities.shared_reads
    }

    /// Refuses if the path no longer leads to the directory that was opened. Runs before the engine is called,
    /// because the engine may open files by path.
    pub(super) fn check_home(&self) -> Result<()> {
        self.home.as_ref().map_or(Ok(()), |home| home.directory().check())
    }

    /// Adds the engine and the operation to the adapter's own errors.
    pub(super) fn located<T>(&self, operation: &'static str, f: impl FnOnce() -> Result<T>) -> Result<T> {
        f().map_err(|error| error.at(self.info.name, operation))
    }

    /// Keeps the engine free of the shared view's read transaction until the guard is dropped.
    pub(super) fn pause_view(&self) -> Pause<'_, E::Snapshot> {
        self.view.pause(PAUSE_TIMEOUT)
    }

    pub(super) fn stats(&self) -> Result<Stats> {
        self.health.check("stats")?;
        self.check_home()?;
        let mut stats = Stats {
            commits: self.commits.load(Ordering::Relaxed),
            power_safe_commits: self.power_safe_commits.load(Ordering::Relaxed),
            snapshots_open: self.snapshots.get(),
            read_views_opened: self.view.opened(),
            read_view_held: self.view.is_held(),
            values_pinned: self.pins.get(),
            keyspaces_packed: self.catalogue.packed_keyspaces(),
            drops_unfinished: self.catalogue.leftovers.unfinished() as u64,
            ..Stats::default()
        };
        self.health.call("stats", || self.engine.stats(&mut stats))?;
        Ok(stats)
    }
}

impl<E: Engine> Drop for Shared<E> {
    fn drop(&mut self) {
        // Waits for a thread that is releasing the view, so that the engine has closed its files once the
        // handle is dropped.
        self.view.close();
    }
}
