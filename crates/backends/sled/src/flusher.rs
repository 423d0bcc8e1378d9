//! The thread that flushes buffered commits from time to time.
//!
//! sled has such a thread too. It also cleans segments, and where that fails (the file of a large value cannot be
//! written) it leaves a gap in the log and ends without a word. The next flush then waits for that gap without end. So
//! sled's thread is switched off. The flush of this one takes [turns](crate::writes) with all writes, and its failure
//! stops them. sled still cleans segments while it writes.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;
use strongroom_core::{Error, Result};

type Flush = Box<dyn Fn() -> Result<()> + Send>;

/// The thread. Dropping it stops the thread and waits for it, since it holds a part of sled, and so sled's files.
pub(crate) struct Flusher {
    to_flush: Option<Sender<Flush>>,
    thread: Option<JoinHandle<()>>,
}

impl Flusher {
    /// Starts the thread, before sled is opened: an opened sled must not be without it.
    pub(crate) fn new(interval: Duration) -> Result<Self> {
        let (to_flush, received) = channel();
        let thread = Builder::new()
            .name("sled flush".to_owned())
            .spawn(move || run(&received, interval))
            .map_err(|error| Error::from_io("cannot start a thread for sled", error))?;
        Ok(Self { to_flush: Some(to_flush), thread: Some(thread) })
    }

    /// Calls `flush` from now on, until it fails.
    pub(crate) fn start(&self, flush: impl Fn() -> Result<()> + Send + 'static) {
        // The thread receives until it is stopped.
        let _ = self.to_flush.as_ref().map(|to_flush| to_flush.send(Box::new(flush)));
    }

    /// Stops the thread without waiting for it.
    pub(crate) fn stop(&mut self) {
        self.to_flush = None;
        self.thread = None;
    }
}

fn run(received: &Receiver<Flush>, interval: Duration) {
    // An error: sled was never opened.
    let Ok(flush) = received.recv() else { return };
    while let Err(RecvTimeoutError::Timeout) = received.recv_timeout(interval) {
        if flush().is_err() {
            // The next write or flush reports it.
            return;
        }
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.to_flush = None;
        if let Some(thread) = self.thread.take() {
            // After a panic in sled no other write begins: nobody waits for the thread's result.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::mpsc::sync_channel;
    use strongroom_core::ErrorKind;

    const SOON: Duration = Duration::from_millis(1);

    #[test]
    fn it_flushes_again_and_again_until_a_flush_fails() {
        let flusher = Flusher::new(SOON).unwrap();
        let (sender, begun) = sync_channel(0);
        let left = std::sync::atomic::AtomicU32::new(3);
        flusher.start(move || {
            sender.send(()).unwrap();
            let is_last = left.fetch_sub(1, std::sync::atomic::Ordering::Relaxed) == 1;
            if is_last { Err(Error::new(ErrorKind::Io, "a test")) } else { Ok(()) }
        });
        // The channel ends with the thread, which drops the sender.
        assert_eq!(begun.iter().count(), 3);
    }

    #[test]
    fn dropping_it_waits_for_the_flush() {
        let flusher = Flusher::new(SOON).unwrap();
        let (sender, begun) = sync_channel(1);
        let part_of_sled = Arc::new(());
        let held = Arc::clone(&part_of_sled);
        flusher.start(move || {
            let _ = sender.try_send(Arc::strong_count(&held));
            std::thread::sleep(SOON * 20);
            Ok(())
        });
        assert_eq!(begun.recv().unwrap(), 2);
        drop(flusher);
        assert_eq!(Arc::strong_count(&part_of_sled), 1, "the thread holds nothing any more");
    }
}
