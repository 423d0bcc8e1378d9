//! Writes messages to standard error.

use std::io::{IsTerminal as _, Write as _, stderr};

/// The prefix of every line on standard error.
pub(crate) const PROGRAM: &str = "strongroom";

/// Whether standard error is a terminal. Success is reported only there, not in a pipe or a log.
pub(crate) fn is_watched() -> bool {
    stderr().is_terminal()
}

/// Writes `line` with the prefix and a newline.
pub(crate) fn say(line: &str) {
    write(&format!("{PROGRAM}: {line}\n"));
}

/// Writes `text` unchanged, in one piece so that no other process writes into the middle of it.
///
/// A failure to write is ignored: it cannot be reported and must not change the exit status. The macros of the standard
/// library would panic.
pub(crate) fn write(text: &str) {
    let _ = stderr().lock().write_all(text.as_bytes());
}
