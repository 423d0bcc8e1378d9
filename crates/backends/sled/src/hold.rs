//! Holds back sled's log while a batch is written, so that a batch that fails halfway is not recovered.
//!
//! A batch of sled may fail in the middle: a page cannot be read, the file of a large value cannot be written. sled then
//! cancels its record of how far the batch reaches, and writes it. Recovery finds nothing that is incomplete, and the
//! first half of the batch is there after the next open. So the adapter reserves a place in the log before the batch, and
//! fills it when the batch is complete. Until then sled does not write the buffer with that place, and recovery ends
//! before a buffer that is missing. After a failure the place is never filled.
//!
//! The place has to be alone in its buffer. A page of that buffer that is not in the cache any more could not be read
//! before the batch is complete, and the batch, or a reader that keeps sled's lock, would wait for it without end. So the
//! place is reserved inside sled's transaction: its lock keeps readers from writing pages, and the transaction has read
//! what it replaces by then. sled ends the buffer before it writes anything of the batch.
//!
//! It uses parts of sled that are public but not in its documentation.

use crate::error::from_sled;
use crate::writes::Writes;
use sled::transaction::{ConflictableTransactionResult, TransactionError, Transactional, TransactionalTree};
use sled::{Batch, BatchManifest, Db, Log, LogKind, Lsn, PageId, Tree};
use std::cell::RefCell;
use std::mem::ManuallyDrop;
use strongroom_core::Result;

/// The place is canceled when it is filled, so recovery ignores its page.
const NO_PAGE: PageId = PageId::MAX;

/// Applies each of the batches to its tree. If it fails or panics, nothing of them is recovered, and a flush waits without
/// end: do not flush any more. The caller has the turn to write.
pub(crate) fn all_or_nothing(db: &Db, trees: &[&Tree], batches: &[Batch]) -> Result<()> {
    let log = &db.context.pagecache.log;
    let empty = begin_buffer(db, log).map_err(from_sled)?;
    let place = RefCell::new(None);
    let write = |views: &Vec<TransactionalTree>| -> ConflictableTransactionResult<(), ()> {
        // Reads what is replaced, and writes nothing yet.
        for (view, batch) in views.iter().zip(batches) {
            view.apply_batch(batch)?;
        }
        let reserve = || log.reserve(LogKind::Free, NO_PAGE, &BatchManifest::default(), &sled::pin());
        let mut own = reserve()?;
        let next = note(log)?;
        // All these records have the same length.
        let is_alone = own.lsn() - empty == next - own.lsn();
        if !is_alone {
            // A reader has split or merged pages since.
            own.abort()?;
            log.make_stable(next)?;
            own = reserve()?;
        }
        place.replace(Some(ManuallyDrop::new(own)));
        Ok(())
    };
    trees.transaction(write).map_err(|error| match error {
        TransactionError::Storage(error) => from_sled(error),
        TransactionError::Abort(()) => from_sled(sled::Error::ReportableBug("unexpected abort".into())),
    })?;
    match place.into_inner() {
        Some(place) => ManuallyDrop::into_inner(place).abort().map(drop).map_err(from_sled),
        None => Ok(()),
    }
}

/// Makes sure that sled's buffer has no pages. Returns the place of a canceled record, after which the next one is alone.
fn begin_buffer(db: &Db, log: &Log) -> sled::Result<Lsn> {
    let noted = note(log)?;
    let (next_stable, header) = (log.stable_offset() + 1, Lsn::try_from(sled::SEG_HEADER_LEN).unwrap_or(0));
    let segment = Lsn::try_from(db.context.segment_size).unwrap_or(Lsn::MAX);
    if noted == next_stable || (noted - next_stable == header && noted % segment == header) {
        return Ok(noted);
    }
    // Ends the buffer, and does not wait.
    db.apply_batch(Batch::default())?;
    note(log)
}

/// Writes a canceled record, and returns its place.
fn note(log: &Log) -> sled::Result<Lsn> {
    let record = log.reserve(LogKind::Free, NO_PAGE, &BatchManifest::default(), &sled::pin())?;
    let lsn = record.lsn();
    record.abort()?;
    Ok(lsn)
}

/// Waits until everything that was written before is on disk. `Db::flush` does the same, with a lock that batches of all
/// other sled stores need, and which it keeps if it waits without end.
///
/// Nobody writes while it takes its place: sled counts no byte of a batch as stable before all of the batch is, so from a
/// place inside a batch it would wait for bytes that nobody writes.
pub(crate) fn flush(log: &Log, writes: &Writes) -> Result<()> {
    let end = {
        let _turn = writes.turn()?;
        note(log).map_err(from_sled)?
    };
    log.make_stable(end).map(drop).map_err(from_sled)
}
