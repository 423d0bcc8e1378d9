//! Looking before opening: an engine is never let loose on a path that is not its own.

use crate::engine::{Engine, TypedOptions};
use crate::options::{Create, MARKER_FILE, Marked, Options};
use crate::{Error, ErrorKind, Result};
use std::path::Path;

/// Names that do not make a directory foreign: ours, and what file systems put there.
fn is_not_foreign(name: &str) -> bool {
    name.starts_with(MARKER_FILE) || name == "LOCK" || name == "lost+found"
}

/// Checks the directory and creates it if it may. Says whether the handle has to be read-only.
pub(super) fn prepare<E: Engine>(directory: &Path, options: &E::Options) -> Result<bool> {
    let options: &Options = options.common();
    let shown = directory.display();
    match std::fs::metadata(directory) {
        Ok(found) if !found.is_dir() => {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("{shown} is a file, not a store's directory"),
            )
            .hint("give the path of a directory"));
        }
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if options.create == Create::Never {
                return Err(
                    Error::new(ErrorKind::NotFound, format!("there is no {shown}")).hint("check the path")
                );
            }
            std::fs::create_dir_all(directory)
                .map_err(|error| Error::from_io(format!("cannot create {shown}"), error))?;
        }
        Err(error) => return Err(Error::from_io(format!("cannot look at {shown}"), error)),
    }
    if !E::exists(directory) {
        refuse_foreign::<E>(directory)?;
        if options.create == Create::Never {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("{shown} holds no files of {}", E::INFO.name),
            )
            .hint("check the path"));
        }
    }
    let marked = directory.join(MARKER_FILE).exists();
    Ok(options.read_only || (marked && options.marked == Marked::ReadOnly))
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
