//! sled as a [`LiveEngine`]: what translates, and nothing else.

use crate::commit;
use crate::cursor::SledCursor;
use crate::error::from_sled;
use crate::files;
use crate::home::{Home, REGISTER_TREE};
use crate::keyspace::SledKeyspace;
use crate::options::SledOptions;
use crate::sync::Files;
use std::path::Path;
use std::sync::Arc;
use strongroom_core::{
    Bytes, Capabilities, Create, EngineBatch, EngineInfo, Error, ErrorKind, KeyspaceHints, LiveEngine,
    OpenContext, Result, Scan, Stats, Tuning,
};

/// sled's tree for those who want no other. Shown as a keyspace only if somebody has used it.
const DEFAULT_TREE: &str = "__sled__default";

/// An opened sled store.
pub struct SledEngine {
    home: Arc<Home>,
    power_safe: bool,
}

impl SledEngine {
    fn has_tree(&self, name: &str) -> Result<bool> {
        Ok(self.home.db()?.tree_names().iter().any(|tree| tree == name.as_bytes()))
    }
}

impl LiveEngine for SledEngine {
    const INFO: EngineInfo = EngineInfo {
        name: "sled",
        version: "0.34.7",
        snapshots: "undo overlay",
        capabilities: Capabilities {
            persistent: true,
            // Only by name, until it is proven: see `SledOptions::unproven_power_safe`.
            power_safe: false,
            checkpoint: true,
            compaction: false,
            integrity_check: false,
            shared_reads: false,
        },
        tuning: Tuning { cache: true, ..Tuning::NONE },
    };
    type Options = SledOptions;
    type Keyspace = SledKeyspace;
    type Cursor = SledCursor;

    fn open(context: OpenContext<'_, SledOptions>) -> Result<Self> {
        let config = context.options.to_config()?.path(context.directory);
        let options = &context.options.common;
        if files::begins_again(options) {
            files::clear_unfinished(context.directory)?;
        }
        let is_new = !Self::exists(context.directory);
        if options.create == Create::Never && files::is_unfinished(context.directory) {
            let message = format!("{} holds no files of sled", context.directory.display());
            return Err(Error::new(ErrorKind::NotFound, message).hint("check the path"));
        }
        let files = Files::open_before_sled(context.directory)?;
        let db = config.open().map_err(from_sled)?;
        let home = Arc::new(Home::new(db, files)?);
        if is_new {
            home.flush()?;
        }
        Ok(Self { home, power_safe: context.options.unproven_power_safe })
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
            let hidden = name == REGISTER_TREE || (name == DEFAULT_TREE && db.is_empty());
            if !hidden {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    fn open_keyspace(&self, name: &str, _: KeyspaceHints) -> Result<SledKeyspace> {
        if name == REGISTER_TREE {
            return Err(Error::new(ErrorKind::InvalidInput, "the name is taken by the adapter")
                .hint("choose another name"));
        }
        let is_new = !self.has_tree(name)?;
        if is_new {
            self.home.note(name, false)?;
        }
        let careful = self.home.is_careful(name)?;
        let tree = self.home.db()?.open_tree(name).map_err(from_sled)?;
        if is_new {
            self.home.flush()?;
        }
        Ok(SledKeyspace::new(name, tree, careful, Arc::clone(&self.home)))
    }

    fn drop_keyspace(&self, name: &str, keyspace: &SledKeyspace) -> Result<()> {
        if name == DEFAULT_TREE {
            keyspace.tree().clear().map_err(from_sled)?;
        } else {
            self.home.db()?.drop_tree(name).map_err(from_sled)?;
        }
        self.home.flush()
    }

    fn get(&self, keyspace: &SledKeyspace, key: &[u8]) -> Result<Option<Bytes>> {
        // Shared, and not counted as pinning: sled's values are allocations of their own, so that one that is
        // held keeps no page, no file and no lock.
        let found = keyspace.tree().get(key).map_err(from_sled)?;
        Ok(found.map(Bytes::from_owner))
    }

    fn cursor(&self, keyspace: &SledKeyspace, scan: &Scan) -> Result<SledCursor> {
        Ok(SledCursor::new(keyspace.clone(), scan))
    }

    fn apply(&self, batch: &EngineBatch<'_, SledKeyspace>) -> Result<()> {
        commit::apply(batch)
    }

    fn flush(&self) -> Result<()> {
        self.home.flush()
    }

    fn stats(&self, stats: &mut Stats) -> Result<()> {
        stats.disk_bytes = Some(self.home.db()?.size_on_disk().map_err(from_sled)?);
        Ok(())
    }

    fn power_safe(&self) -> bool {
        self.power_safe
    }
}
