//! The rows of a scan in a transaction: the rows of its snapshot, overlaid with its own writes.

use super::writes::{Writes, Written};
use crate::api::rows::Rows;
use crate::read_set::{ReadSet, ScanPlace};
use bytes::Bytes;
use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::btree_map;
use std::fmt;
use std::ops::Bound;
use strongroom_core::{Direction, KeyRange, KeyspaceId, Result, Scan, just_after};

/// Maximum parts of a scan, between seeks, that are recorded separately.
const PARTS_MAX: usize = 1_000;

/// Iterates over the rows of a scan in a transaction, as [`Rows`] does in a store. The transaction cannot write
/// while it exists.
pub struct TransactionRows<'t> {
    /// The transaction's read set. None if the transaction is read-only, and so never validated.
    reads: Option<&'t RefCell<ReadSet>>,
    keyspace: KeyspaceId,
    scan: Scan,
    stored: Stored,
    own: Own<'t>,
    current: Current<'t>,
    visited: Visited,
    place: Option<ScanPlace>,
    /// The iterator has returned an error and has ended.
    has_ended: bool,
}

/// The snapshot's rows, one ahead where that is needed.
struct Stored {
    rows: Rows,
    /// The current row has not been returned yet.
    is_ahead: bool,
    has_ended: bool,
}

/// The transaction's own writes, in the scan's order.
struct Own<'t> {
    writes: Option<&'t Writes>,
    left: Option<btree_map::Range<'t, Vec<u8>, Option<Written>>>,
    next: Option<(&'t [u8], Option<&'t [u8]>)>,
}

enum Current<'t> {
    None,
    Stored,
    Own(&'t [u8], &'t [u8]),
}

/// The part of the range that the scan has visited, which counts as read.
struct Visited {
    closed: Vec<KeyRange>,
    /// The current part, as a range up to the scan's end.
    open: KeyRange,
    /// The last key returned in the current part.
    last: Option<Vec<u8>>,
    /// The current part has no more rows.
    is_whole: bool,
}

impl<'t> TransactionRows<'t> {
    /// `rows` are those of the transaction's snapshot, `writes` its own.
    pub(super) fn new(
        keyspace: KeyspaceId,
        scan: Scan,
        rows: Rows,
        reads: Option<&'t RefCell<ReadSet>>,
        writes: Option<&'t Writes>,
    ) -> Self {
        let place = reads.map(|reads| reads.borrow_mut().begin_scan(keyspace, scan.range.clone()));
        let mut own = Own { writes, left: None, next: None };
        own.begin(&scan.range, scan.direction);
        let visited = Visited { closed: Vec::new(), open: scan.range.clone(), last: None, is_whole: false };
        Self {
            reads,
            keyspace,
            scan,
            stored: Stored { rows, is_ahead: false, has_ended: false },
            own,
            current: Current::None,
            visited,
            place,
            has_ended: false,
        }
    }

    /// Moves to the next row. Returns `false` at the end.
    pub fn advance(&mut self) -> Result<bool> {
        loop {
            self.stored.look_ahead()?;
            let order = match (self.stored.is_ahead, self.own.next) {
                (false, None) => {
                    self.current = Current::None;
                    self.visited.is_whole = true;
                    return Ok(false);
                }
                (true, None) => Ordering::Less,
                (false, Some(_)) => Ordering::Greater,
                (true, Some((key, _))) => match self.scan.direction {
                    Direction::Forward => self.stored.rows.key().cmp(key),
                    Direction::Reverse => key.cmp(self.stored.rows.key()),
                },
            };
            if order != Ordering::Greater {
                self.stored.is_ahead = false;
            }
            if order == Ordering::Less {
                self.current = Current::Stored;
                if let Some(at_ms) = self.stored.rows.expires_at_ms()
                    && let Some(reads) = self.reads
                {
                    reads.borrow_mut().note_expiry(at_ms);
                }
            } else if let Some((key, Some(value))) = self.own.take(self.scan.direction) {
                self.current = Current::Own(key, if self.scan.keys_only { &[] } else { value });
            } else {
                // Deleted by the transaction itself.
                continue;
            }
            if self.place.is_some() {
                let last = self.visited.last.get_or_insert_default();
                last.clear();
                last.extend_from_slice(match self.current {
                    Current::Own(key, _) => key,
                    _ => self.stored.rows.key(),
                });
            }
            return Ok(true);
        }
    }

    /// Returns the key of the current row, valid until the next move.
    ///
    /// # Panics
    /// If there is no current row: before the first `advance`, or after the end (invariant 3).
    pub fn key(&self) -> &[u8] {
        self.row().0
    }

    /// Returns the value of the current row, valid until the next move. Empty in a scan of keys only.
    ///
    /// # Panics
    /// As [`key`](Self::key).
    pub fn value(&self) -> &[u8] {
        self.row().1
    }

    /// Returns key and value of the current row.
    ///
    /// # Panics
    /// As [`key`](Self::key).
    pub fn row(&self) -> (&[u8], &[u8]) {
        assert!(!matches!(self.current, Current::None), "invariant 3: the cursor stands on no row");
        match self.current {
            Current::Own(key, value) => (key, value),
            Current::None | Current::Stored => self.stored.rows.row(),
        }
    }

    /// Moves before the first row at or after `key` in the scan's direction, within its range.
    pub fn seek(&mut self, key: impl AsRef<[u8]>) -> Result<()> {
        let key = key.as_ref();
        self.has_ended = false;
        self.current = Current::None;
        if self.place.is_some() {
            self.visited.close(self.scan.direction);
        }
        if self.visited.closed.len() > PARTS_MAX {
            // Too many parts to record: the scan's whole range counts as read.
            self.visited.closed = vec![self.scan.range.clone()];
        }
        self.visited.open = self.scan.range.from_position(key, self.scan.direction);
        self.own.begin(&self.visited.open, self.scan.direction);
        self.stored.is_ahead = false;
        self.stored.has_ended = false;
        self.stored.rows.seek(key)
    }
}

impl Stored {
    fn look_ahead(&mut self) -> Result<()> {
        if !self.is_ahead && !self.has_ended {
            self.is_ahead = self.rows.advance()?;
            self.has_ended = !self.is_ahead;
        }
        Ok(())
    }
}

impl<'t> Own<'t> {
    /// Moves before the first write in `range`.
    fn begin(&mut self, range: &KeyRange, direction: Direction) {
        // An empty range may have bounds in the wrong order, for which a map panics.
        let writes = self.writes.filter(|_| !range.is_empty());
        self.left = writes.map(|writes| {
            let end = range.end().map_or(Bound::Unbounded, Bound::Excluded);
            writes.range::<[u8], _>((Bound::Included(range.start()), end))
        });
        self.step(direction);
    }

    fn take(&mut self, direction: Direction) -> Option<(&'t [u8], Option<&'t [u8]>)> {
        let taken = self.next;
        self.step(direction);
        taken
    }

    fn step(&mut self, direction: Direction) {
        self.next = self.left.as_mut().and_then(|left| {
            let (key, value) = match direction {
                Direction::Forward => left.next(),
                Direction::Reverse => left.next_back(),
            }?;
            Some((key.as_slice(), value.as_ref().map(|written| written.value.as_slice())))
        });
    }
}

impl Visited {
    /// Ends the current part.
    fn close(&mut self, direction: Direction) {
        let last = self.last.take();
        let part = match (std::mem::take(&mut self.is_whole), last, direction) {
            (true, _, _) => self.open.clone(),
            (false, None, _) => return,
            (false, Some(last), Direction::Forward) => {
                KeyRange::between(self.open.start(), just_after(&last))
            }
            (false, Some(last), Direction::Reverse) => KeyRange::from(last).intersection(&self.open),
        };
        self.closed.push(part);
    }
}

impl Drop for TransactionRows<'_> {
    fn drop(&mut self) {
        let (Some(place), Some(reads)) = (self.place, self.reads) else { return };
        self.visited.close(self.scan.direction);
        let visited = std::mem::take(&mut self.visited.closed);
        reads.borrow_mut().end_scan(self.keyspace, place, visited);
    }
}

impl Iterator for TransactionRows<'_> {
    type Item = Result<(Vec<u8>, Bytes)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended {
            return None;
        }
        match self.advance() {
            Ok(true) => Some(Ok((self.key().to_vec(), Bytes::copy_from_slice(self.value())))),
            Ok(false) => None,
            Err(error) => {
                self.has_ended = true;
                Some(Err(error))
            }
        }
    }
}

impl fmt::Debug for TransactionRows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransactionRows").finish_non_exhaustive()
    }
}
