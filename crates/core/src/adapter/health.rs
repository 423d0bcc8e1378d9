//! Whether a handle may still be used.
//!
//! After a failed commit nobody knows what the engine's memory and files hold, and a second `fsync` after a
//! failed one may report success although data was lost. So the handle is poisoned and never reaches the
//! engine again (invariant 4); opening anew goes through the engine's recovery.
//!
//! A panic poisons the handle too, and the call that met it says why. An engine that panics while it only reads has met
//! bytes that it did not write: that is `Corruption`. One that panics while it writes leaves an outcome that nobody
//! knows, as any failed write does: `CommitUnknown`. Every later call answers `Closed`.

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
        // The first reason is the one that matters.
        let _ = self.reason.set(reason);
        self.poisoned.store(true, Ordering::Release);
    }

    /// Calls into the engine to read. A panic poisons the handle and becomes an error.
    #[inline]
    pub(super) fn call<T>(&self, operation: &'static str, f: impl FnOnce() -> Result<T>) -> Result<T> {
        self.check(operation)?;
        match catch_unwind(AssertUnwindSafe(f)) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(error.at(self.engine, operation)),
            Err(_) => Err(self.panicked_in_read(operation)),
        }
    }

    /// As [`call`](Self::call), for what changes the engine: any error leaves the outcome unknown and
    /// poisons the handle.
    pub(super) fn change(&self, operation: &'static str, f: impl FnOnce() -> Result<()>) -> Result<()> {
        // Before the rest: nothing is unknown about a call that a poisoned handle refuses.
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

    /// As [`change`](Self::change), for what an engine may turn down before it has touched anything:
    /// `Unavailable` is handed on and leaves the handle as it is.
    pub(super) fn try_change(&self, operation: &'static str, f: impl FnOnce() -> Result<()>) -> Result<()> {
        self.change_unless(operation, &[ErrorKind::Unavailable], f)
    }

    /// As [`try_change`](Self::try_change), for housekeeping: `Unsupported` is handed on too.
    pub(super) fn housekeep(&self, operation: &'static str, f: impl FnOnce() -> Result<()>) -> Result<()> {
        self.change_unless(operation, &[ErrorKind::Unavailable, ErrorKind::Unsupported], f)
    }

    fn change_unless(
        &self,
        operation: &'static str,
        turned_down_by: &[ErrorKind],
        f: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let mut turned_down = None;
        self.change(operation, || match f() {
            Err(error) if turned_down_by.contains(&error.kind()) => {
                turned_down = Some(error);
                Ok(())
            }
            outcome => outcome,
        })?;
        match turned_down {
            Some(error) => Err(error.at(self.engine, operation)),
            None => Ok(()),
        }
    }

    #[cold]
    pub(super) fn panicked_in_read(&self, operation: &'static str) -> Error {
        // Another call met the cause before this one, and has told it.
        if self.is_poisoned() {
            return self.closed(operation);
        }
        self.poison(PANICKED);
        // The panic's text is left out: engines put keys and values into theirs.
        Error::new(ErrorKind::Corruption, "the engine panicked while it read, as engines do on damaged files")
            .at(self.engine, operation)
    }

    #[cold]
    fn closed(&self, operation: &'static str) -> Error {
        let reason = self.reason.get().copied().unwrap_or("an earlier operation failed");
        Error::new(ErrorKind::Closed, format!("the handle is poisoned: {reason}")).at(self.engine, operation)
    }
}
