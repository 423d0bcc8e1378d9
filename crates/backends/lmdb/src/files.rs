//! The files beneath: whether they are there, half made, or damaged, and who may write them.
//!
//! LMDB makes `data.mdb` empty and then writes its first pages, and takes an empty file for a new database. So a
//! new database is made under another name and renamed when it is whole: a crash in between leaves nothing
//! that was promised, and an empty `data.mdb` is damage, not a new store. `lock.mdb` comes after it: where it
//! is without `data.mdb`, the data was lost.
//!
//! LMDB lets several processes write in turns, but a store has one writer: `data.mdb.writer` is locked as long
//! as a handle may write.

use crate::error::{already_open, locked, translate, translate_io, written_beneath};
use crate::lock_file::{self, remove_if_there};
use crate::meta;
use crate::options::{KEYSPACES_MAX, LmdbOptions};
use heed::{Env, EnvFlags, EnvOpenOptions, WithoutTls};
use std::fs::{File, Metadata, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use strongroom_core::limits::{KEY_BYTES_MAX, KEY_OVERHEAD_BYTES_MAX};
use strongroom_core::{Create, Error, ErrorKind, Result, TypedOptions};

const DATA_FILE: &str = "data.mdb";
const LOCK_FILE: &str = "lock.mdb";
const WRITER_FILE: &str = "data.mdb.writer";
const UNFINISHED_FILE: &str = "data.mdb.new";
const UNFINISHED_LOCK_FILE: &str = "data.mdb.new-lock";

/// What map sizes are rounded up to: a multiple of every page size in use.
const MAP_STEP: usize = 64 * 1_024;
/// Smallest reservation that is still tried.
const MAP_BYTES_MIN: usize = 1_024 * 1_024;
/// The default reservation. 64-bit machines have address space for some dozens of stores with 1 TiB each.
const MAP_BYTES_DEFAULT: u64 = if cfg!(target_pointer_width = "64") { 1 << 40 } else { 1 << 30 };
/// Keyspaces that can be made in a store that holds more than the options expect.
const KEYSPACES_TO_SPARE: u32 = 16;

/// Whether `directory` holds a database, one whose creation was interrupted, or what is left of one.
pub(crate) fn exists(directory: &Path) -> bool {
    let names = [DATA_FILE, LOCK_FILE, WRITER_FILE, UNFINISHED_FILE, UNFINISHED_LOCK_FILE];
    let names = names.iter().chain([&lock_file::UNFINISHED_FILE]);
    names.into_iter().any(|name| directory.join(name).exists())
}

/// An environment, and what keeps others from writing.
pub(crate) struct Opened {
    pub(crate) env: Env<WithoutTls>,
    /// Held by whoever writes, and shared by those that LMDB cannot list as readers.
    pub(crate) writer_lock: Option<File>,
}

/// Opens the database in `directory`; creates it if it may.
pub(crate) fn open(directory: &Path, options: &LmdbOptions) -> Result<Opened> {
    let data = data_file(directory);
    let read_only = options.common().read_only;
    if data.exists() {
        // Before anything is made beside it.
        meta::check(&data)?;
    } else {
        refuse_lost(directory)?;
        if read_only || options.common().create == Create::Never {
            let message = format!("{} holds no files of lmdb", directory.display());
            return Err(Error::new(ErrorKind::NotFound, message).hint("check the path"));
        }
    }
    let writer_lock = if read_only { lock_unlisted(directory)? } else { Some(lock_writer(directory)?) };
    // Somebody else may have made it between our looking and our locking.
    if !data.exists() {
        create(directory)?;
    }
    if !read_only {
        settle(&data)?;
        lock_file::prepare(directory, LOCK_FILE, options.max_readers)?;
    }
    let env = open_env(directory, options)?;
    refuse_small_pages(&env)?;
    Ok(Opened { env, writer_lock })
}

/// A lock file without data: LMDB made it when it opened data that is gone.
fn refuse_lost(directory: &Path) -> Result<()> {
    if !directory.join(LOCK_FILE).exists() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Corruption, format!("{DATA_FILE} is lost: only its lock file is there"))
        .hint("put the file back, or restore from a backup"))
}

/// On a file system that cannot be written LMDB goes without its list of readers. A writer that has the same files
/// elsewhere (a container may mount them read-only) would use pages again that are being read, so here readers
/// keep writers out.
fn lock_unlisted(directory: &Path) -> Result<Option<File>> {
    let path = directory.join(WRITER_FILE);
    match File::options().append(true).open(&path) {
        Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {}
        // Readers are listed; or nobody has written since the files were copied here.
        _ => return Ok(None),
    }
    let file = File::open(path).map_err(translate_io)?;
    match file.try_lock_shared() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(written_beneath()),
        Err(TryLockError::Error(cause)) => Err(translate_io(cause)),
    }
}

fn lock_writer(directory: &Path) -> Result<File> {
    let path = directory.join(WRITER_FILE);
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(translate_io)?;
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => locked(),
        TryLockError::Error(cause) => translate_io(cause),
    })?;
    Ok(file)
}

/// Makes an empty database. The writer's lock is ours, so nobody else does.
fn create(directory: &Path) -> Result<()> {
    let unfinished = directory.join(UNFINISHED_FILE);
    let unfinished_lock = directory.join(UNFINISHED_LOCK_FILE);
    remove_if_there(&unfinished)?;
    remove_if_there(&unfinished_lock)?;
    lock_file::prepare(directory, UNFINISHED_LOCK_FILE, lock_file::READERS_DEFAULT)?;
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(MAP_BYTES_MIN);
    // SAFETY: nobody else looks at this name, so the file is not changed under the map, nor is it opened twice.
    #[allow(unsafe_code)] // LMDB maps files.
    let env = unsafe { options.flags(EnvFlags::NO_SUB_DIR).open(&unfinished) }.map_err(translate)?;
    drop(env);
    File::options().write(true).open(&unfinished).and_then(|file| file.sync_all()).map_err(translate_io)?;
    remove_if_there(&unfinished_lock)?;
    std::fs::rename(&unfinished, data_file(directory)).map_err(translate_io)?;
    sync_entry(directory).map_err(translate_io)
}

/// Makes durable what is in the file. A process that died in a commit may have left it in the operating system's
/// cache alone. It is seen, so that the next commit builds on it, and must not go with the power while that stays. This
/// does not help after a write that the disk refused: Linux takes such pages for written.
fn settle(data: &Path) -> Result<()> {
    File::options().write(true).open(data).and_then(|file| file.sync_all()).map_err(translate_io)
}

/// Opens the environment, with as much address space as can be had.
fn open_env(directory: &Path, options: &LmdbOptions) -> Result<Env<WithoutTls>> {
    let wanted = options.map_bytes.unwrap_or(MAP_BYTES_DEFAULT);
    let mut map_bytes = round_up(usize::try_from(wanted).unwrap_or(usize::MAX));
    let mut max_keyspaces = options.max_keyspaces;
    loop {
        match try_open_env(directory, options, map_bytes, max_keyspaces) {
            Err(heed::Error::Io(cause)) if lacks_address_space(&cause) && map_bytes > MAP_BYTES_MIN => {
                map_bytes = round_up(map_bytes / 2);
            }
            Err(heed::Error::EnvAlreadyOpened) => return Err(already_open()),
            Err(error) => return Err(translate(error)),
            Ok(env) => {
                let stored = stored_keyspaces(&env);
                if stored <= max_keyspaces || max_keyspaces >= KEYSPACES_MAX {
                    return Ok(env);
                }
                // Dropped here, so closed: the next one has room for all.
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
) -> heed::Result<Env<WithoutTls>> {
    let mut builder = EnvOpenOptions::new().read_txn_without_tls();
    builder.map_size(map_bytes).max_readers(options.max_readers).max_dbs(max_keyspaces);
    let flags = if options.common().read_only { EnvFlags::READ_ONLY } else { EnvFlags::empty() };
    // SAFETY: LMDB reads a map of the file, so nobody may change the file but through LMDB, which guards its
    // pages and its lock file against processes that go by its rules: of writers by `data.mdb.writer` there is one.
    // The directory belongs to the store, and the documentation says so. heed sees to it that this process opens
    // it once. The flags leave LMDB's own locks and syncs as they are.
    #[allow(unsafe_code)] // LMDB maps files.
    unsafe {
        builder.flags(flags).open(directory)
    }
}

/// How many keyspaces there are at most: each is a row of the unnamed database, and its creation mostly another.
fn stored_keyspaces(env: &Env<WithoutTls>) -> u32 {
    u32::try_from(env.unnamed_database_stat().entries).unwrap_or(u32::MAX)
}

fn lacks_address_space(error: &io::Error) -> bool {
    // Windows says it with a third number: the view is larger than what it will promise.
    error.kind() == io::ErrorKind::OutOfMemory || cfg!(windows) && error.raw_os_error() == Some(1455)
}

/// Rounds a map's size up to what the operating system can map.
pub(crate) fn round_up(bytes: usize) -> usize {
    bytes.max(1).checked_next_multiple_of(MAP_STEP).unwrap_or(usize::MAX - (MAP_STEP - 1))
}

/// A file with small pages cannot hold the contract's keys.
fn refuse_small_pages(env: &Env<WithoutTls>) -> Result<()> {
    let needed = KEY_BYTES_MAX + KEY_OVERHEAD_BYTES_MAX;
    let most = env.max_key_size();
    if most >= needed {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::InvalidInput,
        format!("the file's pages hold keys of {most} bytes, not of {needed}"),
    )
    .hint("export the store where it was made and import it here"))
}

pub(crate) fn data_file(directory: &Path) -> PathBuf {
    directory.join(DATA_FILE)
}

/// Makes the new file's name durable, and the name of its directory, which may be new too.
#[cfg(unix)]
pub(crate) fn sync_entry(directory: &Path) -> io::Result<()> {
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
pub(crate) fn sync_entry(_: &Path) -> io::Result<()> {
    // Directories cannot be synced here; the file system's journal has to do.
    Ok(())
}

/// What the files take on the disk, holes left out.
pub(crate) fn disk_bytes(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for name in [DATA_FILE, LOCK_FILE] {
        match std::fs::metadata(directory.join(name)) {
            Ok(metadata) => bytes += file_bytes(&metadata),
            // On read-only media there is no lock file.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(translate_io(error)),
        }
    }
    Ok(bytes)
}

#[cfg(unix)]
fn file_bytes(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(metadata) * 512
}

#[cfg(not(unix))]
fn file_bytes(metadata: &Metadata) -> u64 {
    metadata.len()
}
