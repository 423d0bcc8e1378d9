//! Keeps a panic from spilling over standard error.
//!
//! An engine that panics is caught by the store, which answers with an error of one line. The message of
//! the panic itself may hold keys and values, so only its place is kept.

use std::sync::OnceLock;

static LOCATION: OnceLock<String> = OnceLock::new();

/// Remembers where a panic happened, and silences panics, but for those who ask with `RUST_BACKTRACE`.
pub(crate) fn install() {
    let told = std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0");
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if let Some(place) = panic.location() {
            // The first panic is the one that matters.
            let _ = LOCATION.set(format!("{}:{}", place.file(), place.line()));
        }
        if told {
            print(panic);
        }
    }));
}

/// Where a panic happened first, if one did.
pub(crate) fn location() -> Option<&'static str> {
    LOCATION.get().map(String::as_str)
}
