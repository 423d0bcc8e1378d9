//! What the raw engines share.

use crate::script::Batch;
use crate::subject::{Failure, Opened, Promise, Role, Subject};
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

/// Memory for a cache, where an engine has one: the stores are small.
pub(super) const CACHE_BYTES: usize = 8 * 1_024 * 1_024;

/// An engine by itself.
pub(super) struct Raw {
    pub(super) name: &'static str,
    pub(super) engine: &'static str,
    pub(super) promise: Promise,
    pub(super) note: &'static str,
    pub(super) open: fn(&Path) -> Result<Box<dyn Opened>, Failure>,
}

impl Subject for Raw {
    fn name(&self) -> &str {
        self.name
    }

    fn engine(&self) -> &str {
        self.engine
    }

    fn role(&self) -> Role {
        Role::Raw
    }

    fn promise(&self) -> Promise {
        self.promise
    }

    fn note(&self) -> &str {
        self.note
    }

    fn open(&self, directory: &Path) -> Result<Box<dyn Opened>, Failure> {
        (self.open)(directory)
    }
}

/// Whether the conditions of `batch` hold: looked at before the batch is written, which is enough because the rows of
/// a batch are one writer's.
pub(super) fn conditions_hold(opened: &dyn Opened, batch: &Batch) -> Result<bool, Failure> {
    for condition in &batch.conditions {
        let found = opened.get(&condition.keyspace, condition.key.as_bytes())?;
        if found != condition.expect.map(|value| value.bytes()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What to answer about a keyspace that is not there.
pub(super) fn no_keyspace(name: &str) -> Failure {
    Failure::new(format!("there is no keyspace {name:?}"))
}

/// Locks a handle that one thread at a time may use.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> Result<MutexGuard<'_, T>, Failure> {
    mutex.lock().map_err(|_| Failure::new("another thread panicked with the handle"))
}
