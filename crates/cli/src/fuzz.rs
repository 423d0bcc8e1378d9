//! Properties of the parsers of user input, for the fuzzer and for the tests that run the kept corpus.
//!
//! This crate is not a library. The library of the fuzz targets (`fuzz/src/lib.rs`) therefore compiles the parsing
//! modules again, and lists each of them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a violated property panics")]

pub(crate) use crate::load::fuzz::{load_json_lines, load_table};
use crate::text::{argument, escape_data, hex, visible};
use std::ffi::OsStr;

/// An argument for bytes: hexadecimal arguments round-trip, and the escaped text of any bytes is complete and has no
/// invisible characters.
pub(crate) fn argument_text(bytes: &[u8]) {
    let given = String::from_utf8_lossy(bytes);
    if let Ok(stands_for) = argument("KEY", OsStr::new(&*given)) {
        match given.strip_prefix("hex:") {
            Some(digits) => {
                let mut written = Vec::new();
                hex(&stands_for, &mut written);
                assert_eq!(written, digits.to_ascii_lowercase().as_bytes());
            }
            None => assert_eq!(stands_for, given.as_bytes()),
        }
        check_escaped(&stands_for);
    } else {
        assert!(given.starts_with("hex:"), "{given:?} is refused");
    }
    check_escaped(bytes);
}

fn check_escaped(bytes: &[u8]) {
    let mut text = Vec::new();
    escape_data(bytes, &mut text);
    let text = String::from_utf8(text).unwrap();
    assert_eq!(unescaped(&text), bytes);
    assert!(!text.starts_with("hex:"), "{text:?}");
    assert!(!text.contains(|c: char| c.is_control() || (c.is_whitespace() && c != ' ')), "{text:?}");
    assert_eq!(visible(&text), text);
}

/// Reads what `text::escape` wrote, without sharing any of its code.
pub(crate) fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first != '\\' {
            bytes.extend_from_slice(&rest.as_bytes()[..first.len_utf8()]);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let used = match &rest[1..2] {
            "\\" => (b'\\', 2),
            "t" => (b'\t', 2),
            "n" => (b'\n', 2),
            "r" => (b'\r', 2),
            "x" => (u8::from_str_radix(&rest[2..4], 16).unwrap(), 4),
            other => panic!("unknown escape {other:?} in {text:?}"),
        };
        bytes.push(used.0);
        rest = &rest[used.1..];
    }
    bytes
}

#[cfg(test)]
#[path = "../../../fuzz/src/corpus.rs"]
mod corpus;

#[cfg(test)]
mod tests {
    use super::corpus::for_each;

    #[test]
    fn kept_arguments() {
        for_each("argument", super::argument_text);
    }

    #[test]
    fn kept_tables() {
        for_each("load_table", super::load_table);
    }

    #[test]
    fn kept_json_lines() {
        for_each("load_json_lines", super::load_json_lines);
    }
}
