//! Stops on Ctrl-C, SIGTERM or a closed terminal.

use crate::exit::{Failure, Outcome, Status};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a signal asked the command to stop. The first signal takes effect between rows. The second ends the
/// process at once, which every store survives.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt {
    requested: Arc<AtomicBool>,
}

impl Interrupt {
    /// Starts to listen for signals.
    pub(crate) fn listen() -> Outcome<Self> {
        let requested = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&requested);
        ctrlc::set_handler(move || {
            if seen.swap(true, Ordering::Relaxed) {
                std::process::exit(i32::from(Status::Stopped.code()));
            }
        })
        .map_err(|error| {
            Failure::new(Status::StoreFailed, format_args!("cannot listen for Ctrl-C: {error}"))
        })?;
        Ok(Self { requested })
    }

    /// Whether the command should stop.
    pub(crate) fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }
}
