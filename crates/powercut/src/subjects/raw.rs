//! Code shared by the raw engines.

use crate::script::Batch;
use crate::subject::{Failure, Opened, Promise, Role, Subject};
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

/// Cache size of engines with a cache; small, because the stores are small.
pub(super) const CACHE_BYTES: usize = 8 * 1_024 * 1_024;

/// A raw engine as a subject.
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

/// Whether the conditions of `batch` hold. Checking before the write suffices, because no other writer changes the
/// rows of a batch.
pub(super) fn conditions_hold(opened: &dyn Opened, batch: &Batch) -> Result<bool, Failure> {
    for condition in &batch.conditions {
        let found = opened.get(&condition.keyspace, condition.key.as_bytes())?;
        if found != condition.expect.map(|value| value.bytes()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The failure for a keyspace that does not exist.
pub(super) fn no_keyspace(name: &str) -> Failure {
    Failure::new(format!("no keyspace {name:?}"))
}

/// Locks a handle that only one thread may use at a time.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> Result<MutexGuard<'_, T>, Failure> {
    mutex.lock().map_err(|_| Failure::new("another thread panicked while it held the handle"))
}
