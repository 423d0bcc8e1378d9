//! A keyspace: a tree that keeps its store open.

use crate::home::Home;
use sled::Tree;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use strongroom_core::{Error, Result};

/// A keyspace of sled: a tree.
#[derive(Clone)]
pub struct SledKeyspace(Arc<Opened>);

struct Opened {
    name: String,
    tree: Tree,
    /// See [`reverse`](crate::reverse). Once set, it stays set.
    careful: AtomicBool,
    // Declared last: it closes the store if it is the last handle.
    home: Arc<Home>,
}

impl Drop for Opened {
    fn drop(&mut self) {
        // The last handle of a tree is dropped with the store.
        self.home.retire(self.tree.clone());
    }
}

impl SledKeyspace {
    /// `careful`: a key was written that sled cannot walk back over.
    pub(crate) fn new(name: &str, tree: Tree, careful: bool, home: Arc<Home>) -> Self {
        Self(Arc::new(Opened { name: name.to_owned(), tree, careful: AtomicBool::new(careful), home }))
    }

    pub(crate) fn tree(&self) -> &Tree {
        &self.0.tree
    }

    /// See [`Writes::failed_read`](crate::writes::Writes::failed_read).
    pub(crate) fn failed_read(&self, error: Error) -> Error {
        self.0.home.writes().failed_read(error)
    }

    pub(crate) fn is_walked_carefully(&self) -> bool {
        self.0.careful.load(Ordering::Acquire)
    }

    /// Call before the first key is written that sled cannot walk back over.
    pub(crate) fn walk_carefully(&self) -> Result<()> {
        if self.is_walked_carefully() {
            return Ok(());
        }
        // Earlier in the log than the key, so that no crash can keep the key and lose the record.
        self.0.home.note(&self.0.name, true)?;
        self.0.careful.store(true, Ordering::Release);
        Ok(())
    }
}
