//! The database files: whether they exist, are unfinished or damaged, and how much space they take.
//!
//! They are in a directory of their own, because RocksDB has a file `LOCK` too. RocksDB takes a directory
//! without the file `CURRENT` for a new database, and would create one over the files of another that has lost
//! it. This module prevents that.
//!
//! It opens no file of an open database: closing `LOCK` again would release the lock.

use crate::error::translate_io;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use strongroom_core::files::{Directory, Presence, file_bytes, sync_directory, sync_entry};
use strongroom_core::{Create, Error, ErrorKind, Result};

/// The directory of RocksDB's files.
const HOME: &str = "rocksdb";
const CURRENT: &str = "CURRENT";

/// Files that a creation makes before `CURRENT`, besides reports and temporary files.
const FIRST_FILES: [&str; 4] = ["LOCK", "LOG", "IDENTITY", FIRST_MANIFEST];
const FIRST_MANIFEST: &str = "MANIFEST-000001";

/// The content of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    /// A creation was interrupted before anything could be stored.
    Unfinished,
    Database,
    /// RocksDB's files without the one that names the current manifest.
    Damaged,
}

pub(crate) fn home(directory: &Path) -> PathBuf {
    directory.join(HOME)
}

pub(crate) fn exists(directory: &Path) -> bool {
    inspect(&home(directory)) != Found::Nothing
}

fn inspect(home: &Path) -> Found {
    if home.join(CURRENT).exists() {
        return Found::Database;
    }
    let entries = match std::fs::read_dir(home) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Found::Nothing,
        Err(_) => return Found::Damaged,
    };
    for entry in entries {
        let is_first = entry.is_ok_and(|entry| is_of_a_creation(&entry.path()));
        if !is_first {
            return Found::Damaged;
        }
    }
    Found::Unfinished
}

fn is_of_a_creation(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_temporary = path.extension().is_some_and(|extension| extension == "dbtmp");
    FIRST_FILES.contains(&&*name) || name.starts_with("LOG.old.") || is_temporary
}

/// Opens the directory of RocksDB's files for this process alone, and creates it if it is missing.
///
/// RocksDB's own lock recognises two handles of one process by their paths, which differ here.
pub(crate) fn enter_home(directory: &Path) -> Result<Presence> {
    let home = home(directory);
    match std::fs::create_dir(&home) {
        Err(error) if !home.is_dir() => return Err(translate_io(error)),
        _ => {}
    }
    Directory::open(&home)?
        .enter_alone()
        .ok_or_else(|| Error::new(ErrorKind::Locked, "another handle of this process has the database open"))
}

/// Checks that RocksDB will do the right thing in `directory`. Returns whether it will create a database.
pub(crate) fn prepare(directory: &Path, create: Create) -> Result<bool> {
    match inspect(&home(directory)) {
        Found::Database if has_lost_its_log(&home(directory)) => {
            Err(Error::new(ErrorKind::Corruption, "the log of the database is missing"))
        }
        Found::Database => Ok(false),
        Found::Damaged => {
            Err(Error::new(ErrorKind::Corruption, "the file CURRENT of the database is missing"))
        }
        Found::Unfinished | Found::Nothing if create == Create::Never => {
            let message = format!("{} holds no files of rocksdb", directory.display());
            Err(Error::new(ErrorKind::NotFound, message).hint("check the path"))
        }
        Found::Unfinished | Found::Nothing => Ok(true),
    }
}

/// Returns whether a database has no log at all. RocksDB has one from its first open on, creates the next
/// before it removes one, and syncs their directory in between. So the log was removed from outside, with the
/// newest commits, and RocksDB would not report it.
fn has_lost_its_log(home: &Path) -> bool {
    let current = std::fs::read_to_string(home.join(CURRENT)).unwrap_or_default();
    let was_opened = current.starts_with("MANIFEST-") && current.trim_end() != FIRST_MANIFEST;
    // RocksDB itself reports unreadable files.
    let Ok(mut entries) = std::fs::read_dir(home) else { return false };
    let is_log = |path: PathBuf| path.extension().is_some_and(|extension| extension == "log");
    was_opened && !entries.any(|entry| entry.map_or(true, |entry| is_log(entry.path())))
}

/// Makes the names of a database durable: those of its files, of its directory and of the directory above.
/// RocksDB syncs the content of its files.
pub(crate) fn sync_names(directory: &Path) -> Result<()> {
    let sync = || {
        sync_directory(&home(directory))?;
        sync_entry(directory)
    };
    sync().map_err(translate_io)
}

/// Makes a copy durable before it is first opened. RocksDB syncs the files that it copies, but not all files
/// that it writes.
pub(crate) fn sync_copy(directory: &Path) -> Result<()> {
    let sync = || {
        let home = home(directory);
        for entry in std::fs::read_dir(&home)? {
            File::options().write(true).open(entry?.path())?.sync_all()?;
        }
        sync_directory(&home)?;
        sync_directory(directory)
    };
    sync().map_err(translate_io)
}

/// The space and number of files by kind.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    pub(crate) disk_bytes: u64,
    pub(crate) log_bytes: u64,
    pub(crate) tables: u64,
}

/// Measures the files on disk. RocksDB may remove some meanwhile.
pub(crate) fn usage(home: &Path) -> Result<Usage> {
    let mut usage = Usage::default();
    for entry in std::fs::read_dir(home).map_err(translate_io)? {
        let entry = entry.map_err(translate_io)?;
        let bytes = match entry.metadata().map(|metadata| file_bytes(&metadata)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            outcome => outcome.map_err(translate_io)?,
        };
        usage.disk_bytes += bytes;
        match entry.path().extension().and_then(|extension| extension.to_str()) {
            Some("log") => usage.log_bytes += bytes,
            Some("sst") => usage.tables += 1,
            _ => {}
        }
    }
    Ok(usage)
}
