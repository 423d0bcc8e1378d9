//! A snapshot is a read transaction, and a get is a short one.
//!
//! LMDB wants a read transaction to be used by one thread at a time (any thread: the environment is opened
//! without thread-local storage). A [`Reading`] sees to it with a lock, its turn, around every call into LMDB. A
//! row or value that LMDB has handed out lies in the map, and stays there unchanged until the transaction ends:
//! it is read without a lock. So a cursor fetches the places of many rows in one turn.

use crate::cursor::LmdbCursor;
use crate::environment::{Environment, Hold, lock};
use crate::error::{dropped, translate};
use crate::keyspace::{LmdbKeyspace, Map};
use heed::{MdbError, RoTxn, WithoutTls};
use self_cell::self_cell;
use std::sync::{Arc, Mutex, MutexGuard};
use strongroom_core::{Bytes, EngineSnapshot, Error, Gauge, Pinned, Result, Scan};

/// Values up to this length are copied: one that is shared keeps a transaction open, and with it every page that
/// is freed from then on, and the size of the map.
const COPIED_BYTES_MAX: usize = 4_096;

/// A read transaction that threads use in turns.
pub(crate) struct Reading {
    transaction: RoTxn<'static, WithoutTls>,
    turn: Mutex<()>,
    // Declared last: it is counted until the transaction has ended.
    hold: Hold,
}

// SAFETY: what keeps a `RoTxn` from being shared is that two threads might call LMDB with it at once. The field is
// private to this module, and reached through `in_turn` only, which hands it out together with the turn.
#[allow(unsafe_code)]
unsafe impl Sync for Reading {}

impl Reading {
    pub(crate) fn new(transaction: RoTxn<'static, WithoutTls>, hold: Hold) -> Self {
        Self { transaction, turn: Mutex::default(), hold }
    }

    /// The transaction, for whoever has the turn. LMDB may be called with it only while the guard lives; what LMDB
    /// hands out may be read as long as the transaction is open.
    pub(crate) fn in_turn(&self) -> (MutexGuard<'_, ()>, &RoTxn<'static, WithoutTls>) {
        (lock(&self.turn), &self.transaction)
    }

    pub(crate) fn environment(&self) -> &Environment {
        self.hold.environment()
    }

    fn find(&self, keyspace: &LmdbKeyspace, key: &[u8]) -> Result<Option<&[u8]>> {
        let _names = self.environment().steady_names();
        let Some(map) = keyspace.map() else { return Ok(None) };
        let (_turn, transaction) = self.in_turn();
        find(map, transaction, key)
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

/// The newest value of `key`.
pub(crate) fn get_newest(
    environment: &Arc<Environment>,
    keyspace: &LmdbKeyspace,
    key: &[u8],
    pins: &Gauge,
) -> Result<Option<Bytes>> {
    let copied = environment.read(|transaction| {
        let Some(map) = keyspace.map() else { return Ok(Some(None)) };
        Ok(match find(map, transaction, key)? {
            None => Some(None),
            Some(small) if small.len() <= COPIED_BYTES_MAX => Some(Some(Bytes::copy_from_slice(small))),
            // To be looked up again, in a transaction that can be kept.
            Some(_) => None,
        })
    })?;
    match copied {
        Some(found) => Ok(found),
        None => get(&Arc::new(environment.hold()?), keyspace, key, pins),
    }
}

fn get(reading: &Arc<Reading>, keyspace: &LmdbKeyspace, key: &[u8], pins: &Gauge) -> Result<Option<Bytes>> {
    // Looked up once: the keyspace may be dropped between two looks.
    let shared = SharedValue::try_new(Arc::clone(reading), |reading| match reading.find(keyspace, key) {
        Ok(Some(large)) if large.len() > COPIED_BYTES_MAX => Ok(large),
        Ok(small) => Err(Unshared::Copied(small.map(Bytes::copy_from_slice))),
        Err(error) => Err(Unshared::Failed(error)),
    });
    match shared {
        Ok(large) => Ok(Some(Pinned::share(large, pins))),
        Err(Unshared::Copied(found)) => Ok(found),
        Err(Unshared::Failed(error)) => Err(error),
    }
}

/// Why there is nothing to share.
enum Unshared {
    /// It is small, or absent.
    Copied(Option<Bytes>),
    Failed(Error),
}

type Value<'r> = &'r [u8];

self_cell!(
    /// A value in the map. It keeps its transaction open.
    struct SharedValue {
        owner: Arc<Reading>,
        #[covariant]
        dependent: Value,
    }
);

impl AsRef<[u8]> for SharedValue {
    fn as_ref(&self) -> &[u8] {
        self.borrow_dependent()
    }
}

/// Snapshot of LMDB. It keeps the pages it can see from being used again, and the map from growing.
pub struct LmdbSnapshot {
    reading: Arc<Reading>,
    pins: Gauge,
}

impl LmdbSnapshot {
    pub(crate) fn new(reading: Reading, pins: Gauge) -> Self {
        Self { reading: Arc::new(reading), pins }
    }
}

impl EngineSnapshot for LmdbSnapshot {
    type Keyspace = LmdbKeyspace;
    type Cursor = LmdbCursor;

    fn get(&self, keyspace: &LmdbKeyspace, key: &[u8]) -> Result<Option<Bytes>> {
        get(&self.reading, keyspace, key, &self.pins)
    }

    fn cursor(&self, keyspace: &LmdbKeyspace, scan: &Scan) -> Result<LmdbCursor> {
        LmdbCursor::new(&self.reading, keyspace, scan)
    }
}
