//! Backends that lose data or make false claims.

use super::backend::{Broken, on_disk, on_memory};
use crate::twist::{Twist, Twisted, View};
use crate::{Fixture, PretendBackend, PretendEngine};
use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use strongroom_core::{
    Durability, EngineInfo, ErrorKind, KeyspaceHints, KeyspaceId, MemoryBackend, Result, StorageBackend,
    WriteBatch, is_reserved_keyspace,
};

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "power-safe is claimed and refused",
        caught_by: "power_safe_is_claimed_or_refused",
        fixture: on_memory::<ClaimsTooMuch>,
    },
    Broken {
        name: "power-safe is not claimed and accepted",
        caught_by: "power_safe_is_claimed_or_refused",
        fixture: on_memory::<AcceptsUnclaimed>,
    },
    Broken {
        name: "a flush loses the last batch",
        caught_by: "a_flushed_buffered_commit_is_there_after_a_reopen",
        fixture: || losing(Loses::LastBatch),
    },
    Broken {
        name: "a power-safe commit is buffered",
        caught_by: "a_power_safe_commit_keeps_the_earlier_ones",
        fixture: || losing(Loses::Unflushed),
    },
    Broken {
        name: "nothing survives a reopen",
        caught_by: "a_reopened_store_has_everything",
        fixture: || losing(Loses::Everything),
    },
    Broken {
        name: "dropped keyspaces come back after a reopen",
        caught_by: "deletes_and_drops_survive_a_reopen",
        fixture: on_disk::<ForgetsDrops>,
    },
    Broken {
        name: "tokens do not survive a reopen",
        caught_by: "a_token_survives_a_reopen",
        fixture: || Fixture::new(without_tokens),
    },
    Broken {
        name: "a value that was read keeps the store open",
        caught_by: "a_held_value_outlives_snapshot_and_handle",
        fixture: on_disk::<NeverCloses>,
    },
    Broken {
        name: "a second handle opens",
        caught_by: "a_second_handle_is_refused_as_locked",
        fixture: || Fixture::new(without_lock),
    },
];

#[derive(Default)]
struct ClaimsTooMuch;

impl Twist for ClaimsTooMuch {
    fn info(&self, mut info: EngineInfo) -> EngineInfo {
        info.capabilities.power_safe = true;
        info
    }
}

#[derive(Default)]
struct AcceptsUnclaimed;

impl Twist for AcceptsUnclaimed {
    fn commit(&self, inner: &dyn StorageBackend, batch: &WriteBatch, _: Durability) -> Result<()> {
        inner.commit(batch, Durability::Buffered)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Loses {
    LastBatch,
    Unflushed,
    Everything,
}

/// Restores an older file when everything is closed.
struct Losing {
    loses: Loses,
    file: PathBuf,
    older: Mutex<Vec<u8>>,
}

fn losing(loses: Loses) -> Fixture {
    Fixture::new(move |directory| {
        let inner = PretendBackend::new(directory)?;
        let file = directory.join(PretendEngine::FILE);
        let older = Mutex::new(std::fs::read(&file)?);
        Ok(Box::new(Twisted::new(Box::new(inner), Losing { loses, file, older })))
    })
}

impl Losing {
    fn keep(&self) -> Result<()> {
        *self.older.lock().unwrap_or_else(PoisonError::into_inner) = std::fs::read(&self.file)?;
        Ok(())
    }
}

impl Twist for Losing {
    fn create_keyspace(
        &self,
        inner: &dyn StorageBackend,
        name: &str,
        hints: KeyspaceHints,
    ) -> Result<KeyspaceId> {
        let id = inner.create_keyspace(name, hints)?;
        inner.flush()?;
        if self.loses != Loses::Everything {
            self.keep()?;
        }
        Ok(id)
    }

    fn commit(&self, inner: &dyn StorageBackend, batch: &WriteBatch, durability: Durability) -> Result<()> {
        if self.loses == Loses::LastBatch {
            inner.flush()?;
            self.keep()?;
        }
        inner.commit(batch, durability)
    }

    fn flush(&self, inner: &dyn StorageBackend) -> Result<()> {
        inner.flush()?;
        if self.loses == Loses::Unflushed { self.keep() } else { Ok(()) }
    }
}

impl Drop for Losing {
    fn drop(&mut self) {
        let older = self.older.lock().unwrap_or_else(PoisonError::into_inner);
        // The directory of a finished test may be deleted already.
        let _ = std::fs::write(&self.file, &*older);
    }
}

/// Drops keyspaces while the store is open, and recreates them when it is flushed.
#[derive(Default)]
struct ForgetsDrops(Mutex<Vec<String>>);

impl Twist for ForgetsDrops {
    fn drop_keyspace(&self, inner: &dyn StorageBackend, keyspace: KeyspaceId) -> Result<()> {
        let before = inner.keyspaces()?;
        inner.drop_keyspace(keyspace)?;
        let after = inner.keyspaces()?;
        let dropped = before.into_iter().filter(|name| !after.contains(name));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(dropped);
        Ok(())
    }

    fn flush(&self, inner: &dyn StorageBackend) -> Result<()> {
        for name in self.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            inner.create_keyspace(&name, KeyspaceHints::default())?;
        }
        inner.flush()
    }
}

#[derive(Default)]
struct NeverCloses;

impl Twist for NeverCloses {
    fn snapshot_get(&self, view: &View, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>> {
        std::mem::forget(view.clone());
        view.snapshot.get(keyspace, key)
    }
}

fn without_tokens(directory: &Path) -> Result<Box<dyn StorageBackend>> {
    let backend = PretendBackend::new(directory)?;
    for name in backend.keyspaces()?.iter().filter(|name| is_reserved_keyspace(name)) {
        backend.drop_keyspace(backend.keyspace(name)?)?;
    }
    Ok(Box::new(backend))
}

fn without_lock(directory: &Path) -> Result<Box<dyn StorageBackend>> {
    match PretendBackend::new(directory) {
        Ok(backend) => Ok(Box::new(backend)),
        Err(error) if error.kind() == ErrorKind::Locked => Ok(Box::new(MemoryBackend::in_memory())),
        Err(error) => Err(error),
    }
}
