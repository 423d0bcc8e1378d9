//! Detects quotes of a CSV that were left open.
//!
//! The CSV reader accepts everything: an open quote silently swallows the rows after it, up to the next quote or the
//! end of the file. So this module tracks the quotes too.

/// A fault in the quotes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The file ended inside quotes.
    LeftOpen,
    /// The quote that closes a field is followed by this byte, neither a comma nor the end of the line.
    TextAfter(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    FieldStart,
    Plain,
    Quoted,
    /// After a quote in a quoted field: it closes the field, or is the first of an escaped pair.
    AfterQuote,
}

/// Tracks the quotes in the bytes of a file.
#[derive(Debug)]
pub(super) struct Quotes {
    place: Place,
    read: u64,
}

impl Quotes {
    pub(super) const fn new() -> Self {
        Self { place: Place::FieldStart, read: 0 }
    }

    /// Takes the next bytes; an empty block is the end. Only the first fault counts, because the bytes after it are
    /// misread.
    pub(super) fn follow(&mut self, block: &[u8]) -> Option<Fault> {
        if block.is_empty() {
            return (self.place == Place::Quoted).then_some(Fault::LeftOpen);
        }
        let mut fault = None;
        for (at, byte) in (self.read..).zip(block) {
            self.place = match (self.place, byte) {
                (Place::Quoted, b'"') => Place::AfterQuote,
                (Place::Quoted, _) | (Place::FieldStart | Place::AfterQuote, b'"') => Place::Quoted,
                (_, b',' | b'\n' | b'\r') => Place::FieldStart,
                (Place::AfterQuote, _) => {
                    fault = fault.or(Some(Fault::TextAfter(at)));
                    Place::Plain
                }
                _ => Place::Plain,
            };
        }
        self.read += block.len() as u64;
        fault
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Option<Fault> {
        let mut quotes = Quotes::new();
        // Byte by byte, so that blocks end in every state.
        text.bytes().find_map(|byte| quotes.follow(&[byte])).or_else(|| quotes.follow(&[]))
    }

    #[test]
    fn closed_quotes_are_no_fault() {
        for text in ["", "a,b\n", "\"a\",\"b\"\r\n", "\"a\"\"b\",\"\"\n\"\"", "5\" pipe\n", "\"a\nb\",c"] {
            assert_eq!(fault(text), None, "{text:?}");
        }
    }

    #[test]
    fn open_quotes_are_found() {
        for (text, found) in [
            ("a\n1,\"b\n2,c\n", Fault::LeftOpen),
            ("a\n\"b\"\"", Fault::LeftOpen),
            ("1,\"b\n2,\"c\"\n", Fault::TextAfter(8)),
            ("\"a\" ,b", Fault::TextAfter(3)),
        ] {
            assert_eq!(fault(text), Some(found), "{text:?}");
        }
    }
}
