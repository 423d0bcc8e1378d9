//! Creates directories and names that survive a power cut.

use super::failure::path_error;
use crate::Result;
use std::io;
use std::path::{Path, PathBuf};

/// Creates `directory` and every missing parent, and makes their names durable: no commit in the directory can
/// be safer than they are. Returns the new directories, the outermost first. After an error none of them is
/// left.
pub fn create_directories(directory: &Path) -> Result<Vec<PathBuf>> {
    let cannot_create = |error| path_error("create", directory, error);
    let absolute = std::path::absolute(directory).map_err(cannot_create)?;
    let mut missing: Vec<_> = absolute.ancestors().take_while(|above| !above.is_dir()).collect();
    missing.reverse();
    let mut made = Vec::new();
    for new in missing {
        if let Err(error) = create_durably(new, &mut made) {
            // If they stayed, the next call would take them for durable.
            remove_directories(&made);
            return Err(cannot_create(error));
        }
    }
    Ok(made)
}

fn create_durably(directory: &Path, made: &mut Vec<PathBuf>) -> io::Result<()> {
    match std::fs::create_dir(directory) {
        Ok(()) => made.push(directory.to_owned()),
        // Another process was faster, and may not have made it durable yet.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && directory.is_dir() => {}
        Err(error) => return Err(error),
    }
    directory.parent().map_or(Ok(()), sync_directory)
}

/// Removes the directories that [`create_directories`] returned, the innermost first. A directory that is not
/// empty stays.
pub fn remove_directories(made: &[PathBuf]) {
    for directory in made.iter().rev() {
        // Fails if another process has created something in it meanwhile. Then it stays.
        let _ = std::fs::remove_dir(directory);
    }
}

/// Makes the names in a directory durable. Does nothing on systems that cannot open a directory to sync it
/// (Windows); durability then depends on the file system's journal.
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(unix) { std::fs::File::open(directory)?.sync_all() } else { Ok(()) }
}

/// Makes the names in a directory durable, and the directory's own name in its parent, which may be new too.
pub fn sync_entry(directory: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let directory = directory.canonicalize()?;
    sync_directory(&directory)?;
    let Some(parent) = directory.parent() else { return Ok(()) };
    match sync_directory(parent) {
        // The parent may be traversed but not read, so another user created the directory and is responsible
        // for it.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        outcome => outcome,
    }
}
