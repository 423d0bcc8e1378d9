//! The file `LOCK` in a store's directory: only one process writes, and the file names it.
//!
//! The lock is the operating system's, and is held while the file is open. A process that dies releases it, so a
//! stale file blocks nothing. The text of the file is for people.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;
use strongroom_core::files::{FileLock, Holder, LOCK_FILE, LockFailure, path_error};
use strongroom_core::{Error, ErrorKind, Result};

/// Holds a store's directory until it is dropped.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    /// None if the file system is read-only and has no such file, so no writer has opened the store since it was
    /// put there.
    _lock: Option<FileLock>,
}

impl DirectoryLock {
    /// Takes the lock. A read-only handle that cannot write the file takes it shared, which keeps writers out.
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
                // Without locks no process holds it, and a failed creation leaves no file.
                if is_new && matches!(failure, LockFailure::NoLocks(_)) {
                    let _ = std::fs::remove_file(&path);
                }
                refused(failure, directory)
            })?;
            // A failed creation removes its lock file. A process that had opened it before locks a file that no
            // other process sees, and tries again.
            if is_still_at(lock.file(), &path) {
                let mut file = lock.file();
                // The text is only for people. The lock holds without it, so a full disk is no failure.
                let _ = file.set_len(0).and_then(|()| writeln!(file, "process {}", std::process::id()));
                return Ok(Self { _lock: Some(lock) });
            }
        }
    }
}

/// Takes the lock shared, where the file cannot be opened for writing. `unwritable` is the error of that.
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
            // Another user may be able to write here, and nothing would keep that user out.
            let shown = directory.display();
            let message =
                format!("the store in {shown} has no file {LOCK_FILE}, and it cannot be created there");
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

/// Elsewhere an open file cannot be removed.
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

/// The hint if this process has the store open. A `Watch` does not keep it open.
const KEPT: &str =
    "drop it first: a Keyspace, Rows, Snapshot, Transaction or IdGenerator of it keeps it open too";

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
        .hint("stop it, or wait until it ends: one process at a time opens a store (SQLite and LMDB stores can be read meanwhile)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_opening_reports_the_holder() {
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
