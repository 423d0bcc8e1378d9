//! A cursor whose keys are shown without the id that they begin with.

use crate::Result;
use crate::engine::EngineCursor;

/// A cursor of the engine over one keyspace.
#[derive(Debug)]
pub(super) struct PackedCursor<C> {
    rows: C,
    /// Bytes of a key that are not the caller's: none in a table of its own.
    hidden: usize,
}

impl<C> PackedCursor<C> {
    pub(super) fn over(rows: C, hidden: usize) -> Self {
        Self { rows, hidden }
    }
}

impl<C: EngineCursor> EngineCursor for PackedCursor<C> {
    #[inline]
    fn advance(&mut self) -> Result<bool> {
        self.rows.advance()
    }

    #[inline]
    fn key(&self) -> &[u8] {
        // Within the scan's range, which begins with the id, no key is shorter.
        self.rows.key().get(self.hidden..).unwrap_or_default()
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.rows.value()
    }
}
