//! An open sled store, shared by all its readers and writers, and how it is closed.

use crate::error::from_sled;
use crate::flusher::Flusher;
use crate::hold;
use crate::sync::Files;
use crate::waker::{Waker, has_stored_error};
use crate::writes::Writes;
use sled::{Db, Tree};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    writes: Arc<Writes>,
    /// Taken when the store is closed.
    closer: Option<Closer<Remains>>,
    close_wait_max: Duration,
    /// Taken when the store is closed.
    threads: Option<Threads>,
}

/// The adapter's own threads, which hold parts of sled.
pub(crate) struct Threads {
    pub(crate) flusher: Flusher,
    // Dropped after the flusher, whose last flush may have to be woken.
    pub(crate) waker: Waker,
}

impl Threads {
    fn stop(&mut self) {
        self.flusher.stop();
        self.waker.stop();
    }
}

/// The values whose drop closes sled.
pub(crate) struct Remains {
    _flusher: Option<Flusher>,
    _register: Option<Tree>,
    _retired: Vec<Tree>,
    _db: Option<Db>,
    /// Dropped after the others, which may have to be woken.
    _waker: Option<Waker>,
    /// sled opens files by a path through it, even after it was left behind.
    _directory: Directory,
}

/// What is ready before sled is opened.
pub(crate) struct Prepared {
    pub(crate) files: Files,
    pub(crate) closer: Closer<Remains>,
    pub(crate) close_wait_max: Duration,
    pub(crate) threads: Threads,
}

impl Home {
    pub(crate) fn new(db: Db, prepared: Prepared) -> Result<Self> {
        let Prepared { files, closer, close_wait_max, threads } = prepared;
        threads.waker.watch(&db);
        let pages = db.context.pagecache.clone();
        threads.flusher.start(move |writes| hold::flush(&pages.log, writes));
        let writes = Arc::clone(threads.flusher.writes());
        let known = db.tree_names().iter().any(|name| name == REGISTER_TREE.as_bytes());
        // From here on an error also closes sled within the bounded time.
        let mut home = Self {
            db: Some(db),
            register: Mutex::default(),
            retired: Mutex::default(),
            files,
            writes,
            closer: Some(closer),
            close_wait_max,
            threads: Some(threads),
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
        let old = std::mem::take(&mut *retired);
        drop(retired);
        self.writes.drop_later(old);
    }

    pub(crate) fn db(&self) -> Result<&Db> {
        self.db.as_ref().ok_or_else(|| Error::new(ErrorKind::Closed, "the store is closed"))
    }

    pub(crate) fn files(&self) -> &Files {
        &self.files
    }

    /// Returns the turns in which sled is written and flushed.
    pub(crate) fn writes(&self) -> &Writes {
        &self.writes
    }

    /// Makes durable what sled has recovered and rewritten while it opened. Writes nothing more, unlike the other flush.
    pub(crate) fn flush_opened(&self) -> Result<()> {
        self.db()?.flush().map_err(from_sled)?;
        self.files.sync()
    }

    /// Hands all data to the operating system and makes it durable.
    pub(crate) fn flush(&self) -> Result<()> {
        self.writes.flush()?;
        // Not a write of sled's: where this fails, sled itself can still be closed.
        self.files.sync()
    }

    /// Returns whether tree `name` has to be walked carefully. So do trees that the adapter did not create.
    pub(crate) fn is_careful(&self, name: &str) -> Result<bool> {
        let register = lock(&self.register);
        let Some(register) = &*register else { return Ok(true) };
        let found = register.get(name).map_err(|error| self.writes.failed_read(from_sled(error)))?;
        Ok(found.is_none_or(|found| found != QUICK))
    }

    /// Records how tree `name` has to be walked. Call it inside [`Writes::run`].
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
        let db = self.db.take();
        let hangs = self.writes.have_failed() && !db.as_ref().is_some_and(has_stored_error);
        let mut threads = self.threads.take();
        if hangs && let Some(threads) = &mut threads {
            threads.stop();
        }
        let mut retired = std::mem::take(&mut *lock(&self.retired));
        retired.append(&mut self.writes.take_trees());
        let (flusher, waker) =
            threads.map_or((None, None), |threads| (Some(threads.flusher), Some(threads.waker)));
        let remains = Remains {
            _flusher: flusher,
            _register: lock(&self.register).take(),
            _retired: retired,
            _db: db,
            _waker: waker,
            _directory: self.files.home().clone(),
        };
        let Some(closer) = self.closer.take() else { return };
        if hangs {
            // A write failed and sled does not know it: there may be a gap in its log, for which the flush of closing would
            // hang, with a lock that batches of every other sled store in the process need.
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
