//! sled as a [`LiveEngine`]: only the translation.

use crate::commit;
use crate::cursor::SledCursor;
use crate::error::from_sled;
use crate::files;
use crate::flusher::Flusher;
use crate::home::{Home, Prepared, REGISTER_TREE, Threads};
use crate::keyspace::SledKeyspace;
use crate::options::SledOptions;
use crate::sync::Files;
use crate::threads;
use crate::waker::Waker;
use crate::write_through;
use sled::Db;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use strongroom_core::files::{comes_of_unwritable, needs_writing};
use strongroom_core::{
    Bytes, Capabilities, Closer, Create, EngineBatch, EngineInfo, Error, ErrorKind, KeyspaceHints,
    LiveEngine, OpenContext, Result, Scan, Stats, Tuning, is_left_behind,
};

/// sled's default tree. Listed as a keyspace only if it is not empty.
const DEFAULT_TREE: &str = "__sled__default";

/// An open sled store.
pub struct SledEngine {
    home: Arc<Home>,
}

impl SledEngine {
    fn start(context: &OpenContext<'_, SledOptions>) -> Result<Self> {
        let config = context.options.to_config()?.path(context.home.pinned_path());
        let options = &context.options.common;
        if files::begins_again(options) {
            files::clear_unfinished(context.directory)?;
        }
        let is_new = !Self::exists(context.directory);
        if options.create == Create::Never && files::is_unfinished(context.directory) {
            let message = format!("{} holds no files of sled", context.directory.display());
            return Err(Error::new(ErrorKind::NotFound, message).hint("check the path"));
        }
        threads::try_out()?;
        let files = Files::open_before_sled(context.home, context.options.write_through)?;
        let closer = Closer::new(Self::INFO.name, files.directory())?;
        let threads = Threads {
            flusher: Flusher::new(context.options.flush_every_ms.map(Duration::from_millis))?,
            waker: Waker::new()?,
        };
        let db = config.open().map_err(|error| explain_left_behind(from_sled(error), &files))?;
        let close_wait_max = Duration::from_millis(context.options.close_wait_ms);
        let home = Arc::new(Home::new(db, Prepared { files, closer, close_wait_max, threads })?);
        // Before any write: what sled has recovered and rewritten while it opened may not be durable yet.
        if is_new || home.files().cached().is_none() {
            home.flush_opened()?;
        }
        Ok(Self { home })
    }

    fn is_default_empty(&self, db: &Db) -> Result<bool> {
        let first = db.first().map_err(|error| self.home.writes().failed_read(from_sled(error)))?;
        Ok(first.is_none())
    }

    fn has_tree(&self, name: &str) -> Result<bool> {
        Ok(self.home.db()?.tree_names().iter().any(|tree| tree == name.as_bytes()))
    }
}

/// Replaces the error if an engine that this process left behind holds the lock.
fn explain_left_behind(error: Error, files: &Files) -> Error {
    if error.kind() != ErrorKind::Locked || !is_left_behind(files.directory()) {
        return error;
    }
    let message = "sled could not be closed in time, and still holds its files";
    Error::new(ErrorKind::Locked, message)
        .hint("end this process, then open the store again; acknowledged durable commits are not lost")
}

impl LiveEngine for SledEngine {
    const INFO: EngineInfo = EngineInfo {
        name: "sled",
        version: "0.34.7",
        snapshots: "undo overlay",
        capabilities: Capabilities {
            persistent: true,
            // If its files can be written through: see `write_through`.
            power_safe: cfg!(target_os = "linux"),
            checkpoint: true,
            compaction: false,
            integrity_check: false,
            shared_reads: false,
        },
        tuning: Tuning { cache: true, ..Tuning::NONE },
        batch: commit::LIMITS,
        unclaimed: if cfg!(target_os = "linux") { "" } else { write_through::ONLY_LINUX },
    };
    type Options = SledOptions;
    type Keyspace = SledKeyspace;
    type Cursor = SledCursor;

    fn open(context: OpenContext<'_, SledOptions>) -> Result<Self> {
        let reads_only = context.options.common.read_only;
        Self::start(&context).map_err(|error| {
            if reads_only && comes_of_unwritable(&error) {
                return needs_writing("sled", "it locks, recovers and truncates them when it opens", error);
            }
            error
        })
    }

    fn exists(directory: &Path) -> bool {
        files::exists(directory)
    }

    fn keyspace_names(&self) -> Result<Vec<String>> {
        let db = self.home.db()?;
        let mut names = Vec::new();
        for name in db.tree_names() {
            let name = std::str::from_utf8(&name).map_err(|error| {
                Error::new(ErrorKind::Unsupported, "a tree has a name that is not UTF-8").caused_by(error)
            })?;
            let is_hidden = match name {
                REGISTER_TREE => true,
                DEFAULT_TREE => self.is_default_empty(db)?,
                _ => false,
            };
            if !is_hidden {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    fn open_keyspace(&self, name: &str, _: KeyspaceHints) -> Result<SledKeyspace> {
        if name == REGISTER_TREE {
            return Err(Error::new(ErrorKind::InvalidInput, "the name is reserved by the adapter")
                .hint("choose another name"));
        }
        let is_new = !self.has_tree(name)?;
        if is_new {
            self.home.writes().run(|| self.home.note(name, false))?;
        }
        let careful = self.home.is_careful(name)?;
        let open = || self.home.db()?.open_tree(name).map_err(from_sled);
        // sled writes only a new tree.
        let tree = if is_new { self.home.writes().run(open)? } else { open()? };
        if is_new {
            self.home.flush()?;
        }
        Ok(SledKeyspace::new(name, tree, careful, Arc::clone(&self.home)))
    }

    fn drop_keyspace(&self, name: &str, keyspace: &SledKeyspace) -> Result<()> {
        self.home.writes().run(|| {
            if name == DEFAULT_TREE {
                keyspace.tree().clear().map_err(from_sled)
            } else {
                self.home.db()?.drop_tree(name).map(drop).map_err(from_sled)
            }
        })?;
        self.home.flush()
    }

    fn get(&self, keyspace: &SledKeyspace, key: &[u8]) -> Result<Option<Bytes>> {
        // Shared, but not counted as pinned: sled's values are separate allocations, so a held value keeps no
        // page, file or lock.
        let found = keyspace.tree().get(key).map_err(|error| keyspace.failed_read(from_sled(error)))?;
        Ok(found.map(Bytes::from_owner))
    }

    fn cursor(&self, keyspace: &SledKeyspace, scan: &Scan) -> Result<SledCursor> {
        Ok(SledCursor::new(keyspace.clone(), scan))
    }

    fn apply(&self, batch: &EngineBatch<'_, SledKeyspace>) -> Result<()> {
        self.home.writes().run(|| commit::apply(self.home.db()?, batch))
    }

    fn flush(&self) -> Result<()> {
        self.home.flush()
    }

    fn stats(&self, stats: &mut Stats) -> Result<()> {
        stats.disk_bytes = Some(self.home.db()?.size_on_disk().map_err(from_sled)?);
        Ok(())
    }

    fn unclaimed(&self) -> Option<&'static str> {
        self.home.files().cached()
    }
}
