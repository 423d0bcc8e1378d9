//! Checks a path before an engine opens it, so that no engine writes to files that are not its own.

use crate::engine::{Engine, TypedOptions};
use crate::files::{self, Directory, MARKER_FILE, is_reserved_name, path_error};
use crate::options::{Create, Marked, Options};
use crate::{Error, ErrorKind, Result};
use std::io;
use std::path::Path;

/// Marks a directory as an unfinished checkpoint. The name begins with the marker file's name, so that it is
/// not taken for a foreign file.
pub(super) const INCOMPLETE_FILE: &str = "STRONGROOM.incomplete";

/// A directory that the engine may open.
pub(super) struct Prepared {
    pub(super) home: Directory,
    /// Whether the handle has to be read-only. Then the engine's files exist.
    pub(super) read_only: bool,
}

/// Checks the directory, creates it if allowed, and resolves its path once.
pub(super) fn prepare<E: Engine>(directory: &Path, options: &E::Options) -> Result<Prepared> {
    let options: &Options = options.common();
    E::INFO.tuning.check(E::INFO.name, options)?;
    // A handle that may not write does not create anything either.
    let may_create = options.create == Create::IfMissing && !options.read_only;
    if !is_there(directory)? {
        if !may_create {
            return Err(not_found(format!("{} does not exist", directory.display())));
        }
        files::create_directories(directory)?;
    }
    let home = Directory::open(directory)?;
    let read_only = inspect::<E>(home.path(), options, may_create)?;
    Ok(Prepared { home, read_only })
}

/// Inspects an existing directory. Returns whether the handle has to be read-only.
fn inspect<E: Engine>(directory: &Path, options: &Options, may_create: bool) -> Result<bool> {
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
        Err(error) => Err(path_error("inspect", directory, error)),
    }
}

/// Returns whether the path is relative to a current directory that was removed, so that nothing can exist
/// there.
fn is_in_removed_directory(path: &Path) -> bool {
    path.is_relative() && std::env::current_dir().is_err()
}

/// Returns whether the directory contains a file of this name. A file that cannot be inspected is an error, not
/// a missing file.
fn has(directory: &Path, name: &str) -> Result<bool> {
    let path = directory.join(name);
    path.try_exists().map_err(|error| Error::from_io(format!("cannot inspect {}", path.display()), error))
}

fn not_found(message: String) -> Error {
    Error::new(ErrorKind::NotFound, message).hint("check the path")
}

fn refuse_incomplete(directory: &Path) -> Result<()> {
    if !has(directory, INCOMPLETE_FILE)? {
        return Ok(());
    }
    let message = format!("{} holds an unfinished checkpoint", directory.display());
    Err(Error::new(ErrorKind::Corruption, message).hint("remove the directory and repeat the checkpoint"))
}

/// The error for a store of another engine, or with lost files. Neither can be opened read-only, and nothing
/// may be created in it.
fn not_this_engines_store<E: Engine>(directory: &Path) -> Error {
    let message = format!("{} is a store and holds no files of {}", directory.display(), E::INFO.name);
    Error::new(ErrorKind::InvalidInput, message)
        .hint(format!("open it with the engine that its file {MARKER_FILE} names"))
}

fn refuse_foreign<E: Engine>(directory: &Path) -> Result<()> {
    let shown = directory.display();
    let entries = std::fs::read_dir(directory)
        .map_err(|error| Error::from_io(format!("cannot read {shown}"), error))?;
    for entry in entries {
        let entry = entry.map_err(|error| Error::from_io(format!("cannot read {shown}"), error))?;
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

/// Returns the options with a changed common part.
pub(super) fn adjusted<O: TypedOptions>(options: O, change: impl FnOnce(&mut Options)) -> O {
    let mut common = options.common().clone();
    change(&mut common);
    options.with_common(common)
}
