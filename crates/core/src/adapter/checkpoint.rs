//! Checkpoints for any engine: by the engine's own means if it has any, or else by copying one snapshot into a
//! new engine of the same kind.
//!
//! Copying rows is slower than copying files. But it needs no support from the engine, leaves garbage out, and
//! is correct by construction: readers and writers continue, and the copy is one consistent state. Keyspaces
//! keep their hints and their placement.
//!
//! An unfinished copy never looks complete. The directory contains a marker, [`INCOMPLETE_FILE`], from before
//! the engine's first file until the copy is durable, and a directory with that marker is not opened. So a
//! crash leaves a directory that is refused; an error leaves nothing.

use super::backend::Backend;
use super::open::{INCOMPLETE_FILE, adjusted};
use super::shared::Shared;
use super::snapshot::GuardedSnapshot;
use crate::backend::{Snapshot, StorageBackend};
use crate::batch::WriteBatch;
use crate::durability::Durability;
use crate::engine::{Engine, TypedOptions};
use crate::files::{self, Directory};
use crate::keyspace::KeyspaceId;
use crate::options::{Create, Marked};
use crate::range::Scan;
use crate::{Error, ErrorKind, Result};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Limits of one batch of the copy.
const COPY_ROWS: usize = 4_096;
const COPY_BYTES: usize = 4 * 1_024 * 1_024;

pub(super) fn checkpoint<E: Engine>(
    shared: &Arc<Shared<E>>,
    options: &E::Options,
    directory: &Path,
) -> Result<()> {
    refuse_occupied(directory)?;
    let site = Site::begin(directory)?;
    // `copy` has closed the copy when it returns, so nothing writes to the directory any more.
    copy(shared, options, &site.directory).and_then(|()| site.finish()).inspect_err(|_| site.abandon())
}

/// Copies by the engine's own means if it has any, or else row by row.
fn copy<E: Engine>(shared: &Arc<Shared<E>>, options: &E::Options, directory: &Path) -> Result<()> {
    if shared.health.call("checkpoint", || shared.engine.checkpoint(directory))? {
        // The copy may contain a commit that is not acknowledged yet.
        shared.view.passed_by();
        return Ok(());
    }
    let snapshot = GuardedSnapshot::open(shared)?;
    fill(shared, &snapshot, for_copy(options), directory)
}

/// Returns the options of the original, without those that hold only for its directory.
fn for_copy<O: TypedOptions>(options: &O) -> O {
    adjusted(options.clone().for_checkpoint(), |common| {
        common.create = Create::IfMissing;
        common.read_only = false;
        common.marked = Marked::Writable;
    })
}

fn fill<E: Engine>(
    shared: &Shared<E>,
    snapshot: &dyn Snapshot,
    options: E::Options,
    directory: &Path,
) -> Result<()> {
    // Take the snapshot before the names: a keyspace created in between then appears empty.
    let names: Vec<_> = shared.keyspaces.names().iter().map(|(name, id)| (name.clone(), *id)).collect();
    let copy = Backend::<E>::start(&Directory::open(directory)?, options, false)?;
    for (name, id) in names {
        let hints = match shared.keyspaces.get(id) {
            Ok(slot) => slot.placed.hints(),
            // Dropped meanwhile, as below.
            Err(_) => continue,
        };
        // The flush below makes all of them durable.
        let create = || copy.shared.create_keyspace_as(&name, hints, Durability::Buffered);
        let target = copy.shared.located("checkpoint", create).map_err(of_copy)?;
        match copy_rows(snapshot, id, &copy, target) {
            // Dropped meanwhile. A drop is visible in open snapshots too, so the copy leaves the keyspace out.
            Err(error) if error.kind() == ErrorKind::NotFound && shared.keyspaces.get(id).is_err() => {
                copy.drop_keyspace(target).map_err(of_copy)?;
            }
            outcome => outcome?,
        }
    }
    copy.flush().map_err(of_copy)
}

/// Converts an error of the copy. A failed write poisons only the copy's handle, which no one else has. To the
/// caller it is an I/O error, and the original store remains usable.
fn of_copy(error: Error) -> Error {
    match error.kind() {
        ErrorKind::CommitUnknown | ErrorKind::Closed => error
            .into_kind(ErrorKind::Io, "the copy cannot be written")
            .hint("free some space, and try again"),
        _ => error,
    }
}

fn copy_rows<E: Engine>(
    snapshot: &dyn Snapshot,
    source: KeyspaceId,
    copy: &Backend<E>,
    target: KeyspaceId,
) -> Result<()> {
    let mut batch = WriteBatch::new();
    let mut cursor = snapshot.cursor(source, Scan::all())?;
    while cursor.advance()? {
        batch.put(target, cursor.key(), cursor.value());
        if batch.len() >= COPY_ROWS || batch.bytes() >= COPY_BYTES {
            copy.commit(&batch, Durability::Buffered).map_err(of_copy)?;
            batch.clear();
        }
    }
    copy.commit(&batch, Durability::Buffered).map_err(of_copy)
}

fn refuse_occupied(directory: &Path) -> Result<()> {
    let occupied = match std::fs::read_dir(directory) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(files::path_error("read", directory, error)),
    };
    if occupied {
        return Err(Error::new(ErrorKind::InvalidInput, format!("{} is not empty", directory.display()))
            .hint("choose a directory that does not exist yet"));
    }
    Ok(())
}

/// The directory of the copy. It was empty, so everything in it belongs to the copy.
struct Site {
    directory: PathBuf,
    /// Directories that did not exist before.
    made: Vec<PathBuf>,
}

impl Site {
    /// Creates the directory and marks it as incomplete.
    fn begin(directory: &Path) -> Result<Self> {
        let made = files::create_directories(directory)?;
        // Resolved, because the current directory may change during the copy.
        let directory = Directory::open(directory).inspect_err(|_| files::remove_directories(&made))?;
        let site = Self { directory: directory.path().to_owned(), made };
        // If another process created the marker, this one is not alone here and removes no files.
        let mark = File::create_new(site.mark())
            .map_err(|error| site.failed("mark", error))
            .inspect_err(|_| files::remove_directories(&site.made))?;
        site.write_mark(mark).map_err(|error| site.failed("mark", error)).inspect_err(|_| site.abandon())?;
        Ok(site)
    }

    fn mark(&self) -> PathBuf {
        self.directory.join(INCOMPLETE_FILE)
    }

    fn write_mark(&self, mut mark: File) -> io::Result<()> {
        mark.write_all(b"A checkpoint was begun here and is not finished. Remove the directory.\n")?;
        mark.sync_all()?;
        files::sync_directory(&self.directory)
    }

    /// Removes the marker, durably: the copy is complete.
    fn finish(&self) -> Result<()> {
        std::fs::remove_file(self.mark())
            .and_then(|()| files::sync_directory(&self.directory))
            .map_err(|error| self.failed("unmark", error))
    }

    /// Removes everything. Files that cannot be removed stay, and stay marked.
    fn abandon(&self) {
        if self.remove_files().is_ok() {
            let _ = std::fs::remove_file(self.mark());
            files::remove_directories(&self.made);
        }
    }

    /// Removes all files except the marker.
    fn remove_files(&self) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.directory)? {
            let entry = entry?;
            if entry.file_name() == INCOMPLETE_FILE {
                continue;
            }
            if entry.file_type()?.is_dir() {
                std::fs::remove_dir_all(entry.path())?;
            } else {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn failed(&self, what: &str, error: io::Error) -> Error {
        Error::from_io(format!("cannot {what} {}", self.directory.display()), error)
    }
}
