//! Translates RocksDB's errors to kinds that a caller can act on.
//!
//! RocksDB reports kinds and texts. It leaves keys out of its texts unless it is configured to include them,
//! which is refused. A few texts contain the bounds of files nevertheless; those are cut off here.

use rocksdb::{Error as Rocks, ErrorKind as RocksKind};
use std::io;
use strongroom_core::files::relative_names;
use strongroom_core::{Error, ErrorKind};

/// Translates an error of RocksDB, and keeps its text as the cause.
#[cold]
pub(crate) fn translate(error: Rocks) -> Error {
    let kind = error.kind();
    let text = error.into_string();
    if kind == RocksKind::IOError {
        return translate_text_of_io(&text);
    }
    let (kind, message, hint) = verdict(&kind);
    let translated = Error::new(kind, message).caused_by(without_keys(&text));
    match hint {
        Some(hint) => translated.hint(hint),
        None => translated,
    }
}

/// Translates an I/O error. A missing or short file is damage: the directory is known to be RocksDB's.
#[cold]
pub(crate) fn translate_io(cause: io::Error) -> Error {
    match cause.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            Error::new(ErrorKind::Corruption, "a file of the database is missing").caused_by(cause)
        }
        _ => Error::from_io("reading or writing the database's files failed", cause),
    }
}

fn verdict(kind: &RocksKind) -> (ErrorKind, &'static str, Option<&'static str>) {
    match kind {
        RocksKind::Corruption => (ErrorKind::Corruption, "the database is damaged", None),
        RocksKind::NotFound => (ErrorKind::Corruption, "a part of the database is missing", None),
        RocksKind::NotSupported => (
            ErrorKind::Unsupported,
            "the files or options need something that this build of RocksDB lacks",
            Some("correct the options, or open the files with the program that wrote them"),
        ),
        RocksKind::InvalidArgument => (
            ErrorKind::InvalidInput,
            "RocksDB refuses the files or the options",
            Some("correct the options, or open the files with the program that wrote them"),
        ),
        RocksKind::ColumnFamilyDropped => (ErrorKind::NotFound, "the keyspace was dropped", None),
        RocksKind::ShutdownInProgress => (ErrorKind::Closed, "the database is being closed", None),
        // Never `Unavailable`: that would promise that nothing changed.
        _ => (ErrorKind::Io, "RocksDB reported an error", None),
    }
}

/// Translates an I/O error by its text: RocksDB has a single kind for all errors of the operating system, and
/// puts the system's words into the text.
fn translate_text_of_io(text: &str) -> Error {
    let says = |words: &[&str]| words.iter().any(|words| text.contains(words));
    let error = if says(&LOCKED) {
        Error::new(ErrorKind::Locked, "another handle has the database open")
    } else if says(&["No such file", "file truncated", "cannot find the"]) {
        Error::new(ErrorKind::Corruption, "a file of the database is missing or short")
    } else if says(&["No space left", "Disk quota exceeded", "disk is full"]) {
        Error::new(ErrorKind::Io, "no space is left on the disk")
            .hint("free some space, then open the store again")
    } else if says(&["Too many open files"]) {
        Error::new(ErrorKind::Io, "the process has too many files open")
            .hint("raise its limit, or lower option max_open_files")
    } else if is_read_only_place(text) || is_denied(text) {
        Error::new(ErrorKind::Io, "the files cannot be written").hint("check the owner and mode of the path")
    } else {
        Error::new(ErrorKind::Io, "reading or writing the database's files failed")
    };
    error.caused_by(without_keys(text))
}

/// RocksDB's texts when its file LOCK is held: by this process, by another one, by another one on Windows.
const LOCKED: [&str; 3] = ["lock hold by current process", "While lock file", "Failed to create lock file"];

/// Returns whether the files are on a read-only file system, which no process can write to. (If only this user
/// may not write, another user may.)
pub(crate) fn is_read_only_place(text: &str) -> bool {
    text.contains("Read-only file system")
}

/// Returns whether this user may not write there.
pub(crate) fn is_denied(text: &str) -> bool {
    text.contains("Permission denied") || text.contains("Operation not permitted")
}

/// Returns whether column families were created or dropped since they were listed.
pub(crate) fn is_outdated_list(error: &Rocks) -> bool {
    let text: &str = error.as_ref();
    text.contains("Column families not opened") || text.contains("Column family not found")
}

/// Returns the text on one line, up to the first key in it.
fn without_keys(text: &str) -> String {
    // RocksDB names files by the pinned path of their directory.
    let text = &*relative_names(text);
    let end = [" key: ", " key '", " keys: ", " key=", " internal key"]
        .iter()
        .filter_map(|mark| text.find(mark))
        .min()
        .unwrap_or(text.len());
    let line = text[..end].replace(['\n', '\r', '\0'], " ");
    if end == text.len() { line } else { format!("{line} (keys left out)") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_operating_system_map_to_kinds() {
        let kind = |text: &str| translate_text_of_io(text).kind();
        let by_us = "IO error: lock hold by current process, acquire time 1 acquiring thread 2: a/LOCK: No locks available";
        assert_eq!(kind(by_us), ErrorKind::Locked);
        let by_others = "IO error: While lock file: a/LOCK: Resource temporarily unavailable";
        assert_eq!(kind(by_others), ErrorKind::Locked);
        let missing = "IO error: No such file or directory: While open a file for random read: a/000008.sst";
        assert_eq!(kind(missing), ErrorKind::Corruption);
        assert_eq!(kind("IO error: No space left on device: While appending"), ErrorKind::Io);
        assert!(translate_text_of_io("IO error: No space left on device").way_out().contains("space"));
        assert_eq!(kind("IO error: Input/output error: While pread offset 0"), ErrorKind::Io);
    }

    #[test]
    fn kinds_of_rocksdb_map_to_kinds() {
        assert_eq!(verdict(&RocksKind::Corruption).0, ErrorKind::Corruption);
        assert_eq!(verdict(&RocksKind::Busy).0, ErrorKind::Io);
        assert_eq!(verdict(&RocksKind::InvalidArgument).0, ErrorKind::InvalidInput);
        assert_eq!(verdict(&RocksKind::ShutdownInProgress).0, ErrorKind::Closed);
        assert_eq!(verdict(&RocksKind::Unknown).0, ErrorKind::Io);
    }

    #[test]
    fn keys_are_cut_off() {
        let text =
            "Corruption: L1 has overlapping ranges: file #8 largest key: 'secret' seq:4, type:1 vs. file #9";
        let shown = without_keys(text);
        assert!(!shown.contains("secret") && shown.contains("file #8"), "{shown}");
        assert_eq!(without_keys("Corruption: block\nchecksum"), "Corruption: block checksum");
    }
}
