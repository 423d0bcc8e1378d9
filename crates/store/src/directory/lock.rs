//! The file `LOCK` in a store's directory: one process writes, and the file says which.
//!
//! The lock is the operating system's (`flock` and its like), held while the file is open. A process that
//! dies lets go of it, so a stale file locks nobody out; what it says is for people.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use strongroom_core::{Error, ErrorKind, Result};

pub(crate) const LOCK_FILE: &str = "LOCK";

/// Holds a store's directory until it is dropped.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes it. Who only reads, from a file system that cannot be written, shares it with others and keeps
    /// writers out.
    pub(crate) fn take(directory: &Path, only_reads: bool) -> Result<Self> {
        let path = directory.join(LOCK_FILE);
        loop {
            let mut file = match Self::take_file(&path, directory) {
                Err(error) if only_reads && is_read_only_medium(&error) => {
                    return Self::share_file(&path, directory);
                }
                taken => taken?,
            };
            // A creation that failed removes its lock file. Whoever had opened it before holds a file that
            // nobody else will see, and tries again.
            if is_still_at(&file, &path) {
                // Only words for people: the lock holds without them, so a full disk is no reason to fail.
                let _ = file.set_len(0).and_then(|()| writeln!(file, "process {}", std::process::id()));
                return Ok(Self { _file: file });
            }
        }
    }

    fn share_file(path: &Path, directory: &Path) -> Result<Self> {
        let failed = |error| Error::from_io(format!("cannot lock {}", path.display()), error);
        let mut file = File::open(path).map_err(failed)?;
        match file.try_lock_shared() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(locked(directory, &mut file)),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    fn take_file(path: &Path, directory: &Path) -> Result<File> {
        let shown = path.display();
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|error| Error::from_io(format!("cannot open {shown}"), error))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(locked(directory, &mut file)),
            Err(TryLockError::Error(error)) => Err(Error::from_io(format!("cannot lock {shown}"), error)),
        }
    }
}

fn is_read_only_medium(error: &Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<std::io::Error>());
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::ReadOnlyFilesystem)
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

fn locked(directory: &Path, file: &mut File) -> Error {
    let mut holder = String::new();
    let read = file.rewind().and_then(|()| file.take(64).read_to_string(&mut holder));
    let holder = match (read, holder.trim()) {
        (Ok(_), holder) if !holder.is_empty() => holder.to_owned(),
        _ => "another process".to_owned(),
    };
    Error::new(ErrorKind::Locked, format!("{holder} has the store in {} open", directory.display()))
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
        drop(held);
        DirectoryLock::take(directory.path(), false).unwrap();
    }
}
