//! Walks over a keyspace as a snapshot sees it, holding one row at a time.

use crate::error::translate;
use fjall::{Iter, Slice};
use strongroom_core::{Direction, EngineCursor, Result, Scan};

/// A cursor of fjall. It keeps its snapshot open.
pub struct FjallCursor {
    key: Slice,
    value: Slice,
    rows: Iter,
    direction: Direction,
    keys_only: bool,
}

impl FjallCursor {
    pub(crate) fn new(rows: Iter, scan: &Scan) -> Self {
        let nothing = Slice::new(&[]);
        let (direction, keys_only) = (scan.direction, scan.keys_only);
        Self { key: nothing.clone(), value: nothing, rows, direction, keys_only }
    }
}

impl EngineCursor for FjallCursor {
    #[inline]
    fn advance(&mut self) -> Result<bool> {
        let next = match self.direction {
            Direction::Forward => self.rows.next(),
            Direction::Reverse => self.rows.next_back(),
        };
        let Some(row) = next else { return Ok(false) };
        if self.keys_only {
            // A large value in a separate file is not read at all.
            self.key = row.key().map_err(translate)?;
        } else {
            (self.key, self.value) = row.into_inner().map_err(translate)?;
        }
        Ok(true)
    }

    #[inline]
    fn key(&self) -> &[u8] {
        &self.key
    }

    #[inline]
    fn value(&self) -> &[u8] {
        &self.value
    }
}
