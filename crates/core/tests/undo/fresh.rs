//! An engine without blocks: it reads each row anew, and hooks can run in the middle of its reads and batches.

use std::cell::RefCell;
use std::path::Path;
use strongroom_core::{
    Bytes, EngineBatch, EngineCursor, EngineInfo, KeyspaceHints, LiveEngine, MemoryEngine, MemoryKeyspace,
    MemoryOptions, OpenContext, Result, Scan, Stats,
};

/// Runs at a point that another thread could not hit reliably.
pub type Hook = Box<dyn FnOnce()>;

thread_local! {
    /// How many reads to let pass, the point within the read, and the hook.
    pub static HOOK: RefCell<Option<(usize, Moment, Hook)>> = const { RefCell::new(None) };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    BeforeRead,
    AfterRead,
    BeforeApply,
}

/// Counts a read, or runs the hook that is due at this one.
pub fn reach(moment: Moment) {
    let due = HOOK.with_borrow_mut(|hook| match hook.take() {
        Some((0, wanted, run)) if wanted == moment => Some(run),
        Some((reads, wanted, run)) if wanted == moment => {
            *hook = Some((reads - 1, wanted, run));
            None
        }
        other => {
            *hook = other;
            None
        }
    });
    if let Some(run) = due {
        run();
    }
}

pub struct FreshEngine(MemoryEngine);

impl LiveEngine for FreshEngine {
    const INFO: EngineInfo = MemoryEngine::INFO;
    type Options = MemoryOptions;
    type Keyspace = MemoryKeyspace;
    type Cursor = FreshCursor;

    fn open(context: OpenContext<'_, MemoryOptions>) -> Result<Self> {
        MemoryEngine::open(context).map(Self)
    }
    fn exists(_: &Path) -> bool {
        false
    }
    fn keyspace_names(&self) -> Result<Vec<String>> {
        self.0.keyspace_names()
    }
    fn open_keyspace(&self, name: &str, hints: KeyspaceHints) -> Result<MemoryKeyspace> {
        self.0.open_keyspace(name, hints)
    }
    fn drop_keyspace(&self, name: &str, keyspace: &MemoryKeyspace) -> Result<()> {
        self.0.drop_keyspace(name, keyspace)
    }
    fn get(&self, keyspace: &MemoryKeyspace, key: &[u8]) -> Result<Option<Bytes>> {
        reach(Moment::BeforeRead);
        let found = self.0.get(keyspace, key);
        reach(Moment::AfterRead);
        found
    }
    fn cursor(&self, keyspace: &MemoryKeyspace, scan: &Scan) -> Result<FreshCursor> {
        Ok(FreshCursor { keyspace: keyspace.clone(), scan: scan.clone(), row: None })
    }
    fn apply(&self, batch: &EngineBatch<'_, MemoryKeyspace>) -> Result<()> {
        reach(Moment::BeforeApply);
        self.0.apply(batch)
    }
    fn flush(&self) -> Result<()> {
        Ok(())
    }
    fn stats(&self, _: &mut Stats) -> Result<()> {
        Ok(())
    }
}

pub struct FreshCursor {
    keyspace: MemoryKeyspace,
    scan: Scan,
    row: Option<<MemoryEngine as LiveEngine>::Cursor>,
}

impl EngineCursor for FreshCursor {
    fn advance(&mut self) -> Result<bool> {
        if let Some(row) = &self.row {
            self.scan.range = self.scan.range.after_position(row.key(), self.scan.direction);
        }
        if self.scan.range.is_empty() {
            return Ok(false);
        }
        reach(Moment::BeforeRead);
        let mut fresh = MemoryEngine::default().cursor(&self.keyspace, &self.scan)?;
        let found = fresh.advance()?;
        reach(Moment::AfterRead);
        self.row = Some(fresh);
        Ok(found)
    }
    fn key(&self) -> &[u8] {
        self.row.as_ref().unwrap().key()
    }
    fn value(&self) -> &[u8] {
        self.row.as_ref().unwrap().value()
    }
}
