//! Walks over a keyspace, and fetches the positions of many rows under one lock.

use crate::error::{dropped, translate};
use crate::keyspace::{LmdbKeyspace, Map};
use crate::view::Reading;
use heed::types::Bytes;
use heed::{MdbError, RoRange, RoRevRange, RoTxn};
use self_cell::self_cell;
use std::ops::Bound;
use std::sync::Arc;
use strongroom_core::{Direction, EngineCursor, Result, Scan};

/// Rows fetched at first, and most rows fetched under one lock: few for a reader of one row, many for a scan.
const FIRST_ROWS: usize = 2;
const ROWS_MAX: usize = 64;

/// A cursor of LMDB. Its rows stay in the map, and are lent from there.
pub struct LmdbCursor(Option<Walking>);

// SAFETY: a cursor of LMDB belongs to its transaction, not to a thread. It is opened and moved only under the
// transaction's lock, by `LmdbCursor::new` and `Rows::fetch`. Closing it frees only its own memory: for a read
// transaction `mdb_cursor_close` reads nothing else. Its other data is positions in the map, which any thread
// may read.
#[allow(unsafe_code)]
unsafe impl Send for LmdbCursor {}

self_cell!(
    struct Walking {
        owner: Arc<Reading>,
        #[covariant]
        dependent: Rows,
    }
);

/// Key and value.
type Row<'t> = (&'t [u8], &'t [u8]);

/// The fetched rows, and the walk that fetches more.
struct Rows<'t> {
    /// None at the end.
    walk: Option<Walk<'t>>,
    fetched: Vec<Row<'t>>,
    /// Index of the first row that was not lent yet.
    next: usize,
    lent: Row<'t>,
    /// Reported once the rows before it have been lent.
    failure: Option<heed::Error>,
    want: usize,
}

/// LMDB's cursor, and the key where the range ends. heed's own range would compare byte by byte.
enum Walk<'t> {
    Forward(RoRange<'t, Bytes, Bytes>, Option<Vec<u8>>),
    Reverse(RoRevRange<'t, Bytes, Bytes>, Option<Vec<u8>>),
}

impl LmdbCursor {
    pub(crate) fn new(reading: &Arc<Reading>, keyspace: &LmdbKeyspace, scan: &Scan) -> Result<Self> {
        let _names = reading.environment().steady_names();
        let Some(map) = keyspace.map() else { return Ok(Self(None)) };
        let walking = Walking::try_new(Arc::clone(reading), |reading| {
            let (_turn, transaction) = reading.in_turn();
            let walk = Walk::new(map, transaction, scan)?;
            let mut rows = Rows::before(walk);
            // Fetched now: later fetches only walk on, and need neither the keyspace's name nor its root.
            rows.fetch();
            match rows.failure.take() {
                Some(error) => Err(error),
                None => Ok(rows),
            }
        });
        match walking {
            Ok(walking) => Ok(Self(Some(walking))),
            // Another process has dropped the keyspace.
            Err(heed::Error::Mdb(MdbError::BadDbi)) => Err(dropped()),
            Err(error) => Err(translate(error)),
        }
    }
}

impl<'t> Walk<'t> {
    fn new(map: &Map<'_>, transaction: &'t RoTxn<'_>, scan: &Scan) -> heed::Result<Self> {
        type Bounds<'k> = (Bound<&'k [u8]>, Bound<&'k [u8]>);
        let (start, end) = (scan.range.start(), scan.range.end());
        match scan.direction {
            Direction::Forward => {
                // LMDB refuses an empty key even as a bound.
                let from = if start.is_empty() { Bound::Unbounded } else { Bound::Included(start) };
                let bounds: Bounds<'_> = (from, Bound::Unbounded);
                Ok(Self::Forward(map.range(transaction, &bounds)?, end.map(<[u8]>::to_vec)))
            }
            Direction::Reverse => {
                let bounds: Bounds<'_> = (Bound::Unbounded, end.map_or(Bound::Unbounded, Bound::Excluded));
                let stop = (!start.is_empty()).then(|| start.to_vec());
                Ok(Self::Reverse(map.rev_range(transaction, &bounds)?, stop))
            }
        }
    }

    /// Adds rows until there are `want`. Returns `false` if there are no more.
    fn fetch(&mut self, want: usize, rows: &mut Vec<Row<'t>>) -> heed::Result<bool> {
        match self {
            Self::Forward(range, None) => fetch(range, want, rows, |_| false),
            Self::Forward(range, Some(end)) => fetch(range, want, rows, |key| key >= end.as_slice()),
            Self::Reverse(range, None) => fetch(range, want, rows, |_| false),
            Self::Reverse(range, Some(start)) => fetch(range, want, rows, |key| key < start.as_slice()),
        }
    }
}

/// See [`Walk::fetch`].
#[inline]
fn fetch<'t>(
    range: &mut impl Iterator<Item = heed::Result<Row<'t>>>,
    want: usize,
    rows: &mut Vec<Row<'t>>,
    is_beyond: impl Fn(&[u8]) -> bool,
) -> heed::Result<bool> {
    while rows.len() < want {
        match range.next().transpose()? {
            Some(row) if !is_beyond(row.0) => rows.push(row),
            _ => return Ok(false),
        }
    }
    Ok(true)
}

impl<'t> Rows<'t> {
    fn before(walk: Walk<'t>) -> Self {
        Self {
            walk: Some(walk),
            fetched: Vec::new(),
            next: 0,
            lent: (&[], &[]),
            failure: None,
            want: FIRST_ROWS,
        }
    }

    /// Fetches the next rows. Requires the transaction's lock.
    fn fetch(&mut self) {
        self.fetched.clear();
        self.next = 0;
        let Some(walk) = &mut self.walk else { return };
        match walk.fetch(self.want, &mut self.fetched) {
            Ok(true) => self.want = (self.want * 4).min(ROWS_MAX),
            Ok(false) => self.walk = None,
            Err(error) => {
                self.failure = Some(error);
                self.walk = None;
            }
        }
    }

    #[inline]
    fn lend(&mut self) -> bool {
        let Some(row) = self.fetched.get(self.next) else { return false };
        self.lent = *row;
        self.next += 1;
        true
    }
}

impl Walking {
    /// Fetches the next rows under the transaction's lock. Returns `false` at the end.
    fn fetch(&mut self) -> Result<bool> {
        self.with_dependent_mut(|reading, rows| {
            if rows.walk.is_some() {
                let (_turn, _) = reading.in_turn();
                rows.fetch();
            } else {
                rows.fetched.clear();
                rows.next = 0;
            }
            match rows.failure.take() {
                Some(error) if rows.fetched.is_empty() => Err(translate(error)),
                failure => {
                    rows.failure = failure;
                    Ok(!rows.fetched.is_empty())
                }
            }
        })
    }
}

impl EngineCursor for LmdbCursor {
    #[inline]
    fn advance(&mut self) -> Result<bool> {
        let Some(walking) = &mut self.0 else { return Ok(false) };
        Ok(walking.with_dependent_mut(|_, rows| rows.lend())
            || walking.fetch()? && walking.with_dependent_mut(|_, rows| rows.lend()))
    }

    #[inline]
    fn key(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |walking| walking.borrow_dependent().lent.0)
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |walking| walking.borrow_dependent().lent.1)
    }
}
