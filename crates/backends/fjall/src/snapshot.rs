//! A snapshot is a sequence number that fjall keeps readable.

use crate::cursor::FjallCursor;
use crate::error::translate;
use crate::keyspace::FjallKeyspace;
use fjall::{Readable, Slice};
use std::ops::Bound;
use strongroom_core::{Bytes, EngineSnapshot, Gauge, Pinned, Result, Scan};

/// A snapshot of fjall.
pub struct FjallSnapshot {
    snapshot: fjall::Snapshot,
    pins: Gauge,
}

impl FjallSnapshot {
    pub(crate) fn new(snapshot: fjall::Snapshot, pins: Gauge) -> Self {
        Self { snapshot, pins }
    }
}

impl EngineSnapshot for FjallSnapshot {
    type Keyspace = FjallKeyspace;
    type Cursor = FjallCursor;

    fn get(&self, keyspace: &FjallKeyspace, key: &[u8]) -> Result<Option<Bytes>> {
        get(&self.snapshot, keyspace, key, &self.pins)
    }

    fn cursor(&self, keyspace: &FjallKeyspace, scan: &Scan) -> Result<FjallCursor> {
        let start = match scan.range.start() {
            // fjall does not accept empty keys, not even as a bound.
            [] => Bound::Unbounded,
            start => Bound::Included(start),
        };
        let end = scan.range.end().map_or(Bound::Unbounded, Bound::Excluded);
        keyspace.with(|keyspace| {
            let rows = self.snapshot.range::<&[u8], _>(keyspace, (start, end));
            Ok(FjallCursor::new(rows, scan))
        })
    }
}

/// Returns the value of `key`, shared with fjall's block.
pub(crate) fn get(
    snapshot: &fjall::Snapshot,
    keyspace: &FjallKeyspace,
    key: &[u8],
    pins: &Gauge,
) -> Result<Option<Bytes>> {
    let found: Option<Slice> = keyspace.with(|keyspace| snapshot.get(keyspace, key).map_err(translate))?;
    Ok(found.map(|value| Pinned::share(value, pins)))
}
