//! Makes sled's files durable, which sled 0.34 does not do on Linux.
//!
//! sled's `flush` writes its buffers and calls `sync_file_range`. That neither empties the disk's cache nor
//! writes the metadata that the file system needs to find the data again. If its files are [written
//! through](crate::write_through), this does not matter; the only thing left is to sync once what sled writes
//! while it opens.
//!
//! Otherwise, after a `flush`, this module fsyncs every file that may have changed and the directories that
//! name them, through descriptors of its own. The system reports a failed write-back once to each descriptor
//! that was open at the time, and sled swallows its report. So `db`, the file that sled itself fsyncs, is
//! opened before sled writes its first byte. No other descriptor asks about the other files, so the system
//! keeps their report until they are opened here.

use crate::write_through::{self, Writing};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use strongroom_core::files::Directory;
use strongroom_core::{Error, ErrorKind, Result};

/// How long a close waits for sled's threads to release its files.
const RELEASE_WAIT_MAX: Duration = Duration::from_secs(5);

/// A directory that was changed less than this before it was listed may change again without a new time stamp.
const STAMP_RESOLUTION: Duration = Duration::from_secs(2);

/// The files of one sled store.
#[derive(Debug)]
pub(crate) struct Files {
    /// Kept open for sled too, which opens blobs by path.
    home: Directory,
    db: File,
    writing: Writing,
    /// Held while files are synced: of two concurrent calls, the second must not return before the first.
    synced: Mutex<Synced>,
}

/// What is durable already.
#[derive(Debug, Default)]
struct Synced {
    /// The settings, the recovery snapshot and the directories, which change only while sled opens.
    since_open: bool,
    /// Values with files of their own. sled writes each once.
    blobs: BTreeSet<OsString>,
    /// When the directory of blobs was last changed, if it was listed long enough after that.
    blobs_listed_for: Option<SystemTime>,
    /// A failed write-back is reported only once. A thread that waited meanwhile would get a success, and would
    /// acknowledge lost data.
    failed: bool,
}

impl Files {
    /// Opens the file that sled is about to open, or creates it empty, and has it written through if requested
    /// and possible.
    pub(crate) fn open_before_sled(home: &Directory, write_through: bool) -> Result<Self> {
        let directory = home.pinned_path();
        // The directory of blobs first: it identifies the files as sled's.
        let blobs = directory.join("blobs");
        std::fs::create_dir_all(&blobs)
            .map_err(|error| Error::from_io("cannot create sled's directory of blobs", error))?;
        let db = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(directory.join("db"))
            .map_err(|error| Error::from_io("cannot open sled's file", error))?;
        let begun = if write_through { write_through::begin } else { write_through::end };
        let writing = begun(&db, &blobs);
        Ok(Self { home: home.clone(), db, writing, synced: Mutex::default() })
    }

    /// Returns the path of a file or directory of sled, which stays valid after a rename of the store's
    /// directory.
    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.home.pinned_path().join(name)
    }

    /// Fsyncs a file or directory. One that sled has removed meanwhile needs no sync.
    fn sync_path(&self, path: &Path) -> Result<()> {
        match File::open(path).and_then(|file| file.sync_all()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.failed("sync", path, error)),
            _ => Ok(()),
        }
    }

    fn failed(&self, what: &str, path: &Path, error: io::Error) -> Error {
        Error::from_io(format!("cannot {what} {}", self.home.shown(path).display()), error)
    }

    /// Returns their directory, which stays open as long as this.
    pub(crate) fn home(&self) -> &Directory {
        &self.home
    }

    /// Returns why written data may not be on disk although sled believes it, or `None` if it is.
    pub(crate) fn cached(&self) -> Option<&'static str> {
        match self.writing {
            Writing::Through { .. } => None,
            Writing::Cached(reason) => Some(reason),
        }
    }

    /// Returns the absolute path of their directory.
    pub(crate) fn directory(&self) -> &Path {
        self.home.path()
    }

    /// Makes everything durable that sled has handed to the operating system so far. After a failure it always
    /// fails.
    pub(crate) fn sync(&self) -> Result<()> {
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        if synced.failed {
            return Err(Error::new(ErrorKind::Closed, "an earlier sync of sled's files failed")
                .hint("reopen the store; unsynced commits may be lost"));
        }
        let outcome = self.sync_all(&mut synced);
        synced.failed = outcome.is_err();
        outcome
    }

    fn sync_all(&self, synced: &mut Synced) -> Result<()> {
        if synced.since_open && self.cached().is_none() {
            return Ok(());
        }
        // Sync referenced files before the files that refer to them.
        if self.writing != (Writing::Through { always: true }) {
            self.sync_blobs(synced)?;
        }
        if !synced.since_open {
            for path in self.written_at_open().map_err(|error| self.failed("list", &self.path(""), error))? {
                self.sync_path(&path)?;
            }
        }
        self.db.sync_all().map_err(|error| self.failed("sync", &self.path("db"), error))?;
        if !synced.since_open {
            self.sync_path(&self.path(""))?;
            if let Some(parent) = self.home.path().parent() {
                self.sync_path(parent)?;
            }
            synced.since_open = true;
        }
        Ok(())
    }

    /// Syncs the blobs that were not synced before, and their directory if there are any.
    fn sync_blobs(&self, synced: &mut Synced) -> Result<()> {
        let directory = self.path("blobs");
        let cannot_list = |error| self.failed("list", &directory, error);
        let changed =
            std::fs::metadata(&directory).and_then(|found| found.modified()).map_err(cannot_list)?;
        if synced.blobs_listed_for == Some(changed) {
            return Ok(());
        }
        // Read before the listing: later changes have a later stamp.
        let settled = SystemTime::now().duration_since(changed).is_ok_and(|age| age > STAMP_RESOLUTION);
        let mut present = BTreeSet::new();
        let mut has_new = !synced.since_open;
        for entry in std::fs::read_dir(&directory).map_err(cannot_list)? {
            let name = entry.map_err(cannot_list)?.file_name();
            if !synced.blobs.contains(&name) {
                has_new = true;
                self.sync_path(&directory.join(&name))?;
            }
            present.insert(name);
        }
        if has_new {
            self.sync_path(&directory)?;
        }
        synced.blobs = present;
        synced.blobs_listed_for = settled.then_some(changed);
        Ok(())
    }

    /// Returns the settings and the recovery snapshots (which have a number in their name).
    fn written_at_open(&self) -> io::Result<Vec<PathBuf>> {
        let mut paths = vec![self.path("conf")];
        for entry in std::fs::read_dir(self.path(""))? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with("snap.") {
                paths.push(entry.path());
            }
        }
        Ok(paths)
    }

    /// Waits until sled has released its lock. Threads of its pool may hold the file briefly after the last
    /// handle was dropped, and so may a forked process that has not called `exec` yet. Reopening the store
    /// would then fail.
    pub(crate) fn wait_for_release(&self) {
        let begun = Instant::now();
        while let Err(TryLockError::WouldBlock) = self.db.try_lock() {
            // Another handle may have opened the store already, so the wait is bounded.
            if begun.elapsed() > RELEASE_WAIT_MAX {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        // This descriptor has the lock now. Closing it is not enough, because a process that is being forked
        // may share it.
        let _ = self.db.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn synced_blobs(files: &Files) -> Vec<String> {
        let synced = files.synced.lock().unwrap();
        synced.blobs.iter().map(|name| name.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn files_that_sled_writes_are_synced() {
        let home = tempfile::tempdir().unwrap();
        let files = Files::open_before_sled(&Directory::open(home.path()).unwrap(), false).unwrap();
        assert!(home.path().join("blobs").is_dir() && home.path().join("db").is_file());
        for name in ["conf", "snap.0000000000000017", "STRONGROOM", "blobs/10"] {
            std::fs::write(home.path().join(name), name).unwrap();
        }
        let mut at_open = files.written_at_open().unwrap();
        at_open.sort();
        assert_eq!(at_open, ["conf", "snap.0000000000000017"].map(|name| files.path(name)));

        files.sync().unwrap();
        assert!(files.synced.lock().unwrap().since_open);
        assert_eq!(synced_blobs(&files), ["10"]);
        // Another one at once, within the resolution of time stamps.
        std::fs::write(home.path().join("blobs/20"), "").unwrap();
        files.sync().unwrap();
        assert_eq!(synced_blobs(&files), ["10", "20"]);
        std::fs::remove_file(home.path().join("blobs/10")).unwrap();
        files.sync().unwrap();
        assert_eq!(synced_blobs(&files), ["20"]);
    }

    #[test]
    fn blobs_are_listed_again_only_if_some_were_created_or_removed() {
        let home = tempfile::tempdir().unwrap();
        let files = Files::open_before_sled(&Directory::open(home.path()).unwrap(), false).unwrap();
        let blobs = home.path().join("blobs");
        let long_ago = SystemTime::now() - Duration::from_secs(60);
        std::fs::write(blobs.join("10"), "").unwrap();
        File::open(&blobs).unwrap().set_modified(long_ago).unwrap();
        files.sync().unwrap();
        assert!(files.synced.lock().unwrap().blobs_listed_for.is_some());
        std::fs::write(blobs.join("20"), "").unwrap();
        files.sync().unwrap();
        assert_eq!(synced_blobs(&files), ["10", "20"]);
        assert_eq!(files.synced.lock().unwrap().blobs_listed_for, None, "too recent to be sure");
    }

    #[test]
    fn written_through_files_are_synced_once() {
        let home = tempfile::tempdir().unwrap();
        let files = Files::open_before_sled(&Directory::open(home.path()).unwrap(), true).unwrap();
        if files.cached().is_some() {
            return;
        }
        std::fs::write(home.path().join("conf"), "").unwrap();
        files.sync().unwrap();
        assert!(files.synced.lock().unwrap().since_open);
        // The directory is not read any more.
        std::fs::remove_dir(home.path().join("blobs")).unwrap();
        files.sync().unwrap();
    }

    #[test]
    fn a_failed_sync_is_an_error_from_then_on() {
        let home = tempfile::tempdir().unwrap();
        let files = Files::open_before_sled(&Directory::open(home.path()).unwrap(), false).unwrap();
        let blobs = home.path().join("blobs");
        std::fs::remove_dir(&blobs).unwrap();
        assert!(files.sync().is_err());
        // The system reports the failure to one caller, but all others have to know too.
        std::fs::create_dir(&blobs).unwrap();
        assert_eq!(files.sync().unwrap_err().kind(), ErrorKind::Closed);
    }
}
