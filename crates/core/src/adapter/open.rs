//! Looking before opening: an engine is never let loose on a path that is not its own.

use crate::engine::{Engine, TypedOptions};
use crate::options::{Create, MARKER_FILE, Marked, Options};
use crate::{Error, ErrorKind, Result};
use std::io;
use std::path::{Path, PathBuf};

/// Marks a directory as a checkpoint that is not whole. It begins with the marker's name, so that nobody
/// takes it for a foreign file.
pub(super) const INCOMPLETE_FILE: &str = "STRONGROOM.incomplete";

/// Names that do not make a directory foreign: ours, and what file systems put there.
fn is_not_foreign(name: &str) -> bool {
    name.starts_with(MARKER_FILE) || name == "LOCK" || name == "lost+found"
}

/// Checks the directory and creates it if it may. Says whether the handle has to be read-only; then the
/// engine's files are there.
pub(super) fn prepare<E: Engine>(directory: &Path, options: &E::Options) -> Result<bool> {
    let options: &Options = options.common();
    E::INFO.tuning.check(E::INFO.name, options)?;
    // A handle that may write nothing creates nothing either.
    let may_create = options.create == Create::IfMissing && !options.read_only;
    if !is_there(directory)? {
        if !may_create {
            return Err(not_found(format!("there is no {}", directory.display())));
        }
        create_directories(directory)?;
    }
    refuse_incomplete(directory)?;
    let spared = options.marked == Marked::ReadOnly && has(directory, MARKER_FILE)?;
    if E::exists(directory) {
        return Ok(options.read_only || spared);
    }
    if spared {
        return Err(not_this_engines_store::<E>(directory));
    }
    refuse_foreign::<E>(directory)?;
    if !may_create {
        let shown = directory.display();
        return Err(not_found(format!("{shown} holds no files of {}", E::INFO.name)));
    }
    Ok(false)
}

fn is_there(directory: &Path) -> Result<bool> {
    let shown = directory.display();
    match std::fs::metadata(directory) {
        Ok(found) if found.is_dir() => Ok(true),
        Ok(_) => {
            let message = format!("{shown} is a file, not a store's directory");
            Err(Error::new(ErrorKind::InvalidInput, message).hint("give the path of a directory"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::from_io(format!("cannot look at {shown}"), error)),
    }
}

/// Whether the directory holds a file of this name. One that cannot be looked at is not one that is missing.
fn has(directory: &Path, name: &str) -> Result<bool> {
    let path = directory.join(name);
    path.try_exists().map_err(|error| Error::from_io(format!("cannot look at {}", path.display()), error))
}

fn not_found(message: String) -> Error {
    Error::new(ErrorKind::NotFound, message).hint("check the path")
}

fn refuse_incomplete(directory: &Path) -> Result<()> {
    if !has(directory, INCOMPLETE_FILE)? {
        return Ok(());
    }
    let message = format!("{} holds an unfinished checkpoint", directory.display());
    Err(Error::new(ErrorKind::Corruption, message).hint("remove the directory and make it again"))
}

/// A store whose engine is another, or whose files are lost: either way there is nothing to be opened
/// read-only, and nothing may be created.
fn not_this_engines_store<E: Engine>(directory: &Path) -> Error {
    let message = format!("{} is a store and holds no files of {}", directory.display(), E::INFO.name);
    Error::new(ErrorKind::InvalidInput, message)
        .hint(format!("open it with the engine that its file {MARKER_FILE} names"))
}

fn refuse_foreign<E: Engine>(directory: &Path) -> Result<()> {
    let shown = directory.display();
    let entries = std::fs::read_dir(directory)
        .map_err(|error| Error::from_io(format!("cannot look into {shown}"), error))?;
    for entry in entries {
        let entry = entry.map_err(|error| Error::from_io(format!("cannot look into {shown}"), error))?;
        if !is_not_foreign(&entry.file_name().to_string_lossy()) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("{shown} is not empty and holds no files of {}", E::INFO.name),
            )
            .hint("choose an empty directory, or the engine that wrote this one"));
        }
    }
    Ok(())
}

/// Creates `directory` and what is missing above it, and makes their names durable: no commit in it can be
/// safer than they are. Says which directories are new, the outermost first; after an error there are none.
pub(super) fn create_directories(directory: &Path) -> Result<Vec<PathBuf>> {
    let cannot_create = |error| Error::from_io(format!("cannot create {}", directory.display()), error);
    let absolute = std::path::absolute(directory).map_err(cannot_create)?;
    let mut missing: Vec<_> = absolute.ancestors().take_while(|above| !above.is_dir()).collect();
    missing.reverse();
    let mut made = Vec::new();
    for new in missing {
        if let Err(error) = create_durably(new, &mut made) {
            // Left behind they would count as durable the next time.
            remove_directories(&made);
            return Err(cannot_create(error));
        }
    }
    Ok(made)
}

fn create_durably(directory: &Path, made: &mut Vec<PathBuf>) -> io::Result<()> {
    match std::fs::create_dir(directory) {
        Ok(()) => made.push(directory.to_owned()),
        // Somebody else was quicker, and may not have made it durable yet.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && directory.is_dir() => {}
        Err(error) => return Err(error),
    }
    directory.parent().map_or(Ok(()), sync_directory)
}

/// Removes directories that [`create_directories`] made, as far as they are empty.
pub(super) fn remove_directories(made: &[PathBuf]) {
    for directory in made.iter().rev() {
        // Somebody else may have put something there meanwhile: then it stays.
        let _ = std::fs::remove_dir(directory);
    }
}

/// Makes the names in a directory durable.
#[cfg(unix)]
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    std::fs::File::open(directory)?.sync_all()
}

#[cfg(not(unix))]
pub(super) fn sync_directory(_: &Path) -> io::Result<()> {
    // Directories cannot be synced here; the file system's journal has to do.
    Ok(())
}

/// The options with their common part changed.
pub(super) fn adjusted<O: TypedOptions>(options: O, change: impl FnOnce(&mut Options)) -> O {
    let mut common = options.common().clone();
    change(&mut common);
    options.with_common(common)
}
