//! The open database: its connections, and the files that have to outlive them.

use crate::commit::Writer;
use crate::files::{self, Files};
use crate::options::SqliteOptions;
use crate::pool::{Place, Pool};
use crate::schema;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, PoisonError};
use strongroom_core::files::Directory;
use strongroom_core::{Error, ErrorKind, Result, TypedOptions, ViewRelease};

/// The state that the engine and its snapshots share.
pub(crate) struct Database {
    // In closing order: readers, the writer, the lock that keeps other writers out.
    pub(crate) pool: Pool,
    /// None: the handle is read-only.
    writer: Option<Mutex<Writer>>,
    pub(crate) snapshots: AtomicU64,
    pub(crate) files: Files,
}

impl Database {
    pub(crate) fn open(home: &Directory, options: &SqliteOptions, view: ViewRelease) -> Result<Self> {
        options.check()?;
        let (mut files, place) = Files::open(home, options)?;
        let (writer, pool) = if options.common().read_only {
            (None, Pool::new(readable(&mut files, place)?, options))
        } else {
            let writer = Writer::open(&place, options, view)?;
            files::check_header(writer.connection())?;
            schema::check(writer.connection())?;
            (Some(Mutex::new(writer)), Pool::new(place, options))
        };
        Ok(Self { pool, writer, snapshots: AtomicU64::new(0), files })
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.writer.is_none()
    }

    pub(crate) fn writer(&self) -> Result<MutexGuard<'_, Writer>> {
        match &self.writer {
            // A panic poisons the whole handle, so no state under the lock is used after one.
            Some(writer) => Ok(writer.lock().unwrap_or_else(PoisonError::into_inner)),
            None => Err(Error::new(ErrorKind::Unsupported, "the handle is read-only")),
        }
    }
}

/// Returns the place in a readable form: unchanged, or as an immutable file.
fn readable(files: &mut Files, place: Place) -> Result<Place> {
    let check = |place: &Place| {
        let connection = place.reader(SqliteOptions::least_cache_kib())?;
        files::check_header(&connection)?;
        schema::check(&connection)
    };
    match check(&place) {
        Ok(()) => Ok(place),
        Err(error) if error.kind() == ErrorKind::Io => {
            let unchanging = place.immutable();
            if !files.keep_unchanging()? {
                return Err(error.hint(
                    "SQLite has to create its -wal and -shm files: open it where the directory is writable, \
                     or close the writer and read it from a read-only file system",
                ));
            }
            check(&unchanging).map(|()| unchanging)
        }
        Err(error) => Err(error),
    }
}
