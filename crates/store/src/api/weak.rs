//! A weak handle, which does not keep a store open.

use super::store::Store;
use crate::handle::Handle;
use crate::sync::{Arc, Weak};
use std::fmt;

/// A handle that does not keep the store open. Cheap to clone.
///
/// ```
/// # use strongroom_core::{Durability, MemoryBackend};
/// # use strongroom_store::{Store, StoreOptions};
/// # fn main() -> strongroom_core::Result<()> {
/// # let store = Store::new(MemoryBackend::in_memory(), StoreOptions::new().durability(Durability::Buffered))?;
/// let weak = store.downgrade();
/// assert!(weak.upgrade().is_some());
/// drop(store);
/// assert!(weak.is_closed() && weak.upgrade().is_none());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct WeakStore {
    handle: Weak<Handle>,
}

impl Store {
    /// Returns a handle that does not keep the store open.
    pub fn downgrade(&self) -> WeakStore {
        WeakStore { handle: Arc::downgrade(&self.handle) }
    }
}

impl WeakStore {
    /// Returns the store, if it is still open. The returned handle keeps it open. Dropping the last handle closes
    /// the store, and waits until it is closed.
    pub fn upgrade(&self) -> Option<Store> {
        self.handle.upgrade().map(|handle| Store { handle })
    }

    /// Returns whether the store is closed or being closed.
    pub fn is_closed(&self) -> bool {
        self.handle.strong_count() == 0
    }
}

impl fmt::Debug for WeakStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakStore").field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}
