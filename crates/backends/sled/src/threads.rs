//! Whether there is room for sled's threads.
//!
//! sled makes the threads that write once in a process, when the first store is opened, and goes on without a word if it
//! cannot make them: what is to be written then waits for ever for somebody who writes it, first of all in the opening
//! itself. So it is tried out before.

use std::io;
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle};
use strongroom_core::{Error, Result};

/// Seven write, and one flushes in the background.
const THREADS: usize = 8;

/// Makes as many threads as sled needs, all at once, and lets them end.
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
        let message = format!("sled needs {THREADS} threads, and they cannot be made");
        Error::from_io(message, error).hint("raise the limit of threads of the process, or end other threads")
    })
}

/// A thread that waits until its sender is dropped.
fn make() -> io::Result<(Sender<()>, JoinHandle<()>)> {
    let (end, ended) = channel();
    let wait = move || {
        // An error: the sender is gone, as it should be.
        let _ = ended.recv();
    };
    let thread = Builder::new().spawn(wait)?;
    Ok((end, thread))
}

#[cfg(test)]
mod tests {
    #[test]
    fn where_there_is_room_it_leaves_no_thread_behind() {
        super::try_out().unwrap();
    }
}
