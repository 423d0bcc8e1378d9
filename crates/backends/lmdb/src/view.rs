//! The read transaction of a snapshot, its cursors and its shared values.
//!
//! LMDB wants a read transaction to be used by one thread at a time (any thread: the environment is opened
//! without thread-local storage). A [`Reading`] sees to it with a lock, its turn, around every call into LMDB. A
//! row or value that LMDB has handed out lies in the map, and stays there unchanged until the transaction ends:
//! it is read without a lock. So a cursor fetches the places of many rows in one turn.

use crate::environment::{Environment, Hold, lock};
use crate::error::{dropped, translate};
use crate::keyspace::{LmdbKeyspace, Map};
use heed::{MdbError, RoTxn, WithoutTls};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::Poll;
use strongroom_core::Result;

/// A read transaction that threads use in turns.
pub(crate) struct Reading {
    transaction: RoTxn<'static, WithoutTls>,
    turn: Mutex<()>,
    // Declared last: it is counted until the transaction has ended.
    hold: Hold,
}

// SAFETY: what keeps a `RoTxn` from being shared is that two threads might call LMDB with it at once. The field is
// private to this module, and reached through `in_turn`, which hands it out together with the turn, and by `try_find`, which has the turn.
#[allow(unsafe_code)]
unsafe impl Sync for Reading {}

impl Reading {
    pub(crate) fn begin(environment: &Arc<Environment>) -> Result<Self> {
        let (transaction, hold) = environment.hold()?;
        Ok(Self { transaction, turn: Mutex::default(), hold })
    }

    /// The transaction, for whoever has the turn. LMDB may be called with it only while the guard lives; what LMDB
    /// hands out may be read as long as the transaction is open.
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

    /// As [`find`](Self::find), unless another thread has the turn.
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

/// The value of `key` as the transaction sees it.
pub(crate) fn find<'t>(map: &Map<'_>, transaction: &'t RoTxn<'_>, key: &[u8]) -> Result<Option<&'t [u8]>> {
    match map.get(transaction, key) {
        // Another process has dropped the keyspace. (One that was not there yet is empty in a snapshot: whoever
        // calls knows which those are, and does not ask.)
        Err(heed::Error::Mdb(MdbError::BadDbi)) => Err(dropped()),
        found => found.map_err(translate),
    }
}
