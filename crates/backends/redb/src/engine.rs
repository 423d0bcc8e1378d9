//! redb as an [`Engine`].

use crate::commit::{self, begin};
use crate::error::translate;
use crate::files::{self, Opened};
use crate::keyspace::{Database, RedbKeyspace, definition};
use crate::options::RedbOptions;
use crate::snapshot::{RedbSnapshot, get, open_table};
use redb::TableHandle;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;
use strongroom_core::{
    BatchLimits, Bytes, Capabilities, Durability, Engine, EngineBatch, EngineInfo, Error, ErrorKind, Gauge,
    KeyspaceHints, OpenContext, Result, Stats, Tuning, ViewSharing,
};

/// How often a call that needs the database for itself is tried, and the pause between: 0.2 s in all.
const TRIES_MAX: u32 = 100;
const PAUSE: Duration = Duration::from_millis(2);

/// An open redb engine. Applications use it as [`RedbBackend`](crate::RedbBackend).
pub struct RedbEngine {
    database: Arc<Database>,
    /// None: the database is in a storage of the caller.
    data_file: Option<PathBuf>,
    quick_repair: bool,
    pins: Gauge,
}

impl RedbEngine {
    // A panic poisons the whole handle, so no state under the lock is used after one.
    fn shared(&self) -> RwLockReadGuard<'_, Opened> {
        self.database.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn exclusive(&self) -> RwLockWriteGuard<'_, Opened> {
        self.database.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin_read(&self) -> Result<redb::ReadTransaction> {
        self.shared().begin_read()
    }
}

impl Engine for RedbEngine {
    const INFO: EngineInfo = EngineInfo {
        name: "redb",
        version: "4.6",
        snapshots: "engine",
        capabilities: Capabilities {
            persistent: true,
            power_safe: true,
            checkpoint: true,
            compaction: true,
            integrity_check: true,
            shared_reads: false,
        },
        tuning: Tuning { cache: true, ..Tuning::NONE },
        batch: BatchLimits::NONE,
        unclaimed: "",
    };
    type Options = RedbOptions;
    type Keyspace = RedbKeyspace;
    type Snapshot = RedbSnapshot;

    const VIEW: ViewSharing = ViewSharing::AtOnce;

    fn open(context: OpenContext<'_, RedbOptions>) -> Result<Self> {
        let OpenContext { directory, options, pins, .. } = context;
        let database = files::open(directory, options)?;
        let data_file = options.storage().is_none().then(|| files::data_file(directory));
        let quick_repair = options.repairs_quickly();
        Ok(Self { database: Arc::new(RwLock::new(database)), data_file, quick_repair, pins })
    }

    fn exists(directory: &Path) -> bool {
        files::exists(directory)
    }

    fn keyspace_names(&self) -> Result<Vec<String>> {
        let tables = self.begin_read()?;
        let tables = tables.list_tables().map_err(translate)?;
        Ok(tables.map(|table| table.name().to_owned()).collect())
    }

    fn open_keyspace(&self, name: &str, _: KeyspaceHints) -> Result<RedbKeyspace> {
        let keyspace = RedbKeyspace::new(name);
        if open_table(&self.begin_read()?, &keyspace)?.is_none() {
            let database = self.shared();
            let transaction = begin(database.writable()?, Durability::PowerSafe, self.quick_repair)?;
            transaction.open_table(definition(name)).map_err(translate)?;
            transaction.commit().map_err(translate)?;
        }
        Ok(keyspace)
    }

    fn drop_keyspace(&self, name: &str, _: &RedbKeyspace) -> Result<()> {
        let database = self.shared();
        let transaction = begin(database.writable()?, Durability::PowerSafe, self.quick_repair)?;
        transaction.delete_table(definition(name)).map_err(translate)?;
        transaction.commit().map_err(translate)
    }

    fn get(&self, keyspace: &RedbKeyspace, key: &[u8]) -> Result<Option<Bytes>> {
        // Held to the end, so that a compaction waits for the get instead of failing because of its
        // transaction.
        let database = self.shared();
        let transaction = database.begin_read()?;
        match open_table(&transaction, keyspace)? {
            Some(table) => get(&table, key, &self.pins),
            None => Ok(None),
        }
    }

    fn snapshot(&self) -> Result<RedbSnapshot> {
        Ok(RedbSnapshot::new(self.begin_read()?, self.pins.clone(), Arc::clone(&self.database)))
    }

    fn apply(&self, batch: &EngineBatch<'_, RedbKeyspace>, durability: Durability) -> Result<()> {
        commit::apply(self.shared().writable()?, batch, durability, self.quick_repair)
    }

    fn flush(&self) -> Result<()> {
        // An empty power-safe commit writes the buffered commits that are in memory.
        begin(self.shared().writable()?, Durability::PowerSafe, self.quick_repair)?
            .commit()
            .map_err(translate)
    }

    fn stats(&self, stats: &mut Stats) -> Result<()> {
        stats.disk_bytes = self.data_file.as_deref().map(files::disk_bytes).transpose()?;
        Ok(())
    }

    fn compact(&self) -> Result<()> {
        retry_while_read(|| self.exclusive().writable_mut()?.compact().map(drop).map_err(translate))
    }

    fn verify(&self) -> Result<()> {
        let is_sound =
            retry_while_read(|| self.exclusive().writable_mut()?.check_integrity().map_err(translate))?;
        if is_sound {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Corruption, "the file was damaged and redb repaired it")
            .hint("compare it with a backup before you continue"))
    }
}

/// Tries again while somebody reads: a thread of the store, such as its sweep, may have a snapshot for a moment.
fn retry_while_read<T>(call: impl Fn() -> Result<T>) -> Result<T> {
    let mut tries = 1;
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Unavailable && tries < TRIES_MAX => {
                tries += 1;
                std::thread::sleep(PAUSE);
            }
            outcome => return outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declared_version_is_the_built_in_one() {
        let lock_file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../Cargo.lock");
        let text = std::fs::read_to_string(lock_file).unwrap();
        let found = format!("name = \"redb\"\nversion = \"{}.", RedbEngine::INFO.version);
        assert!(text.contains(&found), "INFO.version is not the one of Cargo.lock");
    }
}
