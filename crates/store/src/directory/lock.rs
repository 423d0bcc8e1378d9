//! The file `LOCK` in a store's directory: one process writes, and the file says which.
//!
//! The lock is the operating system's, held while the file is open. A process that dies lets go of it, so a stale
//! file locks nobody out; its text is for people.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;
use strongroom_core::files::{FileLock, Holder, LOCK_FILE, LockFailure, path_error};
use strongroom_core::{Error, ErrorKind, Result};

/// Holds a store's directory until it is dropped.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    /// None: the file system cannot be written, and no writer has had the store open since it was copied there.
    _lock: Option<FileLock>,
}

impl DirectoryLock {
    /// Takes it. A handle that only reads, where this process cannot write, shares it with others and keeps
    /// writers out.
    pub(crate) fn take(directory: &Path, only_reads: bool) -> Result<Self> {
        let path = directory.join(LOCK_FILE);
        loop {
            let is_new = !path.exists();
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
            let file = match file {
                Err(error) if only_reads && cannot_write(&error) => return share(&path, directory, error),
                file => file.map_err(|error| path_error("open", &path, error))?,
            };
            let lock = FileLock::exclusive(file).map_err(|failure| {
                // Where there are no locks nobody holds it, and a creation leaves nothing.
                if is_new && matches!(failure, LockFailure::NoLocks(_)) {
                    let _ = std::fs::remove_file(&path);
                }
                refused(failure, directory)
            })?;
            // A creation that failed removes its lock file. Whoever had opened it before holds a file that
            // nobody else will see, and tries again.
            if is_still_at(lock.file(), &path) {
                let mut file = lock.file();
                // Only words for people: the lock holds without them, so a full disk is no reason to fail.
                let _ = file.set_len(0).and_then(|()| writeln!(file, "process {}", std::process::id()));
                return Ok(Self { _lock: Some(lock) });
            }
        }
    }
}

/// Shares the lock where the file cannot be opened to be written, which said `unwritable`.
fn share(path: &Path, directory: &Path, unwritable: io::Error) -> Result<DirectoryLock> {
    match File::open(path) {
        Ok(file) => {
            let lock = FileLock::shared(file).map_err(|failure| refused(failure, directory))?;
            Ok(DirectoryLock { _lock: Some(lock) })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if unwritable.kind() == io::ErrorKind::ReadOnlyFilesystem {
                return Ok(DirectoryLock { _lock: None });
            }
            // Another user may be able to write here, and nothing would keep that one out.
            let shown = directory.display();
            let message =
                format!("the store in {shown} has no file {LOCK_FILE}, and it cannot be made there");
            Err(Error::new(ErrorKind::Io, message)
                .hint("open the store once as a user who can write its directory")
                .caused_by(unwritable))
        }
        Err(error) => Err(path_error("open", path, error)),
    }
}

fn cannot_write(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)
}

/// Whether `path` still names `file`.
#[cfg(unix)]
fn is_still_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    file.metadata().map(identity).ok() == std::fs::metadata(path).map(identity).ok()
}

/// Elsewhere a file that is open cannot be removed.
#[cfg(not(unix))]
fn is_still_at(_: &File, _: &Path) -> bool {
    true
}

fn refused(failure: LockFailure, directory: &Path) -> Error {
    match failure {
        LockFailure::Held(holder, file) => locked(directory, holder, file),
        other => other.into_error(directory),
    }
}

/// What of a store's handles keeps it open.
const KEPT: &str =
    "drop it first: a kept Keyspace, Rows, Snapshot, Transaction, Watch or IdGenerator holds it open too";

fn locked(directory: &Path, holder: Holder, mut file: File) -> Error {
    let shown = directory.display();
    let this = format!("process {}", std::process::id());
    if holder == Holder::ThisProcess {
        let message = format!("this process ({this}) has the store in {shown} open already");
        return Error::new(ErrorKind::Locked, message).hint(KEPT);
    }
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.take(64).read_to_string(&mut text));
    let holder = match (read, text.trim()) {
        (Ok(_), text) if text == this => format!("a process that was forked from this one ({this})"),
        (Ok(_), text) if !text.is_empty() => text.to_owned(),
        _ => "another process".to_owned(),
    };
    Error::new(ErrorKind::Locked, format!("{holder} has the store in {shown} open"))
        .hint("stop it or wait until it is done: one process at a time opens a store (but SQLite's and LMDB's may be read beside it)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_told_who_has_it() {
        let directory = tempfile::tempdir().unwrap();
        let held = DirectoryLock::take(directory.path(), false).unwrap();
        let error = DirectoryLock::take(directory.path(), true).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked);
        assert!(error.message().contains(&format!("process {}", std::process::id())), "{error}");
        assert!(error.message().contains("this process") && error.way_out().contains("Snapshot"), "{error}");
        drop(held);
        DirectoryLock::take(directory.path(), false).unwrap();
    }
}
