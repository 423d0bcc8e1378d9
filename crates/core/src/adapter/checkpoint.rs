//! A checkpoint for any engine: in its own way if it has one, or else one snapshot, copied into a new engine of
//! the same kind.
//!
//! The latter is slower than a copy of files, but it needs nothing of the engine, leaves garbage behind, and is right by
//! construction: readers and writers go on, and the copy is one consistent state. Keyspaces keep their hints and their
//! placement.
//!
//! What is half done never looks whole. The directory carries a mark, [`INCOMPLETE_FILE`], from before the
//! engine's first file until the copy is durable, and a directory with the mark is not opened. So a crash
//! leaves something that is refused; an error leaves nothing.

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

/// Rows and bytes of one copied batch at most.
const COPY_ROWS: usize = 4_096;
const COPY_BYTES: usize = 4 * 1_024 * 1_024;

pub(super) fn checkpoint<E: Engine>(
    shared: &Arc<Shared<E>>,
    options: &E::Options,
    directory: &Path,
) -> Result<()> {
    refuse_occupied(directory)?;
    let site = Site::begin(directory)?;
    // The copy is closed when `fill` returns: nothing writes to the directory any more.
    copy(shared, options, &site.directory).and_then(|()| site.finish()).inspect_err(|_| site.abandon())
}

/// In the engine's own way if it has one, or else row by row.
fn copy<E: Engine>(shared: &Arc<Shared<E>>, options: &E::Options, directory: &Path) -> Result<()> {
    if shared.health.call("checkpoint", || shared.engine.checkpoint(directory))? {
        // The copy may show a commit that is not acknowledged yet.
        shared.view.passed_by();
        return Ok(());
    }
    let snapshot = GuardedSnapshot::open(shared)?;
    fill(shared, &snapshot, for_copy(options), directory)
}

/// The options of the original, but for what is true of its directory only.
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
    // The snapshot first, the names second: a keyspace that is created in between is seen empty.
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
            // Dropped meanwhile. A drop shows in open snapshots too, so the copy does without the keyspace.
            Err(error) if error.kind() == ErrorKind::NotFound && shared.keyspaces.get(id).is_err() => {
                copy.drop_keyspace(target).map_err(of_copy)?;
            }
            outcome => outcome?,
        }
    }
    copy.flush().map_err(of_copy)
}

/// The copy's handle is of no use after a failed write, but nobody else has it: to the caller it is an I/O error, and
/// the store that was to be copied goes on.
fn of_copy(error: Error) -> Error {
    match error.kind() {
        ErrorKind::CommitUnknown | ErrorKind::Closed => error
            .into_kind(ErrorKind::Io, "the copy could not be written")
            .hint("make room for it, and try again"),
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
        Err(error) => return Err(files::path_error("look into", directory, error)),
    };
    if occupied {
        return Err(Error::new(ErrorKind::InvalidInput, format!("{} is not empty", directory.display()))
            .hint("choose a directory that does not exist yet"));
    }
    Ok(())
}

/// The directory that the copy is made in. It was empty, so all that is in it is ours.
struct Site {
    directory: PathBuf,
    /// Directories that were not there before.
    made: Vec<PathBuf>,
}

impl Site {
    /// Makes the directory and marks it as incomplete.
    fn begin(directory: &Path) -> Result<Self> {
        let made = files::create_directories(directory)?;
        // Real and absolute: the current directory may change while the copy is made.
        let directory = Directory::open(directory).inspect_err(|_| files::remove_directories(&made))?;
        let site = Self { directory: directory.path().to_owned(), made };
        // Who did not make the mark is not alone here, and removes no files.
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

    /// Takes the mark off, durably: the copy is whole.
    fn finish(&self) -> Result<()> {
        std::fs::remove_file(self.mark())
            .and_then(|()| files::sync_directory(&self.directory))
            .map_err(|error| self.failed("unmark", error))
    }

    /// Removes everything. What cannot be removed stays, and stays marked.
    fn abandon(&self) {
        if self.remove_files().is_ok() {
            let _ = std::fs::remove_file(self.mark());
            files::remove_directories(&self.made);
        }
    }

    /// Removes all but the mark.
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
