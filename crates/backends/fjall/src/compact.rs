//! Compaction on demand: memtables to tables, then all tables of a keyspace into one run.

use crate::error::translate;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::time::{Duration, Instant};
use strongroom_core::{Error, ErrorKind, Result};

/// How long a memtable may take to become a table before `Unavailable` is returned.
const FLUSH_WAIT_MAX: Duration = Duration::from_secs(60);
const FLUSH_POLL: Duration = Duration::from_millis(2);

pub(crate) fn all(database: &Database) -> Result<()> {
    for name in database.list_keyspace_names() {
        let keyspace = database.keyspace(&name, KeyspaceCreateOptions::default).map_err(translate)?;
        // Deleted rows are hidden by tombstones that may still be in memory.
        keyspace.rotate_memtable().map_err(translate)?;
        wait_for_flush(database, &keyspace)?;
        keyspace.major_compact().map_err(translate)?;
    }
    Ok(())
}

/// fjall's own wait never ends if the thread that flushes has died.
fn wait_for_flush(database: &Database, keyspace: &Keyspace) -> Result<()> {
    let started = Instant::now();
    while keyspace.sealed_memtable_count() > 0 {
        // Returns `Poisoned` if a background thread has failed.
        database.persist(PersistMode::Buffer).map_err(translate)?;
        if started.elapsed() > FLUSH_WAIT_MAX {
            return Err(Error::new(ErrorKind::Unavailable, "flushing memtables takes too long")
                .hint("try again when there are fewer writes"));
        }
        std::thread::sleep(FLUSH_POLL);
    }
    Ok(())
}
