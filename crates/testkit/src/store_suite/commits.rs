//! Batches, conditions and group commit.

use super::StoreFixture;
use super::support::{keyspace, refused, rows, set, value};
use crate::support::ok;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread;
use strongroom_core::{ErrorKind, Scan};

const WRITERS: usize = 16;
const COMMITS: usize = 20;

pub(super) fn a_batch_is_committed_completely_or_not_at_all(fixture: &StoreFixture) {
    let store = fixture.open();
    let (left, right) = (keyspace(&store, "left"), keyspace(&store, "right"));
    set(&right, "there", "1");
    let mut batch = store.batch();
    batch.set(&left, "a", "1").delete(&right, "there").set(&right, "b", "2").set(&left, "a", "3");
    ok(store.commit(&batch), "a commit");
    assert_eq!(rows(&left, Scan::all()), [("a".into(), "3".into())], "the last operation on a key wins");
    assert_eq!(rows(&right, Scan::all()), [("b".into(), "2".into())]);
    let mut batch = store.batch();
    batch.set(&left, "c", "1").set(&right, "", "no key");
    refused(store.commit(&batch), ErrorKind::InvalidInput, "an empty key");
    assert_eq!(value(&left, "c"), None, "a refused batch writes nothing");
}

pub(super) fn every_condition_is_checked_inside_the_commit(fixture: &StoreFixture) {
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    set(&all, "there", "1");
    let version = ok(all.get_row("there"), "reading").map_or(0, |row| row.version);
    let commit = |expect: &dyn Fn(&mut strongroom_store::Batch)| {
        let mut batch = store.batch();
        expect(&mut batch);
        batch.set(&all, "written", "x");
        let committed = store.commit(&batch).is_ok();
        assert_eq!(value(&all, "written").is_some(), committed);
        ok(all.delete("written"), "deleting");
        committed
    };
    assert!(commit(&|batch| {
        batch.expect_present(&all, "there");
    }));
    assert!(!commit(&|batch| {
        batch.expect_present(&all, "absent");
    }));
    assert!(commit(&|batch| {
        batch.expect_absent(&all, "absent");
    }));
    assert!(!commit(&|batch| {
        batch.expect_absent(&all, "there");
    }));
    assert!(commit(&|batch| {
        batch.expect_equals(&all, "there", "1");
    }));
    assert!(!commit(&|batch| {
        batch.expect_equals(&all, "there", "");
    }));
    assert!(commit(&|batch| {
        batch.expect_version(&all, "there", version);
    }));
    assert!(!commit(&|batch| {
        batch.expect_version(&all, "there", version + 1);
    }));
    assert!(!commit(&|batch| {
        batch.expect_present(&all, "there").expect_present(&all, "absent");
    }));
}

pub(super) fn conditions_on_a_dropped_keyspace_are_refused(fixture: &StoreFixture) {
    let store = fixture.open();
    let (all, dropped) = (keyspace(&store, "rows"), keyspace(&store, "dropped"));
    ok(store.drop_keyspace("dropped"), "dropping a keyspace");
    let mut batch = store.batch();
    batch.expect_absent(&dropped, "a").set(&all, "a", "1");
    refused(store.commit(&batch), ErrorKind::NotFound, "a condition on a dropped keyspace");
    assert_eq!(value(&all, "a"), None);
}

/// Tries several rounds, because whether commits of one round overlap depends on the machine.
pub(super) fn concurrent_commits_share_syncs(fixture: &StoreFixture) {
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    for round in 0..20 {
        thread::scope(|scope| {
            for writer in 0..WRITERS {
                let all = &all;
                scope.spawn(move || {
                    for number in 0..COMMITS {
                        ok(all.set(format!("{round}/{writer}/{number}"), "x"), "a commit");
                    }
                });
            }
        });
        let stats = ok(store.stats(), "statistics");
        if stats.groups < stats.group_commits {
            assert_eq!(ok(all.count(""), "counting"), ((round + 1) * WRITERS * COMMITS) as u64);
            return;
        }
    }
    panic!("no two of {} concurrent commits shared a sync", 20 * WRITERS * COMMITS);
}

pub(super) fn a_refused_commit_does_not_fail_its_neighbours(fixture: &StoreFixture) {
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    let refusals = Mutex::new(0);
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (store, all, refusals) = (&store, &all, &refusals);
            scope.spawn(move || {
                for number in 0..COMMITS {
                    let mut batch = store.batch();
                    batch.set(all, format!("{writer}/{number}"), "x");
                    // Every second commit has a condition that never holds.
                    if number % 2 == 1 {
                        batch.expect_present(all, "never");
                    }
                    match store.commit(&batch) {
                        Ok(_) => assert_eq!(number % 2, 0),
                        Err(error) => {
                            assert_eq!((error.kind(), number % 2), (ErrorKind::Conflict, 1));
                            *refusals.lock().unwrap_or_else(|_| panic!("another writer failed")) += 1;
                        }
                    }
                }
            });
        }
    });
    let half = WRITERS * COMMITS / 2;
    assert_eq!(refusals.into_inner().ok(), Some(half));
    assert_eq!(ok(all.count(""), "counting"), half as u64);
}

pub(super) fn every_acknowledged_commit_is_there_after_reopening(fixture: &StoreFixture) {
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let all = &all;
            scope.spawn(move || (0..COMMITS).for_each(|number| set(all, &format!("{writer}/{number}"), "x")));
        }
    });
    drop((all, store));
    let store = fixture.open();
    assert_eq!(ok(keyspace(&store, "rows").count(""), "counting"), (WRITERS * COMMITS) as u64);
}

pub(super) fn sequence_numbers_rise_and_are_the_versions(fixture: &StoreFixture) {
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    let seen = Mutex::new(BTreeSet::new());
    thread::scope(|scope| {
        for writer in 0..4 {
            let (store, all, seen) = (&store, &all, &seen);
            scope.spawn(move || {
                let mut last = 0;
                for _ in 0..COMMITS {
                    let mut batch = store.batch();
                    batch.set(all, writer.to_string(), "x");
                    let sequence = ok(store.commit(&batch), "a commit").sequence;
                    assert!(sequence > last, "{sequence} after {last}");
                    last = sequence;
                    let is_new = seen.lock().is_ok_and(|mut seen| seen.insert(sequence));
                    assert!(is_new, "{sequence} was assigned to two commits");
                }
                let version = ok(all.get_row(writer.to_string()), "reading").map(|row| row.version);
                assert_eq!(version, Some(last));
            });
        }
    });
}
