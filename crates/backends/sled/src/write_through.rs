//! Files that the system writes through: what is written to them is on the disk when the call returns.
//!
//! sled uses a place of its log again when it believes that what replaced the old contents is on the disk, and it believes
//! so of all that was written, because its `sync_file_range` is no sync on Linux. A disk that keeps the new contents of
//! the place and loses what replaced the old ones has lost what was durable long ago. The same goes for values in files of
//! their own, which sled never syncs. No sync of ours *behind* sled's writes can help. So the files themselves are marked
//! (the attribute `S` of `chattr`): then each of sled's writes is a sync, and what it believes is true.
//!
//! The mark on the directory of blobs has to pass on to the files that are made in it. ext4 and XFS pass it on. btrfs does
//! not, and other systems have no such mark: there sled claims nothing.

use std::fs::File;
use std::path::Path;

/// Why nothing is claimed elsewhere.
pub(crate) const ONLY_LINUX: &str = "only on Linux can sled's files be written through";

/// How sled's files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writing {
    /// Through.
    Through {
        /// And what was written before this opening was too.
        always: bool,
    },
    /// To be synced by us; the reason in a few words.
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

/// Takes the marks away.
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

    /// Made in the directory of blobs to see whether it gets the mark, and removed. sled passes over such a name.
    const PROBE: &str = "probe";

    /// The types of file systems in memory: no power cut leaves anything there, whoever syncs.
    const IN_MEMORY: [i64; 2] = [0x0102_1994, 0x8584_58f6];

    pub(super) fn begin(db: &File, blobs: &Path) -> Writing {
        match try_begin(db, blobs) {
            Ok(writing) => writing,
            Err(Errno::PERM | Errno::ACCESS) => {
                Writing::Cached("sled's files belong to another user, so that they cannot be written through")
            }
            Err(_) => Writing::Cached("this file system cannot be told to write sled's files through"),
        }
    }

    fn try_begin(db: &File, blobs: &Path) -> rustix::io::Result<Writing> {
        if lives_in_memory(db) {
            return Ok(Writing::Through { always: true });
        }
        let directory = File::open(blobs).map_err(errno)?;
        // The log is marked last: where it is, all has been tried out, and a full disk does not matter.
        if is_marked(db)? && is_marked(&directory)? {
            return Ok(Writing::Through { always: true });
        }
        mark(&directory, true)?;
        if !passes_on(blobs)? {
            mark(&directory, false)?;
            return Ok(Writing::Cached("this file system does not write new files through when told to"));
        }
        mark(db, true)?;
        if is_marked(db)? { Ok(Writing::Through { always: false }) } else { Err(Errno::NOTSUP) }
    }

    pub(super) fn end(db: &File, blobs: &Path) {
        // Where there are no marks none has to go.
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

    /// Whether a file that is made in the directory has the mark.
    fn passes_on(blobs: &Path) -> rustix::io::Result<bool> {
        let path = blobs.join(PROBE);
        // Of a process that died.
        let _ = fs::remove_file(&path);
        let probe = File::create_new(&path).map_err(errno)?;
        let outcome = is_marked(&probe);
        fs::remove_file(&path).map_err(errno)?;
        outcome
    }

    fn lives_in_memory(file: &File) -> bool {
        // The type of the field differs from processor to processor.
        fstatfs(file)
            .is_ok_and(|found| IN_MEMORY.iter().any(|known| i128::from(found.f_type) == i128::from(*known)))
    }

    #[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
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

    /// Whatever the file system: either everything is marked, or nothing is and there is a reason.
    #[test]
    fn all_is_marked_or_nothing() {
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
                // One that was made anew is not what was tried out.
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
