//! Locks on files that end when their holder lets go of them.
//!
//! The lock is the operating system's (`flock` and its like). On Unix it belongs to the open file, which a process
//! that was forked shares with its parent: between `fork` and `exec` a child keeps every lock of the parent, although
//! the parent has closed the file. So the holder unlocks before it closes, which ends the lock for all that share the
//! file. A child that drops a copy of the holder must not do that to its parent: it only closes.

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

/// A locked file. Dropping it ends the lock, even if a child process shares the open file.
#[derive(Debug)]
pub struct FileLock {
    file: File,
    identity: Option<(u64, u64)>,
    process: u32,
}

/// Who has the lock that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// This process, by another handle.
    ThisProcess,
    /// Another process.
    OtherProcess,
}

/// Why a file was not locked. It gives the file back.
#[derive(Debug)]
pub enum LockFailure {
    /// Somebody has it.
    Held(Holder, File),
    /// The file system has no locks, so that nothing would keep a second writer out.
    NoLocks(io::Error),
    /// Anything else.
    Io(io::Error),
}

impl LockFailure {
    /// The failure as an error about `path`, the file or the directory that was to be locked.
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
                format!(
                    "the file system of {shown} has no locks, so that nothing would keep a second writer out"
                ),
            )
            .hint("keep the store on a local file system, or mount this one with locks")
            .caused_by(cause),
            Self::Io(cause) => Error::from_io(format!("cannot lock {shown}"), cause),
        }
    }
}

impl FileLock {
    /// Locks the file for this handle alone, or fails at once.
    pub fn exclusive(file: File) -> Result<Self, LockFailure> {
        let outcome = file.try_lock();
        Self::taken(file, outcome)
    }

    /// Shares the lock with others that share it, or fails at once.
    pub fn shared(file: File) -> Result<Self, LockFailure> {
        let outcome = file.try_lock_shared();
        Self::taken(file, outcome)
    }

    fn taken(file: File, outcome: Result<(), TryLockError>) -> Result<Self, LockFailure> {
        let identity = file.metadata().ok().and_then(|metadata| identity(&metadata));
        match outcome {
            Ok(()) => {
                if let Some(identity) = identity {
                    *lock(&HELD).entry(identity).or_default() += 1;
                }
                Ok(Self { file, identity, process: std::process::id() })
            }
            Err(TryLockError::WouldBlock) => {
                let is_ours = identity.is_some_and(|identity| lock(&HELD).contains_key(&identity));
                let holder = if is_ours { Holder::ThisProcess } else { Holder::OtherProcess };
                Err(LockFailure::Held(holder, file))
            }
            Err(TryLockError::Error(error)) if has_no_locks(&error) => Err(LockFailure::NoLocks(error)),
            Err(TryLockError::Error(error)) => Err(LockFailure::Io(error)),
        }
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Ends the lock and keeps the file open.
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
        // Before the unlock: who finds the file locked in between is told of another process, and may try again.
        if let Some(identity) = self.identity {
            let mut held = lock(&HELD);
            if let Some(count) = held.get_mut(&identity) {
                *count -= 1;
                if *count == 0 {
                    held.remove(&identity);
                }
            }
        }
        // Closing does it too, unless a child shares the file.
        let _ = self.file.unlock();
    }
}

/// Whether the file system refuses every lock: `ENOLCK`, `ENOTSUP`, `ENOSYS`.
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
    fn the_holder_is_known_and_a_shared_file_does_not_keep_the_lock() {
        let path = std::env::temp_dir().join(format!("strongroom-lock-{}", std::process::id()));
        let held = FileLock::exclusive(open(&path)).unwrap();
        assert!(matches!(FileLock::exclusive(open(&path)), Err(LockFailure::Held(Holder::ThisProcess, _))));
        // As a child process has it between `fork` and `exec`.
        let inherited = held.file().try_clone().unwrap();
        drop(held);
        let again = FileLock::shared(open(&path)).unwrap();
        let beside = FileLock::shared(open(&path)).unwrap();
        assert!(matches!(FileLock::exclusive(open(&path)), Err(LockFailure::Held(_, _))));
        drop((again, beside, inherited));
        // Not by one of ours.
        let other = open(&path);
        other.try_lock().unwrap();
        assert!(matches!(FileLock::exclusive(open(&path)), Err(LockFailure::Held(Holder::OtherProcess, _))));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_file_system_without_locks_is_told_apart() {
        assert!(has_no_locks(&io::Error::from(io::ErrorKind::Unsupported)));
        assert!(!has_no_locks(&io::Error::from(io::ErrorKind::PermissionDenied)));
        #[cfg(target_os = "linux")]
        assert!(has_no_locks(&io::Error::from_raw_os_error(37)), "ENOLCK");
    }
}
