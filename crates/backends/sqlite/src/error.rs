//! Translates SQLite's errors to kinds that a caller can act on.
//!
//! SQLite's messages name files, tables and columns, never their content, so they are kept as the cause.

use rusqlite::Error as Sqlite;
use rusqlite::ErrorCode;
use std::io;
use strongroom_core::{Error, ErrorKind};

/// Translates an error of SQLite, and keeps the original as the cause.
#[cold]
pub(crate) fn translate(error: Sqlite) -> Error {
    let code = match &error {
        Sqlite::SqliteFailure(failure, message) => {
            if is_dropped_table(failure.code, message.as_deref()) {
                return dropped(error);
            }
            failure.code
        }
        Sqlite::SqlInputError { error: failure, msg, .. } => {
            if is_dropped_table(failure.code, Some(msg)) {
                return dropped(error);
            }
            failure.code
        }
        Sqlite::InvalidPath(_) | Sqlite::NulError(_) => {
            return Error::new(ErrorKind::InvalidInput, "SQLite cannot open a file at this path")
                .caused_by(error);
        }
        // A row or value is missing or has another type: the file is not as this adapter wrote it.
        _ => ErrorCode::DatabaseCorrupt,
    };
    let (kind, message, hint) = verdict(code);
    let translated = Error::new(kind, message).caused_by(error);
    match hint {
        Some(hint) => translated.hint(hint),
        None => translated,
    }
}

/// Translates an error of the operating system.
#[cold]
pub(crate) fn translate_io(error: io::Error) -> Error {
    Error::from_io("reading or writing the database's files failed", error)
}

/// Another process can drop a keyspace that this one reads.
fn is_dropped_table(code: ErrorCode, message: Option<&str>) -> bool {
    code == ErrorCode::Unknown && message.is_some_and(|text| text.starts_with("no such table: keyspace_"))
}

fn dropped(error: Sqlite) -> Error {
    Error::new(ErrorKind::NotFound, "the keyspace was dropped")
        .hint("list the keyspaces again")
        .caused_by(error)
}

pub(crate) fn is_busy(error: &Sqlite) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn verdict(code: ErrorCode) -> (ErrorKind, &'static str, Option<&'static str>) {
    match code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => (
            ErrorKind::Unavailable,
            "another connection is using the database",
            Some("close other programs that have the file open, and try again"),
        ),
        ErrorCode::DatabaseCorrupt => (ErrorKind::Corruption, "the database is damaged", None),
        ErrorCode::NotADatabase => {
            (ErrorKind::Corruption, "the file is not a complete SQLite database", None)
        }
        // The adapter's own statements are correct, so whatever they miss was removed from outside.
        ErrorCode::Unknown | ErrorCode::SchemaChanged | ErrorCode::TypeMismatch => {
            (ErrorKind::Corruption, "the database's tables are not those of a store", None)
        }
        ErrorCode::DiskFull => (
            ErrorKind::Io,
            "no space is left for the database",
            Some("free some space, then open the store again"),
        ),
        ErrorCode::ReadOnly => (
            ErrorKind::Io,
            "the database's files cannot be written",
            Some("check the owner and mode of the directory and its files"),
        ),
        ErrorCode::CannotOpen | ErrorCode::PermissionDenied => (
            ErrorKind::Io,
            "the database's files cannot be opened",
            Some("check the owner and mode of the directory and its files, and the limit on open files"),
        ),
        ErrorCode::TooBig => (ErrorKind::InvalidInput, "a row is larger than the limit", None),
        ErrorCode::OutOfMemory => (ErrorKind::Unavailable, "SQLite is out of memory", None),
        _ => (ErrorKind::Io, "SQLite reported an error", None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;

    #[test]
    fn each_error_has_the_kind_to_act_on() {
        let kind = |code| translate(Sqlite::SqliteFailure(ffi::Error::new(code), None)).kind();
        assert_eq!(kind(ffi::SQLITE_BUSY), ErrorKind::Unavailable);
        assert_eq!(kind(ffi::SQLITE_BUSY_SNAPSHOT), ErrorKind::Unavailable);
        assert_eq!(kind(ffi::SQLITE_CORRUPT), ErrorKind::Corruption);
        assert_eq!(kind(ffi::SQLITE_NOTADB), ErrorKind::Corruption);
        assert_eq!(kind(ffi::SQLITE_FULL), ErrorKind::Io);
        assert_eq!(kind(ffi::SQLITE_IOERR_FSYNC), ErrorKind::Io);
        assert_eq!(kind(ffi::SQLITE_READONLY_DIRECTORY), ErrorKind::Io);
        assert_eq!(kind(ffi::SQLITE_TOOBIG), ErrorKind::InvalidInput);
        assert_eq!(translate(Sqlite::QueryReturnedNoRows).kind(), ErrorKind::Corruption);
        let text = Some("no such table: keyspace_7".to_owned());
        let dropped = translate(Sqlite::SqliteFailure(ffi::Error::new(ffi::SQLITE_ERROR), text));
        assert_eq!(dropped.kind(), ErrorKind::NotFound);
    }

    #[test]
    fn the_text_of_an_error_has_no_keys_and_no_values() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let table = "CREATE TABLE t (key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL) WITHOUT ROWID";
        connection.execute_batch(table).unwrap();
        let mut insert = connection.prepare("INSERT INTO t VALUES (?1, ?2)").unwrap();
        insert.execute((&b"secret"[..], &b"secret"[..])).unwrap();
        let error = translate(insert.execute((&b"secret"[..], &b"secret"[..])).unwrap_err());
        assert!(!error.one_line().contains("secret"), "{}", error.one_line());
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
}
