//! The read transaction of a snapshot, its cursors and its shared values.
//!
//! LMDB requires that one thread at a time uses a read transaction (any thread: the environment is opened
//! without thread-local storage). A [`Reading`] ensures this with a lock around every call of LMDB. A row or
//! value that LMDB has returned stays in the map unchanged until the transaction ends, so it is read without
//! the lock. Therefore a cursor fetches the positions of many rows under one lock.

use crate::environment::{Environment, Hold, lock};
use crate::error::{dropped, translate};
use crate::keyspace::{LmdbKeyspace, Map};
use heed::{MdbError, RoTxn, WithoutTls};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::Poll;
use strongroom_core::Result;

/// A read transaction that one thread at a time uses.
pub(crate) struct Reading {
    transaction: RoTxn<'static, WithoutTls>,
    turn: Mutex<()>,
    // Declared last: counted until the transaction has ended.
    hold: Hold,
}

// SAFETY: a `RoTxn` is not `Sync` because two threads might call LMDB with it at once. The field is private to
// this module. It is reached only through `in_turn`, which returns it together with the lock's guard, and by
// `try_find`, which holds the lock.
#[allow(unsafe_code)]
unsafe impl Sync for Reading {}

impl Reading {
    pub(crate) fn begin(environment: &Arc<Environment>) -> Result<Self> {
        let (transaction, hold) = environment.hold()?;
        Ok(Self { transaction, turn: Mutex::default(), hold })
    }

    /// Locks the transaction and returns it. LMDB may be called with it only while the guard exists. What LMDB
    /// returns may be read while the transaction is open.
    pub(crate) fn in_turn(&self) -> (MutexGuard<'_, ()>, &RoTxn<'static, WithoutTls>) {
        (lock(&self.turn), &self.transaction)
    }

    pub(crate) fn environment(&self) -> &Environment {
        self.hold.environment()
    }

    pub(crate) fn find(&self, keyspace: &LmdbKeyspace, key: &[u8]) -> Result<Option<&[u8]>> {
        let _names = self.environment().steady_names();
        let Some(map) = keyspace.map() else { return Ok(None) };
        let (_turn, transaction) = self.in_turn();
        find(map, transaction, key)
    }

    /// As [`find`](Self::find), unless another thread holds the lock.
    pub(crate) fn try_find(&self, keyspace: &LmdbKeyspace, key: &[u8]) -> Result<Poll<Option<&[u8]>>> {
        let _names = self.environment().steady_names();
        let Some(map) = keyspace.map() else { return Ok(Poll::Ready(None)) };
        let _turn = match self.turn.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(turn)) => PoisonError::into_inner(turn),
            Err(TryLockError::WouldBlock) => return Ok(Poll::Pending),
        };
        find(map, &self.transaction, key).map(Poll::Ready)
    }
}

/// Returns the value of `key` as the transaction sees it.
pub(crate) fn find<'t>(map: &Map<'_>, transaction: &'t RoTxn<'_>, key: &[u8]) -> Result<Option<&'t [u8]>> {
    match map.get(transaction, key) {
        // Another process has dropped the keyspace. (A keyspace from after a snapshot is empty in it; the
        // adapter knows these and does not ask.)
        Err(heed::Error::Mdb(MdbError::BadDbi)) => Err(dropped()),
        found => found.map_err(translate),
    }
}
