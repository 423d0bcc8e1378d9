//! Walks a map in blocks, so that the lock is held only briefly.

use crate::Result;
use crate::engine::EngineCursor;
use crate::range::{Direction, Scan};
use crate::sync::read;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, RwLock};

/// A keyspace's rows.
pub(super) type Rows = BTreeMap<Arc<[u8]>, Arc<[u8]>>;

/// Rows fetched under one lock.
const BLOCK_ROWS_MAX: usize = 256;

/// A key and its value, shared with the map.
type Row = (Arc<[u8]>, Arc<[u8]>);

/// A cursor of the memory engine.
#[derive(Debug)]
pub struct MemoryCursor {
    rows: Arc<RwLock<Rows>>,
    /// The rows that are still to fetch.
    scan: Scan,
    block: VecDeque<Row>,
    /// Whether the block's front row is the current row.
    on_row: bool,
    ended: bool,
}

impl MemoryCursor {
    pub(super) fn new(rows: Arc<RwLock<Rows>>, scan: Scan) -> Self {
        Self { rows, scan, block: VecDeque::new(), on_row: false, ended: false }
    }

    fn fetch_block(&mut self) {
        let rows = read(&self.rows);
        let range = &self.scan.range;
        if range.is_empty() {
            self.ended = true;
            return;
        }
        let end = range.end().map_or(Bound::Unbounded, Bound::Excluded);
        let found = rows.range::<[u8], _>((Bound::Included(range.start()), end));
        let shared = |(key, value): (&Arc<[u8]>, &Arc<[u8]>)| (Arc::clone(key), Arc::clone(value));
        match self.scan.direction {
            Direction::Forward => self.block.extend(found.map(shared).take(BLOCK_ROWS_MAX)),
            Direction::Reverse => self.block.extend(found.rev().map(shared).take(BLOCK_ROWS_MAX)),
        }
        self.ended = self.block.len() < BLOCK_ROWS_MAX;
        if let Some((last, _)) = self.block.back() {
            self.scan.range = range.after_position(last, self.scan.direction);
        }
    }

    fn row(&self) -> &Row {
        assert!(self.on_row, "invariant 3: the cursor stands on no row");
        &self.block[0]
    }
}

impl EngineCursor for MemoryCursor {
    fn advance(&mut self) -> Result<bool> {
        if self.on_row {
            self.block.pop_front();
        }
        if self.block.is_empty() && !self.ended {
            self.fetch_block();
        }
        self.on_row = !self.block.is_empty();
        Ok(self.on_row)
    }

    fn key(&self) -> &[u8] {
        &self.row().0
    }

    fn value(&self) -> &[u8] {
        &self.row().1
    }
}
