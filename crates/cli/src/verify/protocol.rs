//! What the process that checks tells the one that watches it: JSON, a message a line, on standard output.

use crate::exit::{Failure, Status};
use serde::{Deserialize, Serialize};
use strongroom::ErrorKind;

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// How far the rows have been read.
    Rows(RowsRead),
    /// All rows are sound; the engine checks its files now.
    EngineCheck,
    /// The last line: nothing is wrong.
    Sound(Found),
    /// The last line: this is.
    Failed(Failed),
}

/// How far the rows have been read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RowsRead {
    pub(super) keyspace: String,
    pub(super) rows: u64,
    /// All there should be, where the store keeps count.
    pub(super) rows_expected: Option<u64>,
}

/// What was read and found to be sound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Found {
    pub(super) keyspaces: usize,
    pub(super) rows: u64,
    /// Keys and values.
    pub(super) bytes: u64,
    /// `rows` or `full`.
    pub(super) integrity: String,
    pub(super) engine_check: EngineCheck,
}

/// What became of the engine's own check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum EngineCheck {
    /// It found nothing.
    Passed,
    /// The engine has none.
    None,
    /// Nobody wanted it, or the URL says `read_only=true`.
    LeftOut,
}

/// Why there is no such answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failed {
    pub(super) status: Status,
    pub(super) is_damage: bool,
    /// The name of the kind of error.
    pub(super) kind: Option<String>,
    pub(super) line: String,
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self {
            status: failure.status(),
            is_damage: failure.kind() == Some(ErrorKind::Corruption),
            kind: failure.kind().map(|kind| kind.as_str().to_owned()),
            line: failure.line().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read_back_and_is_one() {
        let found = Found {
            keyspaces: 1,
            rows: 2,
            bytes: 3,
            integrity: "rows".to_owned(),
            engine_check: EngineCheck::LeftOut,
        };
        let rows = RowsRead { keyspace: "a\nb".to_owned(), rows: 1, rows_expected: Some(2) };
        let failed = Failed::from(Failure::damaged("a row\nis wrong"));
        assert!(failed.is_damage && failed.status == Status::StoreFailed);
        for line in [Line::Rows(rows), Line::EngineCheck, Line::Sound(found), Line::Failed(failed)] {
            let text = serde_json::to_string(&line).unwrap();
            assert!(!text.contains('\n'));
            assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line);
        }
    }
}
