//! Counters: values that are whole numbers in decimal text.
//!
//! There is one encoding: ASCII decimal digits, `-` before a negative number, no leading zeros, no `+`, from
//! -9,223,372,036,854,775,808 to 9,223,372,036,854,775,807. So a counter can be read and set like any value, and equal
//! counters are equal bytes.

use strongroom_core::{Error, ErrorKind, Result};

/// Adds `by` to the counter `value`.
///
/// [`InvalidInput`](ErrorKind::InvalidInput): it is not a counter, or the sum overflows.
pub(crate) fn add(value: &[u8], by: i64) -> Result<i64> {
    let number = parse(value).ok_or_else(|| {
        Error::new(ErrorKind::InvalidInput, "the value is not a counter")
            .hint("a counter is decimal text, such as -7 or 120, without leading zeros")
    })?;
    number.checked_add(by).ok_or_else(|| {
        Error::new(ErrorKind::InvalidInput, "the sum overflows the counter")
            .hint("a counter is a signed 64-bit number; reset it, or use two of them")
    })
}

pub(crate) fn encode(number: i64) -> Vec<u8> {
    number.to_string().into_bytes()
}

/// Returns none if the value is not in the one encoding.
pub(crate) fn parse(value: &[u8]) -> Option<i64> {
    let number: i64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    (encode(number) == value).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_has_one_encoding() {
        for number in [0, 1, -1, 10, i64::MAX, i64::MIN] {
            assert_eq!(parse(&encode(number)), Some(number));
        }
        for text in ["", "+1", "01", "-0", "-", " 1", "1 ", "1.0", "0x1", "9223372036854775808", "\u{661}"] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(parse(b"\xff"), None);
    }
}
