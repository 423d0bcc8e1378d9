//! Walks over a table block by block.
//!
//! A running statement belongs to its connection, which the snapshot's other cursors and gets use too, on any
//! thread. So a cursor copies some rows at a time into its own memory, under the snapshot's lock, and lends
//! them from there. The next block begins after the last key of the one before. Blocks grow, so that a reader
//! of one row does not wait for a thousand.

use crate::error::translate;
use crate::schema::SqliteKeyspace;
use crate::view::{View, bytes};
use rusqlite::Connection;
use std::sync::Arc;
use strongroom_core::{Direction, EngineCursor, Result, Scan};

/// Rows of the first block, the growth factor, and the most rows and bytes of a block; a single larger row
/// still fits. Beginning a block costs as much as several dozen rows, so a long walk uses few blocks.
const ROWS_FIRST: usize = 8;
const GROWTH: usize = 4;
const ROWS_MAX: usize = 4_096;
const BYTES_MAX: usize = 256 * 1_024;

/// A cursor of SQLite.
pub struct SqliteCursor {
    block: Block,
    /// Index of the current row, plus one.
    place: usize,
    rows_max: usize,
    /// The rest of the range after the block.
    start: Vec<u8>,
    end: Option<Vec<u8>>,
    direction: Direction,
    keys_only: bool,
    is_last: bool,
    keyspace: SqliteKeyspace,
    view: Arc<View>,
}

/// Rows, one after another.
#[derive(Default)]
struct Block {
    bytes: Vec<u8>,
    rows: Vec<Row>,
}

/// The position of a row in the block: its key ends at `key_end`, its value at `end`.
#[derive(Clone, Copy)]
struct Row {
    start: usize,
    key_end: usize,
    end: usize,
}

impl Block {
    fn clear(&mut self) {
        self.rows.clear();
        self.bytes.clear();
        // Do not keep a large value's memory for the small ones after it.
        self.bytes.shrink_to(2 * BYTES_MAX);
    }

    #[inline]
    fn push(&mut self, key: &[u8], value: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        self.rows.push(Row { start, key_end: start + key.len(), end: self.bytes.len() });
    }
}

impl SqliteCursor {
    pub(crate) fn new(view: Arc<View>, keyspace: SqliteKeyspace, scan: &Scan) -> Self {
        Self {
            block: Block::default(),
            place: 0,
            rows_max: ROWS_FIRST,
            start: scan.range.start().to_vec(),
            end: scan.range.end().map(<[u8]>::to_vec),
            direction: scan.direction,
            keys_only: scan.keys_only,
            is_last: false,
            keyspace,
            view,
        }
    }

    /// Reads the next block. Returns `false` if there is none.
    #[cold]
    fn refill(&mut self) -> Result<bool> {
        if self.is_last {
            return Ok(false);
        }
        self.place = 0;
        let view = Arc::clone(&self.view);
        view.with(|connection| self.read(connection))?;
        self.rows_max = (self.rows_max * GROWTH).min(ROWS_MAX);
        let Some(last) = self.block.rows.last() else { return Ok(false) };
        let key = &self.block.bytes[last.start..last.key_end];
        match self.direction {
            Direction::Forward => {
                self.start.clear();
                self.start.extend_from_slice(key);
                // The smallest key after it.
                self.start.push(0);
            }
            Direction::Reverse => self.end = Some(key.to_vec()),
        }
        Ok(true)
    }

    fn read(&mut self, connection: &Connection) -> Result<()> {
        let Self { block, keyspace, rows_max, keys_only, .. } = self;
        block.clear();
        let sql = keyspace.scan(*keys_only, self.direction == Direction::Reverse, self.end.is_some());
        let mut statement = connection.prepare_cached(sql).map_err(translate)?;
        statement.raw_bind_parameter(1, &self.start[..]).map_err(translate)?;
        if let Some(end) = &self.end {
            statement.raw_bind_parameter(2, &end[..]).map_err(translate)?;
        }
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(translate)? {
            let key = bytes(row.get_ref(0).map_err(translate)?)?;
            let value = if *keys_only { &[] } else { bytes(row.get_ref(1).map_err(translate)?)? };
            block.push(key, value);
            if block.rows.len() >= *rows_max || block.bytes.len() >= BYTES_MAX {
                return Ok(());
            }
        }
        self.is_last = true;
        Ok(())
    }

    #[inline]
    fn row(&self) -> Option<Row> {
        self.block.rows.get(self.place.wrapping_sub(1)).copied()
    }
}

impl EngineCursor for SqliteCursor {
    #[inline]
    fn advance(&mut self) -> Result<bool> {
        if self.place >= self.block.rows.len() && !self.refill()? {
            return Ok(false);
        }
        self.place += 1;
        Ok(true)
    }

    #[inline]
    fn key(&self) -> &[u8] {
        self.row().map_or(&[], |row| &self.block.bytes[row.start..row.key_end])
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.row().map_or(&[], |row| &self.block.bytes[row.key_end..row.end])
    }
}
