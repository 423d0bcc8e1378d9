//! Checks that the system can start the threads that RocksDB is about to start.
//!
//! If it can start none, RocksDB throws a C++ exception, which Rust cannot catch: the process is aborted. So
//! threads are tried before RocksDB is called.

use std::io;
use std::sync::{PoisonError, RwLock};
use std::thread::{self, Builder};
use strongroom_core::{Error, ErrorKind, Result};

/// The threads do nothing.
const STACK_BYTES: usize = 64 * 1_024;

/// Checks that `count` threads can be started now.
pub(crate) fn check(count: usize) -> Result<()> {
    try_to_start(count).map_err(|error| {
        let message = format!("the system cannot start the {count} threads that RocksDB may need");
        Error::new(ErrorKind::Unavailable, message).caused_by(error).hint(
            "raise the limit on the processes of this user or container (ulimit -u, pids.max), or set fewer \
             background_threads",
        )
    })
}

/// Starts `count` threads and keeps them alive at the same time.
fn try_to_start(count: usize) -> io::Result<()> {
    let gate = RwLock::new(());
    let closed = gate.write().unwrap_or_else(PoisonError::into_inner);
    thread::scope(|scope| {
        let wait = || drop(gate.read());
        let started = (0..count)
            .try_for_each(|_| Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, wait).map(drop));
        drop(closed);
        started
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_threads_can_be_started() {
        check(20).unwrap();
    }
}
