//! The files beneath: where they are, how they come into being, who may write them, how large they are.
//!
//! A new database is made under another name, with everything in it that tells it from any other SQLite file,
//! and renamed when it is whole and on the disk: a crash in between leaves nothing that was promised.
//!
//! SQLite lets processes write in turns. A store has one writer, so a handle that writes locks a file of our
//! own for as long as it is open. Nothing here opens the database's files but through SQLite: closing a
//! descriptor of a file drops every lock that this process has on it.

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

/// A name that nothing has.
const NO_FILE: &str = "data.sqlite.none";

/// What SQLite keeps beside a database, by what it adds to the name.
const LOG: &str = "-wal";
const INDEX: &str = "-shm";
const JOURNAL: &str = "-journal";

/// What is in the writer's file once the database is there: then one that is missing was lost.
const WRITER_TEXT: &[u8] = b"Locked by the process that writes data.sqlite.\n";

/// Whether `directory` holds a database, or one whose creation was interrupted.
pub(crate) fn exists(directory: &Path) -> bool {
    let unfinished = directory.join(UNFINISHED_FILE);
    // After a power cut, one of the names may be there without the others.
    let is_begun = ["", LOG, INDEX, JOURNAL].iter().any(|suffix| beside(&unfinished, suffix).exists());
    is_begun || [DATA_FILE, WRITER_FILE].iter().any(|name| directory.join(name).exists())
}

/// The files of an opened database.
#[derive(Debug)]
pub(crate) struct Files {
    data: PathBuf,
    /// Locked for as long as it is open: alone by who writes, shared by who takes the file to be unchanging.
    /// None: this handle only reads, and SQLite knows of it.
    writer: Option<FileLock>,
}

impl Files {
    /// Finds the database in `directory`, or creates it if it may, and makes sure that it is one of ours.
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

    /// What all files take on the disk, holes left out.
    pub(crate) fn disk_bytes(&self) -> Result<u64> {
        ["", LOG, INDEX].iter().map(|suffix| disk_bytes(&beside(&self.data, suffix))).sum()
    }

    pub(crate) fn log_bytes(&self) -> Result<u64> {
        Ok(metadata(&beside(&self.data, LOG))?.map_or(0, |found| found.len()))
    }

    /// Whether the database is where this process cannot write, and nothing is left in a log. SQLite
    /// cannot make its index there and opens such a file only if it is told that it does not change; that it
    /// does not, from elsewhere either, is what the writer's lock is then held for.
    pub(crate) fn keep_unchanging(&mut self) -> Result<bool> {
        let Some(directory) = self.data.parent() else { return Ok(false) };
        let is_medium = is_read_only_medium(directory);
        if !is_medium && !is_denied(directory) {
            return Ok(false);
        }
        self.writer = lock_shared(directory)?;
        // Where others may write, the lock is what keeps them out.
        Ok((is_medium || self.writer.is_some())
            && metadata(&beside(&self.data, INDEX))?.is_none()
            && self.log_bytes()? == 0)
    }
}

/// Whether the file system under `directory` refuses every write. Nothing is changed where it does not: the
/// one name is of no file, and a file that is opened to be written is not yet written.
fn is_read_only_medium(directory: &Path) -> bool {
    let refused = |outcome: io::Result<()>| {
        outcome.is_err_and(|error| error.kind() == io::ErrorKind::ReadOnlyFilesystem)
    };
    let writer = File::options().append(true).open(directory.join(WRITER_FILE));
    refused(std::fs::remove_file(directory.join(NO_FILE))) || refused(writer.map(drop))
}

/// Whether this user may not write the files of the database.
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
        return Error::new(ErrorKind::Corruption, format!("{shown} has lost its {DATA_FILE}"));
    }
    Error::new(ErrorKind::NotFound, format!("{shown} holds no files of sqlite")).hint("check the path")
}

/// Keeps every other writer out, of this process too.
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

/// Keeps writers out. None: there was none since the files were copied here.
fn lock_shared(directory: &Path) -> Result<Option<FileLock>> {
    let file = match File::open(directory.join(WRITER_FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(translate_io)?,
    };
    FileLock::shared(file).map(Some).map_err(|failure| match failure {
        LockFailure::Held(..) => Error::new(
            ErrorKind::Locked,
            "another process writes the store, and here SQLite cannot follow it",
        )
        .hint("read it where its directory can be written, or close the writer"),
        other => other.into_error(directory),
    })
}

/// Remembers that the database is there.
fn mark(mut writer: &File, directory: &Path) -> Result<()> {
    if writer.metadata().map_err(translate_io)?.len() > 0 {
        return Ok(());
    }
    let written = writer.write_all(WRITER_TEXT).and_then(|()| writer.sync_all());
    written.and_then(|()| sync_directory(directory)).map_err(translate_io)
}

/// Makes a database. The writer's lock is held.
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

/// Switches a database that nobody else has open to a write-ahead log, closes it, and makes it durable as one
/// file.
pub(crate) fn finish(connection: Connection, path: &Path) -> Result<()> {
    use_log(&connection)?;
    connection.close().map_err(|(_, error)| translate(error))?;
    if metadata(&beside(path, LOG))?.is_some_and(|log| log.len() > 0) {
        return Err(Error::new(ErrorKind::Io, "SQLite left a log beside a new database"));
    }
    for suffix in [LOG, INDEX] {
        remove(&beside(path, suffix))?;
    }
    // It is closed, and no other connection of this process has it open.
    let file = File::options().write(true).open(path);
    file.and_then(|file| file.sync_all()).map_err(translate_io)
}

/// A copy of the database in an empty directory.
pub(crate) fn copy_target(directory: &Path) -> Result<(Connection, PathBuf)> {
    let path = std::path::absolute(directory).map_err(translate_io)?.join(DATA_FILE);
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&path, flags).map_err(translate)?;
    Ok((connection, path))
}

/// Makes sure that the file has a write-ahead log: somebody may have taken it away with a shell.
pub(crate) fn use_log(connection: &Connection) -> Result<()> {
    let mode: String =
        connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(translate)?;
    if mode == "wal" {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unsupported, "SQLite cannot have a write-ahead log here")
        .hint("choose a local file system with shared memory"))
}

/// Looks into the file's header: whose it is, and in which format. The file is taken to be immutable for
/// this, so that nothing of a foreign one is touched or recovered; ours has had its header from the
/// beginning.
fn identify(place: &Place, data: &Path) -> Result<()> {
    if metadata(data)?.is_some_and(|found| found.len() == 0) {
        return Err(Error::new(ErrorKind::Corruption, format!("{DATA_FILE} is empty")));
    }
    let connection = place.immutable().reader(SqliteOptions::least_cache_kib());
    match connection.and_then(|connection| check_header(&connection)) {
        // Moving the log into the file was cut short, by a power cut or a full disk: only both together are
        // whole, and are looked at again as such.
        Err(error) if error.kind() == ErrorKind::Corruption && has_log(data)? => Ok(()),
        outcome => outcome,
    }
}

fn has_log(data: &Path) -> Result<bool> {
    Ok(metadata(&beside(data, LOG))?.is_some_and(|log| log.len() > 0))
}

/// Refuses a database that another program made, and the format of a later version.
pub(crate) fn check_header(connection: &Connection) -> Result<()> {
    let application: i32 = header(connection, "application_id")?;
    if application != APPLICATION_ID {
        let message = format!("{DATA_FILE} is not a store's: another program made it");
        return Err(Error::new(ErrorKind::InvalidInput, message)
            .hint("open it with that program, or choose another directory"));
    }
    let format: i32 = header(connection, "user_version")?;
    if format == FORMAT {
        return Ok(());
    }
    let message = format!("{DATA_FILE} has format {format}, this version knows {FORMAT}");
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

/// SQLite removes its files while we look.
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
