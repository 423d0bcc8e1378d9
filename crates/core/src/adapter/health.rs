//! Whether a handle may still be used.
//!
//! After a failed commit the state of the engine's memory and files is unknown, and a second `fsync` after a
//! failed one may report success although data was lost. Therefore the handle is poisoned and never calls the
//! engine again (invariant 4). Reopening runs the engine's recovery.
//!
//! A panic also poisons the handle, and the call that caught it reports the reason. A panic during a read means
//! that the engine found bytes that it did not write: `Corruption`. A panic during a write leaves the outcome
//! unknown, as any failed write does: `CommitUnknown`. Every later call returns `Closed`.

use crate::{Error, ErrorKind, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

const PANICKED: &str = "the engine panicked";

#[derive(Debug)]
pub(super) struct Health {
    engine: &'static str,
    poisoned: AtomicBool,
    reason: OnceLock<&'static str>,
}

impl Health {
    pub(super) fn new(engine: &'static str) -> Self {
        Self { engine, poisoned: AtomicBool::new(false), reason: OnceLock::new() }
    }

    /// Refuses if the handle is poisoned.
    #[inline]
    pub(super) fn check(&self, operation: &'static str) -> Result<()> {
        if self.is_poisoned() {
            return Err(self.closed(operation));
        }
        Ok(())
    }

    #[inline]
    pub(super) fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Acquire)
    }

    pub(super) fn poison(&self, reason: &'static str) {
        // Only the first reason is kept; it is the cause of the later ones.
        let _ = self.reason.set(reason);
        self.poisoned.store(true, Ordering::Release);
    }

    /// Calls the engine to read. A panic poisons the handle and becomes an error.
    #[inline]
    pub(super) fn call<T>(&self, operation: &'static str, f: impl FnOnce() -> Result<T>) -> Result<T> {
        self.check(operation)?;
        match catch_unwind(AssertUnwindSafe(f)) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(error.at(self.engine, operation)),
            Err(_) => Err(self.panicked_in_read(operation)),
        }
    }

    /// As [`call`](Self::call), for calls that change the engine: any error leaves the outcome unknown and
    /// poisons the handle.
    pub(super) fn change(&self, operation: &'static str, f: impl FnOnce() -> Result<()>) -> Result<()> {
        // Checked first: a call that a poisoned handle refuses has a known outcome.
        self.check(operation)?;
        let changed = catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|_| {
            self.poison(PANICKED);
            Err(Error::new(ErrorKind::Closed, PANICKED))
        });
        changed.map_err(|error| {
            self.poison("a write failed and its outcome is unknown");
            error
                .into_kind(ErrorKind::CommitUnknown, "the write failed and may or may not be stored")
                .at(self.engine, operation)
        })
    }

    /// As [`change`](Self::change), for calls that the engine may refuse before it changes anything:
    /// `Unavailable` is returned as it is and does not poison the handle.
    pub(super) fn try_change(&self, operation: &'static str, f: impl FnOnce() -> Result<()>) -> Result<()> {
        self.change_unless(operation, &[ErrorKind::Unavailable], f)
    }

    /// As [`try_change`](Self::try_change), for housekeeping: `Unsupported` is also returned as it is.
    pub(super) fn housekeep(&self, operation: &'static str, f: impl FnOnce() -> Result<()>) -> Result<()> {
        self.change_unless(operation, &[ErrorKind::Unavailable, ErrorKind::Unsupported], f)
    }

    fn change_unless(
        &self,
        operation: &'static str,
        refused_by: &[ErrorKind],
        f: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let mut refused = None;
        self.change(operation, || match f() {
            Err(error) if refused_by.contains(&error.kind()) => {
                refused = Some(error);
                Ok(())
            }
            outcome => outcome,
        })?;
        match refused {
            Some(error) => Err(error.at(self.engine, operation)),
            None => Ok(()),
        }
    }

    #[cold]
    pub(super) fn panicked_in_read(&self, operation: &'static str) -> Error {
        // Another call panicked before this one, and has reported the cause.
        if self.is_poisoned() {
            return self.closed(operation);
        }
        self.poison(PANICKED);
        // Leave the panic's text out: engines put keys and values into theirs.
        Error::new(ErrorKind::Corruption, "the engine panicked during a read; its files may be damaged")
            .at(self.engine, operation)
    }

    #[cold]
    fn closed(&self, operation: &'static str) -> Error {
        let reason = self.reason.get().copied().unwrap_or("an earlier operation failed");
        Error::new(ErrorKind::Closed, format!("the handle is poisoned: {reason}")).at(self.engine, operation)
    }
}
