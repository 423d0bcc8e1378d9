//! Strongroom's store on each engine.

use crate::disk::FileSystem;
use crate::script::{Batch, Expiry};
use crate::subject::{Done, Failure, Opened, Promise, Role, Subject, Verdict};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use strongroom::{
    Config, DEFAULT_KEYSPACE, Durability, Error, ErrorKind, Keyspace, KeyspaceHints, Placement, Registry,
    Store, Transaction, TransactionOptions,
};

/// A TTL that ends before another process can inspect the store, and one that outlasts every trial.
const BRIEF: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(24 * 60 * 60);

/// The engines, with the parameters of their URLs.
const ENGINES: &[(&str, &str)] = &[
    ("redb", "cache=8MiB"),
    ("fjall", "cache=8MiB&option.max_memtable_size=64KiB"),
    ("sqlite", "cache=8MiB&option.wal_autocheckpoint_pages=64"),
    // The map is address space, which is limited in a child.
    ("lmdb", "option.map_bytes=256MiB"),
    #[cfg(feature = "rocksdb")]
    ("rocksdb", "cache=8MiB&option.write_buffer_size=64KiB&option.db_write_buffer_size=4MiB"),
    // Segments are so small that each script reuses some, and the background thread runs often.
    ("sled", "cache=8MiB&option.segment_size=16KiB&option.flush_every_ms=20"),
];

/// File systems on which the store over sled claims power-safe commits.
const SLED_CLAIMS_ON: [FileSystem; 2] = [FileSystem::Ext4, FileSystem::Xfs];

/// The store over sled on other file systems, where it opens only with buffered durability.
const SLED_BUFFERED: (&str, &str) = ("sled", "cache=8MiB&option.segment_size=16KiB&durability=buffered");
const SLED_CLAIMS_NOT_ON: [FileSystem; 1] = [FileSystem::Btrfs];

/// Returns the store on every engine, the same with full integrity, and the store over sled without power safety.
pub(super) fn all() -> Vec<StoreSubject> {
    let subject =
        |role| move |&(engine, query): &(&'static str, &str)| StoreSubject::new(engine, query, role);
    let stores = ENGINES.iter().map(subject(Role::Store));
    let full = ENGINES.iter().map(subject(Role::StoreFull));
    stores.chain(full).chain([StoreSubject::buffered()]).collect()
}

/// The store on one engine.
pub(super) struct StoreSubject {
    name: String,
    engine: &'static str,
    role: Role,
    query: String,
    note: String,
    /// Whether to flush after each commit. Buffered commits are only in the engine's memory, so even a killed process
    /// would lose them; an application that needs them durable calls `flush`, and so does this subject.
    must_flush: bool,
    file_systems: &'static [FileSystem],
}

impl StoreSubject {
    fn new(engine: &'static str, query: &str, role: Role) -> Self {
        let (suffix, integrity) =
            if role == Role::StoreFull { ("-full", "&integrity=full") } else { ("", "") };
        // Frequent sweeps, so that scripts run concurrently with some.
        let query = format!("{query}{integrity}&sweep_interval_ms=5");
        let version = Registry::builtin().driver(engine).map_or("", |driver| driver.info().version);
        let note = format!("{engine} {version}");
        let file_systems: &[FileSystem] = if engine == "sled" { &SLED_CLAIMS_ON } else { &FileSystem::ALL };
        let name = format!("{engine}/store{suffix}");
        Self { name, engine, role, query, note, must_flush: false, file_systems }
    }

    fn buffered() -> Self {
        let (engine, query) = SLED_BUFFERED;
        let claiming = Self::new(engine, query, Role::Store);
        let note = format!("{}; claims nothing there: durability=buffered, then flush()", claiming.note);
        let name = format!("{engine}/store-buffered");
        Self { name, note, must_flush: true, file_systems: &SLED_CLAIMS_NOT_ON, ..claiming }
    }
}

impl Subject for StoreSubject {
    fn name(&self) -> &str {
        &self.name
    }

    fn engine(&self) -> &str {
        self.engine
    }

    fn role(&self) -> Role {
        self.role
    }

    fn promise(&self) -> Promise {
        if self.must_flush { Promise::KillSafe } else { Promise::PowerSafe }
    }

    fn note(&self) -> &str {
        &self.note
    }

    fn file_systems(&self) -> &[FileSystem] {
        self.file_systems
    }

    fn open(&self, directory: &Path) -> Result<Box<dyn Opened>, Failure> {
        let mut config = Config::from_url(&format!("{}:?{}", self.engine, self.query)).map_err(failed)?;
        // Not in the URL, because a path may contain any characters.
        directory.clone_into(&mut config.path);
        let store = Registry::builtin().open_config(&config).map_err(failed)?;
        Ok(Box::new(OpenStore { store, must_flush: self.must_flush, keyspaces_made: AtomicU32::new(0) }))
    }
}

struct OpenStore {
    store: Store,
    must_flush: bool,
    keyspaces_made: AtomicU32,
}

impl OpenStore {
    fn keyspace(&self, name: &str) -> Result<Keyspace, Failure> {
        self.store.keyspace(name).map_err(failed)
    }

    fn translate(&self, batch: &Batch) -> Result<strongroom::Batch, Failure> {
        let mut translated = self.store.batch();
        for condition in &batch.conditions {
            let keyspace = self.keyspace(&condition.keyspace)?;
            match condition.expect {
                None => translated.expect_absent(&keyspace, &condition.key),
                Some(value) => translated.expect_equals(&keyspace, &condition.key, value.bytes()),
            };
        }
        for op in &batch.ops {
            let keyspace = self.keyspace(&op.keyspace)?;
            match (op.value, op.expiry) {
                (_, Expiry::Brief(value)) => {
                    translated.set_with_ttl(&keyspace, &op.key, value.bytes(), BRIEF)
                }
                (None, _) => translated.delete(&keyspace, &op.key),
                (Some(value), Expiry::Long) => {
                    translated.set_with_ttl(&keyspace, &op.key, value.bytes(), LONG)
                }
                (Some(value), Expiry::Never) => translated.set(&keyspace, &op.key, value.bytes()),
            };
        }
        if batch.buffered {
            translated.durability(Durability::Buffered);
        }
        Ok(translated)
    }
}

impl OpenStore {
    fn commit_batch(&self, batch: &Batch) -> Result<Verdict, Failure> {
        match self.store.commit(&self.translate(batch)?) {
            Ok(_) => Ok(Verdict::Committed),
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(Verdict::Refused),
            Err(error) => Err(failed(error)),
        }
    }

    /// Runs the batch as a transaction that reads the keys of its conditions and scans around every key it writes, so
    /// that the commit has reads to validate.
    fn transact(&self, batch: &Batch) -> Result<Verdict, Failure> {
        let work = |transaction: &mut Transaction| {
            for condition in &batch.conditions {
                let keyspace = self.store.keyspace(&condition.keyspace)?;
                let found = transaction.get(&keyspace, &condition.key)?;
                if found.as_deref() != condition.expect.map(|value| value.bytes()).as_deref() {
                    transaction.rollback();
                    return Ok(Verdict::Refused);
                }
            }
            for op in &batch.ops {
                let keyspace = self.store.keyspace(&op.keyspace)?;
                transaction.prefix(&keyspace, &op.key)?.try_for_each(|row| row.map(drop))?;
                match op.value {
                    None => transaction.delete(&keyspace, &op.key)?,
                    Some(value) => transaction.set(&keyspace, &op.key, value.bytes())?,
                }
            }
            Ok(Verdict::Committed)
        };
        let options = TransactionOptions::new().attempts_max(u32::MAX);
        self.store.transaction_with(&options, work).map_err(failed)
    }
}

impl Opened for OpenStore {
    fn keyspaces(&self) -> Result<Vec<String>, Failure> {
        // Every store has a default keyspace, which is not part of a script.
        Ok(self.store.keyspaces().into_iter().filter(|name| name != DEFAULT_KEYSPACE).collect())
    }

    fn create_keyspace(&self, name: &str) -> Result<(), Failure> {
        // A script creates too few keyspaces for automatic packing, so placements alternate.
        let made = self.keyspaces_made.fetch_add(1, Ordering::Relaxed);
        let placement = if made.is_multiple_of(2) { Placement::Packed } else { Placement::Dedicated };
        let hints = KeyspaceHints::default().placed(placement);
        self.store.create_keyspace_with(name, hints).map(drop).map_err(failed)
    }

    fn drop_keyspace(&self, name: &str) -> Result<(), Failure> {
        self.store.drop_keyspace(name).map_err(failed)
    }

    fn commit(&self, batch: &Batch) -> Result<Verdict, Failure> {
        let verdict = if batch.transaction { self.transact(batch)? } else { self.commit_batch(batch)? };
        if verdict == Verdict::Refused {
            return Ok(verdict);
        }
        if self.must_flush && !batch.buffered {
            self.store.flush().map_err(failed)?;
        }
        Ok(Verdict::Committed)
    }

    fn get(&self, keyspace: &str, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        let found = self.keyspace(keyspace)?.get(key).map_err(failed)?;
        Ok(found.map(|value| value.to_vec()))
    }

    fn scan(&self, keyspace: &str, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Failure> {
        let mut rows = self.keyspace(keyspace)?.prefix("").map_err(failed)?;
        while rows.advance().map_err(failed)? {
            visit(rows.key(), rows.value());
        }
        Ok(())
    }

    fn compact(&self) -> Result<Done, Failure> {
        if_supported(self.store.compact())
    }

    fn checkpoint(&self, directory: &Path) -> Result<Done, Failure> {
        if_supported(self.store.checkpoint(directory))
    }

    fn verify(&self) -> Result<Done, Failure> {
        // Rows first, because the engine's own check may repair damage that it finds.
        self.store.verify(&mut |_| ControlFlow::Continue(())).map_err(failed)?;
        if_supported(self.store.verify_engine())?;
        Ok(Done::Done)
    }
}

fn if_supported(outcome: strongroom::Result<()>) -> Result<Done, Failure> {
    match outcome {
        Ok(()) => Ok(Done::Done),
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(Done::Lacking),
        Err(error) => Err(failed(error)),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "used in `map_err`")]
fn failed(error: Error) -> Failure {
    let failure = Failure::new(error.one_line());
    let is_closed = matches!(error.kind(), ErrorKind::CommitUnknown | ErrorKind::Closed);
    if is_closed { failure.closed() } else { failure }
}
