//! Failures under the contract: an engine whose calls fail on demand.

use super::{Faults, Passed};
use bytes::Bytes;
use std::path::Path;
use strongroom_core::{
    EngineBatch, EngineCursor, EngineInfo, KeyspaceHints, LiveEngine, OpenContext, Options, Result, Scan,
    Stats, TypedOptions,
};

/// A [`LiveEngine`] that fails when its [`Faults`] say so.
///
/// ```
/// use strongroom_core::{Backend, MemoryEngine, StorageBackend, Undo};
/// use strongroom_testkit::fault::{Faults, FaultyEngine, FaultyOptions, How};
///
/// # fn main() -> strongroom_core::Result<()> {
/// let faults = Faults::new();
/// # let directory = tempfile::tempdir()?;
/// let options = FaultyOptions::new(faults.clone());
/// let backend = Backend::<Undo<FaultyEngine<MemoryEngine>>>::open(&directory, options)?;
/// faults.fail_at_operation("flush", 1, How::Error);
/// assert!(backend.flush().is_err());
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct FaultyEngine<L> {
    engine: L,
    faults: Faults,
}

/// Options of a [`FaultyEngine`]: those of the inner engine, and the faults.
#[derive(Debug, Clone, Default)]
pub struct FaultyOptions<O> {
    engine: O,
    faults: Faults,
}

/// Cursor of a [`FaultyEngine`].
#[derive(Debug)]
pub struct FaultyCursor<C> {
    cursor: C,
    faults: Faults,
}

impl<O: Default> FaultyOptions<O> {
    /// Creates options with the engine's defaults and with `faults`.
    pub fn new(faults: Faults) -> Self {
        Self { engine: O::default(), faults }
    }
}

impl<O: TypedOptions> TypedOptions for FaultyOptions<O> {
    fn from_options(options: &Options) -> Result<Self> {
        Ok(Self { engine: O::from_options(options)?, faults: Faults::new() })
    }

    fn common(&self) -> &Options {
        self.engine.common()
    }

    fn with_common(self, common: Options) -> Self {
        Self { engine: self.engine.with_common(common), faults: self.faults }
    }

    fn for_checkpoint(self) -> Self {
        Self { engine: self.engine.for_checkpoint(), faults: self.faults }
    }
}

impl<L: LiveEngine> FaultyEngine<L> {
    fn pass(&self, operation: &'static str) -> Result<Passed> {
        self.faults.pass(operation)
    }
}

impl<L: LiveEngine> LiveEngine for FaultyEngine<L> {
    const INFO: EngineInfo = L::INFO;
    type Options = FaultyOptions<L::Options>;
    type Keyspace = L::Keyspace;
    type Cursor = FaultyCursor<L::Cursor>;

    fn open(context: OpenContext<'_, Self::Options>) -> Result<Self> {
        let faults = context.options.faults.clone();
        let passed = faults.pass("open")?;
        let inner = OpenContext {
            directory: context.directory,
            home: context.home,
            options: &context.options.engine,
            pins: context.pins.clone(),
            view: context.view.clone(),
        };
        Ok(Self { engine: passed.then(L::open(inner))?, faults })
    }

    fn exists(directory: &Path) -> bool {
        L::exists(directory)
    }

    fn keyspace_names(&self) -> Result<Vec<String>> {
        self.pass("keyspace_names")?.then(self.engine.keyspace_names())
    }

    fn open_keyspace(&self, name: &str, hints: KeyspaceHints) -> Result<L::Keyspace> {
        self.pass("open_keyspace")?.then(self.engine.open_keyspace(name, hints))
    }

    fn drop_keyspace(&self, name: &str, keyspace: &L::Keyspace) -> Result<()> {
        self.pass("drop_keyspace")?.then(self.engine.drop_keyspace(name, keyspace))
    }

    fn get(&self, keyspace: &L::Keyspace, key: &[u8]) -> Result<Option<Bytes>> {
        self.pass("get")?.then(self.engine.get(keyspace, key))
    }

    fn cursor(&self, keyspace: &L::Keyspace, scan: &Scan) -> Result<Self::Cursor> {
        let cursor = self.pass("cursor")?.then(self.engine.cursor(keyspace, scan))?;
        Ok(FaultyCursor { cursor, faults: self.faults.clone() })
    }

    fn apply(&self, batch: &EngineBatch<'_, L::Keyspace>) -> Result<()> {
        self.pass("apply")?.then(self.engine.apply(batch))
    }

    fn flush(&self) -> Result<()> {
        self.pass("flush")?.then(self.engine.flush())
    }

    fn stats(&self, stats: &mut Stats) -> Result<()> {
        self.pass("stats")?.then(self.engine.stats(stats))
    }

    fn unclaimed(&self) -> Option<&'static str> {
        self.engine.unclaimed()
    }
}

impl<C: EngineCursor> EngineCursor for FaultyCursor<C> {
    fn advance(&mut self) -> Result<bool> {
        self.faults.pass("advance")?.then(self.cursor.advance())
    }

    fn key(&self) -> &[u8] {
        self.cursor.key()
    }

    fn value(&self) -> &[u8] {
        self.cursor.value()
    }
}
