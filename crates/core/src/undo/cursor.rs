//! A cursor that merges the engine's newest rows with what was kept for a snapshot.

use super::overlay::{KeyspaceUndo, Ticket};
use crate::Result;
use crate::engine::EngineCursor;
use crate::range::{Direction, KeyRange, Scan, just_after};
use bytes::Bytes;
use std::sync::Arc;

/// Cursor of an [`UndoSnapshot`](super::UndoSnapshot).
#[derive(Debug)]
pub struct UndoCursor<C> {
    live: C,
    live_row: LiveRow,
    kept: Arc<KeyspaceUndo>,
    ticket: Arc<Ticket>,
    /// The scan, and how far its range has been walked: kept keys before this are done with.
    scan: Scan,
    /// Last key that was passed; memory is reused from row to row.
    passed: Vec<u8>,
    has_passed: bool,
    row: Row,
}

/// Where the engine's cursor stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LiveRow {
    /// On a row that was passed, or before the first.
    Passed,
    /// On a row that is still to come.
    Ahead,
    /// At the end.
    Ended,
}

/// Whose row is being lent.
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

    /// Puts the engine's cursor on a row that is still to come, or at the end.
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

    /// Keys from the one last passed up to and including the engine's next row.
    fn unmerged(&self) -> KeyRange {
        let direction = self.scan.direction;
        let mut range = self.scan.range.clone();
        if self.has_passed {
            range = range.after_position(&self.passed, direction);
        }
        if self.live_row == LiveRow::Ahead {
            let until = match direction {
                Direction::Forward => KeyRange::between(Vec::new(), just_after(self.live.key())),
                Direction::Reverse => KeyRange::from(self.live.key()),
            };
            range = range.intersection(&until);
        }
        range
    }

    /// The next row, looking at what was kept only after the engine's row was fetched.
    fn merge(&mut self) -> Result<bool> {
        loop {
            self.fetch()?;
            let replaced = if self.kept.is_empty() {
                None
            } else {
                self.kept.first_in(&self.unmerged(), self.scan.direction, self.ticket.sequence())
            };
            let Some((key, value)) = replaced else {
                if self.live_row == LiveRow::Ended {
                    self.row = Row::None;
                    return Ok(false);
                }
                self.lend_live();
                return Ok(true);
            };
            if self.live_row == LiveRow::Ahead && self.live.key() == key {
                self.live_row = LiveRow::Passed;
            }
            self.pass(Some(&key));
            if let Some(value) = value {
                self.row = Row::Kept { key, value };
                return Ok(true);
            }
            // The key was absent at the snapshot: go on.
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

/// Invariant 3: rows are asked for only where there is one.
fn no_row() -> ! {
    unreachable!("invariant 3: the cursor stands on no row")
}
