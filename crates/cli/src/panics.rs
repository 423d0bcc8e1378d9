//! Keeps a panic from spilling over standard error.
//!
//! An engine that panics is caught by the store, which answers with an error of one line. The message of
//! the panic itself may hold keys and values, so only its place is kept.

use std::sync::OnceLock;

static LOCATION: OnceLock<String> = OnceLock::new();

/// Silences panics, but for those who ask with `RUST_BACKTRACE`.
pub(crate) fn install() {
    if std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0") {
        return;
    }
    std::panic::set_hook(Box::new(|panic| {
        if let Some(place) = panic.location() {
            // The first panic is the one that matters.
            let _ = LOCATION.set(format!("{}:{}", place.file(), place.line()));
        }
    }));
}

/// Where a panic happened, if one was silenced.
pub(crate) fn location() -> Option<&'static str> {
    LOCATION.get().map(String::as_str)
}
