//! Translates fjall's errors to kinds that a caller can act on.

use fjall::{Error as Fjall, LsmError};
use std::io;
use strongroom_core::{Error, ErrorKind};

/// Translates an error of fjall, and keeps the original as the cause.
#[cold]
pub(crate) fn translate(error: Fjall) -> Error {
    let error = match error {
        Fjall::Io(cause) | Fjall::Storage(LsmError::Io(cause)) => return translate_io(cause),
        other => other,
    };
    let (kind, message, hint) = verdict(&error);
    let translated = Error::new(kind, message).caused_by(error);
    match hint {
        Some(hint) => translated.hint(hint),
        None => translated,
    }
}

/// Translates an I/O error. A missing or short file is damage: the directory is known to be fjall's.
#[cold]
pub(crate) fn translate_io(cause: io::Error) -> Error {
    match cause.kind() {
        // `InvalidInput` comes from a seek before the start of a file that is too short.
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput => {
            Error::new(ErrorKind::Corruption, "a file of the database is damaged").caused_by(cause)
        }
        io::ErrorKind::NotFound => {
            Error::new(ErrorKind::Corruption, "a file of the database is missing").caused_by(cause)
        }
        _ => Error::from_io("reading or writing the database's files failed", cause),
    }
}

fn verdict(error: &Fjall) -> (ErrorKind, &'static str, Option<&'static str>) {
    match error {
        Fjall::Locked => (ErrorKind::Locked, "another handle has the database open", None),
        Fjall::Poisoned => (ErrorKind::Closed, "the database cannot be used after an earlier failure", None),
        Fjall::KeyspaceDeleted => (ErrorKind::NotFound, "the keyspace was dropped", None),
        Fjall::InvalidVersion(Some(_)) => (
            ErrorKind::InvalidInput,
            "the files have the format of another major version of fjall",
            Some("migrate them with the tool of the fjall project first"),
        ),
        Fjall::InvalidVersion(None) => (ErrorKind::Corruption, "the version marker is damaged", None),
        Fjall::JournalRecovery(_) => (ErrorKind::Corruption, "the journal is damaged", None),
        Fjall::Storage(LsmError::ChecksumMismatch { .. }) => {
            (ErrorKind::Corruption, "a block does not match its checksum", None)
        }
        Fjall::Storage(_)
        | Fjall::Decompress(_)
        | Fjall::InvalidTrailer
        | Fjall::InvalidTag(_)
        | Fjall::Unrecoverable => (ErrorKind::Corruption, "the database is damaged", None),
        _ => (ErrorKind::Io, "fjall reported an error", None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_the_kind_to_act_on() {
        let kind = |error: Fjall| translate(error).kind();
        assert_eq!(kind(Fjall::Locked), ErrorKind::Locked);
        assert_eq!(kind(Fjall::Poisoned), ErrorKind::Closed);
        assert_eq!(kind(Fjall::InvalidVersion(None)), ErrorKind::Corruption);
        assert_eq!(kind(Fjall::Unrecoverable), ErrorKind::Corruption);
        assert_eq!(kind(Fjall::Storage(LsmError::InvalidTrailer)), ErrorKind::Corruption);
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert_eq!(kind(Fjall::Storage(LsmError::Io(full))), ErrorKind::Io);
        let missing = io::Error::from(io::ErrorKind::NotFound);
        assert_eq!(kind(Fjall::Io(missing)), ErrorKind::Corruption);
    }
}
