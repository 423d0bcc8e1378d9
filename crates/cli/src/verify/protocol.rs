//! The protocol from the child process to the parent: one JSON message per line, on standard output.

use crate::exit::{Failure, Status};
use serde::{Deserialize, Serialize};
use strongroom::ErrorKind;

/// The message and remedy for files that crash the engine.
pub(super) const RESTORE: &str = "they are damaged; restore a backup";

/// A line of the protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// The progress through the rows.
    Rows(RowsRead),
    /// All rows are sound, and the engine's own check begins.
    EngineCheck,
    /// The last line: the store is sound.
    Sound(Found),
    /// The last line: the check failed.
    Failed(Failed),
}

/// The progress through the rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RowsRead {
    pub(super) keyspace: String,
    pub(super) rows: u64,
    /// The expected number of rows, if the store keeps row counts.
    pub(super) rows_expected: Option<u64>,
}

/// The totals of a sound store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Found {
    pub(super) keyspaces: usize,
    pub(super) rows: u64,
    /// Bytes of keys and values.
    pub(super) bytes: u64,
    /// `rows` or `full`.
    pub(super) integrity: String,
    pub(super) engine_check: EngineCheck,
}

/// The result of the engine's own check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum EngineCheck {
    /// It found no damage.
    Passed,
    /// The engine has none.
    None,
    /// `--rows-only` was given, or the URL says `read_only=true`.
    LeftOut,
}

/// The failure of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failed {
    pub(super) status: Status,
    pub(super) is_damage: bool,
    /// The name of the kind of error.
    pub(super) kind: Option<String>,
    pub(super) line: String,
}

impl Failed {
    /// Classifies `failure`. `has_panicked` means that a panic was caught. It was the engine's, on one of its own
    /// threads or while it wrote. An engine does not panic on intact files, so the panic counts as damage.
    pub(super) fn of(failure: &Failure, has_panicked: bool) -> Self {
        let failed = Self {
            status: failure.status(),
            is_damage: failure.kind() == Some(ErrorKind::Corruption),
            kind: failure.kind().map(|kind| kind.as_str().to_owned()),
            line: failure.line().to_owned(),
        };
        let has_remedy = failed.is_damage && failed.line.contains("backup");
        if !has_panicked || has_remedy {
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
    fn every_message_is_one_line_and_round_trips() {
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
    fn an_error_after_a_panic_is_damage_with_a_remedy() {
        let failure = Failure::new(Status::StoreFailed, "redb: commit: the write failed");
        assert!(!Failed::of(&failure, false).is_damage);
        let failed = Failed::of(&failure, true);
        assert!(failed.is_damage && failed.line.contains("restore a backup"), "{failed:?}");
    }
}
