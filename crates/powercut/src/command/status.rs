//! The exit status of the command, and the flag that stops it early.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set by a signal; long loops check it.
static STOPPED: AtomicBool = AtomicBool::new(false);

/// How the command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// Every subject kept its promise.
    Sound,
    /// A subject broke its promise, or a control lost nothing.
    Unsound,
    /// Wrong usage.
    Usage,
    /// The harness itself failed.
    Broken,
    /// Stopped by a signal.
    Stopped,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(match status {
            Status::Sound => 0,
            Status::Unsound => 1,
            Status::Usage => 2,
            Status::Broken => 3,
            Status::Stopped => 130,
        })
    }
}

/// Asks the command to stop soon.
pub(super) fn stop() {
    STOPPED.store(true, Ordering::SeqCst);
}

pub(super) fn is_stopped() -> bool {
    STOPPED.load(Ordering::SeqCst)
}
