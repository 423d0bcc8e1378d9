//! The database files: their location, creation and size, and which handle may write them.
//!
//! A new database is created under another name, with all content that distinguishes it from other SQLite
//! files. It is renamed when it is complete and on disk. A crash in between loses nothing that was
//! acknowledged.
//!
//! SQLite lets processes write one after another. A store has one writer, so a handle that writes keeps a
//! separate file locked while it is open. This module opens the database's files only through SQLite: closing
//! any descriptor of a file drops every lock that this process has on it.

use crate::error::{translate, translate_io};
use crate::options::SqliteOptions;
use crate::pool::Place;
use crate::schema::{self, APPLICATION_ID, FORMAT};
use crate::shared_memory;
use rusqlite::{Connection, OpenFlags};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use strongroom_core::files::{Directory, FileLock, LockFailure, file_bytes, sync_directory, sync_entry};
use strongroom_core::{Create, Error, ErrorKind, Result, TypedOptions};

const DATA_FILE: &str = "data.sqlite";
const UNFINISHED_FILE: &str = "data.sqlite.new";
const WRITER_FILE: &str = "data.sqlite.writer";

/// A name that no file has.
const NO_FILE: &str = "data.sqlite.none";

/// The suffixes of the files that SQLite keeps next to a database.
const LOG: &str = "-wal";
const INDEX: &str = "-shm";
const JOURNAL: &str = "-journal";

/// The content of the writer's file once the database exists. If the database is missing then, it was lost.
const WRITER_TEXT: &[u8] = b"Locked by the process that writes data.sqlite.\n";

/// Returns whether `directory` contains a database, or an interrupted creation of one.
pub(crate) fn exists(directory: &Path) -> bool {
    let unfinished = directory.join(UNFINISHED_FILE);
    // After a power cut, one of the names may exist without the others.
    let is_begun = ["", LOG, INDEX, JOURNAL].iter().any(|suffix| beside(&unfinished, suffix).exists());
    is_begun || [DATA_FILE, WRITER_FILE].iter().any(|name| directory.join(name).exists())
}

/// The files of an open database.
#[derive(Debug)]
pub(crate) struct Files {
    data: PathBuf,
    /// Locked while the database is open: exclusively by a writer, shared by a handle that treats the file as
    /// immutable. None: a read-only handle that SQLite coordinates.
    writer: Option<FileLock>,
}

impl Files {
    /// Finds the database in `directory`, or creates it if allowed, and checks that it belongs to a store.
    pub(crate) fn open(home: &Directory, options: &SqliteOptions) -> Result<(Self, Place)> {
        let directory = home.path();
        let data = directory.join(DATA_FILE);
        let reads_only = options.common().read_only;
        let never = reads_only || options.common().create == Create::Never;
        if never && !data.exists() {
            return Err(missing(directory));
        }
        let writer = if reads_only { None } else { Some(lock(directory)?) };
        if !data.exists() {
            if was_lost(directory) {
                return Err(missing(directory));
            }
            create(directory, options)?;
        }
        if writer.is_some() {
            shared_memory::prepare(&data, &beside(&data, INDEX))?;
        }
        let place = Place::new(data.clone(), options).in_directory(home);
        identify(&place, &data)?;
        if let Some(writer) = &writer {
            mark(writer.file(), directory)?;
        }
        Ok((Self { data, writer }, place))
    }

    /// Returns the bytes that all files take on disk, without holes.
    pub(crate) fn disk_bytes(&self) -> Result<u64> {
        ["", LOG, INDEX].iter().map(|suffix| disk_bytes(&beside(&self.data, suffix))).sum()
    }

    pub(crate) fn log_bytes(&self) -> Result<u64> {
        Ok(metadata(&beside(&self.data, LOG))?.map_or(0, |found| found.len()))
    }

    /// Returns whether the database is in a place that this process cannot write, with an empty log. SQLite
    /// cannot create its index there, and opens such a file only if told that it is immutable. The writer's
    /// lock, which is then held, makes sure that no other process changes it.
    pub(crate) fn keep_unchanging(&mut self) -> Result<bool> {
        let Some(directory) = self.data.parent() else { return Ok(false) };
        let is_medium = is_read_only_medium(directory);
        if !is_medium && !is_denied(directory) {
            return Ok(false);
        }
        self.writer = lock_shared(directory)?;
        // If others may write, the lock has to keep them out.
        Ok((is_medium || self.writer.is_some())
            && metadata(&beside(&self.data, INDEX))?.is_none()
            && self.log_bytes()? == 0)
    }
}

/// Returns whether the file system of `directory` refuses every write. Changes nothing otherwise: one name
/// belongs to no file, and the other file is opened but not written.
fn is_read_only_medium(directory: &Path) -> bool {
    let refused = |outcome: io::Result<()>| {
        outcome.is_err_and(|error| error.kind() == io::ErrorKind::ReadOnlyFilesystem)
    };
    let writer = File::options().append(true).open(directory.join(WRITER_FILE));
    refused(std::fs::remove_file(directory.join(NO_FILE))) || refused(writer.map(drop))
}

/// Returns whether this user may not write the files of the database.
fn is_denied(directory: &Path) -> bool {
    let writer = File::options().append(true).open(directory.join(WRITER_FILE));
    writer.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

fn beside(data: &Path, suffix: &str) -> PathBuf {
    let mut name = data.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn was_lost(directory: &Path) -> bool {
    let is_marked = std::fs::metadata(directory.join(WRITER_FILE)).is_ok_and(|found| found.len() > 0);
    is_marked || beside(&directory.join(DATA_FILE), LOG).exists()
}

fn missing(directory: &Path) -> Error {
    let shown = directory.display();
    if was_lost(directory) {
        return Error::new(ErrorKind::Corruption, format!("{DATA_FILE} is missing from {shown}"));
    }
    Error::new(ErrorKind::NotFound, format!("{shown} holds no files of sqlite")).hint("check the path")
}

/// Keeps every other writer out, including those of this process.
fn lock(directory: &Path) -> Result<FileLock> {
    let path = directory.join(WRITER_FILE);
    let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
    FileLock::exclusive(file.map_err(translate_io)?).map_err(|failure| match failure {
        LockFailure::Held(..) => {
            Error::new(ErrorKind::Locked, "another handle has the database open for writing")
                .hint("close it first, or open this one read-only")
        }
        other => other.into_error(directory),
    })
}

/// Keeps writers out. `None`: the files were copied here and never opened for writing.
fn lock_shared(directory: &Path) -> Result<Option<FileLock>> {
    let file = match File::open(directory.join(WRITER_FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(translate_io)?,
    };
    FileLock::shared(file).map(Some).map_err(|failure| match failure {
        LockFailure::Held(..) => Error::new(
            ErrorKind::Locked,
            "another process has the store open for writing, and SQLite cannot coordinate with it here",
        )
        .hint("read it where its directory is writable, or close the writer"),
        other => other.into_error(directory),
    })
}

/// Records that the database exists.
fn mark(mut writer: &File, directory: &Path) -> Result<()> {
    if writer.metadata().map_err(translate_io)?.len() > 0 {
        return Ok(());
    }
    let written = writer.write_all(WRITER_TEXT).and_then(|()| writer.sync_all());
    written.and_then(|()| sync_directory(directory)).map_err(translate_io)
}

/// Creates a database. The writer's lock is held.
fn create(directory: &Path, options: &SqliteOptions) -> Result<()> {
    let unfinished = directory.join(UNFINISHED_FILE);
    for suffix in ["", LOG, INDEX, JOURNAL] {
        remove(&beside(&unfinished, suffix))?;
    }
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&unfinished, flags).map_err(translate)?;
    let page_size = format!("PRAGMA page_size = {}", options.page_size_bytes());
    connection.execute_batch(&page_size).map_err(translate)?;
    schema::create(&connection).map_err(translate)?;
    finish(connection, &unfinished)?;
    std::fs::rename(&unfinished, directory.join(DATA_FILE)).map_err(translate_io)?;
    sync_entry(directory).map_err(translate_io)
}

/// Switches a database that is not open anywhere else to a write-ahead log, closes it, and makes it durable as
/// a single file.
pub(crate) fn finish(connection: Connection, path: &Path) -> Result<()> {
    use_log(&connection)?;
    connection.close().map_err(|(_, error)| translate(error))?;
    if metadata(&beside(path, LOG))?.is_some_and(|log| log.len() > 0) {
        return Err(Error::new(ErrorKind::Io, "SQLite left a log next to a new database"));
    }
    for suffix in [LOG, INDEX] {
        remove(&beside(path, suffix))?;
    }
    // Closed, and not open through any other connection of this process.
    let file = File::options().write(true).open(path);
    file.and_then(|file| file.sync_all()).map_err(translate_io)
}

/// Creates the target of a copy in an empty directory.
pub(crate) fn copy_target(directory: &Path) -> Result<(Connection, PathBuf)> {
    let path = std::path::absolute(directory).map_err(translate_io)?.join(DATA_FILE);
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&path, flags).map_err(translate)?;
    Ok((connection, path))
}

/// Makes sure that the file has a write-ahead log: a shell may have switched it off.
pub(crate) fn use_log(connection: &Connection) -> Result<()> {
    let mode: String =
        connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(translate)?;
    if mode == "wal" {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unsupported, "SQLite cannot use a write-ahead log here")
        .hint("choose a local file system with shared memory"))
}

/// Checks the file's header: which program it belongs to, and its format. The file is treated as immutable for
/// this, so that a foreign one is neither changed nor recovered. A store's file has had its header from its
/// creation on.
fn identify(place: &Place, data: &Path) -> Result<()> {
    if metadata(data)?.is_some_and(|found| found.len() == 0) {
        return Err(Error::new(ErrorKind::Corruption, format!("{DATA_FILE} is empty")));
    }
    let connection = place.immutable().reader(SqliteOptions::least_cache_kib());
    match connection.and_then(|connection| check_header(&connection)) {
        // The log was only partly moved into the file, because of a power cut or a full disk. Only both
        // together are complete, and both are checked again together later.
        Err(error) if error.kind() == ErrorKind::Corruption && has_log(data)? => Ok(()),
        outcome => outcome,
    }
}

fn has_log(data: &Path) -> Result<bool> {
    Ok(metadata(&beside(data, LOG))?.is_some_and(|log| log.len() > 0))
}

/// Refuses a database of another program, and the format of a later version.
pub(crate) fn check_header(connection: &Connection) -> Result<()> {
    let application: i32 = header(connection, "application_id")?;
    if application != APPLICATION_ID {
        let message = format!("{DATA_FILE} belongs to another program");
        return Err(Error::new(ErrorKind::InvalidInput, message)
            .hint("open it with that program, or choose another directory"));
    }
    let format: i32 = header(connection, "user_version")?;
    if format == FORMAT {
        return Ok(());
    }
    let message = format!("{DATA_FILE} has format {format}; this build reads format {FORMAT}");
    Err(Error::new(ErrorKind::InvalidInput, message).hint("open it with the version that wrote it"))
}

fn header(connection: &Connection, name: &str) -> Result<i32> {
    connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0)).map_err(translate)
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(translate_io(error)),
        _ => Ok(()),
    }
}

/// Returns `None` for a missing file: SQLite removes its files concurrently.
fn metadata(path: &Path) -> Result<Option<std::fs::Metadata>> {
    match std::fs::metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(translate_io(error)),
    }
}

fn disk_bytes(path: &Path) -> Result<u64> {
    Ok(metadata(path)?.map_or(0, |found| file_bytes(&found)))
}
