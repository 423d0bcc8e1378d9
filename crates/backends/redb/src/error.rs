//! Translates redb's errors to kinds that a caller can act on.

use redb::Error as Redb;
use std::io;
use strongroom_core::{Error, ErrorKind};

/// Translates an error of redb, and keeps the original as the cause.
#[cold]
pub(crate) fn translate(error: impl Into<Redb>) -> Error {
    let error = match error.into() {
        Redb::Io(cause) => return translate_io(cause),
        other => other,
    };
    let (kind, message, hint) = verdict(&error);
    let translated = Error::new(kind, message).caused_by(error);
    match hint {
        Some(hint) => translated.hint(hint),
        None => translated,
    }
}

/// Translates an I/O error. redb reports a foreign or truncated file by `InvalidData` or a short read.
#[cold]
pub(crate) fn translate_io(cause: io::Error) -> Error {
    match cause.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            Error::new(ErrorKind::Corruption, "the file is not a complete redb database").caused_by(cause)
        }
        _ => Error::from_io("reading or writing the database file failed", cause),
    }
}

fn verdict(error: &Redb) -> (ErrorKind, &'static str, Option<&'static str>) {
    match error {
        Redb::DatabaseAlreadyOpen | Redb::LockProtocolMismatch => {
            (ErrorKind::Locked, "another handle has the database open", None)
        }
        Redb::Corrupted(_) => (ErrorKind::Corruption, "the database is damaged", None),
        Redb::RepairAborted => {
            (ErrorKind::Corruption, "the database needs a repair that did not finish", None)
        }
        // redb's former formats. It never had any other number.
        Redb::UpgradeRequired(1 | 2) => (
            ErrorKind::InvalidInput,
            "the file has a format of redb before version 3",
            Some("upgrade it with redb 2.6 first"),
        ),
        Redb::UpgradeRequired(_) => (ErrorKind::Corruption, "the database's header is damaged", None),
        Redb::TransactionInProgress | Redb::ReadTransactionStillInUse(_) | Redb::WouldBlock => (
            ErrorKind::Unavailable,
            "snapshots, cursors or shared values are still in use",
            Some("drop them and try again"),
        ),
        Redb::PreviousIo | Redb::DatabaseClosed | Redb::LockPoisoned(_) | Redb::TransactionPoisoned => {
            (ErrorKind::Closed, "the database cannot be used after an earlier failure", None)
        }
        Redb::ValueTooLarge(_) => (ErrorKind::InvalidInput, "the value is too large for redb", None),
        Redb::TableTypeMismatch { .. }
        | Redb::TableIsMultimap(_)
        | Redb::TableIsNotMultimap(_)
        | Redb::TypeDefinitionChanged { .. } => (
            ErrorKind::InvalidInput,
            "a table is not a map from bytes to bytes",
            Some("open the file with the program that wrote it"),
        ),
        Redb::TableDoesNotExist(_) => (ErrorKind::NotFound, "the table does not exist", None),
        Redb::PersistentSavepointExists | Redb::EphemeralSavepointExists => (
            ErrorKind::Unsupported,
            "the file has savepoints, which Strongroom never creates",
            Some("delete them with the program that created them"),
        ),
        Redb::Unsupported => (ErrorKind::Unsupported, "the storage lacks an operation that redb needs", None),
        _ => (ErrorKind::Io, "redb reported an error", None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use redb::{DatabaseError, StorageError};

    #[test]
    fn each_error_has_the_kind_to_act_on() {
        let kind = |error: DatabaseError| translate(error).kind();
        assert_eq!(kind(DatabaseError::DatabaseAlreadyOpen), ErrorKind::Locked);
        assert_eq!(kind(DatabaseError::UpgradeRequired(2)), ErrorKind::InvalidInput);
        assert_eq!(kind(DatabaseError::UpgradeRequired(0x7d)), ErrorKind::Corruption);
        assert_eq!(kind(DatabaseError::TransactionInProgress), ErrorKind::Unavailable);
        assert_eq!(kind(StorageError::PreviousIo.into()), ErrorKind::Closed);
        assert_eq!(kind(StorageError::Corrupted("x".into()).into()), ErrorKind::Corruption);
        assert_eq!(kind(StorageError::ValueTooLarge(1).into()), ErrorKind::InvalidInput);
        let short = io::Error::from(io::ErrorKind::UnexpectedEof);
        assert_eq!(kind(StorageError::Io(short).into()), ErrorKind::Corruption);
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert_eq!(kind(StorageError::Io(full).into()), ErrorKind::Io);
    }
}
