//! Marks: the record that a child keeps of its steps, which tells what had been acknowledged at the interruption.
//!
//! A mark is one line in one write to a file. With a simulated disk, that file is next to the disk and its writes are
//! in one log with those of the disk. For a killed process it is an ordinary file.

use std::fmt;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The store is open and its first keyspaces exist.
    Ready,
    /// A step began.
    Begun,
    /// The step was acknowledged.
    Acknowledged,
    /// A condition did not hold.
    Refused,
    /// The subject has no such operation.
    Lacking,
    /// The step failed.
    Failed,
    /// The step failed for good, and the store reported that it had no effect.
    Undone,
    /// After a failure, another commit was refused as it should be.
    Poisoned,
    /// After a failure, another commit was accepted.
    WentOn,
    /// More than the lag of the high-water mark has passed since the last commit.
    Settled,
    /// All steps are done.
    Ended,
}

const LETTERS: [(What, char); 11] = [
    (What::Ready, 'y'),
    (What::Begun, 'b'),
    (What::Acknowledged, 'a'),
    (What::Refused, 'r'),
    (What::Lacking, 'l'),
    (What::Failed, 'f'),
    (What::Undone, 'u'),
    (What::Poisoned, 'p'),
    (What::WentOn, 'g'),
    (What::Settled, 's'),
    (What::Ended, 'e'),
];

/// One mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// What happened.
    pub what: What,
    /// The writer; 0 if the mark belongs to none.
    pub writer: usize,
    /// The index of the writer's step.
    pub step: usize,
}

impl Mark {
    /// Creates a mark of one step.
    pub fn new(what: What, writer: usize, step: usize) -> Self {
        Self { what, writer, step }
    }

    /// Parses the lines of a mark file; ignores an incomplete last line.
    pub fn parse_all(text: &[u8]) -> Vec<Self> {
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        String::from_utf8_lossy(&text[..whole]).lines().filter_map(Self::parse).collect()
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let letter = words.next()?.chars().next()?;
        let what = LETTERS.iter().find(|(_, known)| *known == letter)?.0;
        Some(Self { what, writer: words.next()?.parse().ok()?, step: words.next()?.parse().ok()? })
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = LETTERS.iter().find(|(what, _)| *what == self.what).map_or('?', |(_, letter)| *letter);
        writeln!(f, "{letter} {} {}", self.writer, self.step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_round_trip_and_an_incomplete_line_is_ignored() {
        let marks: Vec<_> =
            LETTERS.iter().enumerate().map(|(at, (what, _))| Mark::new(*what, at, at * 7)).collect();
        let text: String = marks.iter().map(ToString::to_string).collect();
        assert_eq!(Mark::parse_all(text.as_bytes()), marks);
        assert_eq!(Mark::parse_all(&text.as_bytes()[..text.len() - 1]), marks[..marks.len() - 1]);
        assert_eq!(Mark::parse_all(b"? 1 2\nb 1\n\nb x 1\n"), []);
    }
}
