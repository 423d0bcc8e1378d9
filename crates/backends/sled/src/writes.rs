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
    state: Mutex<State>,
    /// Notified when a turn ends.
    turns: Condvar,
    /// Notified when there is work for the thread.
    work: Condvar,
    /// Notified when callers may go on.
    done: Condvar,
}

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
struct State {
    has_failed: bool,
    /// Whether somebody has the turn: a write, or the thread while it takes a place in the log.
    is_taken: bool,
    /// How many wait for the turn.
    waiting: usize,
    /// Whether the thread is one of them. It gets the next turn, so that no stream of writes keeps it from flushing.
    thread_waits: bool,
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
        let mut state = self.lock();
        while !state.has_failed && (state.is_taken || state.thread_waits) {
            state = self.wait_for_turn(state);
        }
        if state.has_failed {
            return Err(failed());
        }
        state.is_taken = true;
        drop(state);
        let turn = Turn(self);
        let failing = FailOnDrop(self);
        let written = write()?;
        std::mem::forget(failing);
        // After the write: a flush that is running now may have begun before it.
        self.lock().is_dirty = true;
        drop(turn);
        Ok(written)
    }

    /// Waits until no write is running. None begins until the turn is dropped. An error after a failure: then sled must
    /// not be flushed.
    pub(crate) fn turn(&self) -> Result<Turn<'_>> {
        let mut state = self.lock();
        state.thread_waits = true;
        while state.is_taken {
            state = self.wait_for_turn(state);
        }
        state.thread_waits = false;
        if state.has_failed {
            return Err(failed());
        }
        state.is_taken = true;
        Ok(Turn(self))
    }

    fn wait_for_turn<'s>(&self, mut state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        state.waiting += 1;
        let mut state = self.turns.wait(state).unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        state
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

    /// Drops the trees. sled flushes until there is nothing left to flush, so nobody may write meanwhile.
    pub(crate) fn drop_now(&self, trees: Vec<Tree>) {
        let Ok(_turn) = self.turn() else {
            // Dropped with the store.
            self.lock().to_drop.extend(trees);
            return;
        };
        let failing = FailOnDrop(self);
        drop(trees);
        std::mem::forget(failing);
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

    /// Flushes sled with `flush`, and wakes those who wait for it.
    pub(crate) fn flush_now(&self, requested: &Flush, flush: impl FnOnce(&Self) -> Result<()>) {
        let failing = FailOnDrop(self);
        let outcome = if requested.is_needed { flush(self) } else { Ok(()) };
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
        self.turns.notify_all();
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

fn failed() -> Error {
    Error::new(ErrorKind::Closed, "an earlier read or write of sled's files failed")
        .hint("reopen the store: commits that were not flushed may be lost")
}

/// The right to write to sled.
pub(crate) struct Turn<'w>(&'w Writes);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_taken = false;
        // Notifying takes a system call, even if nobody waits.
        if state.waiting > 0 {
            self.0.turns.notify_all();
        }
    }
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
    fn the_thread_gets_its_turn_before_writes_that_wait() {
        for _ in 0..50 {
            let writes = Writes::default();
            let wait_for = |waiting: usize| {
                while writes.lock().waiting < waiting {
                    std::thread::yield_now();
                }
            };
            let order = Mutex::new(Vec::new());
            let note = |who| order.lock().unwrap().push(who);
            std::thread::scope(|scope| {
                let both_wait = || {
                    scope.spawn(|| {
                        writes
                            .run(|| {
                                note("a write");
                                Ok(())
                            })
                            .unwrap();
                    });
                    wait_for(1);
                    scope.spawn(|| {
                        let _turn = writes.turn().unwrap();
                        note("the thread");
                    });
                    wait_for(2);
                    Ok(())
                };
                writes.run(both_wait).unwrap();
            });
            assert_eq!(order.into_inner().unwrap(), ["the thread", "a write"]);
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
