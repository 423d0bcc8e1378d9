//! The environment: one map of the file, which grows by itself, and a count of the transactions in it.
//!
//! LMDB cannot write beyond its map, and can enlarge the map only while the process has no open transaction.
//! Therefore all calls go through this module. Every transaction begins inside a gate. Transactions that
//! outlive the call that began them (snapshots, cursors, shared values) are counted. A commit that finds the
//! map full is aborted, waits until the count is zero, and runs again in a larger map.
//!
//! New readers wait meanwhile, or there would always be one. But a thread that holds a snapshot may have to
//! begin another read before it can release the snapshot. So the gate is shut briefly, opened briefly, and shut
//! for twice as long, until no transaction is open or the time is up. The commit is then refused, and has
//! changed nothing. A thread that commits while it holds a snapshot waits for itself, and is refused as well.
//!
//! The gate also guards LMDB's table of keyspace names. Creating or dropping a keyspace changes the table, and
//! the first use of a keyspace in a transaction reads it, without a lock of LMDB's own.

use crate::error::{held_up, map_lost, translate};
use crate::files::{Opened, round_up};
use heed::{CommitOrAbort, DatabaseOpener, Env, EnvInfo, MdbError, OnCommit, RoTxn, RwTxn, WithoutTls};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};
use strongroom_core::files::FileLock;
use strongroom_core::{Result, ViewRelease};

/// How long the gate is shut at first, and how often a waiting thread checks whether it is open.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const POLL: Duration = Duration::from_millis(2);

/// Pages by which a small file may grow before stale readers are cleared.
const PAGES_TO_SPARE: u64 = 256;

/// Whether transactions may begin.
struct Gate {
    /// A commit waits for readers to end.
    growing: bool,
    /// The map was unmapped and the larger one could not be mapped. LMDB must not be called again.
    lost: bool,
}

/// LMDB's environment, shared by all that keeps it open.
pub(crate) struct Environment {
    gate: RwLock<Gate>,
    /// Number of transactions that outlive a call.
    held: Mutex<usize>,
    /// Signalled when the last of them has ended.
    released: Condvar,
    /// One writer at a time. No other thread resizes the map meanwhile.
    writer: Mutex<()>,
    env: Env<WithoutTls>,
    read_only: bool,
    grow_timeout: Duration,
    /// Releases the view that gets share, when the map has to change.
    view: ViewRelease,
    growths: AtomicU64,
    stale_readers: AtomicU64,
    /// How many pages the file had when stale readers were last cleared.
    pages_checked: AtomicU64,
    // Declared last: others may write only once LMDB has closed its files.
    _writer_lock: Option<FileLock>,
}

impl Environment {
    pub(crate) fn new(
        opened: Opened,
        read_only: bool,
        grow_timeout: Duration,
        view: ViewRelease,
    ) -> Result<Self> {
        let environment = Self {
            gate: RwLock::new(Gate { growing: false, lost: false }),
            held: Mutex::default(),
            released: Condvar::new(),
            writer: Mutex::default(),
            env: opened.env,
            read_only,
            grow_timeout,
            view,
            growths: AtomicU64::new(0),
            stale_readers: AtomicU64::new(0),
            pages_checked: AtomicU64::new(0),
            _writer_lock: opened.writer_lock,
        };
        environment.clear_stale_readers()?;
        Ok(environment)
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Reads the newest state for the duration of a call.
    pub(crate) fn read<T>(&self, f: impl FnOnce(&RoTxn<'_>) -> Result<T>) -> Result<T> {
        let (_gate, transaction) = self.begin(Env::read_txn)?;
        f(&transaction)
    }

    /// Begins a transaction that stays open until it is dropped. Drop it before its [`Hold`].
    pub(crate) fn hold(self: &Arc<Self>) -> Result<(RoTxn<'static, WithoutTls>, Hold)> {
        let (_gate, transaction) = self.begin(|env| env.clone().static_read_txn())?;
        Ok((transaction, Hold::new(self)))
    }

    /// Keeps the map in place for a call in which LMDB begins transactions itself.
    pub(crate) fn with_map<T>(self: &Arc<Self>, f: impl FnOnce(&Env<WithoutTls>) -> T) -> Result<T> {
        let _hold = {
            let _gate = self.enter()?;
            Hold::new(self)
        };
        Ok(f(&self.env))
    }

    /// Keeps the names of keyspaces unchanged. For transactions that are open already.
    pub(crate) fn steady_names(&self) -> SteadyNames<'_> {
        SteadyNames { _gate: read(&self.gate) }
    }

    /// Enters the gate once it is open.
    fn enter(&self) -> Result<RwLockReadGuard<'_, Gate>> {
        loop {
            let gate = read(&self.gate);
            if gate.lost {
                return Err(map_lost());
            }
            if !gate.growing {
                return Ok(gate);
            }
            drop(gate);
            std::thread::sleep(POLL);
        }
    }

    /// Begins a read transaction inside the gate. The guard comes first in the tuple, so that it is dropped
    /// last.
    fn begin<'e, T>(
        &'e self,
        begin: impl Fn(&'e Env<WithoutTls>) -> heed::Result<T>,
    ) -> Result<(RwLockReadGuard<'e, Gate>, T)> {
        let mut has_cleared = false;
        loop {
            let gate = self.enter()?;
            match begin(&self.env) {
                Ok(transaction) => return Ok((gate, transaction)),
                // Another process has made the file larger than this process's map.
                Err(heed::Error::Mdb(MdbError::MapResized)) => {
                    drop(gate);
                    let _writer = lock(&self.writer);
                    self.adopt()?;
                }
                // Processes that died leave their slots taken.
                Err(heed::Error::Mdb(MdbError::ReadersFull)) if !has_cleared => {
                    self.clear_stale_readers()?;
                    has_cleared = true;
                }
                Err(error) => return Err(translate(error)),
            }
        }
    }

    fn clear_stale_readers(&self) -> Result<()> {
        let cleared = self.env.clear_stale_readers().map_err(translate)?;
        self.stale_readers.fetch_add(cleared as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Clears stale readers when the file has grown by a quarter: a process that died with a snapshot keeps
    /// every page from being reused.
    fn clear_if_grown(&self) -> Result<()> {
        let _gate = self.enter()?;
        let pages = self.env.info().last_page_number as u64;
        let checked = self.pages_checked.load(Ordering::Relaxed);
        if pages <= checked + checked / 4 + PAGES_TO_SPARE {
            return Ok(());
        }
        self.pages_checked.store(pages, Ordering::Relaxed);
        self.clear_stale_readers()
    }

    /// Commits `change`, which is called again if the map was too small for it. `bytes` is about how much it
    /// writes.
    pub(crate) fn write(
        &self,
        bytes: usize,
        change: impl Fn(&mut RwTxn<'_>) -> heed::Result<()>,
    ) -> Result<()> {
        let attempt = || {
            let mut transaction = self.env.write_txn()?;
            change(&mut transaction)?;
            transaction.commit()
        };
        self.clear_if_grown()?;
        // Readers may begin meanwhile. The gate is entered only to check that the map exists.
        self.until_it_fits(bytes, || self.enter().map(|_| attempt()))
    }

    /// As [`write`](Self::write), for a change of the keyspaces' names.
    pub(crate) fn change_names<'e, D: OnCommit>(
        &'e self,
        change: impl Fn(&DatabaseOpener<'e, WithoutTls>, &mut RwTxn<'e>) -> heed::Result<D>,
    ) -> Result<D::Committed> {
        let attempt = || {
            let transaction = self.env.write_txn()?;
            let commit = |opener: &DatabaseOpener<'e, _>, transaction: &mut RwTxn<'e>| {
                change(opener, transaction).map(CommitOrAbort::<D, std::convert::Infallible>::Commit)
            };
            match self.env.create_databases_and_commit(transaction, commit)? {
                CommitOrAbort::Commit(done) => Ok(done),
                CommitOrAbort::Abort(never) => match never {},
            }
        };
        self.until_it_fits(0, || self.exclusive().map(|_gate| attempt()))
    }

    /// Reads the keyspaces' names, and opens those that `f` opens.
    pub(crate) fn read_names<'e, D: OnCommit>(
        &'e self,
        f: impl Fn(&DatabaseOpener<'e, WithoutTls>, &RoTxn<'e, WithoutTls>) -> heed::Result<D>,
    ) -> Result<D::Committed> {
        let attempt = || {
            let transaction = self.env.read_txn()?;
            let commit = |opener: &DatabaseOpener<'e, _>, transaction: &RoTxn<'e, _>| {
                f(opener, transaction).map(CommitOrAbort::<D, std::convert::Infallible>::Commit)
            };
            match self.env.open_databases_and_commit(transaction, commit)? {
                CommitOrAbort::Commit(done) => Ok(done),
                CommitOrAbort::Abort(never) => match never {},
            }
        };
        // Not a write, but it also needs a large enough map that does not change.
        self.until_it_fits(0, || self.exclusive().map(|_gate| attempt()))
    }

    /// Enters the gate exclusively: no other thread is in a call. Held transactions stay open.
    fn exclusive(&self) -> Result<RwLockWriteGuard<'_, Gate>> {
        let gate = write(&self.gate);
        if gate.lost { Err(map_lost()) } else { Ok(gate) }
    }

    fn until_it_fits<T>(&self, bytes: usize, attempt: impl Fn() -> Result<heed::Result<T>>) -> Result<T> {
        let _writer = lock(&self.writer);
        let mut has_cleared = false;
        loop {
            match attempt()? {
                Ok(done) => return Ok(done),
                Err(heed::Error::Mdb(MdbError::ReadersFull)) if !has_cleared => {
                    self.clear_stale_readers()?;
                    has_cleared = true;
                }
                // LMDB allocates pages before it writes the first, so a full map leaves the file unchanged.
                Err(heed::Error::Mdb(MdbError::MapFull)) => self.grow(bytes)?,
                Err(heed::Error::Mdb(MdbError::MapResized)) => self.adopt()?,
                Err(error) => return Err(translate(error)),
            }
        }
    }

    /// Doubles the map, or grows it more if `bytes` need it.
    fn grow(&self, bytes: usize) -> Result<()> {
        self.remap(|now| round_up(now.saturating_mul(2).max(now.saturating_add(bytes.saturating_mul(2)))))
    }

    /// Adopts the map size that another process has set.
    fn adopt(&self) -> Result<()> {
        self.remap(|_| 0)
    }

    /// Waits until no transaction is open, and maps the file again. The caller is the writer and has no
    /// transaction open.
    fn remap(&self, size: impl Fn(usize) -> usize) -> Result<()> {
        let deadline = Instant::now() + self.grow_timeout;
        let gate = Shut::begin(self);
        let mut pause = FIRST_PAUSE;
        loop {
            // In each round: another view may have been opened while the gate was open.
            self.view.release();
            {
                let mut gate = self.exclusive()?;
                if *lock(&self.held) == 0 {
                    return self.remap_now(&mut gate, size(self.env.info().map_size));
                }
            }
            if Instant::now() >= deadline {
                return Err(held_up());
            }
            if !self.wait_until_released(pause.min(deadline.saturating_duration_since(Instant::now()))) {
                gate.open();
                self.wait_until_released(FIRST_PAUSE);
                gate.shut_again();
                pause *= 2;
            }
        }
    }

    fn remap_now(&self, gate: &mut RwLockWriteGuard<'_, Gate>, bytes: usize) -> Result<()> {
        // SAFETY: LMDB requires that no transaction of this process is open. Each transaction begins inside the
        // gate, which this thread holds exclusively. Transactions of a call end within that call, inside the
        // gate. Those that outlive a call are counted, and the count is zero. The caller is the only writer,
        // and has no transaction open.
        #[allow(unsafe_code)]
        let outcome = unsafe { self.env.resize(bytes) };
        if outcome.is_err() {
            gate.lost = true;
            return Err(map_lost());
        }
        self.growths.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Waits until no transaction is held. Returns `false` if the time is up first.
    fn wait_until_released(&self, timeout: Duration) -> bool {
        let held = lock(&self.held);
        let waited = self.released.wait_timeout_while(held, timeout, |held| *held > 0);
        *waited.unwrap_or_else(PoisonError::into_inner).0 == 0
    }

    /// Returns figures of LMDB and of the gate.
    pub(crate) fn figures(&self) -> Result<Figures> {
        let _gate = self.enter()?;
        Ok(Figures {
            info: self.env.info(),
            page_bytes: u64::from(self.env.unnamed_database_stat().page_size),
            held: *lock(&self.held) as u64,
            growths: self.growths.load(Ordering::Relaxed),
            stale_readers: self.stale_readers.load(Ordering::Relaxed),
        })
    }
}

/// See [`Environment::figures`].
pub(crate) struct Figures {
    pub(crate) info: EnvInfo,
    pub(crate) page_bytes: u64,
    pub(crate) held: u64,
    pub(crate) growths: u64,
    pub(crate) stale_readers: u64,
}

/// Counts a transaction that outlives a call, and keeps the environment open.
pub(crate) struct Hold(Arc<Environment>);

impl Hold {
    /// Call only inside the gate: a count of zero has to stay zero while the map is changed.
    fn new(environment: &Arc<Environment>) -> Self {
        *lock(&environment.held) += 1;
        Self(Arc::clone(environment))
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.0
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut held = lock(&self.0.held);
        *held -= 1;
        if *held == 0 {
            self.0.released.notify_all();
        }
    }
}

/// Shuts the gate to new readers until it is dropped.
struct Shut<'e>(&'e Environment);

impl<'e> Shut<'e> {
    fn begin(environment: &'e Environment) -> Self {
        let shut = Self(environment);
        shut.shut_again();
        shut
    }

    fn shut_again(&self) {
        write(&self.0.gate).growing = true;
    }

    fn open(&self) {
        write(&self.0.gate).growing = false;
    }
}

impl Drop for Shut<'_> {
    fn drop(&mut self) {
        self.open();
    }
}

/// See [`Environment::steady_names`].
#[must_use]
pub(crate) struct SteadyNames<'e> {
    _gate: RwLockReadGuard<'e, Gate>,
}

// A panic poisons the whole handle, so no state under these locks is used after one.

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
