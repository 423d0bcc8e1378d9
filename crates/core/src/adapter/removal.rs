//! The rows that a dropped packed keyspace leaves behind are removed in bounded steps.
//!
//! The drop removes some thousands itself. What is then left is removed by those who come later: each commit removes
//! as many rows as it wrote and some more, compaction removes all. So the work is bounded for everybody, what lies
//! about is never more than what was stored once, and nothing needs a thread. A tombstone in the catalogue names
//! the keyspace until its last row is gone, so a crash loses nothing of the work but the place it had come to.
//!
//! Steps are buffered: if one is lost, the tombstone is there again too.

use super::catalogue::{delete_row, table_id};
use super::shared::Shared;
use crate::Result;
use crate::batch::WriteBatch;
use crate::durability::Durability;
use crate::engine::{Engine, EngineCursor, EngineSnapshot};
use crate::packed::format::{Row, damaged};
use crate::packed::id::PackedId;
use crate::range::{KeyRange, Scan};

/// Rows that one step removes at most, and the bytes of their keys.
const STEP_ROWS: usize = 1_000;
const STEP_BYTES: usize = 256 * 1_024;

/// Rows that a drop removes at most, beside those that go with the catalogue's row.
const DROP_ROWS: usize = 8 * STEP_ROWS;

/// Rows that a commit removes at most, beside two for each of its operations.
const COMMIT_ROWS: usize = 128;

impl<E: Engine> Shared<E> {
    /// Adds deletions of up to `rows_max` rows of a dropped keyspace to `batch`, from `from` on, but no more than a
    /// step has. Says where the next rows are, if there are more.
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
        // Closed before the batch is applied: some engines cannot grow beneath a snapshot.
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

    /// What a drop removes of what it could not remove at once. In the commit's turn.
    pub(super) fn remove_after_drop(&self) -> Result<()> {
        match self.remove("drop keyspace", DROP_ROWS) {
            // The keyspace is gone, and later commits go on with its rows.
            Err(_) if !self.health.is_poisoned() => Ok(()),
            outcome => outcome,
        }
    }

    /// What a commit of so many operations removes. In its turn. The commit is stored whatever happens here: an
    /// error that leaves the engine in doubt has poisoned the handle, and after any other one the next commit tries
    /// again.
    #[inline]
    pub(super) fn remove_after_commit(&self, ops: usize) {
        if self.catalogue.leftovers.unfinished() > 0 {
            let _ = self.remove("commit", COMMIT_ROWS + 2 * ops);
        }
    }

    /// Removes all that is left. In the commit's turn.
    pub(super) fn remove_all(&self) -> Result<()> {
        self.remove("compact", usize::MAX)
    }

    fn remove(&self, operation: &'static str, rows_max: usize) -> Result<()> {
        let leftovers = &self.catalogue.leftovers;
        // Where commits run side by side, one of them is enough.
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
