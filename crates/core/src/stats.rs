//! Statistics of a backend.

use std::sync::Arc;

/// Statistics of an open backend. A figure that the engine cannot give cheaply is `None`.
///
/// A field that is added here is in every output by itself: the statistics of a store, the admin protocol and the
/// JSON of `strongroom stats` carry this struct. With the feature `serde` it has serde's traits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct Stats {
    /// Space of the engine's files, in bytes.
    pub disk_bytes: Option<u64>,
    /// Memory of the engine's cache, in bytes.
    pub cache_bytes: Option<u64>,
    /// Commits acknowledged through this handle.
    pub commits: u64,
    /// The power-safe ones among [`commits`](Self::commits).
    pub power_safe_commits: u64,
    /// Open snapshots.
    pub snapshots_open: u64,
    /// Read views opened so far: engine snapshots that gets share between two commits.
    pub read_views_opened: u64,
    /// Whether a read view is held now. It is not a caller's snapshot, and is released when it is no longer
    /// used.
    pub read_view_held: bool,
    /// Live values that pin pages or blocks of the engine. A count that stays high is a leak of space.
    pub values_pinned: u64,
    /// Memory that the undo overlay holds for open snapshots, in bytes.
    pub undo_bytes: u64,
    /// Keyspaces that share a table of the engine with others.
    pub keyspaces_packed: u64,
    /// Dropped keyspaces with rows still to remove. Later commits, drops and compaction remove them.
    pub drops_unfinished: u64,
    /// Figures of the engine itself, by its own names; in serialized form the object `engine_figures`.
    #[cfg_attr(feature = "serde", serde(rename = "engine_figures", with = "as_object"))]
    pub engine: Vec<(String, u64)>,
}

/// Serializes pairs as an object that keeps their order.
#[cfg(feature = "serde")]
mod as_object {
    use serde::de::{MapAccess, Visitor};
    use serde::{Deserializer, Serializer};
    use std::fmt;

    pub(super) fn serialize<S: Serializer>(
        figures: &[(String, u64)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(figures.iter().map(|(name, figure)| (name, figure)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<(String, u64)>, D::Error> {
        struct Figures;
        impl<'de> Visitor<'de> for Figures {
            type Value = Vec<(String, u64)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("figures by their names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                std::iter::from_fn(|| map.next_entry().transpose()).collect()
            }
        }
        deserializer.deserialize_map(Figures)
    }
}

/// A gauge: how many counted things are alive. Cheap to clone; clones share the count.
///
/// Each counted thing holds a reference to a token, and the reference count is the figure. Reads count
/// themselves here, so counting has to be a single atomic step.
#[derive(Debug, Clone, Default)]
pub struct Gauge(Arc<Counted>);

#[derive(Debug, Default)]
struct Counted {
    token: Arc<Token>,
}

#[derive(Debug, Default)]
struct Token;

impl Gauge {
    /// Counts one more until the guard is dropped.
    pub fn enter(&self) -> GaugeGuard {
        GaugeGuard { _token: Arc::clone(&self.0.token) }
    }

    /// Returns how many are alive.
    pub fn get(&self) -> u64 {
        // One reference is the gauge's own.
        Arc::strong_count(&self.0.token).saturating_sub(1) as u64
    }
}

/// One counted thing.
#[derive(Debug)]
pub struct GaugeGuard {
    _token: Arc<Token>,
}

/// An engine's own bytes, counted while they are held.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_counts_what_is_alive_and_not_its_own_clones() {
        let gauge = Gauge::default();
        let clone = gauge.clone();
        let (one, other) = (gauge.enter(), clone.enter());
        assert_eq!((gauge.get(), clone.get()), (2, 2));
        drop(one);
        drop(clone);
        assert_eq!(gauge.get(), 1);
        drop(other);
        assert_eq!(gauge.get(), 0);
        let shared = Pinned::share(vec![1, 2, 3], &gauge);
        let part = shared.slice(1..);
        drop(shared);
        assert_eq!((&part[..], gauge.get()), (&[2, 3][..], 1));
        drop(part);
        assert_eq!(gauge.get(), 0);
    }
}
