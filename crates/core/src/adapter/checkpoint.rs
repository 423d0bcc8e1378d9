//! A checkpoint for any engine: one snapshot, copied into a new engine of the same kind.
//!
//! Slower than a copy of files, but it needs nothing of the engine, leaves garbage behind, and is right by
//! construction: readers and writers go on, and the copy is one consistent state.

use super::{Backend, Shared};
use crate::backend::StorageBackend;
use crate::batch::WriteBatch;
use crate::durability::Durability;
use crate::engine::{Engine, TypedOptions};
use crate::keyspace::KeyspaceHints;
use crate::range::Scan;
use crate::{Error, ErrorKind, Result};
use std::path::Path;
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
    // The snapshot first, the names second: a keyspace that is created in between is seen empty, one that is
    // dropped in between answers NotFound and fails the checkpoint.
    let snapshot = shared.open_snapshot()?;
    let names: Vec<_> = shared.keyspaces.names().iter().map(|(name, id)| (name.clone(), *id)).collect();
    let copy = Backend::<E>::open(directory, E::Options::from_options(&for_copy(options.common()))?)?;
    let mut batch = WriteBatch::new();
    for (name, id) in names {
        let target = copy.create_keyspace(&name, KeyspaceHints::default())?;
        let mut cursor = snapshot.cursor(id, Scan::all())?;
        while cursor.advance()? {
            batch.put(target, cursor.key(), cursor.value());
            if batch.len() >= COPY_ROWS || batch.bytes() >= COPY_BYTES {
                copy.commit(&batch, Durability::Buffered)?;
                batch.clear();
            }
        }
        copy.commit(&batch, Durability::Buffered)?;
        batch.clear();
    }
    copy.flush()
}

fn for_copy(options: &crate::Options) -> crate::Options {
    let mut options = options.clone();
    options.create = crate::Create::IfMissing;
    options.read_only = false;
    options.marked = crate::Marked::Writable;
    options
}

fn refuse_occupied(directory: &Path) -> Result<()> {
    let occupied = match std::fs::read_dir(directory) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => return Err(Error::from_io(format!("cannot look into {}", directory.display()), error)),
    };
    if occupied {
        return Err(Error::new(ErrorKind::InvalidInput, format!("{} is not empty", directory.display()))
            .hint("choose a directory that does not exist yet"));
    }
    Ok(())
}
