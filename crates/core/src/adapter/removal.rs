//! Removes the rows of dropped packed keyspaces in bounded steps.
//!
//! The drop itself removes some thousands of rows. Later calls remove the rest: each commit removes about twice
//! as many rows as it wrote and some more, and a compaction removes all. So the work of each call is bounded,
//! the garbage never exceeds what was once stored, and no thread is needed. A tombstone in the catalogue names
//! the keyspace until its last row is removed, so a crash loses only the position of the removal.
//!
//! Steps are buffered: if one is lost, its tombstone is back too.

use super::catalogue::{delete_row, table_id};
use super::shared::Shared;
use crate::Result;
use crate::batch::WriteBatch;
use crate::durability::Durability;
use crate::engine::{Engine, EngineCursor, EngineSnapshot};
use crate::packed::format::{Row, damaged};
use crate::packed::id::PackedId;
use crate::range::{KeyRange, Scan};

/// Limits of one step: rows, and the bytes of their keys.
const STEP_ROWS: usize = 1_000;
const STEP_BYTES: usize = 256 * 1_024;

/// Most rows that a drop removes, besides those in the batch with the catalogue's row.
const DROP_ROWS: usize = 8 * STEP_ROWS;

/// Most rows that a commit removes, besides two per operation.
const COMMIT_ROWS: usize = 128;

impl<E: Engine> Shared<E> {
    /// Adds deletions of up to `rows_max` rows of a dropped keyspace to `batch`, starting at `from`, within the
    /// limits of one step. Returns the key of the next row, if there are more.
    pub(super) fn gather(
        &self,
        table: usize,
        id: PackedId,
        from: Option<&[u8]>,
        rows_max: usize,
        batch: &mut WriteBatch,
    ) -> Result<Option<Vec<u8>>> {
        let handle = self.catalogue.table(table).ok_or_else(damaged)?;
        let all = id.range(&KeyRange::all());
        let range = match from {
            Some(from) => all.intersection(&KeyRange::from(from)),
            None => all,
        };
        let rows_max = batch.len() + rows_max.min(STEP_ROWS);
        let bytes_max = batch.bytes() + STEP_BYTES;
        // Closed before the batch is applied: some engines cannot grow their file while a snapshot is open.
        let snapshot = self.engine.snapshot()?;
        let mut cursor = snapshot.cursor(handle, &Scan::new(range).keys_only())?;
        while cursor.advance()? {
            if batch.len() >= rows_max || batch.bytes() >= bytes_max {
                return Ok(Some(cursor.key().to_vec()));
            }
            batch.delete(table_id(table), cursor.key());
        }
        Ok(None)
    }

    /// Removes rows right after a drop, beyond those in its own batch. Requires the commit lock.
    pub(super) fn remove_after_drop(&self) -> Result<()> {
        match self.remove("drop keyspace", DROP_ROWS) {
            // The keyspace is dropped, and later commits remove its rows.
            Err(_) if !self.health.is_poisoned() => Ok(()),
            outcome => outcome,
        }
    }

    /// Removes rows after a commit of `ops` operations. Requires the commit lock. The commit is stored whatever
    /// happens here. An error with an unknown outcome has poisoned the handle; after any other error the next
    /// commit tries again.
    #[inline]
    pub(super) fn remove_after_commit(&self, ops: usize) {
        if self.catalogue.leftovers.unfinished() > 0 {
            let _ = self.remove("commit", COMMIT_ROWS + 2 * ops);
        }
    }

    /// Removes all remaining rows. Requires the commit lock.
    pub(super) fn remove_all(&self) -> Result<()> {
        self.remove("compact", usize::MAX)
    }

    fn remove(&self, operation: &'static str, rows_max: usize) -> Result<()> {
        let leftovers = &self.catalogue.leftovers;
        // If commits run concurrently, one of them is enough.
        let Some(mut unfinished) = leftovers.take_turn() else { return Ok(()) };
        let mut left = rows_max;
        let mut batch = WriteBatch::new();
        while left > 0
            && let Some(leftover) = unfinished.front_mut()
        {
            batch.clear();
            let (table, id) = (leftover.table, leftover.id);
            let gather = || self.gather(table, id, Some(&leftover.from), left, &mut batch);
            let rest = self.health.call(operation, gather)?;
            left = left.saturating_sub(batch.len().max(1));
            if rest.is_none() {
                delete_row(&mut batch, &Row::Dropped { table, id });
            }
            let _change = self.view.begin_change();
            self.health.try_change(operation, || self.apply_rows(&batch, Durability::Buffered))?;
            match rest {
                Some(from) => leftover.from = from,
                None => drop(unfinished.pop_front()),
            }
            leftovers.note(&unfinished);
        }
        Ok(())
    }
}
