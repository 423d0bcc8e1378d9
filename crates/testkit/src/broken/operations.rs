//! Backends with wrong statistics, checkpoints and errors.

use super::backend::{Broken, on_disk, on_memory};
use crate::fault::Faults;
use crate::twist::{Twist, Twisted, View};
use crate::{Fixture, PretendBackend};
use bytes::Bytes;
use std::path::Path;
use strongroom_core::{
    Durability, Error, ErrorKind, Expect, KeyspaceHints, KeyspaceId, MemoryBackend, Result, Scan, Stats,
    StorageBackend, WriteBatch,
};

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "commits are not counted",
        caught_by: "statistics_count_commits",
        fixture: on_memory::<NeverCounts>,
    },
    Broken {
        name: "a snapshot leaks",
        caught_by: "snapshots_and_pinned_values_return_to_zero",
        fixture: on_memory::<LeaksSnapshot>,
    },
    Broken {
        name: "an undeclared operation half-works",
        caught_by: "declared_operations_work_and_others_are_unsupported",
        fixture: on_memory::<CompactsUndeclared>,
    },
    Broken {
        name: "compaction loses rows",
        caught_by: "compaction_and_verification_change_no_row",
        fixture: on_memory::<CompactionLoses>,
    },
    Broken {
        name: "a checkpoint overwrites",
        caught_by: "a_checkpoint_refuses_an_occupied_directory",
        fixture: on_disk::<CheckpointOverwrites>,
    },
    Broken {
        name: "a checkpoint is empty",
        caught_by: "a_checkpoint_is_one_consistent_state",
        fixture: on_disk::<CheckpointEmpty>,
    },
    Broken {
        name: "a checkpoint copies one keyspace after the other",
        caught_by: "a_checkpoint_is_consistent_under_concurrent_writes",
        fixture: on_disk::<CheckpointTorn>,
    },
    Broken {
        name: "a flush fails when nothing is new",
        caught_by: "a_flush_can_be_asked_for_at_any_time",
        fixture: on_memory::<FlushFails>,
    },
    Broken {
        name: "a message contains the value",
        caught_by: "errors_say_engine_and_operation_and_no_secret",
        fixture: on_memory::<TellsValue>,
    },
    Broken {
        name: "an error does not say where it comes from",
        caught_by: "errors_say_engine_and_operation_and_no_secret",
        fixture: on_memory::<NamelessError>,
    },
    Broken {
        name: "a failed commit does not poison",
        caught_by: "a_failed_commit_is_unknown_and_poisons_the_handle",
        fixture: || above_engine(Above::Answers(ErrorKind::CommitUnknown)),
    },
    Broken {
        name: "a failed commit is an I/O error",
        caught_by: "a_failed_commit_is_unknown_and_poisons_the_handle",
        fixture: || above_engine(Above::Answers(ErrorKind::Io)),
    },
    Broken {
        name: "a failed flush does not poison",
        caught_by: "a_failed_flush_poisons_the_handle",
        fixture: || above_engine(Above::Answers(ErrorKind::CommitUnknown)),
    },
    Broken {
        name: "a failed flush is not reported",
        caught_by: "a_failed_flush_poisons_the_handle",
        fixture: || above_engine(Above::SwallowsFlush),
    },
    Broken {
        name: "a failed get reads as absent",
        caught_by: "no_fault_beneath_a_history_is_swallowed",
        fixture: || above_engine(Above::SwallowsGet),
    },
    Broken {
        name: "a panic of the engine is not caught",
        caught_by: "a_panicking_engine_is_caught_and_poisons_the_handle",
        fixture: || above_engine(Above::Answers(ErrorKind::Closed)),
    },
    Broken {
        name: "a panic of the engine in a commit is not caught",
        caught_by: "an_engine_that_panics_while_it_writes_leaves_the_commit_unknown",
        fixture: || above_engine(Above::Answers(ErrorKind::CommitUnknown)),
    },
];

#[derive(Default)]
struct NeverCounts;

impl Twist for NeverCounts {
    fn stats(&self, inner: &dyn StorageBackend) -> Result<Stats> {
        let mut stats = inner.stats()?;
        stats.commits = 0;
        Ok(stats)
    }
}

#[derive(Default)]
struct LeaksSnapshot(std::sync::Mutex<Vec<std::sync::Arc<dyn strongroom_core::Snapshot>>>);

impl Twist for LeaksSnapshot {
    fn snapshot_get(&self, view: &View, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(view.snapshot.clone());
        view.snapshot.get(keyspace, key)
    }
}

#[derive(Default)]
struct CompactsUndeclared;

impl Twist for CompactsUndeclared {
    fn compact(&self, _: &dyn StorageBackend) -> Result<()> {
        Ok(())
    }
}

#[derive(Default)]
struct CompactionLoses;

impl Twist for CompactionLoses {
    fn info(&self, mut info: strongroom_core::EngineInfo) -> strongroom_core::EngineInfo {
        info.capabilities.compaction = true;
        info
    }

    fn compact(&self, inner: &dyn StorageBackend) -> Result<()> {
        for name in inner.keyspaces()? {
            let range = strongroom_core::KeyRange::from(vec![0, 0, 3]);
            inner.delete_range(inner.keyspace(&name)?, &range, Durability::Buffered)?;
        }
        Ok(())
    }
}

#[derive(Default)]
struct CheckpointOverwrites;

impl Twist for CheckpointOverwrites {
    fn checkpoint(&self, inner: &dyn StorageBackend, directory: &Path) -> Result<()> {
        if Some(directory) != inner.directory() && directory.exists() {
            std::fs::remove_dir_all(directory)?;
        }
        inner.checkpoint(directory)
    }
}

#[derive(Default)]
struct CheckpointEmpty;

impl Twist for CheckpointEmpty {
    fn checkpoint(&self, _: &dyn StorageBackend, _: &Path) -> Result<()> {
        Ok(())
    }
}

#[derive(Default)]
struct CheckpointTorn;

impl Twist for CheckpointTorn {
    fn checkpoint(&self, inner: &dyn StorageBackend, directory: &Path) -> Result<()> {
        let copy = PretendBackend::new(directory)?;
        for name in inner.keyspaces()? {
            let target = copy.create_keyspace(&name, KeyspaceHints::default())?;
            let mut batch = WriteBatch::new();
            let mut cursor = inner.snapshot()?.cursor(inner.keyspace(&name)?, Scan::all())?;
            while cursor.advance()? {
                batch.put(target, cursor.key(), cursor.value());
            }
            copy.commit(&batch, Durability::PowerSafe)?;
        }
        Ok(())
    }
}

#[derive(Default)]
struct FlushFails;

impl Twist for FlushFails {
    fn flush(&self, _: &dyn StorageBackend) -> Result<()> {
        Err(Error::new(ErrorKind::Unavailable, "nothing to flush").at("memory", "flush"))
    }
}

#[derive(Default)]
struct TellsValue;

impl Twist for TellsValue {
    fn commit(&self, inner: &dyn StorageBackend, batch: &WriteBatch, durability: Durability) -> Result<()> {
        inner.commit(batch, durability).map_err(|error| match batch.conditions().first() {
            Some(condition) if error.kind() == ErrorKind::Conflict => {
                let message = match &condition.expect {
                    Expect::Equals(wanted) => format!("{wanted:x?} or {wanted:?} expected"),
                    _ => format!("not as expected: {}", String::from_utf8_lossy(&condition.key)),
                };
                Error::new(ErrorKind::Conflict, message).at("memory", "commit")
            }
            _ => error,
        })
    }
}

#[derive(Default)]
struct NamelessError;

impl Twist for NamelessError {
    fn get(&self, inner: &dyn StorageBackend, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>> {
        inner.get(keyspace, key).map_err(|error| Error::new(error.kind(), error.message()))
    }
}

/// Injects faults above the backend, where nothing catches them or poisons the handle.
struct AboveEngine {
    faults: Faults,
    above: Above,
}

#[derive(Clone, Copy)]
enum Above {
    Answers(ErrorKind),
    SwallowsFlush,
    SwallowsGet,
}

fn above_engine(above: Above) -> Fixture {
    let faults = Faults::new();
    let switch = faults.clone();
    Fixture::new(move |_| {
        let twist = AboveEngine { faults: switch.clone(), above };
        Ok(Box::new(Twisted::new(Box::new(MemoryBackend::in_memory()), twist)))
    })
    .with_faults(faults)
}

impl AboveEngine {
    fn check(&self, operation: &'static str) -> Result<()> {
        let kind = if let Above::Answers(kind) = self.above { kind } else { ErrorKind::Io };
        self.faults
            .check(operation)
            .map_err(|_| Error::new(kind, "the engine failed").at("memory", operation))
    }
}

impl Twist for AboveEngine {
    fn get(&self, inner: &dyn StorageBackend, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>> {
        match (self.check("get"), self.above) {
            (Err(_), Above::SwallowsGet) => Ok(None),
            (Err(error), _) => Err(error),
            (Ok(()), _) => inner.get(keyspace, key),
        }
    }

    fn commit(&self, inner: &dyn StorageBackend, batch: &WriteBatch, durability: Durability) -> Result<()> {
        self.check("apply")?;
        inner.commit(batch, durability)
    }

    fn flush(&self, inner: &dyn StorageBackend) -> Result<()> {
        match (self.check("flush"), self.above) {
            (Err(_), Above::SwallowsFlush) => Ok(()),
            (Err(error), _) => Err(error),
            (Ok(()), _) => inner.flush(),
        }
    }
}
