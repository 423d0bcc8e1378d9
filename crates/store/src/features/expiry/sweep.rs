//! Removes expired rows from the disk, in bounded steps.

use super::Expiries;
use crate::base::{Base, ends_the_handle};
use crate::format::expiry_index;
use crate::request::{Answer, Commit, DueEntry, Request};
use crate::sync::atomic::Ordering;
use strongroom_core::{Direction, Durability, KeyRange, Result, Scan};

/// Maximum entries that one commit of a sweep reads and removes, so that it does not delay other commits.
const STEP_ENTRIES: usize = 200;

/// The result of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Swept {
    /// Expired rows that were removed.
    pub rows: u64,
}

impl Expiries {
    /// Sweeps step by step while `may_go_on` returns `true`. A row that cannot be read stays, and the others are
    /// removed.
    pub(crate) fn sweep(
        &self,
        base: &Base,
        pipeline: &dyn Commit,
        may_go_on: &dyn Fn() -> bool,
    ) -> Result<Swept> {
        let mut swept = Swept::default();
        let mut left = expiry_index::until(base.time.now_ms());
        while may_go_on() {
            let Some(request) = next_step(base, &mut left)? else { break };
            if let Answer::Expired(rows) = pipeline.commit(&request)?.answer {
                swept.rows += rows;
            }
        }
        self.rows.fetch_add(swept.rows, Ordering::Relaxed);
        Ok(swept)
    }

    /// Runs the sweeping thread, until the store is closed.
    pub(crate) fn run(&self, base: &Base, pipeline: &dyn Commit) {
        while self.alarm.wait() {
            if base.time.now_ms() < self.next_ms.load(Ordering::Acquire) {
                self.alarm.set();
                continue;
            }
            // Before the index is read, so that a row that comes meanwhile arms it again.
            self.next_ms.store(u64::MAX, Ordering::Release);
            let swept = self.sweep(base, pipeline, &|| !self.alarm.has_to_end());
            match swept.and_then(|_| next_due_ms(base)) {
                Ok(None) => {}
                Ok(Some(next_ms)) => self.arm(next_ms),
                Err(error) => {
                    self.count_failure();
                    if ends_the_handle(&error) {
                        return;
                    }
                    self.arm(0);
                }
            }
        }
    }
}

/// Returns the number of entries of the expiry index. Reads all of their keys.
pub(crate) fn index_len(base: &Base) -> Result<usize> {
    let Some(own) = base.own_keyspace() else { return Ok(0) };
    let mut cursor = base.backend().snapshot()?.cursor(own, Scan::new(expiry_index::all()).keys_only())?;
    let mut entries = 0;
    while cursor.advance()? {
        entries += 1;
    }
    Ok(entries)
}

/// Takes the next entries that are due from `left`. Returns none if there are no more.
fn next_step(base: &Base, left: &mut KeyRange) -> Result<Option<Request>> {
    let Some(own) = base.own_keyspace() else { return Ok(None) };
    let snapshot = base.backend().snapshot()?;
    let mut cursor = snapshot.cursor(own, Scan::new(left.clone()))?;
    // If a power cut undoes the sweep, the next one repeats it.
    let mut request = Request::new(Durability::Buffered);
    while request.due.len() < STEP_ENTRIES && cursor.advance()? {
        let (index_key, value) = cursor.row();
        *left = left.after_position(index_key, Direction::Forward);
        // A damaged entry stays: `verify` reports it.
        if let Ok(entry) = base.count_damage(expiry_index::parse(index_key, value)) {
            let keyspace = base.catalog.read().by_name.get(&entry.keyspace).map(|info| info.id);
            let row = keyspace.map(|keyspace| (keyspace, entry.key));
            request.due.push(DueEntry { index_key: index_key.to_vec(), row });
        }
    }
    Ok((!request.due.is_empty()).then_some(request))
}

/// Returns when the next entry is due, if there is one.
fn next_due_ms(base: &Base) -> Result<Option<u64>> {
    let Some(own) = base.own_keyspace() else { return Ok(None) };
    let mut cursor = base.backend().snapshot()?.cursor(own, Scan::new(expiry_index::all()).keys_only())?;
    while cursor.advance()? {
        if let Some(time_ms) = expiry_index::time_ms_of(cursor.key()) {
            return Ok(Some(time_ms));
        }
    }
    Ok(None)
}
