//! Keeps panic messages off standard error.
//!
//! The store catches a panic of an engine and returns an error of one line. The panic's own message may contain keys
//! and values, so only its location is kept.

use std::sync::OnceLock;

static LOCATION: OnceLock<String> = OnceLock::new();

/// Records the location of a panic, and silences panics unless `RUST_BACKTRACE` is set.
pub(crate) fn install() {
    let is_verbose = std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0");
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if let Some(place) = panic.location() {
            // Later panics are usually consequences of the first.
            let _ = LOCATION.set(format!("{}:{}", place.file(), place.line()));
        }
        if is_verbose {
            print(panic);
        }
    }));
}

/// The location of the first panic, if there was one.
pub(crate) fn location() -> Option<&'static str> {
    LOCATION.get().map(String::as_str)
}
