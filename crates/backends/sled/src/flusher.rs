//! The thread that flushes, on request and from time to time.
//!
//! A flush may wait in sled without end: see [`writes`](crate::writes). So no caller waits in sled, only this thread.
//!
//! sled's own flushing thread is switched off. It also cleans segments, and where that fails (the file of a large value
//! cannot be written) it leaves a gap in the log and ends without a word. sled still cleans segments while it writes.

use crate::writes::{Work, Writes};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;
use strongroom_core::{Error, Result};

type Flush = Box<dyn Fn(&Writes) -> Result<()> + Send>;

/// The thread. Dropping it stops the thread and waits for it, since it holds a part of sled, and so sled's files.
pub(crate) struct Flusher {
    /// Taken when it is stopped.
    to_flush: Option<Sender<Flush>>,
    writes: Arc<Writes>,
    thread: Option<JoinHandle<()>>,
}

impl Flusher {
    /// Starts the thread, before sled is opened: an opened sled must not be without it. It flushes after each interval, if
    /// there is one.
    pub(crate) fn new(interval: Option<Duration>) -> Result<Self> {
        let writes = Arc::new(Writes::default());
        let (to_flush, received) = channel();
        let of_thread = Arc::clone(&writes);
        let thread = Builder::new()
            .name("sled flush".to_owned())
            .spawn(move || run(&received, interval, &of_thread))
            .map_err(|error| Error::from_io("cannot start a thread for sled", error))?;
        Ok(Self { to_flush: Some(to_flush), writes, thread: Some(thread) })
    }

    /// Flushes with `flush` from now on.
    pub(crate) fn start(&self, flush: impl Fn(&Writes) -> Result<()> + Send + 'static) {
        // The thread waits for it.
        let _ = self.to_flush.as_ref().map(|to_flush| to_flush.send(Box::new(flush)));
    }

    /// Returns what the thread shares with writers.
    pub(crate) fn writes(&self) -> &Arc<Writes> {
        &self.writes
    }

    /// Stops the thread without waiting for it.
    pub(crate) fn stop(&mut self) {
        self.writes.stop();
        self.to_flush = None;
        self.thread = None;
    }
}

fn run(received: &Receiver<Flush>, interval: Option<Duration>, writes: &Writes) {
    // An error: sled was never opened.
    let Ok(flush) = received.recv() else { return };
    loop {
        match writes.next_work(interval) {
            Work::Stop => return,
            Work::Drop(trees) => writes.drop_now(trees),
            Work::Flush(requested) => writes.flush_now(&requested, &flush),
        }
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.writes.stop();
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

    const SOON: Duration = Duration::from_millis(1);

    #[test]
    fn it_flushes_on_request_and_after_each_interval() {
        for interval in [None, Some(SOON)] {
            let flusher = Flusher::new(interval).unwrap();
            let (sender, begun) = channel();
            flusher.start(move |_| {
                sender.send(()).unwrap();
                Ok(())
            });
            let writes = flusher.writes();
            writes.run(|| Ok(())).unwrap();
            if interval.is_none() {
                writes.flush().unwrap();
            }
            begun.recv().unwrap();
            // There is nothing more to flush.
            writes.flush().unwrap();
            assert!(begun.try_recv().is_err());
        }
    }

    #[test]
    fn dropping_it_waits_for_the_flush() {
        let flusher = Flusher::new(Some(SOON)).unwrap();
        let (sender, begun) = channel();
        let part_of_sled = Arc::new(());
        let held = Arc::clone(&part_of_sled);
        flusher.start(move |_| {
            let _ = sender.send(Arc::strong_count(&held));
            std::thread::sleep(SOON * 20);
            Ok(())
        });
        flusher.writes().run(|| Ok(())).unwrap();
        assert_eq!(begun.recv().unwrap(), 2);
        drop(flusher);
        assert_eq!(Arc::strong_count(&part_of_sled), 1, "the thread holds nothing any more");
    }

    #[test]
    fn it_can_be_dropped_before_sled_is_opened() {
        drop(Flusher::new(Some(SOON)).unwrap());
        drop(Flusher::new(None).unwrap());
    }
}
