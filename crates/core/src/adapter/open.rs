//! Looking before opening: an engine is never let loose on a path that is not its own.

use crate::engine::{Engine, TypedOptions};
use crate::files::{self, Directory, MARKER_FILE, is_reserved_name, path_error};
use crate::options::{Create, Marked, Options};
use crate::{Error, ErrorKind, Result};
use std::io;
use std::path::Path;

/// Marks a directory as a checkpoint that is not whole. It begins with the marker's name, so that nobody
/// takes it for a foreign file.
pub(super) const INCOMPLETE_FILE: &str = "STRONGROOM.incomplete";

/// A directory in which the engine may be let loose.
pub(super) struct Prepared {
    pub(super) home: Directory,
    /// The handle has to be read-only; then the engine's files are there.
    pub(super) read_only: bool,
}

/// Checks the directory, after creating it if it may, and resolves its path for good.
pub(super) fn prepare<E: Engine>(directory: &Path, options: &E::Options) -> Result<Prepared> {
    let options: &Options = options.common();
    E::INFO.tuning.check(E::INFO.name, options)?;
    // A handle that may write nothing creates nothing either.
    let may_create = options.create == Create::IfMissing && !options.read_only;
    if !is_there(directory)? {
        if !may_create {
            return Err(not_found(format!("there is no {}", directory.display())));
        }
        files::create_directories(directory)?;
    }
    let home = Directory::open(directory)?;
    let read_only = look::<E>(home.path(), options, may_create)?;
    Ok(Prepared { home, read_only })
}

/// Looks at a directory that is there. Says whether the handle has to be read-only.
fn look<E: Engine>(directory: &Path, options: &Options, may_create: bool) -> Result<bool> {
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
        Err(error) if error.kind() == io::ErrorKind::NotFound && !is_in_removed_directory(directory) => {
            Ok(false)
        }
        Err(error) => Err(path_error("look at", directory, error)),
    }
}

/// Whether nothing can be there, because the path is relative to a current directory that was removed.
fn is_in_removed_directory(path: &Path) -> bool {
    path.is_relative() && std::env::current_dir().is_err()
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
        if !is_reserved_name(&entry.file_name().to_string_lossy()) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("{shown} is not empty and holds no files of {}", E::INFO.name),
            )
            .hint("choose an empty directory, or the engine that wrote this one"));
        }
    }
    Ok(())
}

/// The options with their common part changed.
pub(super) fn adjusted<O: TypedOptions>(options: O, change: impl FnOnce(&mut Options)) -> O {
    let mut common = options.common().clone();
    change(&mut common);
    options.with_common(common)
}
