//! The file beneath: where it is, how it comes into being, how large it is.
//!
//! redb takes an empty file for a new database and cannot open one whose creation was interrupted. So a
//! new database is made under another name and renamed when it is whole: a crash in between leaves
//! nothing that was promised, and an empty `data.redb` is damage, not a new store.

use crate::error::{translate, translate_io};
use crate::options::RedbOptions;
use redb::backends::FileBackend;
use redb::{BackendError, Database, StorageBackend};
use std::fs::{File, TryLockError};
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use strongroom_core::{Create, Error, ErrorKind, Result, TypedOptions};

const DATA_FILE: &str = "data.redb";
const UNFINISHED_FILE: &str = "data.redb.new";

/// Whether `directory` holds a database, or one whose creation was interrupted.
pub(crate) fn exists(directory: &Path) -> bool {
    directory.join(DATA_FILE).exists() || directory.join(UNFINISHED_FILE).exists()
}

/// Opens the database in `directory`, or wherever the options say; creates it if it may.
pub(crate) fn open(directory: &Path, options: &RedbOptions) -> Result<Database> {
    let builder = options.builder()?;
    if let Some(storage) = options.storage() {
        return builder.create_with_backend(Shared(Arc::clone(storage))).map_err(translate);
    }
    let data = data_file(directory);
    if !data.exists() {
        if options.common().create == Create::Never {
            let message = format!("{} holds no files of redb", directory.display());
            return Err(Error::new(ErrorKind::NotFound, message).hint("check the path"));
        }
        if let Some(created) = create(directory, &builder)? {
            return Ok(created);
        }
    }
    builder.open(data).map_err(translate)
}

pub(crate) fn data_file(directory: &Path) -> PathBuf {
    directory.join(DATA_FILE)
}

/// Makes a database; none if somebody else has just made it.
fn create(directory: &Path, builder: &redb::Builder) -> Result<Option<Database>> {
    let (unfinished, data) = (directory.join(UNFINISHED_FILE), data_file(directory));
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&unfinished)
        .map_err(translate_io)?;
    // Nobody else may be at work on the file that is about to be emptied, ...
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => translate(redb::DatabaseError::DatabaseAlreadyOpen),
        TryLockError::Error(cause) => translate_io(cause),
    })?;
    // ... and it may not have got its final name between our looking and our opening it.
    if data.exists() {
        return Ok(None);
    }
    file.set_len(0).map_err(translate_io)?;
    // redb locks the file itself, which on Windows it could not while we do.
    file.unlock().map_err(translate_io)?;
    let database =
        builder.create_with_backend(FileBackend::new(file).map_err(translate)?).map_err(translate)?;
    // Renamed while it is open, and so locked: whoever comes now finds either name taken.
    std::fs::rename(&unfinished, &data).map_err(translate_io)?;
    sync_entry(directory).map_err(translate_io)?;
    Ok(Some(database))
}

/// Makes the new file's name durable, and the name of its directory, which may be new too.
#[cfg(unix)]
fn sync_entry(directory: &Path) -> io::Result<()> {
    let directory = directory.canonicalize()?;
    File::open(&directory)?.sync_all()?;
    let Some(parent) = directory.parent() else { return Ok(()) };
    match File::open(parent).and_then(|parent| parent.sync_all()) {
        // A parent that may be passed through but not read: others made the directory, and keep it.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        outcome => outcome,
    }
}

#[cfg(not(unix))]
fn sync_entry(_: &Path) -> io::Result<()> {
    // Directories cannot be synced here; the file system's journal has to do.
    Ok(())
}

/// What the file takes on the disk, holes left out.
pub(crate) fn disk_bytes(data_file: &Path) -> Result<u64> {
    let metadata = std::fs::metadata(data_file).map_err(translate_io)?;
    #[cfg(unix)]
    let bytes = std::os::unix::fs::MetadataExt::blocks(&metadata) * 512;
    #[cfg(not(unix))]
    let bytes = metadata.len();
    Ok(bytes)
}

/// A storage that the caller keeps a hand on.
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
