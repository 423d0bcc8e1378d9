//! Figures about a backend.

use std::sync::Arc;

/// Figures about an open backend. What an engine cannot tell cheaply is `None`.
///
/// A field that is added here is in every output by itself: the statistics of a store, the admin protocol and the
/// JSON of `strongroom stats` carry this struct. With the feature `serde` it has serde's traits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
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
    /// Read views opened so far: engine snapshots that gets share between two commits.
    pub read_views_opened: u64,
    /// Whether one is held now. It is no snapshot of the caller's, and is released when nobody uses it.
    pub read_view_held: bool,
    /// Values now held that pin engine pages or blocks. One that stays high is a leak of space.
    pub values_pinned: u64,
    /// Memory now kept for open snapshots by the undo overlay, in bytes.
    pub undo_bytes: u64,
    /// Keyspaces that share a table of the engine with others.
    pub keyspaces_packed: u64,
    /// Dropped keyspaces whose rows are not all removed yet: later commits, drops and compaction remove them.
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

/// A gauge: how many of something are alive. Cheap to clone; clones count together.
///
/// Each counted thing holds one reference to a token, and the reference count is the figure: a thing is
/// counted with a single atomic step, which a read pays every time.
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

    /// How many are alive.
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
