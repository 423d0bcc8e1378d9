//! An opened sled store, shared by everything that reads or writes it, and how it is closed.

use crate::error::from_sled;
use crate::sync::Files;
use sled::{Db, Tree};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use strongroom_core::{Error, ErrorKind, Result};

/// The adapter's own tree: for each tree that it made, whether it is to be walked carefully (see
/// [`reverse`](crate::reverse)). Nobody sees it as a keyspace.
pub(crate) const REGISTER_TREE: &str = "__strongroom_sled__";

const QUICK: &[u8] = b"quick";
const CAREFUL: &[u8] = b"careful";

/// The store. Every keyspace and cursor holds it and drops its own trees before it, so that sled is closed
/// when the last of them goes.
pub(crate) struct Home {
    /// Taken when the store is closed.
    db: Option<Db>,
    register: Mutex<Option<Tree>>,
    files: Files,
}

impl Home {
    pub(crate) fn new(db: Db, files: Files) -> Result<Self> {
        let known = db.tree_names().iter().any(|name| name == REGISTER_TREE.as_bytes());
        let register = if known { Some(db.open_tree(REGISTER_TREE).map_err(from_sled)?) } else { None };
        Ok(Self { db: Some(db), register: Mutex::new(register), files })
    }

    pub(crate) fn db(&self) -> Result<&Db> {
        self.db.as_ref().ok_or_else(|| Error::new(ErrorKind::Closed, "the store is closed"))
    }

    /// Hands everything to the operating system and makes it durable.
    pub(crate) fn flush(&self) -> Result<()> {
        self.db()?.flush().map_err(from_sled)?;
        self.files.sync()
    }

    /// Whether tree `name` is to be walked carefully; so is one that others made.
    pub(crate) fn is_careful(&self, name: &str) -> Result<bool> {
        let register = self.register.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(register) = &*register else { return Ok(true) };
        let found = register.get(name).map_err(from_sled)?;
        Ok(found.is_none_or(|found| found != QUICK))
    }

    /// Notes how tree `name` is to be walked.
    pub(crate) fn note(&self, name: &str, careful: bool) -> Result<()> {
        let mut register = self.register.lock().unwrap_or_else(PoisonError::into_inner);
        let tree = match &mut *register {
            Some(tree) => tree,
            none => none.insert(self.db()?.open_tree(REGISTER_TREE).map_err(from_sled)?),
        };
        tree.insert(name, if careful { CAREFUL } else { QUICK }).map(drop).map_err(from_sled)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let register = self.register.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let db = self.db.take();
        // sled writes what is left when it is closed, and panics if it cannot. There is nobody to tell:
        // what was acknowledged as power-safe is on the disk already.
        let _ = catch_unwind(AssertUnwindSafe(move || drop((register, db))));
        self.files.wait_for_release();
    }
}
