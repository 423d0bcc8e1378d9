//! Backends that lose, mix up or never drop keyspaces.

use super::backend::{Broken, on_disk, on_faults, on_memory};
use crate::batches::{ops, push};
use crate::support::Row;
use crate::twist::Twist;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use strongroom_core::{
    Durability, KeyRange, KeyspaceHints, KeyspaceId, Op, Result, Scan, StorageBackend, WriteBatch,
};

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "a dropped keyspace leaves its rows",
        caught_by: "a_recreated_keyspace_is_empty_and_has_a_new_id",
        fixture: on_memory::<DropLeavesRows>,
    },
    Broken {
        name: "a dropped keyspace is only emptied",
        caught_by: "a_dropped_keyspace_is_not_found",
        fixture: on_memory::<DropOnlyEmpties>,
    },
    Broken {
        name: "names ignore case",
        caught_by: "names_differ_by_case",
        fixture: on_memory::<NamesFoldCase>,
    },
    Broken {
        name: "names are truncated",
        caught_by: "every_portable_name_works",
        fixture: on_memory::<NamesCut>,
    },
    Broken {
        name: "names are listed unsorted",
        caught_by: "keyspaces_are_created_found_and_listed",
        fixture: on_memory::<UnsortedNames>,
    },
    Broken {
        name: "invalid names are corrected instead of refused",
        caught_by: "names_that_are_not_portable_are_refused",
        fixture: on_memory::<NamesMended>,
    },
    Broken {
        name: "a hint changes results",
        caught_by: "hints_change_no_result",
        fixture: on_memory::<AppendOnlyByForce>,
    },
    Broken {
        name: "all keyspaces share their rows",
        caught_by: "the_same_key_in_two_keyspaces_is_two_rows",
        fixture: on_memory::<OneForAll>,
    },
    Broken { name: "hints are forgotten", caught_by: "hints_are_kept", fixture: on_disk::<HintsForgotten> },
    Broken {
        name: "a dropped keyspace leaves its file",
        caught_by: "churn_leaves_a_bounded_amount",
        fixture: on_disk::<DropLeavesFiles>,
    },
    Broken {
        name: "a failed drop is reported as done",
        caught_by: "a_failed_drop_is_complete_or_has_no_effect",
        fixture: on_faults::<DropsCalledDone>,
    },
];

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the rows of dropped keyspaces by name, and restores them.
#[derive(Default)]
struct DropLeavesRows {
    names: Mutex<BTreeMap<KeyspaceId, String>>,
    left: Mutex<BTreeMap<String, Vec<Row>>>,
}

impl Twist for DropLeavesRows {
    fn create_keyspace(
        &self,
        inner: &dyn StorageBackend,
        name: &str,
        hints: KeyspaceHints,
    ) -> Result<KeyspaceId> {
        let id = inner.create_keyspace(name, hints)?;
        lock(&self.names).insert(id, name.to_owned());
        let mut batch = WriteBatch::new();
        for (key, value) in lock(&self.left).remove(name).unwrap_or_default() {
            batch.put(id, &key, &value);
        }
        inner.commit(&batch, Durability::Buffered)?;
        Ok(id)
    }

    fn drop_keyspace(&self, inner: &dyn StorageBackend, keyspace: KeyspaceId) -> Result<()> {
        let mut rows = Vec::new();
        let mut cursor = inner.snapshot()?.cursor(keyspace, Scan::all())?;
        while cursor.advance()? {
            rows.push((cursor.key().to_vec(), cursor.value().to_vec()));
        }
        let name = lock(&self.names).get(&keyspace).cloned().unwrap_or_default();
        lock(&self.left).insert(name, rows);
        inner.drop_keyspace(keyspace)
    }
}

#[derive(Default)]
struct DropOnlyEmpties;

impl Twist for DropOnlyEmpties {
    fn drop_keyspace(&self, inner: &dyn StorageBackend, keyspace: KeyspaceId) -> Result<()> {
        inner.delete_range(keyspace, &KeyRange::all(), Durability::Buffered).map(drop)
    }
}

/// Defines a twist that changes only names.
macro_rules! renames {
    ($twist:ident, |$name:ident| $other:expr) => {
        #[derive(Default)]
        struct $twist;

        impl Twist for $twist {
            fn create_keyspace(
                &self,
                inner: &dyn StorageBackend,
                $name: &str,
                hints: KeyspaceHints,
            ) -> Result<KeyspaceId> {
                inner.create_keyspace($other, hints)
            }
        }
    };
}

renames!(NamesFoldCase, |name| &name.to_lowercase());
renames!(NamesCut, |name| name.get(..63).unwrap_or(name));
renames!(NamesMended, |name| &name.replace(|c: char| !c.is_ascii_alphanumeric(), "_"));
renames!(OneForAll, |_name| "all");

#[derive(Default)]
struct UnsortedNames;

impl Twist for UnsortedNames {
    fn keyspaces(&self, inner: &dyn StorageBackend) -> Result<Vec<String>> {
        inner.keyspaces().map(|names| names.into_iter().rev().collect())
    }
}

#[derive(Default)]
struct HintsForgotten;

impl Twist for HintsForgotten {
    fn keyspace_hints(&self, _: &dyn StorageBackend, _: KeyspaceId) -> Result<KeyspaceHints> {
        Ok(KeyspaceHints::default())
    }
}

/// Keeps a file for each dropped keyspace, as an engine that deletes files only when it closes.
#[derive(Default)]
struct DropLeavesFiles(Mutex<u32>);

impl Twist for DropLeavesFiles {
    fn drop_keyspace(&self, inner: &dyn StorageBackend, keyspace: KeyspaceId) -> Result<()> {
        inner.drop_keyspace(keyspace)?;
        let mut number = lock(&self.0);
        *number += 1;
        if let Some(directory) = inner.directory() {
            std::fs::write(directory.join(format!("dropped-{number}")), vec![7; 512 * 1_024])?;
        }
        Ok(())
    }
}

#[derive(Default)]
struct DropsCalledDone;

impl Twist for DropsCalledDone {
    fn drop_keyspace(&self, inner: &dyn StorageBackend, keyspace: KeyspaceId) -> Result<()> {
        let _ = inner.drop_keyspace(keyspace);
        Ok(())
    }
}

/// Takes the append-only hint as a promise, and ignores deletes.
#[derive(Default)]
struct AppendOnlyByForce(Mutex<BTreeSet<KeyspaceId>>);

impl Twist for AppendOnlyByForce {
    fn create_keyspace(
        &self,
        inner: &dyn StorageBackend,
        name: &str,
        hints: KeyspaceHints,
    ) -> Result<KeyspaceId> {
        let id = inner.create_keyspace(name, hints)?;
        if hints.append_only {
            lock(&self.0).insert(id);
        }
        Ok(id)
    }

    fn commit(&self, inner: &dyn StorageBackend, batch: &WriteBatch, durability: Durability) -> Result<()> {
        let mut other = WriteBatch::new();
        for (keyspace, op) in ops(batch) {
            if !(matches!(op, Op::Delete { .. }) && lock(&self.0).contains(&keyspace)) {
                push(&mut other, keyspace, op);
            }
        }
        inner.commit(&other, durability)
    }
}
