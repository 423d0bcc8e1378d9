//! The opened database: its connections, and the files that have to outlive them.

use crate::commit::Writer;
use crate::files::{self, Files};
use crate::options::SqliteOptions;
use crate::pool::{Place, Pool};
use crate::schema;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, PoisonError};
use strongroom_core::files::Directory;
use strongroom_core::{Error, ErrorKind, Result, TypedOptions, ViewRelease};

/// What the engine and its snapshots share.
pub(crate) struct Database {
    // In the order in which they are closed: readers, the writer, the lock that keeps other writers out.
    pub(crate) pool: Pool,
    /// None: the handle only reads.
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
            // A panic poisons the whole handle above us, so nothing behind the lock is used after one.
            Some(writer) => Ok(writer.lock().unwrap_or_else(PoisonError::into_inner)),
            None => Err(Error::new(ErrorKind::Unsupported, "the handle only reads")),
        }
    }
}

/// The place as it can be read: as it is, or as one that does not change.
fn readable(files: &mut Files, place: Place) -> Result<Place> {
    let look = |place: &Place| {
        let connection = place.reader(SqliteOptions::least_cache_kib())?;
        files::check_header(&connection)?;
        schema::check(&connection)
    };
    match look(&place) {
        Ok(()) => Ok(place),
        Err(error) if error.kind() == ErrorKind::Io => {
            let unchanging = place.immutable();
            if !files.keep_unchanging()? {
                return Err(error.hint(
                    "let SQLite make its -wal and -shm files here: open it where the directory can be written, \
                     or close the writer and read it from a read-only file system",
                ));
            }
            look(&unchanging).map(|()| unchanging)
        }
        Err(error) => Err(error),
    }
}
