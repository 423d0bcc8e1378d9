//! Keeps writes and flushes of sled from overlapping, and stops them after a failure.
//!
//! A write that fails may leave a gap in sled's log, of which sled does not always know. A flush waits for all bytes
//! before its place in the log, so it would wait for that gap without end. Therefore each write and each flush holds one
//! lock, and after a failure no other one begins. sled's own flushing thread is switched off, since it would not take
//! part: see [`flusher`](crate::flusher).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use strongroom_core::{Error, ErrorKind, Result};

/// The turn to write, and whether writing has failed.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    /// Whether a write or a flush has failed. Held by each of them.
    has_failed: Mutex<bool>,
    /// Whether a read has failed with an I/O error. sled also writes while it reads: it merges the changes of a page, and a
    /// failure leaves the same gap. Reads do not take turns, so a flush that has already begun may still hang.
    has_read_failed: AtomicBool,
}

impl Writes {
    /// Writes to sled, or flushes it. After one that failed, or panicked, all others are refused.
    pub(crate) fn run<T>(&self, write: impl FnOnce() -> Result<T>) -> Result<T> {
        let mut has_failed = self.has_failed.lock().unwrap_or_else(PoisonError::into_inner);
        if *has_failed || self.has_read_failed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, "an earlier read or write of sled's files failed")
                .hint("reopen the store: commits that were not flushed may be lost"));
        }
        // Stays if `write` panics.
        *has_failed = true;
        let outcome = write();
        *has_failed = outcome.is_err();
        outcome
    }

    /// Records the error of a read, and returns it.
    pub(crate) fn failed_read(&self, error: Error) -> Error {
        if error.kind() == ErrorKind::Io {
            self.has_read_failed.store(true, Ordering::Release);
        }
        error
    }

    /// Whether a gap in sled's log is possible.
    pub(crate) fn have_failed(&self) -> bool {
        *self.has_failed.lock().unwrap_or_else(PoisonError::into_inner)
            || self.has_read_failed.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(kind: ErrorKind) -> Error {
        Error::new(kind, "a test")
    }

    #[test]
    fn nothing_is_written_after_a_failure() {
        let writes = Writes::default();
        writes.run(|| Ok(())).unwrap();
        assert!(!writes.have_failed());
        writes.run(|| Err::<(), _>(failed(ErrorKind::Io))).unwrap_err();
        let error = writes.run(|| -> Result<()> { panic!("called") }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        assert!(writes.have_failed());
    }

    #[test]
    fn nothing_is_written_after_a_panic() {
        let writes = Writes::default();
        let panics = || writes.run(|| -> Result<()> { panic!("a test") });
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).unwrap_err();
        assert_eq!(writes.run(|| Ok(())).unwrap_err().kind(), ErrorKind::Closed);
    }

    #[test]
    fn nothing_is_written_after_a_read_that_failed_to_write() {
        let writes = Writes::default();
        // Damage is not a failed write.
        assert_eq!(writes.failed_read(failed(ErrorKind::Corruption)).kind(), ErrorKind::Corruption);
        writes.run(|| Ok(())).unwrap();
        assert_eq!(writes.failed_read(failed(ErrorKind::Io)).kind(), ErrorKind::Io);
        assert_eq!(writes.run(|| Ok(())).unwrap_err().kind(), ErrorKind::Closed);
        assert!(writes.have_failed());
    }
}
