//! The memory backend: the reference for the contract, and the engine for tests.
//!
//! One `BTreeMap` per keyspace. Snapshots come from the undo overlay ([`Undo`]), as for an engine on disk that
//! has none. Nothing survives the handle, so the backend is not persistent, claims no power-safe commits, and
//! must be opened as buffered.
//!
//! | Contract | Memory |
//! |---|---|
//! | keyspace | `RwLock<BTreeMap<Arc<[u8]>, Arc<[u8]>>>`, so that a row is shared without an allocation |
//! | batch | all maps of the batch locked in order of creation, then changed |
//! | snapshot | undo overlay |
//! | cursor | blocks of 256 rows, shared by reference count |
//! | flush | nothing to do |

mod cursor;

use crate::Result;
use crate::adapter::Backend;
use crate::batch::Op;
use crate::capabilities::{BatchLimits, Capabilities, EngineInfo, Tuning};
use crate::engine::{EngineBatch, LiveEngine, OpenContext, TypedOptions};
use crate::keyspace::KeyspaceHints;
use crate::options::{EngineOptions, Options, UNDO_BYTES_MAX_DEFAULT};
use crate::range::Scan;
use crate::stats::Stats;
use crate::sync::{lock, read, write};
use crate::undo::Undo;
use bytes::Bytes;
use cursor::{MemoryCursor, Rows};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

/// A store in memory.
pub type MemoryBackend = Backend<Undo<MemoryEngine>>;

impl MemoryBackend {
    /// Returns a new, empty store.
    pub fn in_memory() -> Self {
        Self::in_memory_with(&Options::default())
    }

    /// Returns a new, empty store with options. Options that mean nothing in memory are ignored.
    pub fn in_memory_with(options: &Options) -> Self {
        let undo_bytes_max = options.undo_bytes_max.unwrap_or(UNDO_BYTES_MAX_DEFAULT);
        let engine = Undo::over(MemoryEngine::default(), undo_bytes_max);
        Self::over_new_engine(engine, options.read_only)
    }
}

/// A keyspace in memory.
#[derive(Debug, Clone)]
pub struct MemoryKeyspace {
    /// Order of creation, which is also the lock order of batches.
    number: u64,
    rows: Arc<RwLock<Rows>>,
}

/// Ordered maps in memory.
#[derive(Debug, Default)]
pub struct MemoryEngine {
    keyspaces: Mutex<BTreeMap<String, MemoryKeyspace>>,
    next_number: AtomicU64,
}

/// Options of the memory backend: only the common ones.
#[derive(Debug, Clone, Default)]
pub struct MemoryOptions {
    common: Options,
}

impl TypedOptions for MemoryOptions {
    fn from_options(options: &Options) -> Result<Self> {
        EngineOptions::new("memory", options).finish()?;
        Tuning::NONE.check("memory", options).map_err(|error| error.at("memory", "open"))?;
        Ok(Self { common: options.clone() })
    }

    fn common(&self) -> &Options {
        &self.common
    }

    fn with_common(mut self, common: Options) -> Self {
        self.common = common;
        self
    }
}

impl LiveEngine for MemoryEngine {
    const INFO: EngineInfo = EngineInfo {
        name: "memory",
        version: env!("CARGO_PKG_VERSION"),
        snapshots: "undo overlay",
        capabilities: Capabilities {
            persistent: false,
            power_safe: false,
            checkpoint: false,
            compaction: false,
            integrity_check: false,
            shared_reads: false,
        },
        tuning: Tuning::NONE,
        batch: BatchLimits::NONE,
        unclaimed: "it is in memory",
    };
    type Options = MemoryOptions;
    type Keyspace = MemoryKeyspace;
    type Cursor = MemoryCursor;

    fn open(_: OpenContext<'_, MemoryOptions>) -> Result<Self> {
        Ok(Self::default())
    }

    fn exists(_: &Path) -> bool {
        false
    }

    fn keyspace_names(&self) -> Result<Vec<String>> {
        Ok(lock(&self.keyspaces).keys().cloned().collect())
    }

    fn open_keyspace(&self, name: &str, _: KeyspaceHints) -> Result<MemoryKeyspace> {
        let mut keyspaces = lock(&self.keyspaces);
        let created = keyspaces.entry(name.to_owned()).or_insert_with(|| MemoryKeyspace {
            number: self.next_number.fetch_add(1, Ordering::Relaxed),
            rows: Arc::default(),
        });
        Ok(created.clone())
    }

    fn drop_keyspace(&self, name: &str, _: &MemoryKeyspace) -> Result<()> {
        lock(&self.keyspaces).remove(name);
        Ok(())
    }

    fn get(&self, keyspace: &MemoryKeyspace, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(read(&keyspace.rows).get(key).map(|value| Bytes::from_owner(Arc::clone(value))))
    }

    fn cursor(&self, keyspace: &MemoryKeyspace, scan: &Scan) -> Result<MemoryCursor> {
        Ok(MemoryCursor::new(Arc::clone(&keyspace.rows), scan.clone()))
    }

    fn apply(&self, batch: &EngineBatch<'_, MemoryKeyspace>) -> Result<()> {
        // All batches lock in the same order, so that no two wait for each other.
        let mut order: Vec<usize> = (0..batch.keyspaces().len()).collect();
        order.sort_by_key(|slot| batch.keyspaces()[*slot].number);
        let mut place = vec![0; order.len()];
        let mut locked = Vec::with_capacity(order.len());
        for (position, slot) in order.into_iter().enumerate() {
            place[slot] = position;
            locked.push(write(&batch.keyspaces()[slot].rows));
        }
        for (slot, op) in batch.ops() {
            let rows = &mut locked[place[slot]];
            match op {
                Op::Put { key, value } => {
                    rows.insert(key.into(), value.into());
                }
                Op::Delete { key } => {
                    rows.remove(key);
                }
            }
        }
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        Ok(())
    }

    fn stats(&self, _: &mut Stats) -> Result<()> {
        Ok(())
    }
}
