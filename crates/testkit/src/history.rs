//! A seeded history of operations, and a digest of its final state.
//!
//! The history writes, reads, takes snapshots and writes digests of what they see into the store, so that a wrong
//! read ends in a wrong row. With the same seed, every backend must end with the same digest: for [`HISTORY_SEED`]
//! it is [`HISTORY_DIGEST`].
//!
//! ```
//! use strongroom_core::MemoryBackend;
//! use strongroom_testkit::{HISTORY_DIGEST, HISTORY_SEED, HISTORY_STEPS, digest_of, run_history};
//!
//! # fn main() -> strongroom_core::Result<()> {
//! let backend = MemoryBackend::in_memory();
//! run_history(HISTORY_SEED, HISTORY_STEPS, &backend)?;
//! assert_eq!(digest_of(&backend)?, HISTORY_DIGEST);
//! # Ok(()) }
//! ```

use crate::random::Random;
use std::sync::Arc;
use strongroom_core::{
    Durability, ErrorKind, Expect, KeyRange, KeyspaceHints, KeyspaceId, Result, Scan, Snapshot,
    StorageBackend, WriteBatch, is_reserved_keyspace,
};

/// Seed of the history whose digest is pinned.
pub const HISTORY_SEED: u64 = 20_261_121;

/// Steps of the history whose digest is pinned.
pub const HISTORY_STEPS: u32 = 600;

/// Digest after [`HISTORY_STEPS`] steps from [`HISTORY_SEED`]. It must not change: stores in the formats of released
/// versions are compared with it too.
pub const HISTORY_DIGEST: &str = "75642200cb84236055eb78e28d0e299b431894948c93cb65de3261b09a6c387b";

const NAMES: [&str; 4] = ["accounts", "events", "index", "Index"];
const ARCHIVE: &str = "archive";

/// The state of a running history.
struct History<'b> {
    backend: &'b dyn StorageBackend,
    random: Random,
    keyspaces: [KeyspaceId; 4],
    archive: KeyspaceId,
    snapshots: Vec<Arc<dyn Snapshot>>,
    step: u32,
}

/// Runs `steps` steps of the history of `seed` on a backend without keyspaces, with buffered commits.
pub fn run_history(seed: u64, steps: u32, backend: &dyn StorageBackend) -> Result<()> {
    let open = |name: &str| backend.create_keyspace(name, KeyspaceHints::default());
    let keyspaces = [open(NAMES[0])?, open(NAMES[1])?, open(NAMES[2])?, open(NAMES[3])?];
    let archive = open(ARCHIVE)?;
    let random = Random::new(seed);
    let mut history = History { backend, random, keyspaces, archive, snapshots: Vec::new(), step: 0 };
    for step in 0..steps {
        history.step = step;
        history.take_step()?;
    }
    Ok(())
}

impl History<'_> {
    fn take_step(&mut self) -> Result<()> {
        match self.random.below(100) {
            0..40 => self.write(1),
            40..60 => self.write(8),
            60..72 => self.write_on_condition(),
            72..78 => self.delete_range(),
            78..84 => self.keep_a_snapshot(),
            84..90 => self.archive_a_snapshot(),
            90..96 => self.archive_a_scan(),
            96..98 => self.recreate(),
            _ => self.backend.flush(),
        }
    }

    fn any_keyspace(&mut self) -> KeyspaceId {
        *self.random.pick(&self.keyspaces)
    }

    fn commit(&self, batch: &WriteBatch) -> Result<()> {
        self.backend.commit(batch, Durability::Buffered)
    }

    fn batch(&mut self, ops_max: usize) -> WriteBatch {
        let mut batch = WriteBatch::new();
        for _ in 0..=self.random.below(ops_max) {
            let keyspace = self.any_keyspace();
            let key = self.random.key();
            if self.random.once_in(3) {
                batch.delete(keyspace, &key);
            } else {
                batch.put(keyspace, &key, &self.random.value());
            }
        }
        batch
    }

    fn write(&mut self, ops_max: usize) -> Result<()> {
        let batch = self.batch(ops_max);
        self.commit(&batch)
    }

    /// Commits a batch with conditions, about half of which hold.
    fn write_on_condition(&mut self) -> Result<()> {
        let mut batch = self.batch(3);
        for _ in 0..=self.random.below(2) {
            let (keyspace, key) = (self.any_keyspace(), self.random.key());
            let found = self.backend.get(keyspace, &key)?;
            let expect = match (self.random.below(4), found) {
                (0, _) => Expect::Present,
                (_, None) => Expect::Absent,
                (1, Some(value)) => Expect::StartsWith(value[..value.len() / 2].to_vec()),
                (_, Some(value)) => Expect::Equals(value.to_vec()),
            };
            batch.expect(keyspace, &key, expect);
        }
        match self.commit(&batch) {
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
            other => other,
        }
    }

    fn delete_range(&mut self) -> Result<()> {
        let keyspace = self.any_keyspace();
        let range = self.range();
        let count = self.backend.delete_range(keyspace, &range, Durability::Buffered)?;
        self.note("deleted", &count.to_be_bytes())
    }

    fn range(&mut self) -> KeyRange {
        match self.random.below(3) {
            0 => KeyRange::prefix(&self.random.key()),
            _ => KeyRange::between(self.random.key(), self.random.key()),
        }
    }

    fn keep_a_snapshot(&mut self) -> Result<()> {
        self.snapshots.push(self.backend.snapshot()?);
        if self.snapshots.len() > 3 {
            self.snapshots.remove(self.random.below(3));
        }
        Ok(())
    }

    /// Writes digests of an older snapshot into the store.
    fn archive_a_snapshot(&mut self) -> Result<()> {
        if self.snapshots.is_empty() {
            return Ok(());
        }
        let snapshot = Arc::clone(self.random.pick(&self.snapshots));
        for keyspace in self.keyspaces {
            self.archive_rows(&*snapshot, keyspace, Scan::all())?;
        }
        Ok(())
    }

    fn archive_a_scan(&mut self) -> Result<()> {
        let snapshot = self.backend.snapshot()?;
        let keyspace = self.any_keyspace();
        let range = if self.random.once_in(3) { KeyRange::all() } else { self.range() };
        let scan = if self.random.once_in(2) { Scan::new(range).reverse() } else { Scan::new(range) };
        self.archive_rows(&*snapshot, keyspace, scan)
    }

    /// Writes a digest of the rows of a scan, and of its keys after a seek, as a row of the archive.
    fn archive_rows(&mut self, snapshot: &dyn Snapshot, keyspace: KeyspaceId, scan: Scan) -> Result<()> {
        let mut hasher = blake3::Hasher::new();
        let mut cursor = snapshot.cursor(keyspace, scan)?;
        let mut rows = 0;
        while cursor.advance()? {
            absorb(&mut hasher, cursor.key());
            absorb(&mut hasher, cursor.value());
            rows += 1;
            assert!(rows < 1_000_000, "property 5: a cursor must reach its end");
        }
        cursor.seek(&self.random.key())?;
        while cursor.advance()? {
            absorb(&mut hasher, cursor.key());
        }
        self.note("rows", hasher.finalize().as_bytes())
    }

    /// Drops a keyspace and recreates it.
    fn recreate(&mut self) -> Result<()> {
        let place = self.random.below(NAMES.len());
        self.backend.drop_keyspace(self.keyspaces[place])?;
        self.keyspaces[place] = self.backend.create_keyspace(NAMES[place], KeyspaceHints::default())?;
        Ok(())
    }

    fn note(&self, what: &str, value: &[u8]) -> Result<()> {
        let key = format!("{:06} {what}", self.step);
        self.commit(WriteBatch::new().put(self.archive, key.as_bytes(), value))
    }
}

/// Returns a digest of everything that applications see in `backend`: keyspace names, keys and values, each with its
/// length, in order. Reserved keyspaces of the layers do not count.
pub fn digest_of(backend: &dyn StorageBackend) -> Result<String> {
    let snapshot = backend.snapshot()?;
    let mut hasher = blake3::Hasher::new();
    for name in backend.keyspaces()?.iter().filter(|name| !is_reserved_keyspace(name)) {
        let mut rows = 0_u64;
        absorb(&mut hasher, name.as_bytes());
        let mut cursor = snapshot.cursor(backend.keyspace(name)?, Scan::all())?;
        while cursor.advance()? {
            absorb(&mut hasher, cursor.key());
            absorb(&mut hasher, cursor.value());
            rows += 1;
        }
        // Separates keyspaces: rows of one cannot count as rows of the next.
        hasher.update(&rows.to_le_bytes());
    }
    Ok(hasher.finalize().to_hex().to_string())
}

fn absorb(hasher: &mut blake3::Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}
