//! Failures on demand, to find code that drops errors.
//!
//! Most bugs of a storage layer are dropped errors: a scan that takes one for the end, a batch that continues after
//! one. So every call is counted, and a chosen one fails:
//!
//! * [`Faulty`] wraps a backend, to test code above the contract.
//! * [`FaultyEngine`] wraps an engine, to test code under the contract: snapshots, cursors, poisoning.
//! * [`for_each_fault`] runs a scenario with the first call failing, then the second, and so on, until it completes
//!   without a fault.
//!
//! Nothing is random: the same scenario makes the same calls.

mod backend;
mod driver;
mod engine;

pub use backend::Faulty;
pub use driver::for_each_fault;
pub use engine::{FaultyCursor, FaultyEngine, FaultyOptions};

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use strongroom_core::{Error, ErrorKind, Result};

/// Text of every injected error, to recognise it.
pub const INJECTED: &str = "an injected fault";

/// How a chosen call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum How {
    /// It does nothing and returns an I/O error.
    Error,
    /// It does its work but returns an I/O error, as if the acknowledgement were lost.
    ErrorAfterwards,
    /// It does nothing and returns [`Unavailable`](ErrorKind::Unavailable), as a busy engine.
    Unavailable,
    /// It panics.
    Panic,
}

/// Counts calls and makes a chosen one fail. Clones share the count.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    calls: AtomicU64,
    plan: Mutex<Plan>,
}

#[derive(Debug, Default)]
struct Plan {
    /// The number of the call that fails, and how. Later calls succeed again.
    armed: Option<(u64, How)>,
    /// Only calls of this operation count, if set.
    only: Option<&'static str>,
    injected: Option<&'static str>,
}

/// A call that may run.
#[derive(Debug)]
#[must_use]
pub(crate) struct Passed {
    fails_afterwards: Option<&'static str>,
}

impl Faults {
    /// Creates faults that are disarmed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the `number`th call from now fail, counted from one.
    pub fn fail_at(&self, number: u64, how: How) {
        self.arm(number, how, None);
    }

    /// Makes the `number`th call of `operation` from now fail. Operations have the names of the traits' methods, such
    /// as `"apply"` or `"advance"`.
    pub fn fail_at_operation(&self, operation: &'static str, number: u64, how: How) {
        self.arm(number, how, Some(operation));
    }

    /// Lets every call succeed again, and resets the count.
    pub fn disarm(&self) {
        let mut plan = self.plan();
        *plan = Plan::default();
        self.0.calls.store(0, Ordering::SeqCst);
    }

    /// Returns the number of calls since the faults were last armed or disarmed.
    pub fn calls(&self) -> u64 {
        self.0.calls.load(Ordering::SeqCst)
    }

    /// Returns the operation that failed since the faults were last armed or disarmed.
    pub fn injected(&self) -> Option<&'static str> {
        self.plan().injected
    }

    /// Fails if this call must fail. For custom engines and backends: call it at the start of every call that may
    /// fail. Calls that must fail [afterwards](How::ErrorAfterwards) fail here too.
    pub fn check(&self, operation: &'static str) -> Result<()> {
        self.pass(operation)?.then(Ok(()))
    }

    fn arm(&self, number: u64, how: How, only: Option<&'static str>) {
        let mut plan = self.plan();
        *plan = Plan { armed: Some((number, how)), only, injected: None };
        self.0.calls.store(0, Ordering::SeqCst);
    }

    /// Counts a call; fails if this call must fail before its work. Call it at the start of every call that may fail.
    pub(crate) fn pass(&self, operation: &'static str) -> Result<Passed> {
        let how = {
            let mut plan = self.plan();
            if plan.only.is_some_and(|only| only != operation) {
                return Ok(Passed { fails_afterwards: None });
            }
            let call = self.0.calls.fetch_add(1, Ordering::SeqCst) + 1;
            match plan.armed {
                Some((number, how)) if number == call => {
                    plan.injected = Some(operation);
                    how
                }
                _ => return Ok(Passed { fails_afterwards: None }),
            }
        };
        match how {
            How::Error => Err(injected(operation)),
            How::Unavailable => Err(Error::new(ErrorKind::Unavailable, format!("{INJECTED} in {operation}"))),
            How::ErrorAfterwards => Ok(Passed { fails_afterwards: Some(operation) }),
            How::Panic => panic!("{INJECTED} in {operation}"),
        }
    }

    fn plan(&self) -> std::sync::MutexGuard<'_, Plan> {
        self.0.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Passed {
    /// Returns the result of the call, or the error that must follow it.
    pub(crate) fn then<T>(self, result: Result<T>) -> Result<T> {
        match self.fails_afterwards {
            Some(operation) => result.and(Err(injected(operation))),
            None => result,
        }
    }
}

fn injected(operation: &'static str) -> Error {
    Error::new(ErrorKind::Io, format!("{INJECTED} in {operation}"))
}
