//! LMDB as an [`Engine`].

use crate::environment::Environment;
use crate::error::{translate, translate_io};
use crate::keyspace::{self, LmdbKeyspace};
use crate::options::LmdbOptions;
use crate::snapshot::{LmdbSnapshot, get_newest};
use crate::view::Reading;
use crate::{commit, files};
use heed::{CompactionOption, Env, MdbError, WithoutTls};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use strongroom_core::files::sync_entry;
use strongroom_core::{
    BatchLimits, Bytes, Capabilities, Durability, Engine, EngineBatch, EngineInfo, ErrorKind, Gauge,
    KeyspaceHints, OpenContext, Result, Stats, Tuning, TypedOptions, ViewSharing,
};

/// An open LMDB engine. Applications use it as [`LmdbBackend`](crate::LmdbBackend).
pub struct LmdbEngine {
    environment: Arc<Environment>,
    directory: PathBuf,
    keyspaces_max: usize,
    pins: Gauge,
}

impl Engine for LmdbEngine {
    const INFO: EngineInfo = EngineInfo {
        name: "lmdb",
        version: "0.9",
        snapshots: "engine",
        capabilities: Capabilities {
            persistent: true,
            // There LMDB writes its meta page through `O_DSYNC`, which leaves it in the drive's cache.
            power_safe: cfg!(not(target_vendor = "apple")),
            checkpoint: true,
            compaction: false,
            integrity_check: false,
            // On Windows a read-only map does not follow a file that grows.
            shared_reads: cfg!(unix),
        },
        tuning: Tuning::NONE,
        batch: BatchLimits::NONE,
        unclaimed: if cfg!(target_vendor = "apple") {
            "its last write stays in the drive's cache"
        } else {
            ""
        },
    };
    type Options = LmdbOptions;
    type Keyspace = LmdbKeyspace;
    type Snapshot = LmdbSnapshot;

    const VIEW: ViewSharing = ViewSharing::InTurns;

    fn open(context: OpenContext<'_, LmdbOptions>) -> Result<Self> {
        let OpenContext { directory, options, pins, view, .. } = context;
        options.check()?;
        let opened = files::open(directory, options)?;
        let environment = Environment::new(opened, options.common().read_only, options.grow_timeout, view)?;
        Ok(Self {
            environment: Arc::new(environment),
            directory: directory.to_owned(),
            keyspaces_max: options.max_keyspaces as usize,
            pins,
        })
    }

    fn exists(directory: &Path) -> bool {
        files::exists(directory)
    }

    fn keyspace_names(&self) -> Result<Vec<String>> {
        Ok(keyspace::list(&self.environment)?.0)
    }

    fn open_keyspace(&self, name: &str, _: KeyspaceHints) -> Result<LmdbKeyspace> {
        LmdbKeyspace::open(&self.environment, name)
    }

    fn keyspaces_max(&self) -> usize {
        self.keyspaces_max
    }

    fn is_current(&self, name: &str, keyspace: &LmdbKeyspace) -> Result<bool> {
        keyspace.is_current(name)
    }

    fn drop_keyspace(&self, name: &str, keyspace: &LmdbKeyspace) -> Result<()> {
        keyspace.drop_named(name).map_err(|error| match error.kind() {
            // LMDB has closed the handle already, so the error may not claim that nothing changed.
            ErrorKind::Unavailable if keyspace.map().is_none() => {
                error.into_kind(ErrorKind::Io, "the map has no room to drop the keyspace")
            }
            _ => error,
        })
    }

    fn get(&self, keyspace: &LmdbKeyspace, key: &[u8]) -> Result<Option<Bytes>> {
        get_newest(&self.environment, keyspace, key, &self.pins)
    }

    fn snapshot(&self) -> Result<LmdbSnapshot> {
        Ok(LmdbSnapshot::new(Reading::begin(&self.environment)?, self.pins.clone()))
    }

    fn apply(&self, batch: &EngineBatch<'_, LmdbKeyspace>, _: Durability) -> Result<()> {
        commit::apply(&self.environment, batch)
    }

    fn flush(&self) -> Result<()> {
        // Every commit is on disk when it returns.
        Ok(())
    }

    fn stats(&self, stats: &mut Stats) -> Result<()> {
        stats.disk_bytes = Some(files::disk_bytes(&self.directory)?);
        let figures = self.environment.figures()?;
        let (_, pages_of_keyspaces) = keyspace::list(&self.environment)?;
        let pages = figures.info.last_page_number as u64 + 1;
        let figures = [
            ("map_bytes", figures.info.map_size as u64),
            ("map_growths", figures.growths),
            ("page_bytes", figures.page_bytes),
            ("pages", pages),
            ("pages_free", pages.saturating_sub(pages_of_keyspaces + META_PAGES)),
            ("readers_max", u64::from(figures.info.maximum_number_of_readers)),
            ("readers_seen", u64::from(figures.info.number_of_readers)),
            ("readers_stale_cleared", figures.stale_readers),
            ("transactions_held", figures.held),
        ];
        stats.engine.extend(figures.map(|(name, figure)| (name.to_owned(), figure)));
        Ok(())
    }

    fn checkpoint(&self, directory: &Path) -> Result<bool> {
        let mut file = File::create_new(files::data_file(directory)).map_err(translate_io)?;
        self.environment.with_map(|env| copy(env, &mut file))?.map_err(translate)?;
        file.sync_all().and_then(|()| sync_entry(directory)).map_err(translate_io)?;
        Ok(true)
    }
}

/// Pages that belong to no keyspace and are never free.
const META_PAGES: u64 = 2;

/// Copies the pages in use, or all pages if LMDB cannot tell which are in use.
fn copy(env: &Env<WithoutTls>, file: &mut File) -> heed::Result<()> {
    match env.copy_to_file(file, CompactionOption::Enabled) {
        // Some pages are neither in use nor free. Older versions of LMDB lost pages in that way.
        Err(heed::Error::Mdb(MdbError::Incompatible)) => {
            file.set_len(0)?;
            std::io::Seek::rewind(file)?;
            env.copy_to_file(file, CompactionOption::Disabled)
        }
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declared_version_is_the_built_in_one() {
        let built_in = heed::lmdb_version();
        assert_eq!(LmdbEngine::INFO.version, format!("{}.{}", built_in.major, built_in.minor));
    }
}
