//! The files beneath: whether they are there, half made, or damaged, and how much space they take.
//!
//! They lie in a directory of their own, because RocksDB has a file `LOCK` too. RocksDB takes a directory
//! without the file `CURRENT` for a new database, and would begin one over the files of another that has
//! lost it. That is seen to here.
//!
//! Nothing here opens a file of an open database: to close `LOCK` again would take the lock away.

use crate::error::translate_io;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use strongroom_core::files::{Directory, Presence, file_bytes, sync_directory, sync_entry};
use strongroom_core::{Create, Error, ErrorKind, Result};

/// Where RocksDB's files are.
const HOME: &str = "rocksdb";
const CURRENT: &str = "CURRENT";

/// What a creation makes before it makes `CURRENT`, beside reports and temporary files.
const FIRST_FILES: [&str; 4] = ["LOCK", "LOG", "IDENTITY", FIRST_MANIFEST];
const FIRST_MANIFEST: &str = "MANIFEST-000001";

/// What is in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    /// A creation was interrupted before anything could be stored.
    Unfinished,
    Database,
    /// RocksDB's files without the one that says which of them count.
    Damaged,
}

pub(crate) fn home(directory: &Path) -> PathBuf {
    directory.join(HOME)
}

pub(crate) fn exists(directory: &Path) -> bool {
    look(&home(directory)) != Found::Nothing
}

fn look(home: &Path) -> Found {
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

/// Opens the directory of RocksDB's files, which is made if it is missing, for this process alone.
///
/// RocksDB's own lock tells two handles of one process apart by their paths, and those differ here.
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

/// Makes sure that RocksDB will do the right thing in `directory`. Says whether it will create.
pub(crate) fn prepare(directory: &Path, create: Create) -> Result<bool> {
    match look(&home(directory)) {
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

/// Whether there is a database and not a single log. RocksDB has one from its first open on, makes the next
/// before it removes one, and syncs their directory in between; so somebody else has taken it, and with it the
/// newest commits, and RocksDB would not mind.
fn has_lost_its_log(home: &Path) -> bool {
    let current = std::fs::read_to_string(home.join(CURRENT)).unwrap_or_default();
    let was_opened = current.starts_with("MANIFEST-") && current.trim_end() != FIRST_MANIFEST;
    // What cannot be read is RocksDB's to say.
    let Ok(mut entries) = std::fs::read_dir(home) else { return false };
    let is_log = |path: PathBuf| path.extension().is_some_and(|extension| extension == "log");
    was_opened && !entries.any(|entry| entry.map_or(true, |entry| is_log(entry.path())))
}

/// Makes the names of a database durable: those of its files, its directory's, and that one's. RocksDB syncs
/// what is in its files.
pub(crate) fn sync_names(directory: &Path) -> Result<()> {
    let sync = || {
        sync_directory(&home(directory))?;
        sync_entry(directory)
    };
    sync().map_err(translate_io)
}

/// Makes a copy durable that nobody has opened yet. RocksDB syncs the files that it copies, but not all that
/// it writes anew.
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

/// How much there is of what.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    pub(crate) disk_bytes: u64,
    pub(crate) log_bytes: u64,
    pub(crate) tables: u64,
}

/// What the files take on the disk. RocksDB may remove some while we look.
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
