//! The figures of a store, as the socket sends them.

use serde::{Deserialize, Serialize};
use strongroom_core::Result;
use strongroom_store::{Store, StoreStats};

/// The figures of a store, and which store it is. As JSON, one object: the figures stand beside the other fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AdminStats {
    /// The engine's name.
    pub engine: String,
    /// The engine's version.
    pub engine_version: String,
    /// The store's id; `None` for a store without a directory.
    pub store: Option<String>,
    /// The store's directory, an absolute path; `None` for a store without one.
    pub path: Option<String>,
    /// Keyspaces of the application.
    pub keyspaces: usize,
    /// What [`Store::stats`] returns.
    #[serde(flatten)]
    pub figures: StoreStats,
}

impl AdminStats {
    /// Returns the figures of a store that this process has open.
    pub fn of(store: &Store) -> Result<Self> {
        Ok(Self {
            engine: store.engine().name.to_owned(),
            engine_version: store.engine().version.to_owned(),
            store: store.id().map(|id| id.to_string()),
            path: store.path().map(|path| path.display().to_string()),
            keyspaces: store.keyspaces().len(),
            figures: store.stats()?,
        })
    }
}
