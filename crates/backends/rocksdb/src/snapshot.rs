//! A snapshot is a sequence number that RocksDB keeps readable.

use crate::cursor::RocksDbCursor;
use crate::error::translate;
use crate::keyspace::{Family, OpenDatabase, RocksDbKeyspace};
use crate::view::{self, OwnedView};
use rocksdb::{DBPinnableSlice, ReadOptions};
use self_cell::self_cell;
use std::sync::Arc;
use strongroom_core::{Bytes, EngineSnapshot, Gauge, Pinned, Result, Scan};

/// A snapshot of RocksDB.
pub struct RocksDbSnapshot {
    view: Arc<OwnedView>,
    prefix_bytes: Option<usize>,
    pins: Gauge,
}

impl RocksDbSnapshot {
    pub(crate) fn new(database: Arc<OpenDatabase>, prefix_bytes: Option<usize>, pins: Gauge) -> Self {
        Self { view: Arc::new(view::open(database)), prefix_bytes, pins }
    }
}

impl EngineSnapshot for RocksDbSnapshot {
    type Keyspace = RocksDbKeyspace;
    type Cursor = RocksDbCursor;

    fn get(&self, keyspace: &RocksDbKeyspace, key: &[u8]) -> Result<Option<Bytes>> {
        let options = &self.view.borrow_dependent().options;
        keyspace.with(|family| get(self.view.borrow_owner(), family, key, options, &self.pins))
    }

    fn cursor(&self, keyspace: &RocksDbKeyspace, scan: &Scan) -> Result<RocksDbCursor> {
        Ok(RocksDbCursor::new(&self.view, keyspace.held()?, scan, self.prefix_bytes))
    }
}

/// Values up to this length are copied. A copy costs no more than the handle that would share them, and a small
/// value that is kept then pins no block in the cache.
const COPIED_BYTES_MAX: usize = 256;

self_cell!(
    /// A value in RocksDB's cache, and its database, which stays open as long.
    struct SharedValue {
        owner: Arc<OpenDatabase>,
        #[covariant]
        dependent: DBPinnableSlice,
    }
);

impl AsRef<[u8]> for SharedValue {
    fn as_ref(&self) -> &[u8] {
        self.borrow_dependent()
    }
}

/// Why a value is not shared.
enum Other {
    Absent,
    Copied(Bytes),
    Failed(rocksdb::Error),
}

/// Returns the value of `key`, shared with RocksDB's block unless it is small.
pub(crate) fn get(
    database: &Arc<OpenDatabase>,
    family: &Family<'_>,
    key: &[u8],
    options: &ReadOptions,
    pins: &Gauge,
) -> Result<Option<Bytes>> {
    let shared = SharedValue::try_new(Arc::clone(database), |database| {
        match database.get_pinned_cf_opt(family, key, options) {
            Ok(Some(value)) if value.len() > COPIED_BYTES_MAX => Ok(value),
            Ok(Some(value)) => Err(Other::Copied(Bytes::copy_from_slice(&value))),
            Ok(None) => Err(Other::Absent),
            Err(error) => Err(Other::Failed(error)),
        }
    });
    match shared {
        Ok(value) => Ok(Some(Pinned::share(value, pins))),
        Err(Other::Copied(value)) => Ok(Some(value)),
        Err(Other::Absent) => Ok(None),
        Err(Other::Failed(error)) => Err(translate(error)),
    }
}
