//! How the command ends, and whether it is to end before it is done.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set when somebody wants it to stop.
static STOPPED: AtomicBool = AtomicBool::new(false);

/// How the command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// All is as it has to be.
    Sound,
    /// Something was lost, or a control lost nothing.
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

/// Has it end soon.
pub(super) fn stop() {
    STOPPED.store(true, Ordering::SeqCst);
}

pub(super) fn is_stopped() -> bool {
    STOPPED.load(Ordering::SeqCst)
}
