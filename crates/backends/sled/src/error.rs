//! Translates sled's errors to kinds that a caller can act on.

use strongroom_core::{Error, ErrorKind};

/// sled's text for settings that are not valid text.
const UNREADABLE_SETTINGS: &str = "earlier than 0.29";

/// Translates an error of sled.
pub(crate) fn from_sled(error: sled::Error) -> Error {
    match error {
        sled::Error::Io(io) => from_io(io),
        sled::Error::Corruption { .. } => {
            Error::new(ErrorKind::Corruption, "a page or a record of the log is damaged").caused_by(error)
        }
        sled::Error::CollectionNotFound(_) => Error::new(ErrorKind::NotFound, "the keyspace was dropped"),
        // sled reads the settings as text. No store of this adapter is as old as the message assumes.
        sled::Error::Unsupported(text) if text.contains(UNREADABLE_SETTINGS) => {
            Error::new(ErrorKind::Corruption, "its file `conf` is damaged").caused_by(text)
        }
        sled::Error::Unsupported(text) => Error::new(ErrorKind::InvalidInput, text)
            .hint("open it with the options and the version of sled that it was created with"),
        sled::Error::ReportableBug(text) => Error::new(ErrorKind::Io, text).hint(
            "end the process: sled's threads are shared by all its stores, and a dead one is not replaced",
        ),
    }
}

fn from_io(error: std::io::Error) -> Error {
    use std::io::ErrorKind as Io;
    // sled wraps the lock's own error in a text of its own, of kind "other".
    if error.to_string().contains("could not acquire lock") {
        return Error::new(ErrorKind::Locked, "another handle has the store open").caused_by(error);
    }
    match error.kind() {
        // sled knows what it wrote and where: a missing or short file is damage.
        Io::NotFound | Io::UnexpectedEof | Io::InvalidData => {
            Error::new(ErrorKind::Corruption, "a file of the engine is missing or too short").caused_by(error)
        }
        _ => Error::from_io("the engine cannot read or write its files", error),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // Tests fail by panicking.
mod tests {
    use super::*;
    use std::io;

    fn kind_of(io_kind: io::ErrorKind, text: &str) -> ErrorKind {
        from_sled(sled::Error::Io(io::Error::new(io_kind, text))).kind()
    }

    #[test]
    fn settings_that_are_not_text_are_damage() {
        let home = tempfile::tempdir().unwrap();
        drop(sled::open(home.path()).unwrap());
        std::fs::write(home.path().join("conf"), [0xff; 64]).unwrap();
        assert_eq!(from_sled(sled::open(home.path()).unwrap_err()).kind(), ErrorKind::Corruption);
    }

    #[test]
    fn io_errors_map_to_kinds() {
        let locked = "could not acquire lock on \"x/db\": Os { code: 11 }";
        assert_eq!(kind_of(io::ErrorKind::Other, locked), ErrorKind::Locked);
        assert_eq!(kind_of(io::ErrorKind::UnexpectedEof, "short"), ErrorKind::Corruption);
        assert_eq!(kind_of(io::ErrorKind::NotFound, "blobs/17"), ErrorKind::Corruption);
        assert_eq!(kind_of(io::ErrorKind::StorageFull, "full"), ErrorKind::Io);
    }
}
