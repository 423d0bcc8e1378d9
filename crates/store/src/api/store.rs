//! [`Store`]: the handle that applications use.

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

/// An open store. Cheap to clone; many threads may use it.
///
/// The engine is closed when the last clone is dropped, with all of its keyspaces, snapshots, rows and shared
/// values. A store that was written then gets its last high-water mark
/// ([`HIGH_WATER_LAG_MS`](crate::HIGH_WATER_LAG_MS)), which takes one more power-safe commit.
///
/// ```
/// use strongroom_core::{Durability, MemoryBackend};
/// use strongroom_store::{Store, StoreOptions};
///
/// # fn main() -> strongroom_core::Result<()> {
/// // The memory engine is not power-safe, so less durability has to be asked for explicitly.
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
    /// Returns the engine that holds the data.
    pub fn engine(&self) -> &EngineInfo {
        self.base().engine()
    }

    /// Returns the store's id. None for a store without a directory.
    pub fn id(&self) -> Option<StoreId> {
        self.base().directory.as_ref().map(StoreDirectory::store_id)
    }

    /// Returns the store's directory, if it has one.
    pub fn path(&self) -> Option<&Path> {
        self.base().directory.as_ref().map(StoreDirectory::path)
    }

    /// Returns the options that the store was opened with.
    pub fn options(&self) -> &StoreOptions {
        &self.base().options
    }

    /// Returns how the store detects missing rows.
    pub fn integrity(&self) -> Integrity {
        self.base().integrity
    }

    /// Returns an empty batch, at the store's default durability.
    pub fn batch(&self) -> Batch {
        Batch::new(self.base().instance, self.base().options.durability)
    }

    /// Commits `batch` atomically.
    ///
    /// [`Conflict`](ErrorKind::Conflict): a condition did not hold. Nothing was written.
    /// [`Unsupported`](ErrorKind::Unsupported): the engine does not claim this durability.
    /// [`CommitUnknown`](ErrorKind::CommitUnknown): the engine failed, and the batch may or may not be stored.
    /// Reopen the store and check.
    pub fn commit(&self, batch: &Batch) -> Result<Commit> {
        self.base().located("commit", || {
            let committed = self.handle.commit(batch.request(self.base().instance)?)?;
            Ok(Commit { sequence: committed.sequence })
        })
    }

    /// Takes a snapshot: one consistent state of all keyspaces. Takes well under a millisecond, whatever the
    /// store's size, and blocks no writer. If rows expire and commits follow each other without a pause, it waits for
    /// one commit.
    #[track_caller]
    pub fn snapshot(&self) -> Result<Snapshot> {
        self.snapshot_by(ReadBy::caller(ReaderKind::Snapshot))
    }

    pub(crate) fn snapshot_by(&self, by: ReadBy) -> Result<Snapshot> {
        Ok(Snapshot::new(self.base().read_view(by)?, Arc::clone(&self.handle)))
    }

    /// Makes all commits so far as durable as the engine can.
    pub fn flush(&self) -> Result<()> {
        let mark = self.handle.features.high_water.mark.as_ref();
        let committed = mark.map(Mark::committed);
        self.handle.fail_if_ended(self.base().backend().flush())?;
        if let (Some(mark), Some(committed)) = (mark, committed) {
            mark.note_durable(committed);
        }
        Ok(())
    }

    /// Returns a BLAKE3 digest of all keyspaces, keys, values and expiries. The same contents have the same
    /// digest on every engine. Reads everything, in one snapshot.
    pub fn digest(&self) -> Result<Digest> {
        // If a keyspace is dropped meanwhile, the digest starts again without it.
        loop {
            let (snapshot, keyspaces) = self.snapshot_with_keyspaces()?;
            match digest::of_store(&snapshot, &keyspaces.of_applications()) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                outcome => return outcome,
            }
        }
    }

    /// Runs the engine's own check of its files. It may take long, and the engine may repair what it finds. Run
    /// [`verify`](Self::verify) first, which changes nothing.
    ///
    /// [`Corruption`](ErrorKind::Corruption): the files are damaged.
    /// [`Unsupported`](ErrorKind::Unsupported): the engine has no such check, or the store is read-only.
    pub fn verify_engine(&self) -> Result<()> {
        self.base().located("verify", || self.handle.fail_if_ended(self.base().backend().verify()))
    }

    /// Takes a snapshot, with the keyspaces of the same state.
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

    /// Removes expired rows from disk. A store that is open for writing does so in the background
    /// ([`StoreOptions::sweep_interval_ms`]). Reads do not depend on it.
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

    /// Returns the number of entries of the expiry index: one for each row that expires, and a bounded number more for
    /// each row that was rewritten with another TTL, until the time at which it would have expired before. Reads all of
    /// their keys.
    pub fn expiry_index_len(&self) -> Result<usize> {
        sweep::index_len(self.base())
    }

    /// Returns statistics. Cheap.
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

    /// Returns unused space to the file system. [`Unsupported`](ErrorKind::Unsupported) if the engine does so by
    /// itself.
    pub fn compact(&self) -> Result<()> {
        self.handle.fail_if_ended(self.base().backend().compact())
    }

    /// Copies one consistent state into `directory`, which must be missing or empty. Readers and writers
    /// continue. The copy is a separate store with the same id, and has a high-water mark of its own.
    pub fn checkpoint(&self, directory: &Path) -> Result<()> {
        let (base, tallies) = (self.base(), &self.handle.features.tallies);
        let mark = match &base.directory {
            Some(original) if recovery::is_kept(base.backend(), original) => {
                // The copy has the commits so far, and perhaps later ones. So its mark may lag, and is never
                // ahead.
                self.handle.mark();
                Some(high_water_row::newest(base.backend())?)
            }
            _ => None,
        };
        let _unchanged =
            tallies.ledger.map(|_| tallies.structure.read().unwrap_or_else(PoisonError::into_inner));
        self.handle.fail_if_ended(base.backend().checkpoint(directory))?;
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
