//! Checks that sled's threads can be started.
//!
//! sled starts its writing threads once per process, when the first store is opened. It silently continues if
//! it cannot start them: data to be written then waits without end, first of all in the open itself. So this is
//! tried beforehand.

use std::io;
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle};
use strongroom_core::{Error, Result};

/// Seven of sled's write. Three of the adapter's flush, wake and close.
const THREADS: usize = 10;

/// Starts as many threads as sled needs, all at once, and ends them.
pub(crate) fn try_out() -> Result<()> {
    let mut made: Vec<(Sender<()>, JoinHandle<()>)> = Vec::with_capacity(THREADS);
    let mut outcome = Ok(());
    while outcome.is_ok() && made.len() < THREADS {
        outcome = make().map(|thread| made.push(thread));
    }
    for (end, thread) in made {
        drop(end);
        // It only waits, and cannot panic.
        let _ = thread.join();
    }
    outcome.map_err(|error| {
        let message = format!("sled needs {THREADS} threads, which cannot be started");
        Error::from_io(message, error).hint("raise the process's limit on threads, or end other threads")
    })
}

/// Starts a thread that waits until its sender is dropped.
fn make() -> io::Result<(Sender<()>, JoinHandle<()>)> {
    let (end, ended) = channel();
    let wait = move || {
        // An error means that the sender was dropped, as intended.
        let _ = ended.recv();
    };
    let thread = Builder::new().spawn(wait)?;
    Ok((end, thread))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_trial_threads_can_be_started() {
        super::try_out().unwrap();
    }
}
