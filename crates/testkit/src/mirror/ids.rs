//! Ids of keyspaces.

use std::sync::{PoisonError, RwLock};
use strongroom_core::KeyspaceId;

/// Ids of keyspaces in both backends, by the mirror's own.
#[derive(Default)]
pub(super) struct Ids(RwLock<Vec<(KeyspaceId, KeyspaceId)>>);

impl Ids {
    /// An id that the mirror never gave means nothing to either.
    pub(super) fn both(&self, id: KeyspaceId) -> (KeyspaceId, KeyspaceId) {
        const FOREIGN: KeyspaceId = KeyspaceId::from_index(u32::MAX);
        let ids = self.0.read().unwrap_or_else(PoisonError::into_inner);
        ids.get(id.index() as usize).copied().unwrap_or((FOREIGN, FOREIGN))
    }

    /// The mirror's id for a pair.
    pub(super) fn of(&self, pair: (KeyspaceId, KeyspaceId)) -> KeyspaceId {
        let mut ids = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let place = ids.iter().position(|known| *known == pair).unwrap_or_else(|| {
            ids.push(pair);
            ids.len() - 1
        });
        let known = ids.iter().filter(|known| known.0 == pair.0 || known.1 == pair.1).count();
        assert!(known == 1, "mirror: the backends disagree about which keyspace a name means");
        KeyspaceId::from_index(u32::try_from(place).unwrap_or(u32::MAX))
    }
}
