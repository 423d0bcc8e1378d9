//! Comparing what two backends answered.

use std::fmt::Debug;
use strongroom_core::{Error, Result};

/// The answer of both; panics if they differ in their values or in the kinds of their errors.
#[allow(clippy::needless_pass_by_value)] // Both answers end here; at the calls, references are noise.
pub(super) fn same<T: PartialEq + Debug>(what: &str, left: Result<T>, right: Result<T>) -> Result<T> {
    let agree = match (&left, &right) {
        (Ok(left), Ok(right)) => left == right,
        (Err(left), Err(right)) => left.kind() == right.kind(),
        _ => false,
    };
    assert!(agree, "mirror: {what} differs\n   left: {}\n  right: {}", told(&left), told(&right));
    // The place is the mirror's: whoever reads the error has a mirror open, not one of its sides.
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

/// An answer, short enough to be read in a failed test.
fn told<T: Debug>(result: &Result<T>) -> String {
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
