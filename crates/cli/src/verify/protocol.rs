//! What the process that checks tells the one that watches it: JSON, a message a line, on standard output.

use crate::exit::{Failure, Status};
use serde::{Deserialize, Serialize};
use strongroom::ErrorKind;

/// What to do about damage that an engine shows by dying of it.
pub(super) const RESTORE: &str = "they are damaged; restore a backup";

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

impl Failed {
    /// What `failure` says of the store. `has_panicked`: a panic was caught on the way. It is the engine's, on one of
    /// its own threads or while it wrote, and it does not panic on files that are as it wrote them.
    pub(super) fn of(failure: &Failure, has_panicked: bool) -> Self {
        let failed = Self {
            status: failure.status(),
            is_damage: failure.kind() == Some(ErrorKind::Corruption),
            kind: failure.kind().map(|kind| kind.as_str().to_owned()),
            line: failure.line().to_owned(),
        };
        let says_what_to_do = failed.is_damage && failed.line.contains("backup");
        if !has_panicked || says_what_to_do {
            return failed;
        }
        let line = format!("{}; the engine panicked on these files: {RESTORE}", failed.line);
        Self { status: Status::StoreFailed, is_damage: true, line, ..failed }
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
        let failed = Failed::of(&Failure::damaged("a row\nis wrong"), false);
        assert!(failed.is_damage && failed.status == Status::StoreFailed);
        for line in [Line::Rows(rows), Line::EngineCheck, Line::Sound(found), Line::Failed(failed)] {
            let text = serde_json::to_string(&line).unwrap();
            assert!(!text.contains('\n'));
            assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line);
        }
    }

    #[test]
    fn an_error_after_a_panic_is_damage_and_says_what_to_do() {
        let failure = Failure::new(Status::StoreFailed, "redb: commit: the write failed");
        assert!(!Failed::of(&failure, false).is_damage);
        let failed = Failed::of(&failure, true);
        assert!(failed.is_damage && failed.line.contains("restore a backup"), "{failed:?}");
    }
}
