//! What must hold for any text that the command is given, for the fuzzer and for the tests that run the kept
//! corpus.
//!
//! This crate is no library, so that of the fuzz targets (`fuzz/src/lib.rs`) compiles the modules that parse again,
//! and names them one by one.
#![allow(clippy::unwrap_used, clippy::panic, reason = "to panic is how a property is reported")]

pub(crate) use crate::load::fuzz::{load_json_lines, load_table};
use crate::text::{argument, escape_data, hex, visible};
use std::ffi::OsStr;

/// An argument that stands for bytes: those in hexadecimal are written the same again, and whatever they are, their
/// escaped text shows them all and nothing that hides.
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
