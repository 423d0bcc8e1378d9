//! The database files: whether they exist, and the remains of an interrupted creation.
//!
//! sled creates `blobs/`, `conf`, `db` and `snap.NUMBER`, and syncs none of their names before it has opened.
//! So after a power cut any of them may exist without the others, with partial content.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use strongroom_core::files::{FileLock, LockFailure, MARKER_FILE, is_reserved_name};
use strongroom_core::{Create, Error, ErrorKind, Marked, Options, Result};

const BLOBS: &str = "blobs";
const SETTINGS: &str = "conf";
const DATA: &str = "db";
const SNAPSHOT_PREFIX: &str = "snap.";

/// Returns whether `directory` contains a store of sled, or an interrupted creation of one.
pub(crate) fn exists(directory: &Path) -> bool {
    has_settings(directory) || is_begun(directory)
}

/// Returns whether nothing can be stored yet, because a creation was interrupted or never begun.
pub(crate) fn is_unfinished(directory: &Path) -> bool {
    let has_no_data = fs::metadata(directory.join(DATA)).map_or(true, |found| found.len() == 0);
    !has_settings(directory) && (has_no_data || !directory.join(BLOBS).is_dir())
}

/// Returns whether to discard existing files: the store above reports that its creation was never finished.
pub(crate) fn begins_again(options: &Options) -> bool {
    options.marked == Marked::Unfinished && options.create == Create::IfMissing && !options.read_only
}

/// Removes the remains of an interrupted creation. If some reappear after another power cut, they are still
/// marked as unfinished, because the directory is synced when the creation is finished.
pub(crate) fn clear_unfinished(directory: &Path) -> Result<()> {
    // Released at the end, for sled to take.
    let _lock = lock(&directory.join(DATA))?;
    let failed =
        |error| Error::from_io(format!("cannot remove sled's files in {}", directory.display()), error);
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !is_sleds(&entry.file_name().to_string_lossy()) {
            continue;
        }
        let path = entry.path();
        let is_directory = entry.file_type().map_err(failed)?.is_dir();
        if is_directory { fs::remove_dir_all(path) } else { fs::remove_file(path) }.map_err(failed)?;
    }
    Ok(())
}

/// Takes sled's own lock, if its file exists.
fn lock(data: &Path) -> Result<Option<FileLock>> {
    let file = match File::options().read(true).write(true).open(data) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(|error| Error::from_io("cannot open sled's file", error))?,
    };
    match FileLock::exclusive(file) {
        Ok(lock) => Ok(Some(lock)),
        Err(LockFailure::Held(..)) => Err(Error::new(ErrorKind::Locked, "another handle has the store open")),
        Err(other) => Err(other.into_error(data)),
    }
}

fn has_settings(directory: &Path) -> bool {
    fs::read(directory.join(SETTINGS)).is_ok_and(|settings| settings.starts_with(b"segment_size: "))
}

fn is_sleds(name: &str) -> bool {
    let is_snapshot = |rest: &str| {
        let number = rest.strip_suffix(".generating").unwrap_or(rest);
        number.len() == 16 && number.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    [BLOBS, SETTINGS, DATA].contains(&name) || name.strip_prefix(SNAPSHOT_PREFIX).is_some_and(is_snapshot)
}

/// Returns whether a directory contains the beginning of a store, and nothing else besides files of the layers
/// above.
fn is_begun(directory: &Path) -> bool {
    let Ok(entries) = fs::read_dir(directory) else { return false };
    let (mut is_marked, mut has_any) = (false, false);
    for entry in entries {
        let Ok(entry) = entry else { return false };
        let name = entry.file_name();
        let name = name.to_string_lossy();
        is_marked |= name == MARKER_FILE;
        let is_ours = is_reserved_name(&name);
        if !is_ours && !is_sleds(&name) {
            return false;
        }
        has_any |= !is_ours;
    }
    // `blobs` is created first. A power cut may remove its name and leave the others, whose names are less
    // distinctive. Those count only in a directory that is marked as a store.
    directory.join(BLOBS).is_dir() || (is_marked && has_any)
}
