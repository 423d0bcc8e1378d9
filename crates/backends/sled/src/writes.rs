//! The state that writers share with the [thread that flushes](crate::flusher): what has been written, flushed, or has
//! failed.
//!
//! A write that fails may leave a gap in sled's log, of which sled does not always know. So may a read, since sled also
//! splits and merges pages while it reads. A flush waits for all bytes before its place in the log, and then waits for that
//! gap without end. So only the adapter's own thread waits in sled. The callers wait here, and a failure wakes them. After
//! a failure no other write begins.

use sled::Tree;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use strongroom_core::{Error, ErrorKind, Result};

#[derive(Default)]
pub(crate) struct Writes {
    /// Held by each write, and by a flush while it takes its place in the log.
    turn: Mutex<()>,
    state: Mutex<State>,
    /// Notified when there is work for the thread.
    work: Condvar,
    /// Notified when callers may go on.
    done: Condvar,
}

#[derive(Default)]
struct State {
    has_failed: bool,
    /// The error of the flush that failed, for one of those who wait for it.
    flush_error: Option<Error>,
    /// Whether there were writes since the newest flush began.
    is_dirty: bool,
    /// The number of flushes that were requested, and how many of these are done.
    flushes_requested: u64,
    flushes_done: u64,
    /// Trees that the thread drops: the last handle of a tree flushes when it is dropped.
    to_drop: Vec<Tree>,
    is_stopped: bool,
}

/// What the thread does next.
pub(crate) enum Work {
    Flush(Flush),
    Drop(Vec<Tree>),
    Stop,
}

/// A flush, which includes all that were requested before it.
pub(crate) struct Flush {
    up_to: u64,
    /// Otherwise there is nothing to flush.
    is_needed: bool,
}

impl Writes {
    /// Writes to sled. After a write or a flush that failed, or panicked, all others are refused.
    pub(crate) fn run<T>(&self, write: impl FnOnce() -> Result<T>) -> Result<T> {
        self.check()?;
        let failing = FailOnDrop(self);
        let written = {
            let _turn = turn(&self.turn);
            write()?
        };
        std::mem::forget(failing);
        // After the write: a flush that is running now may have begun before it.
        self.lock().is_dirty = true;
        Ok(written)
    }

    /// Records the error of a read, and returns it.
    pub(crate) fn failed_read(&self, error: Error) -> Error {
        if error.kind() == ErrorKind::Io {
            self.fail();
        }
        error
    }

    /// Waits until everything that was written before is flushed.
    pub(crate) fn flush(&self) -> Result<()> {
        self.check()?;
        let mut state = self.lock();
        state.flushes_requested += 1;
        let own = state.flushes_requested;
        self.work.notify_one();
        while state.flushes_done < own && !state.has_failed {
            state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.flushes_done >= own {
            return Ok(());
        }
        Err(state.flush_error.take().unwrap_or_else(failed))
    }

    /// Drops the trees later.
    pub(crate) fn drop_later(&self, trees: Vec<Tree>) {
        self.lock().to_drop.extend(trees);
        self.work.notify_one();
    }

    /// Takes the trees that were not dropped yet.
    pub(crate) fn take_trees(&self) -> Vec<Tree> {
        std::mem::take(&mut self.lock().to_drop)
    }

    /// Whether a gap in sled's log is possible.
    pub(crate) fn have_failed(&self) -> bool {
        self.lock().has_failed
    }

    /// Waits for work of the thread. Without any, there is a flush after each interval.
    pub(crate) fn next_work(&self, interval: Option<Duration>) -> Work {
        let due = interval.map(|interval| Instant::now() + interval);
        let mut state = self.lock();
        loop {
            if state.is_stopped || state.has_failed {
                return Work::Stop;
            }
            if !state.to_drop.is_empty() {
                return Work::Drop(std::mem::take(&mut state.to_drop));
            }
            let wait = due.map(|due| due.saturating_duration_since(Instant::now()));
            if state.flushes_requested > state.flushes_done || wait == Some(Duration::ZERO) {
                let is_needed = std::mem::take(&mut state.is_dirty);
                return Work::Flush(Flush { up_to: state.flushes_requested, is_needed });
            }
            state = match wait {
                Some(wait) => self.work.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0,
                None => self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Flushes sled with `flush`, which gets the lock of the writers, and wakes those who wait for it.
    pub(crate) fn flush_now(&self, requested: &Flush, flush: impl FnOnce(&Mutex<()>) -> Result<()>) {
        let failing = FailOnDrop(self);
        let outcome = if requested.is_needed { flush(&self.turn) } else { Ok(()) };
        let mut state = self.lock();
        match outcome {
            Ok(()) => {
                std::mem::forget(failing);
                state.flushes_done = requested.up_to;
                self.done.notify_all();
            }
            // Dropping the guard wakes them.
            Err(error) => state.flush_error = Some(error),
        }
    }

    /// Ends the thread, after what it is doing.
    pub(crate) fn stop(&self) {
        self.lock().is_stopped = true;
        self.work.notify_one();
    }

    fn fail(&self) {
        self.lock().has_failed = true;
        self.done.notify_all();
        self.work.notify_one();
    }

    fn check(&self) -> Result<()> {
        if self.have_failed() { Err(failed()) } else { Ok(()) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Locks it. After a panic nothing more is written anyway.
pub(crate) fn turn(turn: &Mutex<()>) -> MutexGuard<'_, ()> {
    turn.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed() -> Error {
    Error::new(ErrorKind::Closed, "an earlier read or write of sled's files failed")
        .hint("reopen the store: commits that were not flushed may be lost")
}

/// Forgotten on success.
struct FailOnDrop<'w>(&'w Writes);

impl Drop for FailOnDrop<'_> {
    fn drop(&mut self) {
        self.0.fail();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: ErrorKind) -> Error {
        Error::new(kind, "a test")
    }

    fn kind<T>(result: Result<T>) -> Option<ErrorKind> {
        result.err().map(|error| error.kind())
    }

    #[test]
    fn nothing_is_written_after_a_failure() {
        let writes = Writes::default();
        writes.run(|| Ok(())).unwrap();
        assert!(!writes.have_failed());
        assert_eq!(kind(writes.run(|| Err::<(), _>(error(ErrorKind::Io)))), Some(ErrorKind::Io));
        assert_eq!(kind(writes.run(|| -> Result<()> { panic!("called") })), Some(ErrorKind::Closed));
        assert_eq!(kind(writes.flush()), Some(ErrorKind::Closed));
        assert!(writes.have_failed());
    }

    #[test]
    fn nothing_is_written_after_a_panic() {
        let writes = Writes::default();
        let panics = || writes.run(|| -> Result<()> { panic!("a test") });
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).unwrap_err();
        assert_eq!(kind(writes.run(|| Ok(()))), Some(ErrorKind::Closed));
    }

    #[test]
    fn nothing_is_written_after_a_read_that_failed_to_write() {
        let writes = Writes::default();
        // Damage is not a failed write.
        writes.failed_read(error(ErrorKind::Corruption));
        writes.run(|| Ok(())).unwrap();
        writes.failed_read(error(ErrorKind::Io));
        assert_eq!(kind(writes.run(|| Ok(()))), Some(ErrorKind::Closed));
    }

    /// Without a thread, nothing but the failure ends the wait.
    #[test]
    fn a_failed_read_or_write_ends_the_wait_for_a_flush() {
        for fails_to_read in [true, false] {
            let writes = Writes::default();
            std::thread::scope(|scope| {
                let waiting = scope.spawn(|| writes.flush());
                let Work::Flush(flush) = writes.next_work(None) else { panic!("a flush was requested") };
                assert_eq!((flush.up_to, flush.is_needed), (1, false));
                if fails_to_read {
                    writes.failed_read(error(ErrorKind::Io));
                } else {
                    writes.run(|| Err::<(), _>(error(ErrorKind::Io))).unwrap_err();
                }
                assert_eq!(kind(waiting.join().unwrap()), Some(ErrorKind::Closed));
            });
            assert!(matches!(writes.next_work(None), Work::Stop));
        }
    }

    #[test]
    fn a_write_during_a_flush_needs_the_next_one() {
        let writes = Writes::default();
        writes.run(|| Ok(())).unwrap();
        let next = || match writes.next_work(Some(Duration::ZERO)) {
            Work::Flush(flush) => flush,
            _ => panic!("it is time to flush"),
        };
        let first = next();
        assert!(first.is_needed);
        writes.run(|| Ok(())).unwrap();
        writes.flush_now(&first, |_| Ok(()));
        let second = next();
        assert!(second.is_needed);
        writes.flush_now(&second, |_| Ok(()));
        assert!(!next().is_needed, "an idle store writes nothing");
    }

    #[test]
    fn a_caller_gets_the_error_of_its_flush() {
        let writes = Writes::default();
        writes.run(|| Ok(())).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| writes.flush());
            let Work::Flush(flush) = writes.next_work(None) else { panic!("a flush was requested") };
            writes.flush_now(&flush, |_| Err(error(ErrorKind::Io)));
            assert_eq!(kind(waiting.join().unwrap()), Some(ErrorKind::Io));
        });
        assert_eq!(kind(writes.flush()), Some(ErrorKind::Closed));
    }
}
