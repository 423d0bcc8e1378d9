//! fjall as an [`Engine`].

use crate::error::translate;
use crate::files::{self, Found};
use crate::keyspace::FjallKeyspace;
use crate::options::FjallOptions;
use crate::snapshot::{FjallSnapshot, get};
use crate::{commit, compact, journals};
use fjall::{Database, PersistMode};
use std::path::{Path, PathBuf};
use strongroom_core::files::{comes_of_unwritable, needs_writing};
use strongroom_core::{
    BatchLimits, Bytes, Capabilities, Compression, Durability, Engine, EngineBatch, EngineInfo, ErrorKind,
    Gauge, KeyspaceHints, OpenContext, Result, Stats, Tuning, TypedOptions,
};

/// An open fjall engine. Applications use it as [`FjallBackend`](crate::FjallBackend).
pub struct FjallEngine {
    database: Database,
    /// Pinned: the layer above keeps the directory open for longer than this.
    directory: PathBuf,
    options: FjallOptions,
    pins: Gauge,
}

impl Engine for FjallEngine {
    const INFO: EngineInfo = EngineInfo {
        name: "fjall",
        version: "3.1",
        snapshots: "engine",
        capabilities: Capabilities {
            persistent: true,
            power_safe: true,
            checkpoint: true,
            compaction: true,
            integrity_check: false,
            shared_reads: false,
        },
        tuning: Tuning {
            cache: true,
            compression: &[Compression::None, Compression::Lz4],
            background_threads: true,
        },
        batch: BatchLimits::NONE,
        unclaimed: "",
    };
    type Options = FjallOptions;
    type Keyspace = FjallKeyspace;
    type Snapshot = FjallSnapshot;

    fn open(context: OpenContext<'_, FjallOptions>) -> Result<Self> {
        let OpenContext { home, options, pins, .. } = context;
        // fjall opens journals and tables by path.
        let directory = home.pinned_path();
        files::check_current_directory(ErrorKind::InvalidInput)?;
        let builder = options.builder(directory)?;
        let creates = files::prepare(directory, options.common().create)?;
        let database = match builder.open() {
            Err(refused) if journals::cut_torn_batch(directory, &refused)? => {
                options.builder(directory)?.open()
            }
            opened => opened,
        };
        let database = database.map_err(|error| {
            let error = translate(error);
            if options.common().read_only && comes_of_unwritable(&error) {
                return needs_writing("fjall", "it locks them and begins a journal when it opens", error);
            }
            error
        })?;
        if creates {
            files::sync_created(directory)?;
        }
        Ok(Self { database, directory: directory.to_owned(), options: options.clone(), pins })
    }

    fn exists(directory: &Path) -> bool {
        files::look(directory) != Found::Nothing
    }

    fn keyspace_names(&self) -> Result<Vec<String>> {
        Ok(self.database.list_keyspace_names().iter().map(ToString::to_string).collect())
    }

    fn open_keyspace(&self, name: &str, hints: KeyspaceHints) -> Result<FjallKeyspace> {
        let creates = !self.database.keyspace_exists(name);
        // Before anything changes, hence `Unavailable`.
        files::check_current_directory(ErrorKind::Unavailable)?;
        let keyspace = self.database.keyspace(name, || self.options.keyspace(hints)).map_err(translate)?;
        if creates {
            files::sync_keyspaces(&self.directory)?;
        }
        Ok(FjallKeyspace::new(keyspace))
    }

    fn drop_keyspace(&self, _: &str, keyspace: &FjallKeyspace) -> Result<()> {
        self.database.delete_keyspace(keyspace.held()?).map_err(translate)?;
        keyspace.let_go();
        Ok(())
    }

    fn get(&self, keyspace: &FjallKeyspace, key: &[u8]) -> Result<Option<Bytes>> {
        // Not `keyspace.get`, which could see half of a batch that is being applied.
        get(&self.database.snapshot(), keyspace, key, &self.pins)
    }

    fn snapshot(&self) -> Result<FjallSnapshot> {
        Ok(FjallSnapshot::new(self.database.snapshot(), self.pins.clone()))
    }

    fn apply(&self, batch: &EngineBatch<'_, FjallKeyspace>, durability: Durability) -> Result<()> {
        commit::apply(&self.database, batch, durability)
    }

    fn flush(&self) -> Result<()> {
        self.database.persist(PersistMode::SyncAll).map_err(translate)
    }

    fn stats(&self, stats: &mut Stats) -> Result<()> {
        stats.disk_bytes = Some(files::disk_bytes(&self.directory)?);
        stats.cache_bytes = Some(self.database.cache_size());
        let journals = u64::try_from(self.database.journal_count()).unwrap_or(u64::MAX);
        stats.engine.push(("journals".to_owned(), journals));
        Ok(())
    }

    fn compact(&self) -> Result<()> {
        compact::all(&self.database)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declared_version_is_the_built_in_one() {
        let lock_file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../Cargo.lock");
        let text = std::fs::read_to_string(lock_file).unwrap();
        let found = format!("name = \"fjall\"\nversion = \"{}.", FjallEngine::INFO.version);
        assert!(text.contains(&found), "INFO.version is not the one of Cargo.lock");
    }
}
