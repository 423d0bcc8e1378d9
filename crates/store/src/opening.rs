//! Opening and creating stores: everything is looked at before anything is touched.

use crate::clock::Time;
use crate::directory::{StoreDirectory, Wanted};
use crate::expiry::sweep::Sweeper;
use crate::handle::Handle;
use crate::high_water::standing::{self, Standing};
use crate::integrity::ledger::Ledger;
use crate::known::Known;
use crate::options::StoreOptions;
use crate::pipeline::Pipeline;
use crate::store::{DEFAULT_KEYSPACE, Inner, Store, check_claim};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use strongroom_core::{Create, EngineInfo, Error, ErrorKind, KeyspaceHints, Options, Result, StorageBackend};

/// What to do about files that are lost.
const FILES_WAY_OUT: &str = "restore from a backup of the whole directory; a new store goes into another one";

/// Tells the stores of a process apart, so that a keyspace of one is not used with another.
static NEXT_INSTANCE: AtomicU64 = AtomicU64::new(1);

impl Store {
    /// A store over a backend that is open already. The store consumes it: nobody writes beneath.
    ///
    /// A backend on disk has to be opened with [`Marked::Writable`](strongroom_core::Marked), in a
    /// directory that is marked as a store of its engine or in a new one; [`Store::open`] sees to all that.
    ///
    /// [`Unsupported`](ErrorKind::Unsupported): the default durability is power-safe and the engine does
    /// not claim it.
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
        Self::assemble(backend, directory, options).map_err(|(error, _)| error)
    }

    /// Opens or creates the store of `engine` in `path`; `open_backend` opens the engine there, with
    /// `engine_options` and what the store has to say about them.
    ///
    /// What fails on the way changes nothing that was there before: a creation that fails is taken back. A
    /// store that is opened to be read takes no lock and writes nothing where the engine has
    /// [`shared_reads`](strongroom_core::Capabilities::shared_reads): another process may have it open.
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
            Ok(backend) => Self::assemble(backend, Some(directory), options).map_err(|(error, directory)| {
                if let Some(directory) = directory {
                    directory.abandon();
                }
                located(error)
            }),
            Err(error) => {
                // The marker says the files are there, so their absence is a loss and not a beginning.
                let lost = error.kind() == ErrorKind::NotFound && directory.engine_create() == Create::Never;
                directory.abandon();
                let error = if lost {
                    error
                        .into_kind(
                            ErrorKind::Corruption,
                            "the store's marker is there, but its engine's files are gone",
                        )
                        .hint(FILES_WAY_OUT)
                } else {
                    error
                };
                Err(located(error))
            }
        }
    }

    /// Gives the directory back on failure, when the backend is closed.
    fn assemble(
        backend: Box<dyn StorageBackend>,
        mut directory: Option<StoreDirectory>,
        options: StoreOptions,
    ) -> Result<Self, (Error, Option<StoreDirectory>)> {
        let assembled = begin(backend, directory.as_ref(), options).and_then(|(mut inner, standing)| {
            if let Some(directory) = &mut directory
                && !inner.backend().is_read_only()
            {
                inner.high_water = standing.settle(directory, &inner)?;
                // Last: from here on the engine's files and the mark are expected to be complete.
                directory.finish()?;
            }
            Ok(inner)
        });
        match assembled {
            Ok(mut inner) => {
                inner.directory = directory;
                Ok(Self { inner: Arc::new(Handle::new(inner)) })
            }
            Err(error) => Err((error, directory)),
        }
    }
}

/// Looks at what is there, and begins what is not; the mark and the directory are still to be settled.
fn begin(
    backend: Box<dyn StorageBackend>,
    directory: Option<&StoreDirectory>,
    options: StoreOptions,
) -> Result<(Inner, Standing)> {
    options.check()?;
    check_claim(backend.engine(), options.durability)?;
    if directory.is_some_and(StoreDirectory::is_finished) {
        check_not_lost(&*backend)?;
    }
    let standing = standing::look(&*backend, directory, options.accept_lost_tail)?;
    if !backend.is_read_only() {
        backend.create_keyspace(DEFAULT_KEYSPACE, KeyspaceHints::default())?;
    }
    let integrity = match directory {
        Some(directory) => directory.integrity(),
        None => options.integrity.unwrap_or_default(),
    };
    let ledger = Ledger::open(&*backend, directory, integrity)?;
    let accepted = standing.accepted().filter(|_| backend.is_read_only());
    let pipeline = Pipeline::open(backend, options.queue_bytes_max, standing.sequence_floor())?;
    let known = Known::of(pipeline.backend(), ledger)?;
    let time = Time::new(options.clock.clone());
    // Beside a writer, the first row with an end may come at any time.
    let is_beside = pipeline.backend().is_read_only();
    if is_beside || known.by_name.values().any(|info| info.settings.may_expire()) {
        time.note_ends();
    }
    let sweeper = Sweeper::new(options.sweep_interval_ms);
    let inner = Inner {
        instance: NEXT_INSTANCE.fetch_add(1, Ordering::Relaxed),
        options,
        pipeline,
        keyspaces: RwLock::new(known),
        structure: RwLock::default(),
        damaged_rows: AtomicU64::new(0),
        hub: Arc::default(),
        time,
        sweeper,
        integrity,
        ledger,
        high_water: None,
        accepted,
        directory: None,
    };
    Ok((inner, standing))
}

/// A finished store has its default keyspace, which was durable before the marker said `ready`. An engine
/// that does not know it has begun anew over lost files, and would hide the loss.
fn check_not_lost(backend: &dyn StorageBackend) -> Result<()> {
    if backend.keyspaces()?.iter().any(|name| name == DEFAULT_KEYSPACE) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Corruption, "the store's marker is there, but its engine is empty")
        .hint(FILES_WAY_OUT))
}
