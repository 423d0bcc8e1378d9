//! The database files: whether they exist, are unfinished or damaged, and how much space they take.
//!
//! fjall creates `lock`, `keyspaces/`, `0.jnl` and finally `version`, and takes a directory without `version`
//! for a new database. So an interrupted creation could never be finished (the journal is in the way), and
//! after the loss of `version` fjall would write a new database over the old one. This module handles both.

use crate::error::{translate, translate_io};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use strongroom_core::files::{self, FileLock, LockFailure, is_reserved_name};
use strongroom_core::{Create, Error, ErrorKind, Result};

const VERSION: &str = "version";
const LOCK: &str = "lock";
const KEYSPACES: &str = "keyspaces";
const FIRST_JOURNAL: &str = "0.jnl";

/// The first bytes of `version`.
const MAGIC: &[u8; 3] = b"FJL";

/// The content of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    /// A creation was interrupted before anything could be stored.
    Unfinished,
    Database,
    /// fjall's files without their version marker.
    Damaged,
}

pub(crate) fn look(directory: &Path) -> Found {
    if has_magic(&directory.join(VERSION)) {
        Found::Database
    } else if directory.join(KEYSPACES).join("0").is_dir() {
        Found::Damaged
    } else if is_unfinished(directory) {
        Found::Unfinished
    } else {
        Found::Nothing
    }
}

/// fjall 3.1 reads the current directory whenever it creates a configuration, although it then uses an absolute
/// path. It panics if there is none.
pub(crate) fn check_current_directory(refused: ErrorKind) -> Result<()> {
    std::env::current_dir().map(drop).map_err(|cause| {
        Error::new(refused, "fjall needs a current directory, but the current directory was removed")
            .hint("change to a directory that exists")
            .caused_by(cause)
    })
}

/// Checks that fjall will do the right thing in `directory`. Returns whether it will create a database.
pub(crate) fn prepare(directory: &Path, create: Create) -> Result<bool> {
    let found = look(directory);
    match found {
        Found::Database => return Ok(false),
        Found::Damaged => {
            return Err(Error::new(ErrorKind::Corruption, "the version marker is missing or damaged"));
        }
        Found::Unfinished | Found::Nothing => {}
    }
    if create == Create::Never {
        let message = format!("{} holds no files of fjall", directory.display());
        return Err(Error::new(ErrorKind::NotFound, message).hint("check the path"));
    }
    if found == Found::Unfinished {
        clear_unfinished(directory)?;
    }
    Ok(true)
}

fn has_magic(version: &Path) -> bool {
    let mut start = [0; MAGIC.len()];
    let read = File::open(version).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start == *MAGIC
}

/// Returns whether the directory contains only files that a creation makes before it is done.
fn is_unfinished(directory: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(directory) else { return false };
    let mut locked = false;
    for entry in entries {
        let Ok(entry) = entry else { return false };
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let expected = match &*name {
            LOCK => {
                locked = true;
                is_empty_file(&entry.path())
            }
            VERSION => is_empty_file(&entry.path()),
            KEYSPACES => std::fs::read_dir(entry.path()).is_ok_and(|mut inside| inside.next().is_none()),
            FIRST_JOURNAL => true,
            other => is_reserved_name(other),
        };
        if !expected {
            return false;
        }
    }
    locked
}

fn is_empty_file(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() == 0)
}

/// Removes the remains of an interrupted creation that would block the next one.
fn clear_unfinished(directory: &Path) -> Result<()> {
    let lock = File::options().read(true).write(true).open(directory.join(LOCK)).map_err(translate_io)?;
    let _lock = FileLock::exclusive(lock).map_err(|failure| match failure {
        LockFailure::Held(..) => translate(fjall::Error::Locked),
        other => other.into_error(directory),
    })?;
    // Another process may have finished it in the meantime.
    if look(directory) != Found::Unfinished {
        return Ok(());
    }
    for name in [VERSION, FIRST_JOURNAL] {
        match std::fs::remove_file(directory.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(translate_io(error)),
            _ => {}
        }
    }
    Ok(())
}

/// Makes the names durable that fjall does not sync: of its directory in the parent, which may be new too, and
/// of keyspaces in `keyspaces`.
pub(crate) fn sync_created(directory: &Path) -> Result<()> {
    sync_keyspaces(directory)?;
    files::sync_entry(directory).map_err(translate_io)
}

/// Makes the names of keyspaces durable. fjall 3.1 syncs a new keyspace's directory, but not its entry in the
/// parent. If a power cut removed that entry, recovery would skip the keyspace's part of the journal.
pub(crate) fn sync_keyspaces(directory: &Path) -> Result<()> {
    files::sync_directory(&directory.join(KEYSPACES)).map_err(translate_io)
}

/// Returns the bytes that all files take on disk, without holes: a journal has a length of 64 MiB from the
/// first byte on.
pub(crate) fn disk_bytes(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    let mut left = vec![directory.to_owned()];
    while let Some(directory) = left.pop() {
        // Compactions may remove files meanwhile, and drops may remove directories.
        let Some(entries) = unless_gone(std::fs::read_dir(directory))? else { continue };
        for entry in entries {
            let Some(entry) = unless_gone(entry)? else { continue };
            let Some(metadata) = unless_gone(entry.metadata())? else { continue };
            if metadata.is_dir() {
                left.push(entry.path());
            } else {
                bytes += files::file_bytes(&metadata);
            }
        }
    }
    Ok(bytes)
}

fn unless_gone<T>(outcome: io::Result<T>) -> Result<Option<T>> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(translate_io(error)),
    }
}
