//! Closing within a bounded time, for engines that may wait for ever while they are closed.
//!
//! An engine with threads of its own waits for them when it is closed. If they are gone, because they panicked or could
//! never be made, it waits for ever, and so does whoever drops the last handle. Such an engine is closed by a thread that
//! was made when it was opened ([`Closer`]): a process that has used up its threads can still close. The thread is waited
//! for, but not for ever; an engine that is not closed by then is **left behind**. It keeps its files, its locks and its
//! memory until the process ends, or until it is closed after all; [`left_behind`] lists it. The engine's own lock is
//! part of what it keeps, so that nobody, in this process or another, opens the same files beside it.

use crate::{Error, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SendError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::{Duration, SystemTime};

/// An engine that could not be closed in time, see [`left_behind`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftBehind {
    /// The engine's name.
    pub engine: &'static str,
    /// Where its files are.
    pub directory: PathBuf,
    /// When its closing was given up.
    pub since: SystemTime,
}

static LEFT_BEHIND: Mutex<Vec<LeftBehind>> = Mutex::new(Vec::new());

/// The engines of this process that could not be closed in time and still hold their files. Empty unless something went
/// badly wrong before, such as a panic in a thread of the engine. There is nothing to be done about one but to end the
/// process; what was acknowledged as durable is not at risk.
pub fn left_behind() -> Vec<LeftBehind> {
    list().clone()
}

/// Whether an engine in `directory` was left behind.
pub fn is_left_behind(directory: &Path) -> bool {
    list().iter().any(|left| left.directory == directory)
}

fn list() -> MutexGuard<'static, Vec<LeftBehind>> {
    LEFT_BEHIND.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How closing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// It is closed.
    InTime,
    /// It is still being closed and was left behind.
    LeftBehind,
}

/// A thread that waits for something to be closed.
#[derive(Debug)]
pub struct Closer<T> {
    to_close: Sender<T>,
    progress: Arc<Progress>,
    engine: &'static str,
    directory: PathBuf,
}

#[derive(Debug, Default)]
struct Progress {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_closed: bool,
    is_left_behind: bool,
}

impl<T: Send + 'static> Closer<T> {
    /// Makes the thread, before the engine in `directory` is opened. [`Io`](crate::ErrorKind::Io) if there can be none.
    pub fn new(engine: &'static str, directory: &Path) -> Result<Self> {
        let (to_close, received) = channel::<T>();
        let progress = Arc::new(Progress::default());
        let (told, place) = (Arc::clone(&progress), directory.to_owned());
        let work = move || {
            // Nothing comes if the engine was never opened.
            let Ok(opened) = received.recv() else { return };
            // There is nobody to tell of a panic. What was acknowledged as durable does not depend on closing.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(opened)));
            told.closed(&place);
        };
        Builder::new()
            .name(format!("{engine} close"))
            .spawn(work)
            .map_err(|error| Error::from_io("cannot make a thread that closes the engine", error))?;
        Ok(Self { to_close, progress, engine, directory: directory.to_owned() })
    }

    /// Closes `opened` by dropping it on the thread, and waits for that at most `wait_max`.
    pub fn close(self, opened: T, wait_max: Duration) -> Closed {
        if let Err(SendError(opened)) = self.to_close.send(opened) {
            // The thread is gone, and nobody else may wait in its place.
            std::mem::forget(opened);
        }
        let state = self.progress.lock();
        let (mut state, _) = self
            .progress
            .changed
            .wait_timeout_while(state, wait_max, |state| !state.is_closed)
            .unwrap_or_else(PoisonError::into_inner);
        if state.is_closed {
            return Closed::InTime;
        }
        // Under the lock: the thread finds the entry when it comes to take it out.
        state.is_left_behind = true;
        let (engine, directory) = (self.engine, self.directory);
        list().push(LeftBehind { engine, directory, since: SystemTime::now() });
        Closed::LeftBehind
    }
}

impl Progress {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Said by the thread.
    fn closed(&self, directory: &Path) {
        let mut state = self.lock();
        state.is_closed = true;
        if state.is_left_behind {
            forget(directory);
        }
        self.changed.notify_all();
    }
}

fn forget(directory: &Path) {
    let mut list = list();
    if let Some(place) = list.iter().position(|left| left.directory == directory) {
        list.swap_remove(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, sync_channel};

    /// Closes when it is told to.
    struct Stubborn(Receiver<()>, Sender<()>);

    impl Drop for Stubborn {
        fn drop(&mut self) {
            let _ = self.0.recv();
            let _ = self.1.send(());
        }
    }

    struct Panics;

    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("closing failed");
        }
    }

    #[test]
    fn who_does_not_close_is_left_behind_until_it_does() {
        let directory = Path::new("/somewhere/stubborn");
        let (release, released) = channel();
        let (done, is_done) = channel();
        let closer = Closer::new("pretend", directory).unwrap();
        assert_eq!(closer.close(Stubborn(released, done), Duration::from_millis(1)), Closed::LeftBehind);
        assert!(is_left_behind(directory));
        let left = left_behind().into_iter().find(|left| left.directory == directory).unwrap();
        assert_eq!(left.engine, "pretend");
        assert!(left.since > SystemTime::UNIX_EPOCH);
        assert!(!is_left_behind(Path::new("/somewhere/else")));

        release.send(()).unwrap();
        is_done.recv().unwrap();
        // The entry goes right after the drop has returned.
        while is_left_behind(directory) {
            std::thread::yield_now();
        }
    }

    #[test]
    fn who_closes_or_panics_is_closed_in_time() {
        let directory = Path::new("/somewhere/quick");
        let (keep, kept) = sync_channel::<()>(0);
        let closer = Closer::new("pretend", directory).unwrap();
        assert_eq!(closer.close(keep, Duration::from_secs(60)), Closed::InTime);
        assert!(kept.recv().is_err(), "it was dropped");
        let closer = Closer::new("pretend", directory).unwrap();
        assert_eq!(closer.close(Panics, Duration::from_secs(60)), Closed::InTime);
        assert!(!is_left_behind(directory));
    }

    #[test]
    fn a_closer_that_is_not_needed_ends() {
        let closer = Closer::<Panics>::new("pretend", Path::new("/somewhere/unused")).unwrap();
        drop(closer);
        assert!(!is_left_behind(Path::new("/somewhere/unused")));
    }
}
