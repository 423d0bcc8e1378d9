//! Translates the mirror's keyspace ids to those of both backends.

use std::sync::{PoisonError, RwLock};
use strongroom_core::KeyspaceId;

/// The keyspace ids of both backends, indexed by the mirror's id.
#[derive(Default)]
pub(super) struct Ids(RwLock<Vec<(KeyspaceId, KeyspaceId)>>);

impl Ids {
    /// Returns the ids of both backends; an unknown id is translated to ids unknown to both.
    pub(super) fn both(&self, id: KeyspaceId) -> (KeyspaceId, KeyspaceId) {
        const FOREIGN: KeyspaceId = KeyspaceId::from_index(u32::MAX);
        let ids = self.0.read().unwrap_or_else(PoisonError::into_inner);
        ids.get(id.index() as usize).copied().unwrap_or((FOREIGN, FOREIGN))
    }

    /// Returns the mirror's id for a pair, and creates it if necessary.
    pub(super) fn of(&self, pair: (KeyspaceId, KeyspaceId)) -> KeyspaceId {
        let mut ids = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let place = ids.iter().position(|known| *known == pair).unwrap_or_else(|| {
            ids.push(pair);
            ids.len() - 1
        });
        let known = ids.iter().filter(|known| known.0 == pair.0 || known.1 == pair.1).count();
        assert!(known == 1, "mirror: the backends map a name to different keyspaces");
        KeyspaceId::from_index(u32::try_from(place).unwrap_or(u32::MAX))
    }
}
