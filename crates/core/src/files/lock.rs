//! File locks that end when their holder is dropped.
//!
//! They are the operating system's locks (`flock` or similar). On Unix a lock belongs to the open file, which a
//! forked process shares with its parent: between `fork` and `exec` a child keeps every lock of the parent,
//! even if the parent has closed the file. Therefore the holder unlocks before it closes, which ends the lock
//! for all processes that share the file. A child that drops a copy of the holder only closes the file, so that
//! the parent keeps its lock.

use super::directory::identity;
use crate::sync::lock;
use crate::{Error, ErrorKind};
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::sync::Mutex;

/// The files on which this process holds a lock, by device and inode.
static HELD: Mutex<BTreeMap<(u64, u64), usize>> = Mutex::new(BTreeMap::new());

/// A locked file. Dropping it releases the lock, even if a child process shares the open file.
#[derive(Debug)]
pub struct FileLock {
    file: File,
    identity: Option<(u64, u64)>,
    process: u32,
}

/// Who holds a lock that could not be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// This process, through another handle.
    ThisProcess,
    /// Another process.
    OtherProcess,
}

/// Why a file was not locked. Returns the file.
#[derive(Debug)]
pub enum LockFailure {
    /// The lock is held.
    Held(Holder, File),
    /// The file system has no locks, so nothing would prevent a second writer.
    NoLocks(io::Error),
    /// Any other error.
    Io(io::Error),
}

impl LockFailure {
    /// Converts the failure to an error about `path`, the file or directory that was to be locked.
    #[must_use]
    pub fn into_error(self, path: &Path) -> Error {
        let shown = path.display();
        match self {
            Self::Held(Holder::ThisProcess, _) => {
                Error::new(ErrorKind::Locked, format!("this process has {shown} open already"))
            }
            Self::Held(Holder::OtherProcess, _) => {
                Error::new(ErrorKind::Locked, format!("another process has {shown} open"))
            }
            Self::NoLocks(cause) => Error::new(
                ErrorKind::Unsupported,
                format!("the file system of {shown} has no locks, so nothing would prevent a second writer"),
            )
            .hint("keep the store on a local file system, or mount this one with locks")
            .caused_by(cause),
            Self::Io(cause) => Error::from_io(format!("cannot lock {shown}"), cause),
        }
    }
}

impl FileLock {
    /// Takes the lock exclusively, or fails at once.
    pub fn exclusive(file: File) -> Result<Self, LockFailure> {
        Self::take(file, File::try_lock)
    }

    /// Takes the lock together with other shared holders, or fails at once.
    pub fn shared(file: File) -> Result<Self, LockFailure> {
        Self::take(file, File::try_lock_shared)
    }

    fn take(file: File, try_lock: impl Fn(&File) -> Result<(), TryLockError>) -> Result<Self, LockFailure> {
        let identity = file.metadata().ok().and_then(|metadata| identity(&metadata));
        // Held over both: another thread must not find the lock taken and this process not listed.
        let mut held = lock(&HELD);
        match try_lock(&file) {
            Ok(()) => {
                if let Some(identity) = identity {
                    *held.entry(identity).or_default() += 1;
                }
                drop(held);
                Ok(Self { file, identity, process: std::process::id() })
            }
            Err(TryLockError::WouldBlock) => {
                let is_ours = identity.is_some_and(|identity| held.contains_key(&identity));
                let holder = if is_ours { Holder::ThisProcess } else { Holder::OtherProcess };
                Err(LockFailure::Held(holder, file))
            }
            Err(TryLockError::Error(error)) if has_no_locks(&error) => Err(LockFailure::NoLocks(error)),
            Err(TryLockError::Error(error)) => Err(LockFailure::Io(error)),
        }
    }

    /// Returns the file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Releases the lock and keeps the file open.
    pub fn unlock(self) -> io::Result<File> {
        let file = self.file.try_clone()?;
        drop(self);
        Ok(file)
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        if std::process::id() != self.process {
            return;
        }
        // Held over both, as in `take`.
        let mut held = lock(&HELD);
        if let Some(identity) = self.identity
            && let Some(count) = held.get_mut(&identity)
        {
            *count -= 1;
            if *count == 0 {
                held.remove(&identity);
            }
        }
        // Closing would do it too, unless a child shares the file.
        let _ = self.file.unlock();
    }
}

/// Returns whether the file system supports no locks: `ENOLCK`, `ENOTSUP`, `ENOSYS`.
fn has_no_locks(error: &io::Error) -> bool {
    #[cfg(target_os = "linux")]
    if error.raw_os_error() == Some(rustix::io::Errno::NOLCK.raw_os_error()) {
        return true;
    }
    error.kind() == io::ErrorKind::Unsupported
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &std::path::Path) -> File {
        File::options().read(true).write(true).create(true).truncate(false).open(path).unwrap()
    }

    #[test]
    fn the_holder_is_reported_and_a_shared_file_does_not_keep_the_lock() {
        let path = std::env::temp_dir().join(format!("strongroom-lock-{}", std::process::id()));
        let held = FileLock::exclusive(open(&path)).unwrap();
        assert!(matches!(FileLock::exclusive(open(&path)), Err(LockFailure::Held(Holder::ThisProcess, _))));
        // As in a child process between `fork` and `exec`.
        let inherited = held.file().try_clone().unwrap();
        drop(held);
        let again = FileLock::shared(open(&path)).unwrap();
        let beside = FileLock::shared(open(&path)).unwrap();
        assert!(matches!(FileLock::exclusive(open(&path)), Err(LockFailure::Held(_, _))));
        drop((again, beside, inherited));
        // A lock that was not taken through `FileLock`, as in another process.
        let other = open(&path);
        other.try_lock().unwrap();
        assert!(matches!(FileLock::exclusive(open(&path)), Err(LockFailure::Held(Holder::OtherProcess, _))));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_file_system_without_locks_is_recognised() {
        assert!(has_no_locks(&io::Error::from(io::ErrorKind::Unsupported)));
        assert!(!has_no_locks(&io::Error::from(io::ErrorKind::PermissionDenied)));
        #[cfg(target_os = "linux")]
        assert!(has_no_locks(&io::Error::from_raw_os_error(37)), "ENOLCK");
    }
}
