//! Runs two backends in parallel: every call goes to both, and any difference causes a panic that describes it.
//!
//! Run code above the contract on a `Mirror` of a trusted and a new backend to find differences that no single test
//! covers. A capability that only one of the two declares is not declared by the mirror, which then returns
//! `Unsupported`. Writes exclude reads, so that both backends are in the same state.

mod compare;
mod cursor;
mod ids;

use crate::batches::translated;
use bytes::Bytes;
use compare::{same, same_unit};
use cursor::MirrorSnapshot;
use ids::Ids;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use strongroom_core::{
    Capabilities, CommitToken, Durability, EngineInfo, Error, ErrorKind, KeyRange, KeyspaceHints, KeyspaceId,
    Placement, Result, Snapshot, Stats, StorageBackend, Tuning, WriteBatch,
};

/// A [`StorageBackend`] over two backends that panics where they differ.
///
/// ```
/// use strongroom_core::{Durability, KeyspaceHints, MemoryBackend, StorageBackend, WriteBatch};
/// use strongroom_testkit::Mirror;
///
/// # fn main() -> strongroom_core::Result<()> {
/// let (left, right) = (MemoryBackend::in_memory(), MemoryBackend::in_memory());
/// let mirror = Mirror::new(Box::new(left), Box::new(right))?;
/// let names = mirror.create_keyspace("names", KeyspaceHints::default())?;
/// mirror.commit(WriteBatch::new().put(names, b"ada", b"1"), Durability::Buffered)?;
/// assert!(mirror.get(names, b"ada")?.is_some());
/// # Ok(()) }
/// ```
pub struct Mirror {
    left: Box<dyn StorageBackend>,
    right: Box<dyn StorageBackend>,
    info: EngineInfo,
    ids: Arc<Ids>,
    /// Locked for reading by reads and for writing by writes, so that no write comes between the two halves of a
    /// read.
    turn: Arc<RwLock<()>>,
}

impl Mirror {
    /// Creates a mirror of two backends with the same keyspaces and rows; compares the keyspace names.
    pub fn new(left: Box<dyn StorageBackend>, right: Box<dyn StorageBackend>) -> Result<Self> {
        let info = both_declare(left.engine(), right.engine());
        let mirror = Self { left, right, info, ids: Arc::default(), turn: Arc::default() };
        mirror.keyspaces()?;
        Ok(mirror)
    }

    fn reading(&self) -> RwLockReadGuard<'_, ()> {
        self.turn.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn writing(&self) -> RwLockWriteGuard<'_, ()> {
        self.turn.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn refuse_undeclared(&self, declared: bool, operation: &'static str) -> Result<()> {
        if declared {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unsupported, "both backends must declare this capability")
            .at(self.info.name, operation))
    }

    fn check_claim(&self, durability: Durability, operation: &'static str) -> Result<()> {
        let claimed = durability == Durability::Buffered || self.info.capabilities.power_safe;
        self.refuse_undeclared(claimed, operation)
    }

    /// The mirror's id for the ids that both returned.
    fn one_id(&self, what: &str, left: Result<KeyspaceId>, right: Result<KeyspaceId>) -> Result<KeyspaceId> {
        match (left, right) {
            (Ok(left), Ok(right)) => Ok(self.ids.of((left, right))),
            (left, right) => same_unit(what, left.map(drop), right.map(drop)).map(|()| unreachable!()),
        }
    }
}

fn both_declare(left: &EngineInfo, right: &EngineInfo) -> EngineInfo {
    let (a, b) = (left.capabilities, right.capabilities);
    EngineInfo {
        name: "mirror",
        version: left.version,
        snapshots: "those of both",
        capabilities: Capabilities {
            persistent: a.persistent && b.persistent,
            power_safe: a.power_safe && b.power_safe,
            // One directory cannot contain two copies.
            checkpoint: false,
            compaction: a.compaction && b.compaction,
            integrity_check: a.integrity_check && b.integrity_check,
            shared_reads: a.shared_reads && b.shared_reads,
        },
        tuning: Tuning::NONE,
        batch: left.batch.both(right.batch),
        unclaimed: if a.power_safe { right.unclaimed } else { left.unclaimed },
    }
}

impl StorageBackend for Mirror {
    fn engine(&self) -> &EngineInfo {
        &self.info
    }

    fn directory(&self) -> Option<&Path> {
        // The parent directory, if both have the same one.
        let above =
            |backend: &dyn StorageBackend| backend.directory().and_then(Path::parent).map(Path::to_owned);
        if above(&*self.left) != above(&*self.right) {
            return None;
        }
        self.left.directory().and_then(Path::parent)
    }

    fn is_read_only(&self) -> bool {
        self.left.is_read_only() || self.right.is_read_only()
    }

    fn keyspaces(&self) -> Result<Vec<String>> {
        let _turn = self.reading();
        same("keyspaces", self.left.keyspaces(), self.right.keyspaces())
    }

    fn keyspace(&self, name: &str) -> Result<KeyspaceId> {
        let _turn = self.reading();
        self.one_id(&format!("keyspace {name:?}"), self.left.keyspace(name), self.right.keyspace(name))
    }

    fn create_keyspace(&self, name: &str, hints: KeyspaceHints) -> Result<KeyspaceId> {
        let _turn = self.writing();
        let left = self.left.create_keyspace(name, hints);
        self.one_id(&format!("create_keyspace {name:?}"), left, self.right.create_keyspace(name, hints))
    }

    fn keyspace_hints(&self, keyspace: KeyspaceId) -> Result<KeyspaceHints> {
        let _turn = self.reading();
        let (left, right) = self.ids.both(keyspace);
        let left = self.left.keyspace_hints(left);
        // Placement may differ between engines.
        let comparable = |hints: KeyspaceHints| hints.placed(Placement::Auto);
        let left_hints = left.as_ref().map(|hints| comparable(*hints)).map_err(again);
        same("keyspace_hints", left_hints, self.right.keyspace_hints(right).map(comparable))?;
        left
    }

    fn drop_keyspace(&self, keyspace: KeyspaceId) -> Result<()> {
        let _turn = self.writing();
        let (left, right) = self.ids.both(keyspace);
        same_unit("drop_keyspace", self.left.drop_keyspace(left), self.right.drop_keyspace(right))
    }

    fn get(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>> {
        let _turn = self.reading();
        let (left, right) = self.ids.both(keyspace);
        same(&format!("get {key:x?}"), self.left.get(left, key), self.right.get(right, key))
    }

    fn snapshot(&self) -> Result<Arc<dyn Snapshot>> {
        let _turn = self.reading();
        match (self.left.snapshot(), self.right.snapshot()) {
            (Ok(left), Ok(right)) => {
                let (ids, turn) = (Arc::clone(&self.ids), Arc::clone(&self.turn));
                Ok(Arc::new(MirrorSnapshot::new(left, right, ids, turn)))
            }
            (left, right) => same_unit("snapshot", left.map(drop), right.map(drop)).map(|()| unreachable!()),
        }
    }

    fn commit(&self, batch: &WriteBatch, durability: Durability) -> Result<()> {
        self.check_claim(durability, "commit")?;
        // Checked before the translation, which would lose lengths over the limits.
        batch.check().map_err(|error| error.at(self.info.name, "commit"))?;
        let left_batch = translated(batch, |id| self.ids.both(id).0);
        let right_batch = translated(batch, |id| self.ids.both(id).1);
        let _turn = self.writing();
        let left = self.left.commit(&left_batch, durability);
        same_unit("commit", left, self.right.commit(&right_batch, durability))
    }

    fn committed(&self, token: CommitToken) -> Result<bool> {
        let _turn = self.reading();
        same("committed", self.left.committed(token), self.right.committed(token))
    }

    fn forget(&self, token: CommitToken) -> Result<()> {
        let _turn = self.writing();
        same_unit("forget", self.left.forget(token), self.right.forget(token))
    }

    fn delete_range(&self, keyspace: KeyspaceId, range: &KeyRange, durability: Durability) -> Result<u64> {
        self.check_claim(durability, "delete range")?;
        let _turn = self.writing();
        let (left, right) = self.ids.both(keyspace);
        let left = self.left.delete_range(left, range, durability);
        same(&format!("delete_range {range:x?}"), left, self.right.delete_range(right, range, durability))
    }

    fn flush(&self) -> Result<()> {
        let _turn = self.writing();
        same_unit("flush", self.left.flush(), self.right.flush())
    }

    /// Compares the figures that must be equal; the others are those of the left backend or sums.
    fn stats(&self) -> Result<Stats> {
        let _turn = self.writing();
        let (left, right) = (self.left.stats(), self.right.stats());
        let counted = |stats: &Stats| (stats.commits, stats.power_safe_commits, stats.snapshots_open);
        let (left_counts, right_counts) = (left.as_ref().map(counted), right.as_ref().map(counted));
        if let (Ok(left), Ok(right)) = (left_counts, right_counts) {
            assert_eq!(left, right, "mirror: stats differ (commits, power-safe commits, open snapshots)");
        }
        let mut sum = same_unit(
            "stats",
            left.as_ref().map(drop).map_err(again),
            right.as_ref().map(drop).map_err(again),
        )
        .and(left)?;
        if let Ok(right) = right {
            sum.values_pinned += right.values_pinned;
            sum.undo_bytes += right.undo_bytes;
        }
        Ok(sum)
    }

    fn compact(&self) -> Result<()> {
        self.refuse_undeclared(self.info.capabilities.compaction, "compact")?;
        let _turn = self.writing();
        same_unit("compact", self.left.compact(), self.right.compact())
    }

    fn checkpoint(&self, _: &Path) -> Result<()> {
        self.refuse_undeclared(false, "checkpoint")
    }

    fn verify(&self) -> Result<()> {
        self.refuse_undeclared(self.info.capabilities.integrity_check, "verify")?;
        let _turn = self.writing();
        same_unit("verify", self.left.verify(), self.right.verify())
    }
}

/// Copies an error, for a comparison that consumes it.
fn again(error: &Error) -> Error {
    Error::new(error.kind(), error.message())
}
