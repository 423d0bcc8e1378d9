//! A cursor that strips the packed id from keys.

use crate::Result;
use crate::engine::EngineCursor;

/// A cursor of the engine over one keyspace.
#[derive(Debug)]
pub(super) struct PackedCursor<C> {
    rows: C,
    /// Length of the prefix to strip: zero in a table of its own.
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
        // No key is shorter within the scan's range, which begins with the id.
        self.rows.key().get(self.hidden..).unwrap_or_default()
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.rows.value()
    }
}
