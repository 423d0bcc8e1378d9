//! The database file: its location, creation and size.
//!
//! redb takes an empty file for a new database and cannot open one whose creation was interrupted. So a new
//! database is created under another name and renamed when it is complete. A crash in between loses nothing
//! that was acknowledged, and an empty `data.redb` is damage, not a new store.

use crate::error::{translate, translate_io};
use crate::options::RedbOptions;
use redb::backends::FileBackend;
use redb::{BackendError, Database, DatabaseError, ReadableDatabase, StorageBackend};
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use strongroom_core::files::{
    FileLock, LockFailure, comes_of_unwritable, file_bytes, needs_writing, sync_entry,
};
use strongroom_core::{Create, Error, ErrorKind, Result, TypedOptions};

const DATA_FILE: &str = "data.redb";
const UNFINISHED_FILE: &str = "data.redb.new";

/// redb as it could be opened.
pub(crate) enum Opened {
    Writable(redb::Database),
    /// For a file that cannot be written.
    ReadOnly(redb::ReadOnlyDatabase),
}

impl Opened {
    pub(crate) fn begin_read(&self) -> Result<redb::ReadTransaction> {
        match self {
            Self::Writable(database) => database.begin_read(),
            Self::ReadOnly(database) => database.begin_read(),
        }
        .map_err(translate)
    }

    pub(crate) fn writable(&self) -> Result<&redb::Database> {
        match self {
            Self::Writable(database) => Ok(database),
            Self::ReadOnly(_) => Err(not_writable()),
        }
    }

    pub(crate) fn writable_mut(&mut self) -> Result<&mut redb::Database> {
        match self {
            Self::Writable(database) => Ok(database),
            Self::ReadOnly(_) => Err(not_writable()),
        }
    }
}

#[cold]
fn not_writable() -> Error {
    Error::new(ErrorKind::Unsupported, "the file cannot be written here").hint("open it where it is writable")
}

/// Returns whether `directory` contains a database, or an interrupted creation of one.
pub(crate) fn exists(directory: &Path) -> bool {
    directory.join(DATA_FILE).exists() || directory.join(UNFINISHED_FILE).exists()
}

/// Opens the database in `directory`, or in the storage of the options, and creates it if allowed.
pub(crate) fn open(directory: &Path, options: &RedbOptions) -> Result<Opened> {
    let builder = options.builder()?;
    if let Some(storage) = options.storage() {
        let created = builder.create_with_backend(Shared(Arc::clone(storage)));
        return created.map(Opened::Writable).map_err(translate);
    }
    let data = data_file(directory);
    if !data.exists() {
        if options.common().create == Create::Never {
            let message = format!("{} holds no files of redb", directory.display());
            return Err(Error::new(ErrorKind::NotFound, message).hint("check the path"));
        }
        if let Some(created) = create(directory, &builder)? {
            return Ok(Opened::Writable(created));
        }
    }
    match builder.open(&data).map_err(translate) {
        // redb recovers by writing, so a normal open is tried first.
        Err(error) if options.common().read_only && comes_of_unwritable(&error) => {
            builder.open_read_only(data).map(Opened::ReadOnly).map_err(translate_unwritable)
        }
        opened => opened.map(Opened::Writable),
    }
}

/// Translates the error of a read-only open.
fn translate_unwritable(error: DatabaseError) -> Error {
    let needs_repair = matches!(error, DatabaseError::RepairAborted);
    let error = translate(error);
    if needs_repair {
        return needs_writing("redb", "it was not closed, and has to be recovered", error);
    }
    error
}

pub(crate) fn data_file(directory: &Path) -> PathBuf {
    directory.join(DATA_FILE)
}

/// Creates a database. Returns `None` if another process has just created it.
fn create(directory: &Path, builder: &redb::Builder) -> Result<Option<Database>> {
    let (unfinished, data) = (directory.join(UNFINISHED_FILE), data_file(directory));
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&unfinished)
        .map_err(translate_io)?;
    // Locked, because no other process may use the file that is about to be emptied.
    let lock = FileLock::exclusive(file).map_err(|failure| match failure {
        LockFailure::Held(..) => translate(redb::DatabaseError::DatabaseAlreadyOpen),
        other => other.into_error(&unfinished),
    })?;
    // The file may have got its final name between the check and the open.
    if data.exists() {
        return Ok(None);
    }
    lock.file().set_len(0).map_err(translate_io)?;
    // redb locks the file itself, which on Windows it could not while this lock is held.
    let file = lock.unlock().map_err(translate_io)?;
    let database =
        builder.create_with_backend(FileBackend::new(file).map_err(translate)?).map_err(translate)?;
    // Renamed while it is open, and therefore locked: another process now finds either name locked.
    std::fs::rename(&unfinished, &data).map_err(translate_io)?;
    sync_entry(directory).map_err(translate_io)?;
    Ok(Some(database))
}

/// Returns the bytes that the file takes on disk, without holes.
pub(crate) fn disk_bytes(data_file: &Path) -> Result<u64> {
    std::fs::metadata(data_file).map(|metadata| file_bytes(&metadata)).map_err(translate_io)
}

/// A storage that is shared with the caller.
#[derive(Debug)]
struct Shared(Arc<dyn StorageBackend>);

type Locked = std::result::Result<bool, BackendError>;
type Done = std::result::Result<(), BackendError>;

impl StorageBackend for Shared {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.0.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Locked {
        self.0.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Locked {
        self.0.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Done {
        self.0.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Done {
        self.0.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Done {
        self.0.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Locked {
        self.0.query_lock_range(start, end)
    }
}
