//! Opens and creates stores. Everything is checked before anything is changed.

use super::store::Store;
use crate::base::{Base, BaseParts, check_claim};
use crate::catalog::Catalog;
use crate::commit::Pipeline;
use crate::directory::{StoreDirectory, Wanted, identity};
use crate::features::high_water::recovery::{self, RecoveryStatus};
use crate::features::tallies::ledger::Ledger;
use crate::features::{Features, Opening};
use crate::format::own_keyspaces::DEFAULT_KEYSPACE;
use crate::handle::Handle;
use crate::options::StoreOptions;
use crate::sequence::Sequences;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use strongroom_core::{Create, EngineInfo, Error, ErrorKind, KeyspaceHints, Options, Result, StorageBackend};

/// The hint for missing files.
const FILES_HINT: &str = "restore a backup of the whole directory, or create a new store in another one";

/// Distinguishes the stores of a process, so that a keyspace of one is not used with another.
static NEXT_INSTANCE: AtomicU64 = AtomicU64::new(1);

impl Store {
    /// Creates a store over a backend that is already open. The store owns the backend, so that nothing else
    /// writes to it.
    ///
    /// A backend on disk has to be opened with [`Marked::Writable`](strongroom_core::Marked), in a new directory
    /// or in one that is marked as a store of its engine. [`Store::open`] takes care of that.
    ///
    /// Returns [`Unsupported`](ErrorKind::Unsupported) if the default durability is power-safe and the engine
    /// does not claim it.
    pub fn new(backend: impl StorageBackend + 'static, options: StoreOptions) -> Result<Self> {
        Self::over(Box::new(backend), options)
    }

    /// As [`new`](Self::new), for a backend chosen at run time.
    pub fn over(backend: Box<dyn StorageBackend>, options: StoreOptions) -> Result<Self> {
        let directory = match backend.directory() {
            Some(path) => {
                let is_empty = backend.keyspaces()?.is_empty();
                let shared_read = backend.is_read_only() && backend.engine().capabilities.shared_reads;
                let wanted = Wanted { engine: backend.engine().name, integrity: options.integrity };
                Some(StoreDirectory::adopt(path, wanted, is_empty, shared_read)?)
            }
            None => None,
        };
        Self::assemble(backend, directory, options).map_err(|failed| failed.0)
    }

    /// Opens or creates the store of `engine` in `path`. `open_backend` opens the engine there, with
    /// `engine_options` as the store completes them.
    ///
    /// A failure changes nothing that was there before: a failed creation is undone. On an engine with
    /// [`shared_reads`](strongroom_core::Capabilities::shared_reads), a store that is opened read-only takes no
    /// lock and writes nothing, since another process may have it open.
    pub fn open(
        path: &Path,
        engine: &EngineInfo,
        options: StoreOptions,
        engine_options: &Options,
        open_backend: impl FnOnce(&Path, &Options) -> Result<Box<dyn StorageBackend>>,
    ) -> Result<Self> {
        let located = |error: Error| error.at(engine.name, "open");
        options.check().map_err(located)?;
        let wanted = Wanted { engine: engine.name, integrity: options.integrity };
        let directory = if engine_options.read_only && engine.capabilities.shared_reads {
            StoreDirectory::look_in(path, wanted)
        } else {
            let may_create = if engine_options.read_only { Create::Never } else { engine_options.create };
            StoreDirectory::prepare(path, wanted, may_create, engine_options.read_only)
        }
        .map_err(located)?;
        let engine_options =
            engine_options.clone().marked(directory.engine_marked()).create(directory.engine_create());
        match open_backend(directory.path(), &engine_options) {
            Ok(backend) => Self::assemble(backend, Some(directory), options).map_err(|failed| {
                let (error, directory) = *failed;
                if let Some(directory) = directory {
                    directory.abandon();
                }
                located(error)
            }),
            Err(error) => {
                // The marker says that the files exist, so missing files are a loss and not a new store.
                let lost = error.kind() == ErrorKind::NotFound && directory.engine_create() == Create::Never;
                directory.abandon();
                let error = if lost {
                    error
                        .into_kind(
                            ErrorKind::Corruption,
                            "the store's marker exists, but its engine's files are missing",
                        )
                        .hint(FILES_HINT)
                } else {
                    error
                };
                Err(located(error))
            }
        }
    }

    /// On failure, returns the directory with the error, after the backend is closed.
    fn assemble(
        backend: Box<dyn StorageBackend>,
        mut directory: Option<StoreDirectory>,
        options: StoreOptions,
    ) -> Result<Self, Box<(Error, Option<StoreDirectory>)>> {
        let assembled = begin(backend, directory.as_ref(), options).and_then(|(mut pipeline, status)| {
            if let Some(directory) = &mut directory
                && !pipeline.base.backend().is_read_only()
            {
                pipeline.features.high_water.mark = status.settle(directory, &pipeline.base, &pipeline)?;
                // Last: from here on, the engine's files and the high-water mark must be complete.
                directory.finish()?;
            }
            Ok(pipeline)
        });
        match assembled {
            Ok(mut pipeline) => {
                pipeline.base.directory = directory;
                Ok(Self { handle: Arc::new(Handle::new(pipeline)) })
            }
            Err(error) => Err(Box::new((error, directory))),
        }
    }
}

/// Reads the existing state and creates what is missing, except the high-water mark and the marker's final state.
fn begin(
    backend: Box<dyn StorageBackend>,
    directory: Option<&StoreDirectory>,
    options: StoreOptions,
) -> Result<(Pipeline, RecoveryStatus)> {
    options.check()?;
    check_claim(backend.engine(), options.durability)?;
    if directory.is_some_and(StoreDirectory::is_finished) {
        check_not_lost(&*backend)?;
    }
    if let Some(directory) = directory {
        identity::check(&*backend, directory)?;
    }
    let status = recovery::check(&*backend, directory, options.accept_lost_tail)?;
    if !backend.is_read_only() {
        backend.create_keyspace(DEFAULT_KEYSPACE, KeyspaceHints::default())?;
    }
    let integrity = match directory {
        Some(directory) => directory.integrity(),
        None => options.integrity.unwrap_or_default(),
    };
    let ledger = Ledger::open(&*backend, directory, integrity)?;
    let accepted = status.accepted().filter(|_| backend.is_read_only());
    let sequences = Sequences::open(&*backend, status.sequence_floor())?;
    if let Some(directory) = directory {
        identity::settle(&*backend, directory)?;
    }
    let catalog = Catalog::load(&*backend, ledger.map(Ledger::id))?;
    let features = Features::begin(&Opening {
        last_sequence: sequences.last(),
        sweep_interval_ms: options.sweep_interval_ms,
        ledger,
        accepted,
    });
    let instance = NEXT_INSTANCE.fetch_add(1, Ordering::Relaxed);
    let base = Base::new(BaseParts { instance, options, integrity, backend, catalog, sequences });
    Ok((Pipeline::new(base, features), status))
}

/// Checks that a finished store has its default keyspace, which was durable before the marker said `ready`. An
/// engine without it has started over after its files were lost, and would hide the loss.
fn check_not_lost(backend: &dyn StorageBackend) -> Result<()> {
    if backend.keyspaces()?.iter().any(|name| name == DEFAULT_KEYSPACE) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Corruption, "the store's marker exists, but its engine is empty")
        .hint(FILES_HINT))
}
