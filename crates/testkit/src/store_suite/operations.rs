//! Backup, digest and statistics.

use super::StoreFixture;
use super::support::{keyspace, ms, refused, rows, set};
use crate::support::ok;
use strongroom_core::{ErrorKind, Scan};
use strongroom_store::Store;

pub(super) fn a_checkpoint_is_an_independent_store(fixture: &StoreFixture) {
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    for number in 0..30 {
        set(&all, &format!("{number:02}"), "before");
    }
    let copy = fixture.beside("copy");
    ok(store.checkpoint(&copy), "a checkpoint");
    set(&all, "00", "after");
    let copied = match fixture.try_open_at(&copy, fixture.options()) {
        Ok(copied) => copied,
        Err(error) => panic!("the copy must open: {}", error.one_line()),
    };
    let copied_rows = keyspace(&copied, "rows");
    let found = rows(&copied_rows, Scan::all());
    assert!(found.len() == 30 && found.iter().all(|(_, value)| value == "before"));
    set(&copied_rows, "its own", "1");
    assert_eq!(ok(all.count(""), "counting"), 30, "the original does not change");
}

fn fill(store: &Store) {
    let (all, other) = (keyspace(store, "rows"), keyspace(store, "other"));
    for number in (0..40).rev() {
        set(&all, &format!("{number}"), &"x".repeat(number));
    }
    ok(all.delete("7"), "deleting");
    ok(other.increment("counter", 12), "an increment");
    ok(other.set_with_ttl("expiring", "1", ms(500)), "setting");
    ok(store.transaction(|transaction| transaction.set(&other, "in a transaction", "")), "a transaction");
}

pub(super) fn the_digest_equals_that_of_the_same_rows_in_memory(fixture: &StoreFixture) {
    let store = fixture.open();
    fill(&store);
    let memory = StoreFixture::memory();
    let wanted = memory.open();
    fill(&wanted);
    assert_eq!(ok(store.digest(), "a digest"), ok(wanted.digest(), "a digest"));
    fixture.clock().advance(ms(500));
    assert_ne!(
        ok(store.digest(), "a digest"),
        ok(wanted.digest(), "a digest"),
        "the digest excludes expired rows"
    );
}

pub(super) fn statistics_count_commits_groups_and_conflicts(fixture: &StoreFixture) {
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    let before = ok(store.stats(), "statistics");
    for key in ["a", "b", "c"] {
        set(&all, key, "1");
    }
    let mut batch = store.batch();
    batch.expect_absent(&all, "a");
    refused(store.commit(&batch), ErrorKind::Conflict, "a condition");
    let after = ok(store.stats(), "statistics");
    // A background write of the high-water mark may add one.
    let commits = after.group_commits - before.group_commits;
    assert!((3..=4).contains(&commits), "{commits} commits");
    assert!(after.groups - before.groups <= commits && after.groups > before.groups);
    assert_eq!(after.conflicts - before.conflicts, 1);
    assert!(after.backend.commits > before.backend.commits);
    assert_eq!((after.damaged_rows, after.sweep_failures, after.queued_bytes), (0, 0, 0));
}
