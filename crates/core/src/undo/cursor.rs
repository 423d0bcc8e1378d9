//! Merges the engine's newest rows with the old values that are kept for a snapshot.

use super::overlay::{KeyspaceUndo, Look, Ticket};
use crate::Result;
use crate::engine::EngineCursor;
use crate::range::{Direction, Scan};
use bytes::Bytes;
use std::ops::Bound;
use std::sync::Arc;

/// A cursor of an [`UndoSnapshot`](super::UndoSnapshot).
#[derive(Debug)]
pub struct UndoCursor<C> {
    live: C,
    live_row: LiveRow,
    kept: Arc<KeyspaceUndo>,
    ticket: Arc<Ticket>,
    scan: Scan,
    /// The last key that was passed; kept keys up to it are done. Its memory is reused from row to row.
    passed: Vec<u8>,
    has_passed: bool,
    row: Row,
}

/// The position of the engine's cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LiveRow {
    /// On a row that was passed, or before the first row.
    Passed,
    /// On a row that has not been returned yet.
    Ahead,
    /// At the end.
    Ended,
}

/// The source of the current row.
#[derive(Debug)]
enum Row {
    None,
    Live,
    Kept { key: Bytes, value: Bytes },
}

impl<C: EngineCursor> UndoCursor<C> {
    pub(super) fn new(live: C, kept: Arc<KeyspaceUndo>, ticket: Arc<Ticket>, scan: Scan) -> Self {
        Self {
            live,
            live_row: LiveRow::Passed,
            kept,
            ticket,
            scan,
            passed: Vec::new(),
            has_passed: false,
            row: Row::None,
        }
    }

    /// Moves the engine's cursor to a row that has not been returned yet, or to the end.
    fn fetch(&mut self) -> Result<()> {
        if self.live_row == LiveRow::Passed {
            self.live_row = if self.live.advance()? { LiveRow::Ahead } else { LiveRow::Ended };
        }
        Ok(())
    }

    fn pass(&mut self, key: Option<&[u8]>) {
        self.passed.clear();
        self.passed.extend_from_slice(key.unwrap_or_else(|| self.live.key()));
        self.has_passed = true;
    }

    fn lend_live(&mut self) {
        self.pass(None);
        self.live_row = LiveRow::Passed;
        self.row = Row::Live;
    }

    /// Returns the bounds from after the last passed key up to and including the engine's next row.
    fn unmerged(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        let range = &self.scan.range;
        let passed = self.has_passed.then_some(Bound::Excluded(self.passed.as_slice()));
        let next = (self.live_row == LiveRow::Ahead).then(|| Bound::Included(self.live.key()));
        let start = Bound::Included(range.start());
        let end = range.end().map_or(Bound::Unbounded, Bound::Excluded);
        match self.scan.direction {
            Direction::Forward => (passed.unwrap_or(start), next.unwrap_or(end)),
            Direction::Reverse => (next.unwrap_or(start), passed.unwrap_or(end)),
        }
    }

    /// Moves to the next row. Reads the kept values only after it has fetched the engine's row (see the module
    /// docs of `undo`).
    fn merge(&mut self) -> Result<bool> {
        loop {
            self.fetch()?;
            let look = if self.kept.is_empty() {
                Look::Nothing
            } else {
                self.kept.first_between(self.unmerged(), self.scan.direction, self.ticket.sequence())
            };
            match look {
                Look::Nothing if self.live_row == LiveRow::Ended => {
                    self.row = Row::None;
                    return Ok(false);
                }
                Look::Nothing => {
                    self.lend_live();
                    return Ok(true);
                }
                // Such a key is absent from the engine, so it is absent from the snapshot too. Or it is the
                // engine's own row, which is returned once no kept key is left before it.
                Look::NothingUpTo(key) => self.pass(Some(&key)),
                Look::Found { key, value } => {
                    if self.live_row == LiveRow::Ahead && self.live.key() == key {
                        self.live_row = LiveRow::Passed;
                    }
                    self.pass(Some(&key));
                    if let Some(value) = value {
                        self.row = Row::Kept { key, value };
                        return Ok(true);
                    }
                    // The key was absent in the snapshot: continue.
                }
            }
        }
    }
}

impl<C: EngineCursor> EngineCursor for UndoCursor<C> {
    fn advance(&mut self) -> Result<bool> {
        let found = self.merge()?;
        self.ticket.check()?;
        Ok(found)
    }

    fn key(&self) -> &[u8] {
        match &self.row {
            Row::Live => self.live.key(),
            Row::Kept { key, .. } => key,
            Row::None => no_row(),
        }
    }

    fn value(&self) -> &[u8] {
        match &self.row {
            Row::Live => self.live.value(),
            Row::Kept { value, .. } => value,
            Row::None => no_row(),
        }
    }
}

/// Invariant 3: a row is requested only while there is one.
fn no_row() -> ! {
    unreachable!("invariant 3: the cursor stands on no row")
}
