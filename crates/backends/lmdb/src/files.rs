//! The database files: whether they exist, are unfinished or damaged, and which handle may write them.
//!
//! LMDB creates `data.mdb` empty and then writes its first pages, and it takes an empty file for a new
//! database. So a new database is created under another name and renamed when it is complete. A crash in
//! between loses nothing that was acknowledged, and an empty `data.mdb` is damage, not a new store. `lock.mdb`
//! is created after `data.mdb`: if it exists alone, the data was lost.
//!
//! LMDB lets several processes write one after another, but a store has one writer. So a handle that may write
//! keeps `data.mdb.writer` locked.

use crate::error::{already_open, locked, translate, translate_io, written_beneath};
use crate::lock_file::{self, remove_if_there};
use crate::meta;
use crate::options::{KEYSPACES_MAX, LmdbOptions};
use heed::{Env, EnvFlags, EnvOpenOptions, WithoutTls};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use strongroom_core::files::{FileLock, Holder, LockFailure, file_bytes, sync_entry};
use strongroom_core::limits::{KEY_BYTES_MAX, KEY_OVERHEAD_BYTES_MAX};
use strongroom_core::{Create, Error, ErrorKind, Result, TypedOptions};

const DATA_FILE: &str = "data.mdb";
const LOCK_FILE: &str = "lock.mdb";
const WRITER_FILE: &str = "data.mdb.writer";
const UNFINISHED_FILE: &str = "data.mdb.new";
const UNFINISHED_LOCK_FILE: &str = "data.mdb.new-lock";

/// Granularity of map sizes: a multiple of every page size in use.
const MAP_STEP: usize = 64 * 1_024;
/// Smallest reservation that is still tried.
const MAP_BYTES_MIN: usize = 1_024 * 1_024;
/// The default reservation. A 64-bit machine has address space for some dozens of stores with 1 TiB each.
const MAP_BYTES_DEFAULT: u64 = if cfg!(target_pointer_width = "64") { 1 << 40 } else { 1 << 30 };
/// Keyspaces that can be created in a store that has more than the options expect.
const KEYSPACES_TO_SPARE: u32 = 16;
/// Named databases that packed keyspaces share, besides those of single keyspaces.
const SHARED_TABLES: u32 = 2;

/// Returns whether `directory` contains a database, an interrupted creation, or the remains of a database.
pub(crate) fn exists(directory: &Path) -> bool {
    let names = [DATA_FILE, LOCK_FILE, WRITER_FILE, UNFINISHED_FILE, UNFINISHED_LOCK_FILE];
    let names = names.iter().chain([&lock_file::UNFINISHED_FILE]);
    names.into_iter().any(|name| directory.join(name).exists())
}

/// An environment, and the lock that keeps other writers out.
pub(crate) struct Opened {
    pub(crate) env: Env<WithoutTls>,
    /// Held exclusively by a writer, and shared by readers that LMDB cannot list.
    pub(crate) writer_lock: Option<FileLock>,
}

/// Opens the database in `directory`, and creates it if allowed.
pub(crate) fn open(directory: &Path, options: &LmdbOptions) -> Result<Opened> {
    let data = data_file(directory);
    let read_only = options.common().read_only;
    if data.exists() {
        // Before any other file is created.
        meta::check(&data)?;
    } else {
        refuse_lost(directory)?;
        if read_only || options.common().create == Create::Never {
            let message = format!("{} holds no files of lmdb", directory.display());
            return Err(Error::new(ErrorKind::NotFound, message).hint("check the path"));
        }
    }
    let (writer_lock, is_listed) =
        if read_only { lock_unlisted(directory)? } else { (Some(lock_writer(directory)?), true) };
    // Another process may have created it between the check and the lock.
    if !data.exists() {
        create(directory)?;
    }
    if !read_only {
        settle(&data)?;
        lock_file::prepare(directory, LOCK_FILE, options.max_readers)?;
    }
    let env = open_env(directory, options, is_listed)?;
    refuse_small_pages(&env)?;
    Ok(Opened { env, writer_lock })
}

/// Refuses a lock file without data: LMDB created it for data that is now missing.
fn refuse_lost(directory: &Path) -> Result<()> {
    if !directory.join(LOCK_FILE).exists() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Corruption, format!("{DATA_FILE} is missing, but its lock file exists"))
        .hint("restore the file or a backup"))
}

/// Takes the shared lock for a reader that LMDB cannot list.
///
/// If this process cannot write, LMDB works without its list of readers. A writer with permission (another
/// user, or a process that has the same files mounted writable while a container has them read-only) would then
/// reuse pages that are being read. So such readers lock writers out. Also returns whether to leave the list to
/// LMDB: it either lists the reader, or finds out itself that it cannot.
fn lock_unlisted(directory: &Path) -> Result<(Option<FileLock>, bool)> {
    let path = directory.join(WRITER_FILE);
    let is_medium = match File::options().append(true).open(&path) {
        Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => true,
        _ if is_list_denied(directory) => false,
        // Readers are listed, or the files were copied here and never opened for writing.
        _ => return Ok((None, true)),
    };
    let file = File::open(path).map_err(translate_io)?;
    FileLock::shared(file).map(|lock| (Some(lock), is_medium)).map_err(|failure| match failure {
        LockFailure::Held(..) => written_beneath(),
        other => other.into_error(directory),
    })
}

/// Returns whether this user may write neither the list of readers nor, if that is missing, the writer's file.
fn is_list_denied(directory: &Path) -> bool {
    let refusal =
        |name| File::options().append(true).open(directory.join(name)).err().map(|error| error.kind());
    match refusal(LOCK_FILE) {
        Some(io::ErrorKind::NotFound) => refusal(WRITER_FILE) == Some(io::ErrorKind::PermissionDenied),
        refusal => refusal == Some(io::ErrorKind::PermissionDenied),
    }
}

fn lock_writer(directory: &Path) -> Result<FileLock> {
    let path = directory.join(WRITER_FILE);
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(translate_io)?;
    FileLock::exclusive(file).map_err(|failure| match failure {
        LockFailure::Held(Holder::ThisProcess, _) => already_open(),
        LockFailure::Held(Holder::OtherProcess, _) => locked(),
        other => other.into_error(directory),
    })
}

/// Creates an empty database. This process holds the writer's lock, so no other one does the same.
fn create(directory: &Path) -> Result<()> {
    let unfinished = directory.join(UNFINISHED_FILE);
    let unfinished_lock = directory.join(UNFINISHED_LOCK_FILE);
    remove_if_there(&unfinished)?;
    remove_if_there(&unfinished_lock)?;
    lock_file::prepare(directory, UNFINISHED_LOCK_FILE, lock_file::READERS_DEFAULT)?;
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(MAP_BYTES_MIN);
    // SAFETY: no other process uses this name, so the file is not changed under the map and is opened only
    // once.
    #[allow(unsafe_code)] // LMDB maps files.
    let env = unsafe { options.flags(EnvFlags::NO_SUB_DIR).open(&unfinished) }.map_err(translate)?;
    drop(env);
    File::options().write(true).open(&unfinished).and_then(|file| file.sync_all()).map_err(translate_io)?;
    remove_if_there(&unfinished_lock)?;
    std::fs::rename(&unfinished, data_file(directory)).map_err(translate_io)?;
    sync_entry(directory).map_err(translate_io)
}

/// Syncs the file. A process that died during a commit may have left the commit only in the operating system's
/// cache. The next commit builds on it, so it must not vanish in a power cut that the next commit survives.
/// This does not help after a write that the disk refused: Linux takes such pages for written.
fn settle(data: &Path) -> Result<()> {
    File::options().write(true).open(data).and_then(|file| file.sync_all()).map_err(translate_io)
}

/// Opens the environment, with as much address space as available.
fn open_env(directory: &Path, options: &LmdbOptions, is_listed: bool) -> Result<Env<WithoutTls>> {
    let wanted = options.map_bytes.unwrap_or(MAP_BYTES_DEFAULT);
    let mut map_bytes = round_up(usize::try_from(wanted).unwrap_or(usize::MAX));
    let mut max_keyspaces = options.max_keyspaces.saturating_add(SHARED_TABLES);
    loop {
        match try_open_env(directory, options, map_bytes, max_keyspaces, is_listed) {
            Err(heed::Error::Io(cause)) if lacks_address_space(&cause) && map_bytes > MAP_BYTES_MIN => {
                map_bytes = round_up(map_bytes / 2);
            }
            Err(heed::Error::EnvAlreadyOpened) => return Err(already_open()),
            Err(error) => return Err(translate(error)),
            Ok(env) => {
                let stored = stored_keyspaces(&env);
                // A store from before shared tables has no room for them either.
                if stored + SHARED_TABLES <= max_keyspaces || max_keyspaces >= KEYSPACES_MAX {
                    return Ok(env);
                }
                // Dropped here and thereby closed. The next environment has room for all.
                max_keyspaces = stored.saturating_add(KEYSPACES_TO_SPARE).min(KEYSPACES_MAX);
            }
        }
    }
}

fn try_open_env(
    directory: &Path,
    options: &LmdbOptions,
    map_bytes: usize,
    max_keyspaces: u32,
    is_listed: bool,
) -> heed::Result<Env<WithoutTls>> {
    let mut builder = EnvOpenOptions::new().read_txn_without_tls();
    builder.map_size(map_bytes).max_readers(options.max_readers).max_dbs(max_keyspaces);
    let mut flags = if options.common().read_only { EnvFlags::READ_ONLY } else { EnvFlags::empty() };
    flags.set(EnvFlags::NO_LOCK, !is_listed);
    // SAFETY: LMDB reads a map of the file, so only LMDB may change the file. LMDB coordinates its pages and
    // its lock file between processes that follow its rules; `data.mdb.writer` admits one writer. The directory
    // belongs to the store, as the documentation says. heed ensures that this process opens it once. The flags
    // keep LMDB's own locks and syncs, except that a reader that cannot be listed holds `data.mdb.writer`
    // instead.
    #[allow(unsafe_code)] // LMDB maps files.
    unsafe {
        builder.flags(flags).open(directory)
    }
}

/// Returns an upper bound on the number of keyspaces: each is a row of the unnamed database, and its creation
/// usually another.
fn stored_keyspaces(env: &Env<WithoutTls>) -> u32 {
    u32::try_from(env.unnamed_database_stat().entries).unwrap_or(u32::MAX)
}

fn lacks_address_space(error: &io::Error) -> bool {
    // Windows reports it with this code too: the view exceeds the commit limit.
    error.kind() == io::ErrorKind::OutOfMemory || cfg!(windows) && error.raw_os_error() == Some(1455)
}

/// Rounds a map size up to what the operating system can map.
pub(crate) fn round_up(bytes: usize) -> usize {
    bytes.max(1).checked_next_multiple_of(MAP_STEP).unwrap_or(usize::MAX - (MAP_STEP - 1))
}

/// Refuses a file whose pages are too small for the contract's keys.
fn refuse_small_pages(env: &Env<WithoutTls>) -> Result<()> {
    let needed = KEY_BYTES_MAX + KEY_OVERHEAD_BYTES_MAX;
    let most = env.max_key_size();
    if most >= needed {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::InvalidInput,
        format!("the file's pages hold keys of up to {most} bytes, but {needed} are needed"),
    )
    .hint("export the store where it was created and import it here"))
}

pub(crate) fn data_file(directory: &Path) -> PathBuf {
    directory.join(DATA_FILE)
}

/// Returns the bytes that the files take on disk, without holes.
pub(crate) fn disk_bytes(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for name in [DATA_FILE, LOCK_FILE] {
        match std::fs::metadata(directory.join(name)) {
            Ok(metadata) => bytes += file_bytes(&metadata),
            // Read-only media have no lock file.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(translate_io(error)),
        }
    }
    Ok(bytes)
}
