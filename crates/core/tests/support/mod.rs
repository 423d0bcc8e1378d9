//! An engine that stores nothing and calls a hook before each change.

#![allow(dead_code)] // Each test file uses only a part.

use std::path::Path;
use std::sync::Arc;
use strongroom_core::{
    BatchLimits, Bytes, Capabilities, Durability, Engine, EngineBatch, EngineCursor, EngineInfo,
    EngineSnapshot, KeyspaceHints, OpenContext, Options, Result, Scan, Stats, Tuning, TypedOptions,
};

/// Called before each change. Its result is the result of the change.
pub type Hook = Arc<dyn Fn() -> Result<()> + Send + Sync>;

#[derive(Clone)]
pub struct HookedOptions {
    common: Options,
    hook: Hook,
}

impl HookedOptions {
    pub fn new(hook: impl Fn() -> Result<()> + Send + Sync + 'static) -> Self {
        Self { common: Options::new(), hook: Arc::new(hook) }
    }
}

impl Default for HookedOptions {
    fn default() -> Self {
        Self::new(|| Ok(()))
    }
}

impl TypedOptions for HookedOptions {
    fn from_options(options: &Options) -> Result<Self> {
        Ok(Self::default().with_common(options.clone()))
    }
    fn common(&self) -> &Options {
        &self.common
    }
    fn with_common(mut self, common: Options) -> Self {
        self.common = common;
        self
    }
}

/// It has one keyspace, `rows`, and declares concurrent commits if it is `CONCURRENT`.
pub struct Hooked<const CONCURRENT: bool> {
    hook: Hook,
}

pub struct Nothing;

impl EngineCursor for Nothing {
    fn advance(&mut self) -> Result<bool> {
        Ok(false)
    }
    fn key(&self) -> &[u8] {
        &[]
    }
    fn value(&self) -> &[u8] {
        &[]
    }
}

impl EngineSnapshot for Nothing {
    type Keyspace = ();
    type Cursor = Self;
    fn get(&self, (): &(), _: &[u8]) -> Result<Option<Bytes>> {
        Ok(None)
    }
    fn cursor(&self, (): &(), _: &Scan) -> Result<Self> {
        Ok(Self)
    }
}

impl<const CONCURRENT: bool> Engine for Hooked<CONCURRENT> {
    const INFO: EngineInfo = EngineInfo {
        name: "hooked",
        version: "1",
        snapshots: "engine",
        capabilities: Capabilities {
            persistent: false,
            power_safe: true,
            checkpoint: false,
            compaction: false,
            integrity_check: false,
            shared_reads: false,
        },
        tuning: Tuning::NONE,
        batch: BatchLimits::NONE,
        unclaimed: "",
    };
    type Options = HookedOptions;
    type Keyspace = ();
    type Snapshot = Nothing;
    const CONCURRENT_COMMITS: bool = CONCURRENT;

    fn open(context: OpenContext<'_, HookedOptions>) -> Result<Self> {
        Ok(Self { hook: Arc::clone(&context.options.hook) })
    }
    fn exists(_: &Path) -> bool {
        true
    }
    fn keyspace_names(&self) -> Result<Vec<String>> {
        Ok(vec!["rows".to_owned()])
    }
    fn open_keyspace(&self, name: &str, _: KeyspaceHints) -> Result<()> {
        if name == "rows" { Ok(()) } else { (self.hook)() }
    }
    fn drop_keyspace(&self, _: &str, (): &()) -> Result<()> {
        (self.hook)()
    }
    fn get(&self, (): &(), _: &[u8]) -> Result<Option<Bytes>> {
        Ok(None)
    }
    fn snapshot(&self) -> Result<Nothing> {
        Ok(Nothing)
    }
    fn apply(&self, _: &EngineBatch<'_, ()>, _: Durability) -> Result<()> {
        (self.hook)()
    }
    fn flush(&self) -> Result<()> {
        Ok(())
    }
    fn stats(&self, _: &mut Stats) -> Result<()> {
        Ok(())
    }
}
