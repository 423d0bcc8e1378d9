//! Has the system write sled's files through: written data is on disk when the call returns.
//!
//! sled reuses a place of its log when it believes that the replacement of the old contents is on disk. It
//! believes that of everything that was written, although its `sync_file_range` is not a sync on Linux. A disk
//! that keeps the new contents of the place and loses the replacement of the old ones has lost data that was
//! durable long ago. The same holds for values in files of their own, which sled never syncs. No sync *after*
//! sled's writes can help. So the files themselves are marked (the attribute `S` of `chattr`): each write of
//! sled is then a sync, and its assumption is true.
//!
//! Files that are created in the directory of blobs have to inherit its mark. On ext4 and XFS they do. On btrfs
//! they do not, and other systems have no such mark: there the adapter claims no power-safe commits.

use std::fs::File;
use std::path::Path;

/// Why nothing is claimed on other systems.
pub(crate) const ONLY_LINUX: &str = "sled's files can be written through only on Linux";

/// How sled's files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writing {
    /// Written through.
    Through {
        /// Whether data from before this open was written through too.
        always: bool,
    },
    /// Not written through, so the adapter has to sync them. The reason in a few words.
    Cached(&'static str),
}

/// Has the log `db` and all new files in `blobs` written through from now on.
pub(crate) fn begin(db: &File, blobs: &Path) -> Writing {
    #[cfg(target_os = "linux")]
    return linux::begin(db, blobs);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (db, blobs);
        Writing::Cached(ONLY_LINUX)
    }
}

/// Removes the marks.
pub(crate) fn end(db: &File, blobs: &Path) -> Writing {
    #[cfg(target_os = "linux")]
    linux::end(db, blobs);
    #[cfg(not(target_os = "linux"))]
    let _ = (db, blobs);
    Writing::Cached("it was opened with write_through=false")
}

#[cfg(target_os = "linux")]
mod linux {
    use super::Writing;
    use rustix::fs::{IFlags, fstatfs, ioctl_getflags, ioctl_setflags};
    use rustix::io::Errno;
    use std::fs::{self, File};
    use std::io;
    use std::path::Path;

    /// Created in the directory of blobs to test whether it inherits the mark, then removed. sled ignores this
    /// name.
    const PROBE: &str = "probe";

    /// Types of file systems in memory: a power cut leaves nothing there, whatever is synced.
    const IN_MEMORY: [i64; 2] = [0x0102_1994, 0x8584_58f6];

    pub(super) fn begin(db: &File, blobs: &Path) -> Writing {
        match try_begin(db, blobs) {
            Ok(writing) => writing,
            Err(Errno::PERM | Errno::ACCESS) => {
                Writing::Cached("sled's files belong to another user and cannot be marked for write-through")
            }
            Err(_) => Writing::Cached("this file system cannot write sled's files through"),
        }
    }

    fn try_begin(db: &File, blobs: &Path) -> rustix::io::Result<Writing> {
        if is_in_memory(db) {
            return Ok(Writing::Through { always: true });
        }
        let directory = File::open(blobs).map_err(errno)?;
        // The log is marked last. If it is marked, everything has been tested before, and a full disk does not
        // matter.
        if is_marked(db)? && is_marked(&directory)? {
            return Ok(Writing::Through { always: true });
        }
        mark(&directory, true)?;
        if !passes_on(blobs)? {
            mark(&directory, false)?;
            return Ok(Writing::Cached("this file system does not write new files through"));
        }
        mark(db, true)?;
        if is_marked(db)? { Ok(Writing::Through { always: false }) } else { Err(Errno::NOTSUP) }
    }

    pub(super) fn end(db: &File, blobs: &Path) {
        // If there are no marks, there is nothing to remove.
        let _ = mark(db, false);
        let _ = File::open(blobs).map(|directory| mark(&directory, false));
    }

    fn is_marked(file: &File) -> rustix::io::Result<bool> {
        Ok(ioctl_getflags(file)?.contains(IFlags::SYNC))
    }

    fn mark(file: &File, marked: bool) -> rustix::io::Result<()> {
        let mut flags = ioctl_getflags(file)?;
        if flags.contains(IFlags::SYNC) == marked {
            return Ok(());
        }
        flags.set(IFlags::SYNC, marked);
        ioctl_setflags(file, flags)
    }

    /// Returns whether a file that is created in the directory inherits the mark.
    fn passes_on(blobs: &Path) -> rustix::io::Result<bool> {
        let path = blobs.join(PROBE);
        // Left by a process that died.
        let _ = fs::remove_file(&path);
        let probe = File::create_new(&path).map_err(errno)?;
        let outcome = is_marked(&probe);
        fs::remove_file(&path).map_err(errno)?;
        outcome
    }

    fn is_in_memory(file: &File) -> bool {
        // The type of the field differs between processors.
        fstatfs(file)
            .is_ok_and(|found| IN_MEMORY.iter().any(|known| i128::from(found.f_type) == i128::from(*known)))
    }

    #[expect(clippy::needless_pass_by_value, reason = "it is passed to `map_err`")]
    fn errno(error: io::Error) -> Errno {
        Errno::from_io_error(&error).unwrap_or(Errno::IO)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use rustix::fs::{IFlags, ioctl_getflags};

    fn has_mark(path: &Path) -> bool {
        File::open(path)
            .is_ok_and(|file| ioctl_getflags(file).is_ok_and(|flags| flags.contains(IFlags::SYNC)))
    }

    /// On any file system, either everything is marked, or nothing is and there is a reason.
    #[test]
    fn everything_is_marked_or_nothing() {
        let home = tempfile::tempdir().unwrap();
        let (path, blobs) = (home.path().join("db"), home.path().join("blobs"));
        std::fs::create_dir(&blobs).unwrap();
        let db = File::create(&path).unwrap();
        let first = begin(&db, &blobs);
        let blob = blobs.join("17");
        std::fs::write(&blob, "").unwrap();
        assert_eq!(std::fs::read_dir(&blobs).unwrap().count(), 1, "no probe is left");
        match first {
            Writing::Through { always: false } => {
                assert!(has_mark(&path) && has_mark(&blobs) && has_mark(&blob));
                assert_eq!(begin(&db, &blobs), Writing::Through { always: true });
                // A recreated directory was not tested.
                std::fs::remove_dir_all(&blobs).unwrap();
                std::fs::create_dir(&blobs).unwrap();
                assert_eq!(begin(&db, &blobs), Writing::Through { always: false });
            }
            // In memory.
            Writing::Through { always: true } => {}
            Writing::Cached(reason) => {
                assert!(!has_mark(&path) && !has_mark(&blobs) && !reason.is_empty());
            }
        }
        assert!(matches!(end(&db, &blobs), Writing::Cached(_)));
        assert!(!has_mark(&path) && !has_mark(&blobs));
    }
}
