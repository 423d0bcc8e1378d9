//! Failures on demand.
//!
//! Most of what goes wrong in a storage layer goes wrong where an error is dropped: a scan that takes it for
//! the end, a batch that goes on after it. So every call counts, and the one that is asked for fails:
//!
//! * [`Faulty`] wraps a backend, for what is built above the contract.
//! * [`FaultyEngine`] wraps an engine, for what is built beneath it: snapshots, cursors, poisoning.
//! * [`for_each_fault`] runs a scenario with the first call failing, then the second, and so on, until
//!   it runs to its end.
//!
//! Nothing is random: the same scenario counts the same calls.

mod backend;
mod driver;
mod engine;

pub use backend::Faulty;
pub use driver::for_each_fault;
pub use engine::{FaultyCursor, FaultyEngine, FaultyOptions};

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use strongroom_core::{Error, ErrorKind, Result};

/// Text of every injected error, to know it again.
pub const INJECTED: &str = "an injected fault";

/// How a chosen call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum How {
    /// It does nothing and answers an I/O error.
    Error,
    /// It does its work and answers an I/O error nevertheless, as a disk that was too slow to say yes.
    ErrorAfterwards,
    /// It does nothing and answers [`Unavailable`](ErrorKind::Unavailable), as an engine that is busy.
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
    /// Which call is to fail, and how. One call fails, not those after it.
    armed: Option<(u64, How)>,
    /// Only calls of this operation count, if set.
    only: Option<&'static str>,
    injected: Option<&'static str>,
}

/// A call that passed its gate.
#[derive(Debug)]
#[must_use]
pub(crate) struct Passed {
    fails_afterwards: Option<&'static str>,
}

impl Faults {
    /// A switch that is off.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the `number`th call from now on fail, counted from one.
    pub fn fail_at(&self, number: u64, how: How) {
        self.arm(number, how, None);
    }

    /// Makes the `number`th call of `operation` from now on fail (`"apply"`, `"advance"`; the names are
    /// those of the traits' methods).
    pub fn fail_at_operation(&self, operation: &'static str, number: u64, how: How) {
        self.arm(number, how, Some(operation));
    }

    /// Lets every call pass again. The count starts anew.
    pub fn disarm(&self) {
        let mut plan = self.plan();
        *plan = Plan::default();
        self.0.calls.store(0, Ordering::SeqCst);
    }

    /// How many calls were counted since the switch was last set.
    pub fn calls(&self) -> u64 {
        self.0.calls.load(Ordering::SeqCst)
    }

    /// The operation that was made to fail since the switch was last set.
    pub fn injected(&self) -> Option<&'static str> {
        self.plan().injected
    }

    /// For engines and backends of one's own: to be asked at the beginning of every call that may fail. What
    /// is to fail [afterwards](How::ErrorAfterwards) fails before.
    pub fn check(&self, operation: &'static str) -> Result<()> {
        self.pass(operation)?.then(Ok(()))
    }

    fn arm(&self, number: u64, how: How, only: Option<&'static str>) {
        let mut plan = self.plan();
        *plan = Plan { armed: Some((number, how)), only, injected: None };
        self.0.calls.store(0, Ordering::SeqCst);
    }

    /// To be asked at the beginning of every call that may fail.
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
    /// The result of the call, or the error that was to come after it.
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
