//! A handle to a keyspace that is released when the keyspace is dropped.
//!
//! fjall removes a dropped keyspace's files with its last handle. The layer above keeps handles for as long as
//! the backend is open, so a drop has to take the keyspace out of them. The lock costs some nanoseconds of a
//! get's microseconds.

use fjall::Keyspace;
use std::sync::{Arc, PoisonError, RwLock};
use strongroom_core::{Error, ErrorKind, Result};

/// A keyspace of fjall.
#[derive(Clone)]
pub struct FjallKeyspace {
    held: Arc<RwLock<Option<Keyspace>>>,
}

impl FjallKeyspace {
    pub(crate) fn new(keyspace: Keyspace) -> Self {
        Self { held: Arc::new(RwLock::new(Some(keyspace))) }
    }

    /// Calls `f` with the keyspace, unless it was dropped.
    #[inline]
    pub(crate) fn with<T>(&self, f: impl FnOnce(&Keyspace) -> Result<T>) -> Result<T> {
        match &*self.held.read().unwrap_or_else(PoisonError::into_inner) {
            Some(keyspace) => f(keyspace),
            None => Err(Error::new(ErrorKind::NotFound, "the keyspace was dropped")),
        }
    }

    /// Returns the keyspace to be kept for a while, unless it was dropped.
    pub(crate) fn held(&self) -> Result<Keyspace> {
        self.with(|keyspace| Ok(keyspace.clone()))
    }

    /// Takes the keyspace out of all handles.
    pub(crate) fn let_go(&self) {
        let held = self.held.write().unwrap_or_else(PoisonError::into_inner).take();
        // Outside the lock: this may remove many files.
        drop(held);
    }
}
