//! Closes an engine within a bounded time, for engines whose close may hang.
//!
//! An engine with threads of its own waits for them when it is closed. If one of them panicked or could not be
//! started, that wait never ends, and the thread that drops the last handle hangs. A [`Closer`] therefore
//! closes such an engine on a thread that was started before the engine was opened, so that a process that has
//! run out of threads can still close it. The caller waits for that thread for a bounded time. An engine that
//! is not closed by then is **left behind**: it keeps its files, locks and memory until the process ends or the
//! close completes after all. [`left_behind`] lists these engines. An engine that was left behind also keeps
//! its own lock, so neither this process nor another can open the same files meanwhile.

use crate::{Error, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SendError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::{Duration, SystemTime};

/// An engine that could not be closed in time. See [`left_behind`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftBehind {
    /// The engine's name.
    pub engine: &'static str,
    /// The directory of its files.
    pub directory: PathBuf,
    /// When the wait for its close was given up.
    pub since: SystemTime,
}

static LEFT_BEHIND: Mutex<Vec<LeftBehind>> = Mutex::new(Vec::new());

/// Returns the engines of this process that could not be closed in time and still hold their files. Empty
/// unless something went badly wrong before, such as a panic in an engine's thread. The only remedy is to end
/// the process. Commits that were acknowledged as durable are not at risk.
pub fn left_behind() -> Vec<LeftBehind> {
    list().clone()
}

/// Returns whether an engine in `directory` was left behind.
pub fn is_left_behind(directory: &Path) -> bool {
    list().iter().any(|left| left.directory == directory)
}

fn list() -> MutexGuard<'static, Vec<LeftBehind>> {
    LEFT_BEHIND.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The outcome of a close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// The engine is closed.
    InTime,
    /// The engine is still closing, and was left behind.
    LeftBehind,
}

/// A thread that waits for a value to close.
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
    /// Starts the thread, before the engine in `directory` is opened. [`Io`](crate::ErrorKind::Io) if the
    /// thread cannot be started.
    pub fn new(engine: &'static str, directory: &Path) -> Result<Self> {
        let (to_close, received) = channel::<T>();
        let progress = Arc::new(Progress::default());
        let (watched, place) = (Arc::clone(&progress), directory.to_owned());
        let work = move || {
            // The sender was dropped: the engine was never opened.
            let Ok(opened) = received.recv() else { return };
            // A panic has no caller to report to. Durability of acknowledged commits does not depend on
            // closing.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(opened)));
            watched.closed(&place);
        };
        Builder::new()
            .name(format!("{engine} close"))
            .spawn(work)
            .map_err(|error| Error::from_io("cannot start the thread that closes the engine", error))?;
        Ok(Self { to_close, progress, engine, directory: directory.to_owned() })
    }

    /// Closes `opened` by dropping it on the thread, and waits at most `wait_max` for that.
    pub fn close(self, opened: T, wait_max: Duration) -> Closed {
        if let Err(SendError(opened)) = self.to_close.send(opened) {
            // The thread is gone. Dropping the engine here could hang the caller.
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
        // Still under the lock, so that the thread finds the entry when it removes it.
        state.is_left_behind = true;
        self.list_as_left_behind();
        Closed::LeftBehind
    }

    /// Leaves `opened` behind without closing it, for a caller that knows that closing would hang.
    pub fn leave_behind(self, opened: T) {
        std::mem::forget(opened);
        self.list_as_left_behind();
    }

    fn list_as_left_behind(&self) {
        let (engine, directory) = (self.engine, self.directory.clone());
        list().push(LeftBehind { engine, directory, since: SystemTime::now() });
    }
}

impl Progress {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called by the thread.
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
    use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

    /// Closes when it receives a message.
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
    fn an_engine_that_hangs_is_left_behind_until_it_closes() {
        let directory = Path::new("/somewhere/stubborn");
        let (release, released) = channel();
        let (done, is_done) = channel();
        let closer = Closer::new("fake", directory).unwrap();
        assert_eq!(closer.close(Stubborn(released, done), Duration::from_millis(1)), Closed::LeftBehind);
        assert!(is_left_behind(directory));
        let left = left_behind().into_iter().find(|left| left.directory == directory).unwrap();
        assert_eq!(left.engine, "fake");
        assert!(left.since > SystemTime::UNIX_EPOCH);
        assert!(!is_left_behind(Path::new("/somewhere/else")));

        release.send(()).unwrap();
        is_done.recv().unwrap();
        // The entry is removed right after the drop has returned.
        while is_left_behind(directory) {
            std::thread::yield_now();
        }
    }

    #[test]
    fn an_engine_that_closes_or_panics_is_closed_in_time() {
        let directory = Path::new("/somewhere/quick");
        let (keep, kept) = sync_channel::<()>(0);
        let closer = Closer::new("fake", directory).unwrap();
        assert_eq!(closer.close(keep, Duration::from_secs(60)), Closed::InTime);
        assert!(kept.recv().is_err(), "it was dropped");
        let closer = Closer::new("fake", directory).unwrap();
        assert_eq!(closer.close(Panics, Duration::from_secs(60)), Closed::InTime);
        assert!(!is_left_behind(directory));
    }

    #[test]
    fn an_engine_that_would_hang_is_left_behind_unclosed() {
        let directory = Path::new("/somewhere/broken");
        let (keep, kept) = sync_channel::<()>(0);
        Closer::new("fake", directory).unwrap().leave_behind(keep);
        assert!(is_left_behind(directory));
        assert_eq!(kept.try_recv(), Err(TryRecvError::Empty), "it was not dropped");
    }

    #[test]
    fn an_unused_closer_ends() {
        let closer = Closer::<Panics>::new("fake", Path::new("/somewhere/unused")).unwrap();
        drop(closer);
        assert!(!is_left_behind(Path::new("/somewhere/unused")));
    }
}
