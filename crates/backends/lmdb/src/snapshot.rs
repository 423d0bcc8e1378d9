//! A snapshot is a read transaction. A get uses a shared one, or a short one of its own.

use crate::cursor::LmdbCursor;
use crate::environment::Environment;
use crate::keyspace::LmdbKeyspace;
use crate::view::{Reading, find};
use self_cell::self_cell;
use std::sync::Arc;
use std::task::Poll;
use strongroom_core::{Bytes, EngineSnapshot, Error, Gauge, Pinned, Result, Scan};

/// Values up to this length are copied. A shared value keeps its transaction open, which keeps every page freed
/// from then on from being reused, and the map from growing.
const COPIED_BYTES_MAX: usize = 4_096;

/// Returns the newest value of `key`.
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
            // Large: looked up again below, in a transaction that can be kept.
            Some(_) => None,
        })
    })?;
    match copied {
        Some(found) => Ok(found),
        None => get(&Arc::new(Reading::begin(environment)?), keyspace, key, pins),
    }
}

fn get(reading: &Arc<Reading>, keyspace: &LmdbKeyspace, key: &[u8], pins: &Gauge) -> Result<Option<Bytes>> {
    match reading.find(keyspace, key)? {
        Some(large) if large.len() > COPIED_BYTES_MAX => get_large(reading, keyspace, key, pins),
        small => Ok(small.map(Bytes::copy_from_slice)),
    }
}

/// Looks the value up again, in a transaction that is kept with it.
#[cold]
fn get_large(
    reading: &Arc<Reading>,
    keyspace: &LmdbKeyspace,
    key: &[u8],
    pins: &Gauge,
) -> Result<Option<Bytes>> {
    // Looked up only once: the keyspace may be dropped between two lookups.
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

/// Why a value is not shared.
enum Unshared {
    /// It is small or absent.
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

/// A snapshot of LMDB. It keeps the pages that it sees from being reused, and the map from growing.
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

    #[inline]
    fn try_get(&self, keyspace: &LmdbKeyspace, key: &[u8]) -> Result<Poll<Option<Bytes>>> {
        Ok(match self.reading.try_find(keyspace, key)? {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(large)) if large.len() > COPIED_BYTES_MAX => {
                Poll::Ready(get_large(&self.reading, keyspace, key, &self.pins)?)
            }
            Poll::Ready(small) => Poll::Ready(small.map(Bytes::copy_from_slice)),
        })
    }

    fn cursor(&self, keyspace: &LmdbKeyspace, scan: &Scan) -> Result<LmdbCursor> {
        LmdbCursor::new(&self.reading, keyspace, scan)
    }
}
