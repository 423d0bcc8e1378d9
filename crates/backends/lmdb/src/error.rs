//! Translates LMDB's errors to kinds that a caller can act on.

use heed::MdbError;
use std::io;
use strongroom_core::{Error, ErrorKind};

/// Translates an error of heed, and keeps the original as the cause. LMDB's texts contain no keys or values.
#[cold]
pub(crate) fn translate(error: heed::Error) -> Error {
    match error {
        heed::Error::Io(cause) => translate_io(cause),
        heed::Error::Mdb(cause) => verdict(cause).caused_by(cause),
        heed::Error::EnvAlreadyOpened => already_open(),
        // Cannot happen with plain bytes, which are neither encoded nor decoded.
        heed::Error::Encoding(_) | heed::Error::Decoding(_) => {
            Error::new(ErrorKind::Io, "LMDB's binding cannot decode a row")
        }
    }
}

#[cold]
pub(crate) fn translate_io(cause: io::Error) -> Error {
    // LMDB reports every short write as an I/O error, whatever its cause.
    #[cfg(unix)]
    if cause.raw_os_error() == Some(5) {
        return Error::from_io("the disk failed, or is full", cause)
            .hint("free some space or check the disk, then open the store again");
    }
    Error::from_io("reading or writing the database file failed", cause)
}

/// Another process can drop a keyspace that this one reads.
#[cold]
pub(crate) fn dropped() -> Error {
    Error::new(ErrorKind::NotFound, "the keyspace was dropped").hint("list the keyspaces again")
}

/// Without LMDB's list of readers, a concurrent writer would reuse pages that are being read.
#[cold]
pub(crate) fn written_beneath() -> Error {
    Error::new(
        ErrorKind::Locked,
        "another process has the store open for writing, and LMDB cannot register this reader",
    )
    .hint("read it where its directory is writable, or close the writer")
}

#[cold]
pub(crate) fn already_open() -> Error {
    Error::new(ErrorKind::Locked, "another handle of this process has the store open")
        .hint("share that handle: LMDB cannot open a directory twice in one process, not even for reading")
}

#[cold]
pub(crate) fn locked() -> Error {
    Error::new(ErrorKind::Locked, "another handle has the store open for writing")
        .hint("close it first, or open this one read-only in a process of its own")
}

/// The map is full and cannot grow now. Nothing changed.
#[cold]
pub(crate) fn held_up() -> Error {
    Error::new(ErrorKind::Unavailable, "the map is full, and open readers keep it from growing")
        .hint("drop snapshots, cursors and shared values and try again, or open with a larger map_bytes")
}

/// The old map was unmapped and the larger one could not be mapped.
#[cold]
pub(crate) fn map_lost() -> Error {
    Error::new(ErrorKind::Closed, "the map cannot grow: the process is out of address space")
        .hint("reopen the store with a map_bytes that fits this process")
}

fn verdict(error: MdbError) -> Error {
    let (kind, message, hint) = match error {
        MdbError::Corrupted | MdbError::PageNotFound | MdbError::CursorFull => {
            (ErrorKind::Corruption, "the database is damaged", None)
        }
        MdbError::Invalid => (ErrorKind::Corruption, "the file is not a complete LMDB database", None),
        MdbError::VersionMismatch => (
            ErrorKind::InvalidInput,
            "the file or its lock file belongs to another version of LMDB",
            Some("close other programs that have it open, or open it with the program that wrote it"),
        ),
        MdbError::Incompatible => (
            ErrorKind::InvalidInput,
            "the database of this name is not a plain map of bytes",
            Some("open the file with the program that wrote it"),
        ),
        MdbError::Panic | MdbError::BadTxn | MdbError::BadRslot | MdbError::BadDbi | MdbError::Problem => {
            (ErrorKind::Closed, "the database cannot be used after an earlier failure", None)
        }
        MdbError::MapFull | MdbError::MapResized => return held_up(),
        MdbError::ReadersFull | MdbError::TlsFull => (
            ErrorKind::Unavailable,
            "all slots for readers are taken",
            Some("drop snapshots, cursors and shared values, or open with a larger max_readers"),
        ),
        MdbError::DbsFull => (
            ErrorKind::Unavailable,
            "no slot is left for another keyspace",
            Some("drop one, or open with a larger max_keyspaces"),
        ),
        MdbError::TxnFull => (
            ErrorKind::InvalidInput,
            "the batch changes more pages than LMDB can track",
            Some("commit smaller batches"),
        ),
        MdbError::BadValSize => (ErrorKind::InvalidInput, "LMDB cannot hold a key of this length", None),
        _ => (ErrorKind::Io, "LMDB reported an error", None),
    };
    let translated = Error::new(kind, message);
    match hint {
        Some(hint) => translated.hint(hint),
        None => translated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_the_kind_to_act_on() {
        let kind = |error: MdbError| translate(heed::Error::Mdb(error)).kind();
        assert_eq!(kind(MdbError::Corrupted), ErrorKind::Corruption);
        assert_eq!(kind(MdbError::PageNotFound), ErrorKind::Corruption);
        assert_eq!(kind(MdbError::Invalid), ErrorKind::Corruption);
        assert_eq!(kind(MdbError::VersionMismatch), ErrorKind::InvalidInput);
        assert_eq!(kind(MdbError::MapFull), ErrorKind::Unavailable);
        assert_eq!(kind(MdbError::ReadersFull), ErrorKind::Unavailable);
        assert_eq!(kind(MdbError::DbsFull), ErrorKind::Unavailable);
        assert_eq!(kind(MdbError::Panic), ErrorKind::Closed);
        assert_eq!(kind(MdbError::KeyExist), ErrorKind::Io);
        assert_eq!(translate(heed::Error::EnvAlreadyOpened).kind(), ErrorKind::Locked);
    }

    #[cfg(unix)]
    #[test]
    fn a_full_disk_has_a_hint() {
        for raw in [5, 28, 122] {
            let error = translate(heed::Error::Io(io::Error::from_raw_os_error(raw)));
            assert_eq!(error.kind(), ErrorKind::Io);
            assert!(error.way_out().contains("free some space"), "{error}");
        }
    }
}
