//! What is said to people, on standard error.

use std::io::{IsTerminal as _, Write as _, stderr};

/// What every line on standard error begins with.
pub(crate) const PROGRAM: &str = "strongroom";

/// Whether somebody watches. In a pipe or a log, what went well is not worth a line.
pub(crate) fn is_watched() -> bool {
    stderr().is_terminal()
}

/// Writes `line` under this command's name, and ends it.
pub(crate) fn say(line: &str) {
    write(&format!("{PROGRAM}: {line}\n"));
}

/// Writes `text` as it is, in one piece so that no other process writes into the middle of it.
///
/// Nobody can be told that standard error cannot be written, and it must not change the exit status; the
/// macros of the standard library would panic.
pub(crate) fn write(text: &str) {
    let _ = stderr().lock().write_all(text.as_bytes());
}
