//! Holds back sled's log while a batch is written, so that a batch that fails halfway is not recovered.
//!
//! A batch of sled may fail in the middle: a page cannot be read, the file of a large value cannot be written. sled then
//! cancels its record of how far the batch reaches, and writes it. Recovery finds nothing that is incomplete, and the
//! first half of the batch is there after the next open. So the adapter reserves a place in the log before the batch, and
//! fills it when the batch is complete. Until then sled does not write the buffer with that place, and recovery ends
//! before a buffer that is missing. After a failure the place is never filled.
//!
//! It uses parts of sled that are public but not in its documentation.

use crate::error::from_sled;
use crate::writes::Writes;
use sled::{Batch, BatchManifest, Db, Log, LogKind, Lsn, PageId};
use std::mem::ManuallyDrop;
use strongroom_core::Result;

/// The place is canceled when it is filled, so recovery ignores its page.
const NO_PAGE: PageId = PageId::MAX;

/// Calls `write`. If it fails or panics, nothing that sled wrote to its log since the beginning is recovered, and a flush
/// waits without end: do not flush any more.
pub(crate) fn all_or_nothing(db: &Db, write: impl FnOnce() -> Result<()>) -> Result<()> {
    let log = &db.context.pagecache.log;
    let reserve = || {
        let place = log.reserve(LogKind::Free, NO_PAGE, &BatchManifest::default(), &sled::pin());
        place.map(ManuallyDrop::new).map_err(from_sled)
    };
    let mut place = reserve()?;
    // Other data in the place's buffer would not be written either, and sled would wait without end when the batch needs
    // a page of it that is not in the cache any more.
    let before = place.lsn() - (log.stable_offset() + 1);
    // A segment's header may lie between.
    let is_alone = before <= Lsn::try_from(sled::SEG_HEADER_LEN).unwrap_or(0);
    if !is_alone {
        ManuallyDrop::into_inner(place).abort().map_err(from_sled)?;
        // Ends the buffer.
        db.apply_batch(Batch::default()).map_err(from_sled)?;
        place = reserve()?;
    }
    write()?;
    ManuallyDrop::into_inner(place).abort().map(drop).map_err(from_sled)
}

/// Waits until everything that was written before is on disk. `Db::flush` does the same, with a lock that batches of all
/// other sled stores need, and which it keeps if it waits without end.
///
/// Nobody writes while it takes its place: sled counts no byte of a batch as stable before all of
/// the batch is, so from a place inside a batch it would wait for bytes that nobody writes.
pub(crate) fn flush(log: &Log, writes: &Writes) -> Result<()> {
    let end = {
        let _turn = writes.turn();
        let end = log.reserve(LogKind::Free, NO_PAGE, &BatchManifest::default(), &sled::pin());
        let end = end.map_err(from_sled)?;
        let lsn = end.lsn();
        end.abort().map_err(from_sled)?;
        lsn
    };
    log.make_stable(end).map(drop).map_err(from_sled)
}
