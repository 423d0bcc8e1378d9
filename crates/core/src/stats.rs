//! Figures about a backend.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Figures about an open backend. What an engine cannot tell cheaply is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Space that the engine's files take, in bytes.
    pub disk_bytes: Option<u64>,
    /// Memory that the engine's cache holds, in bytes.
    pub cache_bytes: Option<u64>,
    /// Commits acknowledged through this handle.
    pub commits: u64,
    /// Of these, the power-safe ones.
    pub power_safe_commits: u64,
    /// Snapshots now open.
    pub snapshots_open: u64,
    /// Values now held that pin engine pages or blocks. One that stays high is a leak of space.
    pub values_pinned: u64,
    /// Memory now kept for open snapshots by the undo overlay, in bytes.
    pub undo_bytes: u64,
    /// Figures of the engine itself, by its own names.
    pub engine: Vec<(String, u64)>,
}

/// A gauge: how many of something are alive.
#[derive(Debug, Clone, Default)]
pub struct Gauge(Arc<AtomicU64>);

impl Gauge {
    /// Counts one more until the guard is dropped.
    pub fn enter(&self) -> GaugeGuard {
        self.0.fetch_add(1, Ordering::Relaxed);
        GaugeGuard(Arc::clone(&self.0))
    }

    /// How many are alive.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One counted thing.
#[derive(Debug)]
pub struct GaugeGuard(Arc<AtomicU64>);

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Bytes that an engine owns, counted while they are held.
pub struct Pinned<O> {
    owner: O,
    _counted: GaugeGuard,
}

impl<O: AsRef<[u8]> + Send + 'static> Pinned<O> {
    /// Shares the bytes of `owner` without a copy; `gauge` counts them until the last clone is dropped.
    pub fn share(owner: O, gauge: &Gauge) -> bytes::Bytes {
        bytes::Bytes::from_owner(Self { owner, _counted: gauge.enter() })
    }
}

impl<O: AsRef<[u8]>> AsRef<[u8]> for Pinned<O> {
    fn as_ref(&self) -> &[u8] {
        self.owner.as_ref()
    }
}
