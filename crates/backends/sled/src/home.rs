//! An open sled store, shared by all its readers and writers, and how it is closed.

use crate::error::from_sled;
use crate::sync::Files;
use crate::waker::{Waker, has_stored_error};
use sled::{Db, Tree};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use strongroom_core::files::Directory;
use strongroom_core::{Closed, Closer, Error, ErrorKind, Result};

/// The adapter's own tree: whether each tree that the adapter created has to be walked carefully (see
/// [`reverse`](crate::reverse)). It is not listed as a keyspace.
pub(crate) const REGISTER_TREE: &str = "__strongroom_sled__";

const QUICK: &[u8] = b"quick";
const CAREFUL: &[u8] = b"careful";

/// How many trees of released keyspaces are kept.
const RETIRED_MAX: usize = 64;

/// The store. Every keyspace and cursor holds it, and returns its own trees before it is dropped. So sled is
/// closed when the last of them is dropped, all in one place.
pub(crate) struct Home {
    /// Taken when the store is closed.
    db: Option<Db>,
    register: Mutex<Option<Tree>>,
    /// Dropping the last handle of a tree flushes, and a broken sled hangs in that.
    retired: Mutex<Vec<Tree>>,
    files: Files,
    /// Taken when the store is closed.
    closer: Option<Closer<Remains>>,
    close_wait_max: Duration,
    /// Taken when the store is closed.
    waker: Option<Waker>,
    /// Whether a write or a flush has failed. Held by each of them: a write that fails may leave a gap in sled's log,
    /// and a flush that began before it would hang, waiting for that gap to be filled.
    has_failed: Mutex<bool>,
    /// Whether a read has failed with an I/O error. sled also writes while it reads: it merges the changes of a page, and a
    /// failure leaves the same gap.
    has_read_failed: AtomicBool,
}

/// The values whose drop closes sled.
pub(crate) struct Remains {
    _register: Option<Tree>,
    _retired: Vec<Tree>,
    db: Option<Db>,
    /// Dropped after `db`: dropping that may have to be woken.
    waker: Option<Waker>,
    /// sled opens files by a path through it, even after it was left behind.
    _directory: Directory,
}

impl Home {
    pub(crate) fn new(
        db: Db,
        files: Files,
        (closer, waker): (Closer<Remains>, Waker),
        close_wait_max: Duration,
    ) -> Result<Self> {
        waker.watch(&db);
        let known = db.tree_names().iter().any(|name| name == REGISTER_TREE.as_bytes());
        // From here on an error also closes sled within the bounded time.
        let mut home = Self {
            db: Some(db),
            register: Mutex::default(),
            retired: Mutex::default(),
            files,
            closer: Some(closer),
            close_wait_max,
            waker: Some(waker),
            has_failed: Mutex::new(false),
            has_read_failed: AtomicBool::new(false),
        };
        if known {
            let register = home.db()?.open_tree(REGISTER_TREE).map_err(from_sled)?;
            home.register = Mutex::new(Some(register));
        }
        Ok(home)
    }

    /// Takes the tree of a released keyspace.
    pub(crate) fn retire(&self, tree: Tree) {
        let mut retired = lock(&self.retired);
        retired.push(tree);
        if retired.len() <= RETIRED_MAX {
            return;
        }
        let mut old = std::mem::take(&mut *retired);
        drop(retired);
        // A flush like any other: see `has_failed`.
        let dropped = self.write(|| {
            old.clear();
            Ok(())
        });
        if dropped.is_err() {
            lock(&self.retired).append(&mut old);
        }
    }

    pub(crate) fn db(&self) -> Result<&Db> {
        self.db.as_ref().ok_or_else(|| Error::new(ErrorKind::Closed, "the store is closed"))
    }

    pub(crate) fn files(&self) -> &Files {
        &self.files
    }

    /// Writes to sled. After a write or a flush that failed, or panicked, all others are refused.
    pub(crate) fn write<T>(&self, write: impl FnOnce() -> Result<T>) -> Result<T> {
        let mut has_failed = lock(&self.has_failed);
        if *has_failed || self.has_read_failed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, "an earlier read or write of sled's files failed")
                .hint("reopen the store: commits that were not flushed may be lost"));
        }
        // Stays if `write` panics.
        *has_failed = true;
        let outcome = write();
        *has_failed = outcome.is_err();
        outcome
    }

    /// Records the error of a read, and returns it.
    pub(crate) fn failed_read(&self, error: Error) -> Error {
        if error.kind() == ErrorKind::Io {
            self.has_read_failed.store(true, Ordering::Release);
        }
        error
    }

    /// Hands all data to the operating system and makes it durable.
    pub(crate) fn flush(&self) -> Result<()> {
        self.write(|| self.db()?.flush().map(drop).map_err(from_sled))?;
        // Not a write of sled's: where this fails, sled itself can still be closed.
        self.files.sync()
    }

    /// Returns whether tree `name` has to be walked carefully. So do trees that the adapter did not create.
    pub(crate) fn is_careful(&self, name: &str) -> Result<bool> {
        let register = lock(&self.register);
        let Some(register) = &*register else { return Ok(true) };
        let found = register.get(name).map_err(from_sled)?;
        Ok(found.is_none_or(|found| found != QUICK))
    }

    /// Records how tree `name` has to be walked. Call it inside [`write`](Self::write).
    pub(crate) fn note(&self, name: &str, careful: bool) -> Result<()> {
        let mut register = lock(&self.register);
        let tree = match &mut *register {
            Some(tree) => tree,
            none => none.insert(self.db()?.open_tree(REGISTER_TREE).map_err(from_sled)?),
        };
        tree.insert(name, if careful { CAREFUL } else { QUICK }).map(drop).map_err(from_sled)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let mut remains = Remains {
            _register: lock(&self.register).take(),
            _retired: std::mem::take(&mut *lock(&self.retired)),
            db: self.db.take(),
            waker: self.waker.take(),
            _directory: self.files.home().clone(),
        };
        let Some(closer) = self.closer.take() else { return };
        let has_failed = *lock(&self.has_failed) || self.has_read_failed.load(Ordering::Acquire);
        let hangs = has_failed && !remains.db.as_ref().is_some_and(has_stored_error);
        if hangs {
            // A write failed and sled does not know it: there may be a gap in its log, for which the flush of closing would
            // hang, with a lock that batches of every other sled store in the process need.
            if let Some(waker) = &mut remains.waker {
                waker.stop();
            }
            closer.leave_behind(remains);
            return;
        }
        // sled writes its remaining data when it is closed, and panics or hangs if it cannot. That is not
        // reported: commits that were acknowledged as power-safe are on disk already.
        if closer.close(remains, self.close_wait_max) == Closed::InTime {
            self.files.wait_for_release();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
