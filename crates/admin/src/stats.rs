//! Figures about a store as they go over the socket.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use strongroom_core::Result;
use strongroom_store::Store;

/// Figures about a store: what [`Store::stats`] says, and which store it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AdminStats {
    /// The engine's name.
    pub engine: String,
    /// The engine's version.
    pub engine_version: String,
    /// The store's id; none for one that is in no directory.
    pub store: Option<String>,
    /// The store's directory. Over a socket, an absolute path.
    pub path: Option<String>,
    /// Keyspaces of the application.
    pub keyspaces: usize,
    /// Space that the engine's files take, in bytes, if the engine can tell.
    pub disk_bytes: Option<u64>,
    /// Memory that the engine's cache holds, in bytes, if the engine can tell.
    pub cache_bytes: Option<u64>,
    /// Commits acknowledged since the store was opened.
    pub commits: u64,
    /// Of these, the power-safe ones.
    pub power_safe_commits: u64,
    /// Groups of commits that went to the engine as one.
    pub groups: u64,
    /// Commits in those groups.
    pub group_commits: u64,
    /// Commits that were refused, since a condition did not hold or a transaction's reads were overwritten.
    pub conflicts: u64,
    /// Commits that wait in the queue now, in bytes of their keys and values.
    pub queued_bytes: u64,
    /// Snapshots now open.
    pub snapshots_open: u64,
    /// Values now held that pin engine pages or blocks.
    pub values_pinned: u64,
    /// Memory now kept for open snapshots by the undo overlay, in bytes.
    pub undo_bytes: u64,
    /// Snapshots, scans and transactions that are open now.
    #[serde(default)]
    pub readers_open: u64,
    /// How long the oldest of them has been open, in milliseconds.
    #[serde(default)]
    pub oldest_reader_ms: Option<u64>,
    /// What it is, and the line of code that opened it.
    #[serde(default)]
    pub oldest_reader: Option<String>,
    /// Readers that were older than `snapshot_age_max_ms` and were made to let go.
    #[serde(default)]
    pub readers_expired: u64,
    /// Expired rows that sweeps have removed since the store was opened.
    pub expired_rows: u64,
    /// Sweeps in the background that failed.
    pub sweep_failures: u64,
    /// Rows read that were not what was written.
    pub damaged_rows: u64,
    /// Sequence number of the commit up to which the high-water mark stands, if the store keeps one.
    pub high_water: Option<u64>,
    /// Marks that could not be written.
    pub high_water_failures: u64,
    /// Figures of the engine itself, by its own names; in JSON an object.
    #[serde(with = "as_object")]
    pub engine_figures: Vec<(String, u64)>,
}

impl AdminStats {
    /// The figures of a store that this process has open.
    pub fn of(store: &Store) -> Result<Self> {
        let stats = store.stats()?;
        Ok(Self {
            engine: store.engine().name.to_owned(),
            engine_version: store.engine().version.to_owned(),
            store: store.id().map(|id| id.to_string()),
            path: store.path().map(|path| path.display().to_string()),
            keyspaces: store.keyspaces().len(),
            disk_bytes: stats.backend.disk_bytes,
            cache_bytes: stats.backend.cache_bytes,
            commits: stats.backend.commits,
            power_safe_commits: stats.backend.power_safe_commits,
            groups: stats.groups,
            group_commits: stats.group_commits,
            conflicts: stats.conflicts,
            queued_bytes: stats.queued_bytes,
            snapshots_open: stats.backend.snapshots_open,
            values_pinned: stats.backend.values_pinned,
            undo_bytes: stats.backend.undo_bytes,
            readers_open: stats.readers_open,
            oldest_reader_ms: stats.oldest_reader.map(|oldest| whole_ms(oldest.age)),
            oldest_reader: stats
                .oldest_reader
                .map(|oldest| format!("{} opened at {}", oldest.kind.as_str(), oldest.opened_at)),
            readers_expired: stats.readers_expired,
            expired_rows: stats.expired_rows,
            sweep_failures: stats.sweep_failures,
            damaged_rows: stats.damaged_rows,
            high_water: stats.high_water,
            high_water_failures: stats.high_water_failures,
            engine_figures: stats.backend.engine,
        })
    }
}

fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Pairs as an object, in their order.
mod as_object {
    use serde::de::{MapAccess, Visitor};
    use serde::{Deserializer, Serializer};
    use std::fmt;

    pub(crate) fn serialize<S: Serializer>(
        figures: &[(String, u64)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(figures.iter().map(|(name, figure)| (name, figure)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<(String, u64)>, D::Error> {
        struct Figures;
        impl<'de> Visitor<'de> for Figures {
            type Value = Vec<(String, u64)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("figures by their names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut figures = Vec::new();
                while let Some(figure) = map.next_entry()? {
                    figures.push(figure);
                }
                Ok(figures)
            }
        }
        deserializer.deserialize_map(Figures)
    }
}
