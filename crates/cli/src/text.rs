//! Bytes as text that nobody can mistake: escapes in output, `hex:` in arguments.

use crate::exit::{Failure, Outcome};
use std::ffi::OsStr;

/// What introduces bytes in hexadecimal on the command line.
const HEX_PREFIX: &str = "hex:";
/// Characters of a key that are shown in a message.
const QUOTED_CHARS_MAX: usize = 60;

/// Appends `bytes` as text on one line: printable UTF-8 as it is, a backslash as `\\`, tab, newline and
/// carriage return as `\t`, `\n` and `\r`, and every other byte as `\xHH`. Different bytes never become the
/// same text.
pub(crate) fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    if bytes.iter().all(|byte| matches!(byte, b' '..=b'~') && *byte != b'\\') {
        out.extend_from_slice(bytes);
        return;
    }
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            escape_character(character, out);
        }
        chunk.invalid().iter().for_each(|byte| escape_byte(*byte, out));
    }
}

fn escape_character(character: char, out: &mut Vec<u8>) {
    let mut room = [0; 4];
    let bytes = character.encode_utf8(&mut room).as_bytes();
    match character {
        '\\' => out.extend_from_slice(br"\\"),
        '\t' => out.extend_from_slice(br"\t"),
        '\n' => out.extend_from_slice(br"\n"),
        '\r' => out.extend_from_slice(br"\r"),
        // Unicode's own line ends: many readers split lines at them.
        '\u{2028}' | '\u{2029}' => bytes.iter().for_each(|byte| escape_byte(*byte, out)),
        _ if character.is_control() => bytes.iter().for_each(|byte| escape_byte(*byte, out)),
        _ => out.extend_from_slice(bytes),
    }
}

fn escape_byte(byte: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(br"\x");
    hex(&[byte], out);
}

/// Appends `bytes` in hexadecimal.
pub(crate) fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

/// `bytes` escaped, for a message.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(bytes.len());
    escape(bytes, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// `bytes` in quotes for a message, escaped, and cut if they are long.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    let escaped = escaped(bytes);
    match escaped.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((cut, _)) => format!("\"{}…\"", &escaped[..cut]),
        None => format!("\"{escaped}\""),
    }
}

/// The bytes that an argument stands for: those after `hex:`, or its own. `name` is the argument's name in
/// the complaint about hexadecimal digits that are none.
pub(crate) fn argument(name: &str, given: &OsStr) -> Outcome<Vec<u8>> {
    let bytes = given.as_encoded_bytes();
    let Some(digits) = bytes.strip_prefix(HEX_PREFIX.as_bytes()) else { return Ok(bytes.to_vec()) };
    parse_hex(digits).ok_or_else(|| {
        Failure::bad_input(format_args!(
            "{name} {} is not hexadecimal; write two digits (0-9, a-f) for each byte after hex:",
            quoted(bytes)
        ))
    })
}

fn parse_hex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads what [`escape`] wrote, without sharing any of its code.
    fn unescaped(text: &str) -> Vec<u8> {
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

    fn tricky_bytes() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            any::<u8>().prop_map(|byte| vec![byte]),
            any::<char>().prop_map(|character| character.to_string().into_bytes()),
            prop::sample::select(vec![
                r"\", r"\x", r"\t", "\t", "\n", "\r", "\u{85}", "\u{2028}", "x41", "ä"
            ])
            .prop_map(|text| text.as_bytes().to_vec()),
        ];
        prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn what_is_escaped_can_be_read_back(bytes in tricky_bytes()) {
            let text = escaped(&bytes);
            prop_assert_eq!(unescaped(&text), bytes);
            let is_one_line = !text.contains(|c: char| c.is_control() || c == '\u{2028}');
            prop_assert!(is_one_line, "{:?}", text);
        }

        #[test]
        fn hex_arguments_are_read_back(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut text = HEX_PREFIX.as_bytes().to_vec();
            hex(&bytes, &mut text);
            let text = String::from_utf8(text).unwrap();
            prop_assert_eq!(argument("KEY", OsStr::new(&text)).unwrap(), bytes);
        }
    }

    #[test]
    fn printable_text_stays_readable() {
        assert_eq!(escaped("Zürich 東京".as_bytes()), "Zürich 東京");
        assert_eq!(escaped(b"a\tb\\c\n\x00\xff\x7f"), r"a\tb\\c\n\x00\xff\x7f");
        assert_eq!(escaped("\u{85}".as_bytes()), r"\xc2\x85");
    }

    #[test]
    fn what_is_not_hexadecimal_is_refused() {
        for wrong in ["hex:0", "hex:zz", "hex:00 11", "hex:ä", "hex:0x00", "hex:+1"] {
            assert!(argument("KEY", OsStr::new(wrong)).is_err(), "{wrong}");
        }
        assert_eq!(argument("KEY", OsStr::new("hex:")).unwrap(), b"");
        assert_eq!(argument("KEY", OsStr::new("HEX:00")).unwrap(), b"HEX:00");
    }

    #[test]
    fn long_keys_are_cut_in_messages() {
        assert_eq!(quoted(b"a\n"), r#""a\n""#);
        assert_eq!(quoted("ä".repeat(61).as_bytes()), format!("\"{}…\"", "ä".repeat(60)));
    }
}
