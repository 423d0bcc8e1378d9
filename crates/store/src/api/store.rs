//! [`Store`]: what applications use.

use super::batch::Batch;
use super::digest::{self, Digest};
use super::snapshot::Snapshot;
use super::stats::StoreStats;
use crate::catalog::Keyspaces;
#[cfg(test)]
use crate::commit::Pipeline;
use crate::directory::{StoreDirectory, StoreId};
use crate::features::expiry::sweep::{self, Swept};
use crate::features::high_water::mark::Mark;
use crate::features::high_water::recovery;
use crate::format::envelope::ENVELOPE_BYTES_MAX;
use crate::format::high_water_row;
use crate::handle::Handle;
use crate::integrity::Integrity;
use crate::options::StoreOptions;
use crate::readers::ReaderKind;
use crate::request::Commit as _;
use crate::row::Commit;
use crate::sync::{Arc, PoisonError};
use crate::view::ReadBy;
use std::fmt;
use std::path::Path;
use strongroom_core::limits::VALUE_OVERHEAD_BYTES_MAX;
use strongroom_core::{EngineInfo, Error, ErrorKind, Result};

const _: () = assert!(ENVELOPE_BYTES_MAX <= VALUE_OVERHEAD_BYTES_MAX);

/// An open store. Cheap to clone, usable from many threads; the engine is closed when the last clone, with
/// its keyspaces, snapshots, rows and shared values, is dropped. A store that was written is then marked
/// ([`HIGH_WATER_LAG_MS`](crate::HIGH_WATER_LAG_MS)), which takes one more power-safe commit.
///
/// ```
/// use strongroom_core::{Durability, MemoryBackend};
/// use strongroom_store::{Store, StoreOptions};
///
/// # fn main() -> strongroom_core::Result<()> {
/// // Memory survives nothing, so less than power-safe has to be asked for by name.
/// let options = StoreOptions::new().durability(Durability::Buffered);
/// let store = Store::new(MemoryBackend::in_memory(), options)?;
///
/// let cities = store.create_keyspace("cities")?;
/// cities.set("CH/Zürich", "443037")?;
/// assert_eq!(cities.get("CH/Zürich")?.as_deref(), Some(&b"443037"[..]));
/// for row in cities.prefix("CH/")? {
///     let (key, value) = row?;
///     println!("{} {}", String::from_utf8_lossy(&key), String::from_utf8_lossy(&value));
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Store {
    pub(crate) handle: Arc<Handle>,
}

impl Store {
    /// Which engine holds the data.
    pub fn engine(&self) -> &EngineInfo {
        self.base().engine()
    }

    /// The store's identity; none for one that is not in a directory.
    pub fn id(&self) -> Option<StoreId> {
        self.base().directory.as_ref().map(StoreDirectory::store_id)
    }

    /// Where the store is, if it is in a directory.
    pub fn path(&self) -> Option<&Path> {
        self.base().directory.as_ref().map(StoreDirectory::path)
    }

    /// The options it was opened with.
    pub fn options(&self) -> &StoreOptions {
        &self.base().options
    }

    /// What it can tell about missing rows.
    pub fn integrity(&self) -> Integrity {
        self.base().integrity
    }

    /// An empty batch, at the store's default durability.
    pub fn batch(&self) -> Batch {
        Batch::new(self.base().instance, self.base().options.durability)
    }

    /// Commits `batch`: all of it or nothing.
    ///
    /// [`Conflict`](ErrorKind::Conflict): a condition did not hold, nothing was written.
    /// [`Unsupported`](ErrorKind::Unsupported): the engine does not claim this durability.
    /// [`CommitUnknown`](ErrorKind::CommitUnknown): it failed on the way; reopen and look.
    pub fn commit(&self, batch: &Batch) -> Result<Commit> {
        self.base().located("commit", || {
            let committed = self.handle.commit(batch.request(self.base().instance)?)?;
            Ok(Commit { sequence: committed.sequence })
        })
    }

    /// One consistent state of all keyspaces. Opens in well under a millisecond whatever the store's size
    /// and blocks no writer.
    #[track_caller]
    pub fn snapshot(&self) -> Result<Snapshot> {
        self.snapshot_by(ReadBy::caller(ReaderKind::Snapshot))
    }

    pub(crate) fn snapshot_by(&self, by: ReadBy) -> Result<Snapshot> {
        Ok(Snapshot::new(self.base().read_view(by)?, Arc::clone(&self.handle)))
    }

    /// Makes all that was committed so far as durable as the engine can.
    pub fn flush(&self) -> Result<()> {
        let mark = self.handle.features.high_water.mark.as_ref();
        let committed = mark.map(Mark::committed);
        self.handle.fail_if_ended(self.base().backend().flush())?;
        if let (Some(mark), Some(committed)) = (mark, committed) {
            mark.note_durable(committed);
        }
        Ok(())
    }

    /// One BLAKE3 digest of all keyspaces, keys, values and expiries: the same for the same contents on
    /// every engine. It reads everything, in one snapshot.
    pub fn digest(&self) -> Result<Digest> {
        // A keyspace that is dropped meanwhile is gone from the names too: begin again without it.
        loop {
            let (snapshot, keyspaces) = self.snapshot_with_keyspaces()?;
            match digest::of_store(&snapshot, &keyspaces.of_applications()) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                outcome => return outcome,
            }
        }
    }

    /// Has the engine check its own files. It may take long, and the engine may repair what it finds: run
    /// [`verify`](Self::verify) first, which changes nothing.
    ///
    /// [`Corruption`](ErrorKind::Corruption): the files are not as they were written.
    /// [`Unsupported`](ErrorKind::Unsupported): the engine has no such check, or the store is read-only.
    pub fn verify_engine(&self) -> Result<()> {
        self.base().located("verify", || self.base().backend().verify())
    }

    /// A snapshot, and the keyspaces of the same state.
    #[track_caller]
    pub(crate) fn snapshot_with_keyspaces(&self) -> Result<(Snapshot, Keyspaces)> {
        let by = ReadBy::caller(ReaderKind::Snapshot);
        let (view, keyspaces) = self.base().read_view_with_keyspaces(by)?;
        Ok((Snapshot::new(view, Arc::clone(&self.handle)), keyspaces))
    }

    pub(crate) fn base(&self) -> &crate::base::Base {
        self.handle.base()
    }

    #[cfg(test)]
    pub(crate) fn pipeline(&self) -> &Pipeline {
        &self.handle
    }

    /// Removes expired rows from the disk. A store that is open to be written does that by itself
    /// ([`StoreOptions::sweep_interval_ms`]); for reads it makes no difference.
    ///
    /// [`Unsupported`](ErrorKind::Unsupported): the store is read-only.
    pub fn sweep(&self) -> Result<Swept> {
        self.base().located("sweep", || {
            if self.base().backend().is_read_only() {
                return Err(Error::new(ErrorKind::Unsupported, "the store is read-only")
                    .hint("expired rows are removed by the process that writes the store"));
            }
            self.handle.features.expiry.sweep(self.base(), &**self.handle, &|| true)
        })
    }

    /// Entries of the expiry index: at least one for each row that expires, and a bounded number more for rows that were
    /// written again. It reads all of their keys.
    pub fn expiry_index_len(&self) -> Result<usize> {
        sweep::index_len(self.base())
    }

    /// Figures, cheap to get.
    pub fn stats(&self) -> Result<StoreStats> {
        let (pipeline, features) = (&*self.handle, &self.handle.features);
        let mark = features.high_water.mark.as_ref();
        Ok(StoreStats {
            backend: self.base().backend().stats()?,
            groups: pipeline.groups(),
            group_commits: pipeline.group_commits(),
            conflicts: pipeline.conflicts(),
            queued_bytes: pipeline.queued_bytes() as u64,
            expired_rows: features.expiry.rows(),
            sweep_failures: features.expiry.failures(),
            readers_open: self.base().readers.len(),
            oldest_reader: self.base().readers.oldest(),
            readers_expired: self.base().readers.expired(),
            damaged_rows: self.base().damaged_rows(),
            high_water: mark.map(Mark::marked),
            high_water_failures: mark.map_or(0, Mark::failures),
        })
    }

    /// Gives unused space back. [`Unsupported`](ErrorKind::Unsupported) where the engine does it by itself.
    pub fn compact(&self) -> Result<()> {
        self.base().backend().compact()
    }

    /// Copies one consistent state into `directory`, which must not exist or be empty, while readers and
    /// writers go on. The copy is a store of its own with the same id, and has a high-water mark of its own.
    pub fn checkpoint(&self, directory: &Path) -> Result<()> {
        let (base, tallies) = (self.base(), &self.handle.features.tallies);
        let mark = match &base.directory {
            Some(original) if recovery::is_kept(base.backend(), original) => {
                // The copy has the commits so far. It may have later ones too: its mark may lag, and is never ahead.
                self.handle.mark();
                Some(high_water_row::newest(base.backend())?)
            }
            _ => None,
        };
        let _unchanged =
            tallies.ledger.map(|_| tallies.structure.read().unwrap_or_else(PoisonError::into_inner));
        base.backend().checkpoint(directory)?;
        match &base.directory {
            Some(original) => original.mark_copy(directory, mark),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("engine", &self.engine().name)
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}
