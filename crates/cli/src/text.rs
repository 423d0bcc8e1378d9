//! Bytes as unambiguous text: escapes in output, `hex:` in arguments.

use std::ffi::OsStr;
use std::fmt;

/// The prefix of bytes in hexadecimal on the command line.
const HEX_PREFIX: &str = "hex:";
/// Characters of a key that a message shows.
const QUOTED_CHARS_MAX: usize = 60;
/// Names that a message lists.
const LISTED_MAX: usize = 20;

/// Appends a key or a value like [`escape`], and never as text that an argument would parse as hexadecimal.
pub(crate) fn escape_data(bytes: &[u8], out: &mut Vec<u8>) {
    match bytes.split_first() {
        Some((first, rest)) if bytes.starts_with(HEX_PREFIX.as_bytes()) => {
            escape_byte(*first, out);
            escape(rest, out);
        }
        _ => escape(bytes, out),
    }
}

/// Appends `bytes` as text on one line: visible UTF-8 unchanged, a backslash as `\\`, tab, newline and carriage
/// return as `\t`, `\n` and `\r`, and every other byte as `\xHH`. The encoding is injective.
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
        _ if is_visible(character) => out.extend_from_slice(bytes),
        _ => bytes.iter().for_each(|byte| escape_byte(*byte, out)),
    }
}

/// Whether `character` is visible on a screen and only advances the cursor. Control and format characters, private and
/// unassigned ones, and white space other than the plain space are not. A combining mark is visible on the character
/// before it.
fn is_visible(character: char) -> bool {
    match character {
        ' '..='~' => true,
        // Blank, although their categories are letter, mark and symbol.
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{2800}' | '\u{3164}'
        | '\u{ffa0}' => false,
        _ => {
            // `escape_debug` knows which characters are printable. The character is tested in second place, because at
            // the start of a text it also escapes a combining mark.
            let mut room = [b'a'; 5];
            let end = 1 + character.encode_utf8(&mut room[1..]).len();
            str::from_utf8(&room[..end]).is_ok_and(|text| text.escape_debug().eq(text.chars()))
        }
    }
}

/// Escapes the invisible characters of `text`, except newlines. A backslash stays unchanged, because parts of a message
/// may be escaped already.
pub(crate) fn visible(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\\' => out.push(character as u8),
            _ => escape_character(character, &mut out),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
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

/// Returns `bytes` escaped, for a message.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(bytes.len());
    escape(bytes, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// Returns a key or a name in quotes for a message, escaped, and truncated if it is long.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(bytes.len());
    escape_data(bytes, &mut out);
    in_quotes(&String::from_utf8_lossy(&out))
}

/// Returns the first of `names`, each in quotes, and the number of the others.
pub(crate) fn listed(names: &[impl AsRef<str>]) -> String {
    let (shown, others) = names.split_at(names.len().min(LISTED_MAX));
    let shown: Vec<String> = shown.iter().map(|name| quoted(name.as_ref().as_bytes())).collect();
    let shown = shown.join(", ");
    match others.len() {
        0 => shown,
        count => format!("{shown} and {count} more"),
    }
}

fn in_quotes(escaped: &str) -> String {
    match escaped.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((cut, _)) => format!("\"{}…\"", &escaped[..cut]),
        None => format!("\"{escaped}\""),
    }
}

/// The message for an argument that is refused.
#[derive(Debug)]
pub(crate) struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns the bytes of an argument: those after `hex:`, or its own. `name` is the argument's name in the error about
/// invalid digits.
pub(crate) fn argument(name: &str, given: &OsStr) -> Result<Vec<u8>, Refused> {
    let bytes = given.as_encoded_bytes();
    let Some(digits) = bytes.strip_prefix(HEX_PREFIX.as_bytes()) else { return Ok(bytes.to_vec()) };
    parse_hex(digits).ok_or_else(|| {
        Refused(format!(
            "{name} {} is not hexadecimal; write two digits (0-9, a-f) for each byte after hex:",
            in_quotes(&escaped(bytes))
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
    use crate::fuzz::unescaped;
    use proptest::prelude::*;

    fn tricky_bytes() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            any::<u8>().prop_map(|byte| vec![byte]),
            any::<char>().prop_map(|character| character.to_string().into_bytes()),
            prop::sample::select(vec![
                r"\", r"\x", r"\t", "\t", "\n", "\r", "\u{85}", "\u{2028}", "\u{202e}", "\u{301}", "x41",
                "ä", "hex:",
            ])
            .prop_map(|text| text.as_bytes().to_vec()),
        ];
        prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn escaped_bytes_round_trip(bytes in tricky_bytes()) {
            let mut text = Vec::new();
            escape_data(&bytes, &mut text);
            let text = String::from_utf8(text).unwrap();
            prop_assert_eq!(unescaped(&text), bytes);
            prop_assert!(!text.starts_with(HEX_PREFIX), "{:?}", text);
            let is_hidden = |c: char| c.is_control() || (c.is_whitespace() && c != ' ');
            prop_assert!(!text.contains(is_hidden), "{:?}", text);
            prop_assert_eq!(visible(&text), text);
        }

        #[test]
        fn hex_arguments_round_trip(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
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
    fn visible_characters_stay_and_invisible_ones_are_escaped() {
        for text in [
            "'quotes\"",
            "नमस्ते",
            "e\u{301}",
            "\u{301}",
            "שלום",
            "العربية",
            "ภาษาไทย",
            "한국어",
            "❤️",
            "🦀",
            "€ – …",
        ] {
            assert_eq!(escaped(text.as_bytes()), text);
        }
        for hidden in [
            '\u{ad}',
            '\u{a0}',
            '\u{200b}',
            '\u{200d}',
            '\u{202e}',
            '\u{2028}',
            '\u{2066}',
            '\u{3000}',
            '\u{3164}',
            '\u{e000}',
            '\u{feff}',
            '\u{378}',
            '\u{e0001}',
            '\u{10ffff}',
        ] {
            let text = escaped(hidden.to_string().as_bytes());
            assert!(text.is_ascii() && text.starts_with(r"\x"), "{hidden:?}: {text}");
        }
        assert_eq!(escaped("a\u{202e}b".as_bytes()), r"a\xe2\x80\xaeb");
    }

    #[test]
    fn messages_carry_no_escape_sequences_and_keep_their_lines() {
        assert_eq!(visible("a\u{1b}[31m\tb\\x00\nÄ\u{202e}"), "a\\x1b[31m\\tb\\x00\nÄ\\xe2\\x80\\xae");
    }

    #[test]
    fn printed_data_never_parses_as_hexadecimal() {
        assert_eq!(quoted(b"hex:00"), r#""\x68ex:00""#);
        assert_eq!(quoted(b"ahex:00"), r#""ahex:00""#);
    }

    #[test]
    fn invalid_hexadecimal_is_refused() {
        for wrong in ["hex:0", "hex:zz", "hex:00 11", "hex:ä", "hex:0x00", "hex:+1"] {
            assert!(argument("KEY", OsStr::new(wrong)).is_err(), "{wrong}");
        }
        assert_eq!(argument("KEY", OsStr::new("hex:")).unwrap(), b"");
        assert_eq!(argument("KEY", OsStr::new("HEX:00")).unwrap(), b"HEX:00");
    }

    #[test]
    fn long_keys_are_truncated_in_messages() {
        assert_eq!(quoted(b"a\n"), r#""a\n""#);
        assert_eq!(quoted("ä".repeat(61).as_bytes()), format!("\"{}…\"", "ä".repeat(60)));
    }
}
