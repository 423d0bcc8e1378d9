//! Waking threads that sled forgets to wake.
//!
//! A thread that flushes waits until sled's pool has written the bytes before it. If that write fails, sled stores the
//! error, which every later call reports. But where the write was started by the last thread that left a full buffer
//! (sled's `exit_reservation`), sled does not notify the threads that already wait. A call that meets the stored
//! error does notify them, so a thread of ours makes such a call when it finds an error. It uses parts of sled that are
//! public but not in its documentation.

use sled::Db;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;
use strongroom_core::{Error, Result};

/// How often the thread looks for an error.
const PERIOD: Duration = Duration::from_millis(200);

type Wake = Box<dyn Fn() + Send>;

/// The thread. Dropping it stops the thread and waits for it, since it holds a part of sled, and so sled's files.
pub(crate) struct Waker {
    to_watch: Option<Sender<Wake>>,
    thread: Option<JoinHandle<()>>,
}

impl Waker {
    /// Starts the thread, before sled is opened: an opened sled must not be without it.
    pub(crate) fn new() -> Result<Self> {
        let (to_watch, received) = channel();
        let thread = Builder::new()
            .name("sled wake".to_owned())
            .spawn(move || run(&received))
            .map_err(|error| Error::from_io("cannot start a thread for sled", error))?;
        Ok(Self { to_watch: Some(to_watch), thread: Some(thread) })
    }

    /// Watches `db` from now on.
    pub(crate) fn watch(&self, db: &Db) {
        let (config, pages) = ((*db.context).clone(), db.context.pagecache.clone());
        let wake: Wake = Box::new(move || {
            if config.global_error().is_err() {
                // Returns the stored error at once, after it has notified everybody.
                let _ = pages.log.make_stable(i64::MAX);
            }
        });
        // The thread receives until it is stopped.
        let _ = self.to_watch.as_ref().map(|to_watch| to_watch.send(wake));
    }

    /// Stops the thread without waiting for it.
    pub(crate) fn stop(&mut self) {
        self.to_watch = None;
        self.thread = None;
    }
}

/// Whether sled has stored an error, so that it waits for nothing any more.
pub(crate) fn has_stored_error(db: &Db) -> bool {
    db.context.global_error().is_err()
}

fn run(received: &Receiver<Wake>) {
    // An error: sled was never opened.
    let Ok(wake) = received.recv() else { return };
    while let Err(RecvTimeoutError::Timeout) = received.recv_timeout(PERIOD) {
        wake();
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        self.to_watch = None;
        if let Some(thread) = self.thread.take() {
            // A panic in sled has no consequences here: nobody waits for the thread's result.
            let _ = thread.join();
        }
    }
}
