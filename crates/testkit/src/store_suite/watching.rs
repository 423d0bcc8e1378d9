//! Watch streams.

use super::StoreFixture;
use super::support::{keyspace, refused, set};
use crate::support::ok;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;
use strongroom_core::{ErrorKind, KeyRange};
use strongroom_store::{ChangeKind, Watch, WatchEvent, WatchedCommit};

const WRITERS: usize = 8;
const COMMITS: usize = 25;

#[track_caller]
fn next(watch: &mut Watch) -> WatchedCommit {
    match ok(watch.next_timeout(Duration::from_secs(60)), "an event") {
        Some(WatchEvent::Commit(commit)) => commit,
        other => panic!("expected a commit, found {other:?}"),
    }
}

/// Encodes a change unambiguously as bytes.
fn line(key: &[u8], value: Option<&[u8]>) -> Vec<u8> {
    let value = value.map_or_else(|| b"deleted".to_vec(), |value| [b"=", value].concat());
    [&(key.len() as u64).to_be_bytes(), key, &value].concat()
}

pub(super) fn the_stream_equals_the_history(fixture: &StoreFixture) {
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    let mut watch = ok(all.watch_prefix(""), "a watch");
    let history = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (store, all, history) = (&store, &all, &history);
            scope.spawn(move || {
                for number in 0..COMMITS {
                    let mut batch = store.batch();
                    let mut lines = Vec::new();
                    for op in 0..=number % 3 {
                        let key = format!("{}", (writer * 7 + number * 3 + op) % 40);
                        let value = vec![u8::try_from(writer).unwrap_or(0); number * 11 % 200];
                        if (number + op) % 4 == 0 {
                            batch.delete(all, &key);
                            lines.extend(line(key.as_bytes(), None));
                        } else {
                            batch.set(all, &key, &value);
                            lines.extend(line(key.as_bytes(), Some(&value)));
                        }
                    }
                    if number % 5 == 4 {
                        // Refused, so not part of the history.
                        batch.expect_present(all, "never");
                        refused(store.commit(&batch), ErrorKind::Conflict, "a condition");
                        continue;
                    }
                    let sequence = ok(store.commit(&batch), "a commit").sequence;
                    if let Ok(mut history) = history.lock() {
                        history.push((sequence, lines));
                    }
                }
            });
        }
    });
    let mut history = history.into_inner().unwrap_or_else(|_| panic!("a writer failed"));
    history.sort();
    let mut last = 0;
    for (sequence, lines) in history {
        let commit = next(&mut watch);
        let received: Vec<u8> = commit
            .changes
            .iter()
            .flat_map(|change| match &change.kind {
                ChangeKind::Set(value) => line(&change.key, Some(value)),
                _ => line(&change.key, None),
            })
            .collect();
        assert_eq!((commit.sequence, received), (sequence, lines));
        assert!(commit.sequence > last, "out of order");
        last = commit.sequence;
    }
    assert_eq!(ok(watch.try_next(), "the end"), None, "more events than commits");
}

pub(super) fn changes_of_a_commit_come_together_and_in_order(fixture: &StoreFixture) {
    let store = fixture.open();
    let (left, right) = (keyspace(&store, "left"), keyspace(&store, "right"));
    let mut everything = ok(store.watch_all(1 << 20), "a watch");
    let mut prefix = ok(left.watch_prefix("a"), "a watch");
    let mut key = ok(right.watch("a"), "a watch");
    let mut batch = store.batch();
    batch.set(&left, "b", "1").set(&right, "a", "2").delete(&left, "a");
    ok(store.commit(&batch), "a commit");
    ok(store.transaction(|transaction| transaction.set(&left, "ab", "3")), "a transaction");
    ok(right.increment("a counter", 4), "an increment");
    let shown = |commit: &WatchedCommit| {
        let show = |change: &strongroom_store::Change| {
            format!("{} {} {:?}", change.keyspace, change.key.escape_ascii(), change.kind)
        };
        commit.changes.iter().map(show).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(shown(&next(&mut everything)), r#"left b Set(b"1"), right a Set(b"2"), left a Deleted"#);
    assert_eq!(shown(&next(&mut everything)), r#"left ab Set(b"3")"#);
    assert_eq!(shown(&next(&mut everything)), r#"right a counter Set(b"4")"#);
    assert_eq!(shown(&next(&mut prefix)), "left a Deleted");
    assert_eq!(shown(&next(&mut prefix)), r#"left ab Set(b"3")"#);
    assert_eq!(shown(&next(&mut key)), r#"right a Set(b"2")"#);
    assert_eq!(ok(key.try_next(), "the end"), None);
}

pub(super) fn refused_commits_are_not_reported(fixture: &StoreFixture) {
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    let mut watch = ok(all.watch_prefix(""), "a watch");
    let mut batch = store.batch();
    batch.set(&all, "a", "1").expect_present(&all, "never");
    refused(store.commit(&batch), ErrorKind::Conflict, "a condition");
    refused(all.set("", "1"), ErrorKind::InvalidInput, "an empty key");
    drop(ok(store.begin(), "beginning"));
    set(&all, "last", "1");
    assert_eq!(&next(&mut watch).changes[0].key[..], b"last");
}

pub(super) fn a_watcher_that_never_reads_is_bounded(fixture: &StoreFixture) {
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    let bytes_max = 16 * 1_024;
    let mut lazy = ok(all.watch_with(KeyRange::all(), bytes_max), "a watch");
    for number in 0..100 {
        ok(all.set(format!("{number:03}"), vec![7; 1_000]), "a commit");
        assert!(lazy.buffered_bytes() <= bytes_max);
    }
    let mut commits = 0;
    loop {
        match ok(lazy.try_next(), "an event") {
            Some(WatchEvent::Commit(_)) => commits += 1,
            Some(WatchEvent::Lagged(missed)) => {
                assert_eq!(commits + missed, 100);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    set(&all, "after", "1");
    assert_eq!(&next(&mut lazy).changes[0].key[..], b"after");
}

pub(super) fn a_watch_ends_with_its_store(fixture: &StoreFixture) {
    let store = fixture.open();
    let (all, dropped) = (keyspace(&store, "rows"), keyspace(&store, "dropped"));
    let (mut watch, mut ending) =
        (ok(all.watch_prefix(""), "a watch"), ok(dropped.watch_prefix(""), "a watch"));
    ok(store.drop_keyspace("dropped"), "dropping a keyspace");
    match ending.next() {
        Some(ended) => refused(ended, ErrorKind::NotFound, "a dropped keyspace"),
        None => panic!("the watch ended without an error"),
    }
    set(&all, "a", "1");
    drop((all, dropped, store));
    let received: Vec<WatchEvent> = watch.by_ref().map(|event| ok(event, "an event")).collect();
    assert_eq!(received.len(), 1);
    // The watch must not keep the engine open.
    if fixture.capabilities().persistent {
        assert!(ok(keyspace(&fixture.open(), "rows").has("a"), "reading"));
    }
}
