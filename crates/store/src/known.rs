//! The keyspaces that an open store knows, by name and by number.

use crate::envelope::KeyspaceSeed;
use crate::expiry::settings::{self, Settings};
use crate::integrity::ledger::Ledger;
use crate::keyspace::KeyspaceInfo;
use std::collections::BTreeMap;
use std::sync::Arc;
use strongroom_core::{ErrorKind, KeyspaceId, Result, StorageBackend, is_reserved_keyspace};

#[derive(Clone, Default)]
pub(crate) struct Known {
    pub(crate) by_name: BTreeMap<String, Arc<KeyspaceInfo>>,
    pub(crate) by_id: BTreeMap<KeyspaceId, Arc<KeyspaceInfo>>,
}

impl Known {
    /// All but those whose drop was begun, as far as a ledger knows.
    pub(crate) fn of(backend: &dyn StorageBackend, ledger: Option<Ledger>) -> Result<Self> {
        let mut known = Self::default();
        for name in backend.keyspaces()? {
            if let Some(ledger) = ledger
                && ledger.is_being_dropped(backend, &name)?
            {
                continue;
            }
            match backend.keyspace(&name) {
                Ok(id) => {
                    let settings = settings::read(backend, &name)?;
                    known.add(&name, id, settings);
                }
                // Dropped since it was listed, by the process that writes beside us.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(known)
    }

    pub(crate) fn of_applications(&self) -> Vec<Arc<KeyspaceInfo>> {
        self.by_name.values().filter(|info| !is_reserved_keyspace(&info.name)).cloned().collect()
    }

    /// The layers' own.
    pub(crate) fn reserved(&self) -> Vec<Arc<KeyspaceInfo>> {
        self.by_name.values().filter(|info| is_reserved_keyspace(&info.name)).cloned().collect()
    }

    pub(crate) fn add(&mut self, name: &str, id: KeyspaceId, settings: Settings) -> Arc<KeyspaceInfo> {
        let info = Arc::new(KeyspaceInfo { name: name.into(), id, seed: KeyspaceSeed::of(name), settings });
        self.by_name.insert(name.to_owned(), Arc::clone(&info));
        self.by_id.insert(id, Arc::clone(&info));
        info
    }

    pub(crate) fn remove(&mut self, info: &KeyspaceInfo) {
        self.by_name.remove(&*info.name);
        self.by_id.remove(&info.id);
    }
}
