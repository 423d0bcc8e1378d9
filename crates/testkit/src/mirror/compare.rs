//! Compares the results of two backends.

use std::fmt::Debug;
use strongroom_core::{Error, Result};

/// Returns the result of both; panics if their values or the kinds of their errors differ.
#[allow(clippy::needless_pass_by_value)] // Consumes both results; references would be noise at the calls.
pub(super) fn same<T: PartialEq + Debug>(what: &str, left: Result<T>, right: Result<T>) -> Result<T> {
    let agree = match (&left, &right) {
        (Ok(left), Ok(right)) => left == right,
        (Err(left), Err(right)) => left.kind() == right.kind(),
        _ => false,
    };
    assert!(agree, "mirror: {what} differs\n   left: {}\n  right: {}", shown(&left), shown(&right));
    // The error names the mirror, because the caller has opened the mirror and not one of its sides.
    left.map_err(named)
}

pub(super) fn same_unit(what: &str, left: Result<()>, right: Result<()>) -> Result<()> {
    same(what, left, right)
}

fn named(error: Error) -> Error {
    let operation = error.operation().unwrap_or("call");
    let hint = error.way_out().to_owned();
    Error::new(error.kind(), error.message().to_owned()).hint(hint).caused_by(error).at("mirror", operation)
}

/// Formats a result, short enough for a failed test.
fn shown<T: Debug>(result: &Result<T>) -> String {
    const CHARS_MAX: usize = 600;
    let text = match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("{} ({})", error.kind(), error.one_line()),
    };
    match text.char_indices().nth(CHARS_MAX) {
        Some((place, _)) => format!("{}… ({} bytes)", &text[..place], text.len()),
        None => text,
    }
}
