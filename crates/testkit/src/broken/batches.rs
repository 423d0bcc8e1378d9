//! Backends with wrong commits.

use super::backend::{Broken, on_memory};
use crate::batches::{copy_conditions, ops, push};
use crate::twist::Twist;
use std::time::Duration;
use strongroom_core::{
    CommitToken, Durability, Error, ErrorKind, KeyRange, KeyspaceId, Op, Result, Scan, StorageBackend,
    WriteBatch, after_prefix, just_after,
};

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "conditions are ignored",
        caught_by: "every_condition_is_checked",
        fixture: on_memory::<ConditionsIgnored>,
    },
    Broken {
        name: "only the first condition counts",
        caught_by: "conditions_in_several_keyspaces_all_count",
        fixture: on_memory::<FirstConditionOnly>,
    },
    Broken {
        name: "conditions see the batch's own operations",
        caught_by: "conditions_see_the_state_before_the_batch",
        fixture: on_memory::<ConditionsSeeOwn>,
    },
    Broken {
        name: "conditions are checked before the commit, not in it",
        caught_by: "concurrent_increments_lose_no_update",
        fixture: on_memory::<ConditionsJudgedEarly>,
    },
    Broken {
        name: "conditions take an empty value for absent",
        caught_by: "conditions_tell_empty_from_absent",
        fixture: on_memory::<ConditionsOnEmpty>,
    },
    Broken {
        name: "a conflict is found after half of the batch",
        caught_by: "a_conflict_leaves_every_keyspace_untouched",
        fixture: on_memory::<HalfBeforeConflict>,
    },
    Broken {
        name: "each operation is a commit",
        caught_by: "concurrent_batches_are_seen_whole",
        fixture: on_memory::<OneByOne>,
    },
    Broken {
        name: "the first operation on a key wins",
        caught_by: "later_operations_of_a_batch_win",
        fixture: on_memory::<FirstWins>,
    },
    Broken {
        name: "operations on foreign keyspaces are skipped",
        caught_by: "a_foreign_keyspace_is_refused_and_nothing_written",
        fixture: on_memory::<ForeignLeftOut>,
    },
    Broken {
        name: "tokens are ignored",
        caught_by: "a_token_commits_once",
        fixture: on_memory::<TokenIgnored>,
    },
    Broken {
        name: "a conflict uses its token up",
        caught_by: "a_conflict_does_not_use_a_token_up",
        fixture: on_memory::<TokenUsedUp>,
    },
    Broken {
        name: "an empty batch is refused",
        caught_by: "an_empty_batch_commits",
        fixture: on_memory::<EmptyRefused>,
    },
    Broken {
        name: "conditions without operations are not checked",
        caught_by: "conditions_without_operations_are_checked",
        fixture: on_memory::<QuestionsIgnored>,
    },
    Broken {
        name: "a token is checked before the commit, not in it",
        caught_by: "concurrent_commits_with_one_token_happen_once",
        fixture: on_memory::<TokenJudgedEarly>,
    },
    Broken {
        name: "tokens are never forgotten",
        caught_by: "a_forgotten_token_can_be_used_again",
        fixture: on_memory::<NeverForgets>,
    },
    Broken {
        name: "delete_range raises a prefix's last byte, ff to 00",
        caught_by: "a_deleted_prefix_may_end_in_ff",
        fixture: on_memory::<DeletesToOverflow>,
    },
    Broken {
        name: "delete_range stops after its first step",
        caught_by: "a_range_of_many_keys_is_deleted_whole",
        fixture: on_memory::<DeletesOneStep>,
    },
    Broken {
        name: "delete_range takes the end of its range",
        caught_by: "a_deleted_range_is_half_open_and_spares_its_neighbours",
        fixture: on_memory::<DeletesEnd>,
    },
    Broken {
        name: "delete_range does not count",
        caught_by: "a_deleted_range_is_counted_and_removed",
        fixture: on_memory::<DeletesUncounted>,
    },
];

/// The operations of a batch without its conditions and its token.
fn bare(batch: &WriteBatch) -> WriteBatch {
    let mut other = WriteBatch::new();
    for (keyspace, op) in ops(batch) {
        push(&mut other, keyspace, op);
    }
    other
}

fn with_token(mut other: WriteBatch, batch: &WriteBatch) -> WriteBatch {
    if let Some(token) = batch.token() {
        other.set_token(token);
    }
    other
}

/// Only the conditions of a batch.
fn question(batch: &WriteBatch) -> WriteBatch {
    let mut question = WriteBatch::new();
    copy_conditions(batch, &mut question, |id| id);
    question
}

fn conflict() -> Error {
    Error::new(ErrorKind::Conflict, "a condition does not hold").at("memory", "commit")
}

/// Defines a twist that changes only `commit`.
macro_rules! commits {
    ($name:ident, |$inner:ident, $batch:ident, $durability:ident| $commit:expr) => {
        #[derive(Default)]
        struct $name;

        impl Twist for $name {
            fn commit(
                &self,
                $inner: &dyn StorageBackend,
                $batch: &WriteBatch,
                $durability: Durability,
            ) -> Result<()> {
                $commit
            }
        }
    };
}

commits!(ConditionsIgnored, |inner, batch, durability| {
    inner.commit(&with_token(bare(batch), batch), durability)
});

commits!(FirstConditionOnly, |inner, batch, durability| {
    let mut other = with_token(bare(batch), batch);
    if let Some(first) = batch.conditions().first() {
        other.expect(first.keyspace, &first.key, first.expect.clone());
    }
    inner.commit(&other, durability)
});

commits!(ConditionsSeeOwn, |inner, batch, durability| {
    for condition in batch.conditions() {
        let own =
            ops(batch).rfind(|(keyspace, op)| *keyspace == condition.keyspace && op.key() == condition.key);
        let holds = match own {
            Some((_, Op::Put { value, .. })) => condition.expect.holds(Some(value)),
            Some((_, Op::Delete { .. })) => condition.expect.holds(None),
            None => condition.expect.holds(inner.get(condition.keyspace, &condition.key)?.as_deref()),
        };
        if !holds {
            return Err(conflict());
        }
    }
    inner.commit(&with_token(bare(batch), batch), durability)
});

commits!(ConditionsJudgedEarly, |inner, batch, durability| {
    inner.commit(&question(batch), Durability::Buffered)?;
    std::thread::sleep(Duration::from_micros(50));
    inner.commit(&with_token(bare(batch), batch), durability)
});

commits!(ConditionsOnEmpty, |inner, batch, durability| {
    for condition in batch.conditions() {
        let found = inner.get(condition.keyspace, &condition.key)?.filter(|value| !value.is_empty());
        if !condition.expect.holds(found.as_deref()) {
            return Err(conflict());
        }
    }
    inner.commit(&with_token(bare(batch), batch), durability)
});

commits!(HalfBeforeConflict, |inner, batch, durability| {
    let mut half = WriteBatch::new();
    for (keyspace, op) in ops(batch).take(batch.len() / 2) {
        push(&mut half, keyspace, op);
    }
    inner.commit(&half, durability)?;
    inner.commit(batch, durability)
});

commits!(OneByOne, |inner, batch, durability| {
    inner.commit(&with_token(question(batch), batch), durability)?;
    for (keyspace, op) in ops(batch) {
        let mut one = WriteBatch::new();
        push(&mut one, keyspace, op);
        inner.commit(&one, durability)?;
        // Gives a reader time to come in between.
        std::thread::sleep(Duration::from_micros(20));
    }
    Ok(())
});

commits!(FirstWins, |inner, batch, durability| {
    let mut other = WriteBatch::new();
    for (keyspace, op) in ops(batch).rev() {
        push(&mut other, keyspace, op);
    }
    copy_conditions(batch, &mut other, |id| id);
    inner.commit(&with_token(other, batch), durability)
});

commits!(ForeignLeftOut, |inner, batch, durability| {
    let mut other = WriteBatch::new();
    for (keyspace, op) in ops(batch) {
        if inner.get(keyspace, b"any").is_ok() {
            push(&mut other, keyspace, op);
        }
    }
    copy_conditions(batch, &mut other, |id| id);
    inner.commit(&with_token(other, batch), durability)
});

commits!(TokenIgnored, |inner, batch, durability| {
    let mut other = bare(batch);
    copy_conditions(batch, &mut other, |id| id);
    inner.commit(&other, durability)
});

commits!(TokenUsedUp, |inner, batch, durability| {
    if batch.token().is_some() {
        inner.commit(&with_token(WriteBatch::new(), batch), durability)?;
    }
    let mut other = bare(batch);
    copy_conditions(batch, &mut other, |id| id);
    inner.commit(&other, durability)
});

commits!(EmptyRefused, |inner, batch, durability| {
    if batch.is_empty() && batch.conditions().is_empty() {
        return Err(Error::new(ErrorKind::InvalidInput, "the batch is empty").at("memory", "commit"));
    }
    inner.commit(batch, durability)
});

commits!(QuestionsIgnored, |inner, batch, durability| {
    if batch.is_empty() { Ok(()) } else { inner.commit(batch, durability) }
});

commits!(TokenJudgedEarly, |inner, batch, durability| {
    let Some(token) = batch.token() else { return inner.commit(batch, durability) };
    if inner.committed(token)? {
        return Err(Error::new(ErrorKind::AlreadyExists, "the token is used").at("memory", "commit"));
    }
    std::thread::sleep(Duration::from_millis(1));
    let mut other = bare(batch);
    copy_conditions(batch, &mut other, |id| id);
    inner.commit(&other, durability)?;
    // The token is stored too late: the second of two commits has already written.
    match inner.commit(WriteBatch::new().set_token(token), durability) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
});

#[derive(Default)]
struct NeverForgets;

impl Twist for NeverForgets {
    fn forget(&self, _: &dyn StorageBackend, _: CommitToken) -> Result<()> {
        Ok(())
    }
}

/// Defines a twist that changes only `delete_range`.
macro_rules! deletes {
    ($name:ident, |$inner:ident, $keyspace:ident, $range:ident, $durability:ident| $delete:expr) => {
        #[derive(Default)]
        struct $name;

        impl Twist for $name {
            fn delete_range(
                &self,
                $inner: &dyn StorageBackend,
                $keyspace: KeyspaceId,
                $range: &KeyRange,
                $durability: Durability,
            ) -> Result<u64> {
                $delete
            }
        }
    };
}

deletes!(DeletesOneStep, |inner, keyspace, range, durability| {
    let mut batch = WriteBatch::new();
    let mut cursor = inner.snapshot()?.cursor(keyspace, Scan::new(range.clone()).keys_only())?;
    while batch.len() < 1_000 && cursor.advance()? {
        batch.delete(keyspace, cursor.key());
    }
    inner.commit(&batch, durability)?;
    Ok(batch.len() as u64)
});

deletes!(DeletesToOverflow, |inner, keyspace, range, durability| {
    let mut end = range.start().to_vec();
    if range.end() != after_prefix(&end).as_deref() || end.pop() != Some(0xff) {
        return inner.delete_range(keyspace, range, durability);
    }
    end.push(0);
    inner.delete_range(keyspace, &KeyRange::between(range.start(), end), durability)
});

deletes!(DeletesEnd, |inner, keyspace, range, durability| {
    let range = match range.end() {
        Some(end) if !range.is_empty() => KeyRange::between(range.start(), just_after(end)),
        _ => range.clone(),
    };
    inner.delete_range(keyspace, &range, durability)
});

deletes!(DeletesUncounted, |inner, keyspace, range, durability| {
    inner.delete_range(keyspace, range, durability).map(|_| 0)
});
