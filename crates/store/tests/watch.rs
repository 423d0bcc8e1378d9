//! Watches on the memory backend: their events, the order of these, and slow watches. The conformance suite shows
//! that the stream equals the history on every engine.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Tests fail by panicking.

mod support;

use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use strongroom_core::{Durability, ErrorKind, KeyRange, Scan};
use strongroom_store::{
    ChangeKind, Keyspace, KeyspaceChangeKind, Store, StoreOptions, Watch, WatchEvent, WatchedCommit,
};
use support::{gated, store, wait_until};

fn commit(watch: &mut Watch) -> WatchedCommit {
    match watch.next_timeout(Duration::from_secs(30)).unwrap() {
        Some(WatchEvent::Commit(commit)) => commit,
        other => panic!("no commit but {other:?}"),
    }
}

/// The changes in words, such as `rows a=1`.
fn described(commit: &WatchedCommit) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let words = |kind: &ChangeKind| match kind {
        ChangeKind::Set(value) => format!("={}", text(value)),
        ChangeKind::Deleted => " deleted".into(),
        ChangeKind::Expired => " expired".into(),
        other => panic!("{other:?}"),
    };
    commit
        .changes
        .iter()
        .map(|change| format!("{} {}{}", change.keyspace, text(&change.key), words(&change.kind)))
        .collect()
}

#[test]
fn a_commit_is_one_event_with_its_changes_in_order() {
    let (store, rows) = store();
    let other = store.create_keyspace("other").unwrap();
    let mut all = store.watch_all(1 << 20).unwrap();
    let mut prefix = rows.watch_prefix("a").unwrap();
    let mut key = rows.watch("ab").unwrap();
    let mut batch = store.batch();
    batch
        .set(&rows, "b", "1")
        .set(&rows, "ab", "2")
        .set(&other, "ab", "3")
        .delete(&rows, "a")
        .set(&rows, "ab", "");
    let sequence = store.commit(&batch).unwrap().sequence;
    let seen = commit(&mut all);
    assert_eq!(described(&seen), ["rows b=1", "rows ab=2", "other ab=3", "rows a deleted", "rows ab="]);
    assert_eq!(seen.sequence, sequence);
    assert_eq!(described(&commit(&mut prefix)), ["rows ab=2", "rows a deleted", "rows ab="]);
    assert_eq!(described(&commit(&mut key)), ["rows ab=2", "rows ab="]);
    rows.set("abc", "1").unwrap();
    assert_eq!(described(&commit(&mut prefix)), ["rows abc=1"]);
    assert_eq!(key.try_next().unwrap(), None, "another key");
}

#[test]
fn transactions_are_published_like_batches_and_refused_ones_are_not() {
    let (store, rows) = store();
    let mut watch = rows.watch_prefix("").unwrap();
    let mut refused = store.batch();
    refused.expect_present(&rows, "never").set(&rows, "a", "1");
    assert_eq!(store.commit(&refused).unwrap_err().kind(), ErrorKind::Conflict);
    store.transaction(|transaction| transaction.set(&rows, "b", "2")).unwrap();
    assert_eq!(described(&commit(&mut watch)), ["rows b=2"]);
    assert_eq!(watch.try_next().unwrap(), None);
}

/// Invariant 15.
#[test]
fn a_commit_is_published_only_once_it_is_durable_and_never_if_it_fails() {
    let directory = tempfile::tempdir().unwrap();
    let (backend, gate) = gated(&directory.path().join("store"));
    let store = Store::new(backend, StoreOptions::new()).unwrap();
    let rows = store.create_keyspace("rows").unwrap();
    let mut watch = rows.watch_prefix("").unwrap();
    gate.close();
    let writer = thread::spawn({
        let rows = rows.clone();
        move || rows.set("a", "1")
    });
    wait_until("the writer at the gate", || gate.waiting.load(Ordering::SeqCst) == 1);
    assert_eq!(watch.try_next().unwrap(), None);
    gate.open();
    writer.join().unwrap().unwrap();
    assert_eq!(described(&commit(&mut watch)), ["rows a=1"]);
    gate.fail_at.store(gate.applied.load(Ordering::SeqCst) + 1, Ordering::SeqCst);
    assert_eq!(rows.set("b", "1").unwrap_err().kind(), ErrorKind::CommitUnknown);
    // Nothing more will be committed on this handle, so the watches end with an error.
    assert_eq!(watch.next().unwrap().unwrap_err().kind(), ErrorKind::Closed);
    assert!(watch.next().is_none() && watch.has_ended());
    let mut late = rows.watch_prefix("").unwrap();
    assert_eq!(late.next().unwrap().unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn a_watch_that_is_never_read_uses_no_more_than_its_buffer() {
    let (store, rows) = store();
    let bytes_max = 64 * 1_024;
    let mut lazy = rows.watch_with(KeyRange::all(), bytes_max).unwrap();
    for number in 0..10_000 {
        rows.set(format!("{number:05}"), [7; 100]).unwrap();
        assert!(lazy.buffered_bytes() <= bytes_max);
    }
    let mut commits = 0;
    let lagged = loop {
        match lazy.try_next().unwrap() {
            Some(WatchEvent::Commit(commit)) => {
                assert_eq!(&commit.changes[0].key[..], format!("{commits:05}").as_bytes());
                commits += 1;
            }
            Some(WatchEvent::Lagged(missed)) => break missed,
            other => panic!("{other:?}"),
        }
    };
    assert!(commits > 100, "{commits}");
    assert_eq!(commits + lagged, 10_000);
    rows.set("after", "1").unwrap();
    assert_eq!(described(&commit(&mut lazy)), ["rows after=1"]);
    // A commit larger than the whole buffer is counted as missed, and not buffered.
    let mut batch = store.batch();
    batch.set(&rows, "large", vec![0; bytes_max]);
    store.commit(&batch).unwrap();
    assert_eq!(lazy.try_next().unwrap(), Some(WatchEvent::Lagged(1)));
}

#[test]
fn a_watch_ends_with_its_store_and_does_not_keep_it_open() {
    let (store, rows) = store();
    let mut watch = rows.watch_prefix("").unwrap();
    rows.set("a", "1").unwrap();
    let waiting = thread::spawn(move || watch.by_ref().map(Result::unwrap).count());
    drop((store, rows));
    assert_eq!(waiting.join().unwrap(), 1);
}

#[test]
fn a_watch_ends_with_its_keyspace() {
    let (store, rows) = store();
    let gone = store.create_keyspace("gone").unwrap();
    let (mut watch, mut other) = (gone.watch_prefix("").unwrap(), rows.watch_prefix("").unwrap());
    store.drop_keyspace("gone").unwrap();
    assert_eq!(watch.next().unwrap().unwrap_err().kind(), ErrorKind::NotFound);
    assert!(watch.next().is_none());
    assert_eq!(gone.watch_prefix("").unwrap_err().kind(), ErrorKind::NotFound);
    rows.set("a", "1").unwrap();
    assert_eq!(described(&commit(&mut other)), ["rows a=1"]);
    assert_eq!(rows.watch("").unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[cfg(feature = "async")]
#[tokio::test]
async fn a_watch_is_a_stream_that_wakes_its_task() {
    use futures_core::Stream as _;
    use std::pin::Pin;
    async fn next(watch: &mut Watch) -> Option<strongroom_core::Result<WatchEvent>> {
        std::future::poll_fn(|context| Pin::new(&mut *watch).poll_next(context)).await
    }
    let (store, rows) = store();
    let mut watch = rows.watch_prefix("").unwrap();
    let writer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        rows.set("a", "1").unwrap();
        drop((rows, store));
    });
    let Some(Ok(WatchEvent::Commit(seen))) = next(&mut watch).await else { panic!("no commit") };
    assert_eq!(described(&seen), ["rows a=1"]);
    assert!(next(&mut watch).await.is_none());
    writer.join().unwrap();
}

#[test]
fn a_watch_ends_when_a_commit_panics() {
    let (backend, hooks) = support::hooked::hooked();
    let store = Store::new(backend, StoreOptions::new().durability(Durability::Buffered)).unwrap();
    let rows = store.create_keyspace("rows").unwrap();
    let mut watch = rows.watch_prefix("").unwrap();
    hooks.before_commit.set(|| panic!("on purpose"));
    let other = rows.clone();
    assert!(thread::spawn(move || other.set("a", "1")).join().is_err());
    assert_eq!(watch.next().unwrap().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(rows.set("b", "1").unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn a_commit_in_a_destructor_during_another_panic_ends_no_watch() {
    struct Writes(Keyspace);
    impl Drop for Writes {
        fn drop(&mut self) {
            self.0.set("last", "1").unwrap();
        }
    }
    let (_store, rows) = store();
    let mut watch = rows.watch_prefix("").unwrap();
    let writes = Writes(rows.clone());
    let unwound = thread::spawn(move || {
        let _writes = writes;
        panic!("on purpose");
    });
    assert!(unwound.join().is_err());
    assert_eq!(described(&commit(&mut watch)), ["rows last=1"]);
    rows.set("after", "1").unwrap();
    assert_eq!(described(&commit(&mut watch)), ["rows after=1"]);
}

/// Wakers that run foreign code.
#[cfg(feature = "async")]
mod wakers {
    use super::*;
    use futures_core::Stream as _;
    use std::pin::Pin;
    use std::sync::{Arc, Mutex, mpsc};
    use std::task::{Context, Wake, Waker};

    struct Does<F: Fn() + Send + Sync + 'static>(F);

    impl<F: Fn() + Send + Sync + 'static> Wake for Does<F> {
        fn wake(self: Arc<Self>) {
            (self.0)();
        }
    }

    fn wait_with(watch: &mut Watch, waker: &Waker) {
        assert!(Pin::new(watch).poll_next(&mut Context::from_waker(waker)).is_pending());
    }

    #[test]
    fn a_waker_may_drop_its_watch_commit_or_panic() {
        let (store, rows) = store();
        let (done, is_done) = mpsc::channel();
        let held: Arc<Mutex<Option<Watch>>> = Arc::default();
        let (dropped, written) = (Arc::clone(&held), rows.clone());
        let waker = Waker::from(Arc::new(Does(move || {
            drop(dropped.lock().unwrap().take());
            written.set("by the waker", "1").unwrap();
            panic!("on purpose");
        })));
        let mut watch = rows.watch_prefix("").unwrap();
        wait_with(&mut watch, &waker);
        *held.lock().unwrap() = Some(watch);
        let written = rows.clone();
        thread::spawn(move || {
            written.set("a", "1").unwrap();
            done.send(()).unwrap();
        });
        is_done.recv_timeout(Duration::from_secs(30)).expect("the commit hangs");
        assert!(rows.has("by the waker").unwrap());
        rows.set("b", "1").unwrap();
        drop(store);
    }

    #[test]
    fn a_waker_may_drop_the_store_on_the_sweeping_thread() {
        let clock = strongroom_store::Clock::manual(1_000);
        let options = StoreOptions::new().durability(Durability::Buffered).clock(clock.clone());
        let store =
            Store::new(strongroom_core::MemoryBackend::in_memory(), options.sweep_interval_ms(1)).unwrap();
        let rows = store.create_keyspace("rows").unwrap();
        rows.set_with_ttl("a", "1", Duration::from_millis(10)).unwrap();
        let mut watch = rows.watch_prefix("").unwrap();
        let held: Arc<Mutex<Option<(Store, Keyspace)>>> = Arc::default();
        let dropped = Arc::clone(&held);
        let (done, is_done) = mpsc::channel();
        let waker = Waker::from(Arc::new(Does(move || {
            drop(dropped.lock().unwrap().take());
            let _ = done.send(());
        })));
        wait_with(&mut watch, &waker);
        *held.lock().unwrap() = Some((store, rows));
        clock.advance(Duration::from_millis(10));
        is_done.recv_timeout(Duration::from_secs(30)).expect("closing hangs");
    }
}

/// Without these events, a mirror would keep the rows of a keyspace that was dropped and created again.
#[test]
fn creations_and_drops_are_events_in_order_with_the_commits() {
    let (store, rows) = store();
    let mut watch = store.watch_all(1 << 20).unwrap();
    let mut of_rows = rows.watch_prefix("").unwrap();
    rows.set("a", "1").unwrap();
    store.create_keyspace("other").unwrap();
    assert_eq!(
        store.create_keyspace("other").unwrap().name(),
        "other",
        "it exists already, so there is no event"
    );
    rows.set("b", "1").unwrap();
    store.drop_keyspace("other").unwrap();
    let mut seen = Vec::new();
    let mut newest = 0;
    while let Some(event) = watch.try_next().unwrap() {
        let (sequence, text) = match event {
            WatchEvent::Commit(commit) => (commit.sequence, described(&commit).join(", ")),
            WatchEvent::Keyspace(event) => {
                let kind = if event.kind == KeyspaceChangeKind::Created { "created" } else { "dropped" };
                (event.sequence, format!("{} {kind}", event.keyspace))
            }
            other => panic!("{other:?}"),
        };
        assert!(sequence >= newest, "{text} comes too late");
        newest = sequence;
        seen.push(text);
    }
    assert_eq!(seen, ["rows a=1", "other created", "rows b=1", "other dropped"]);
    assert_eq!(watch.buffered_bytes(), 0);
    let first = commit(&mut of_rows);
    assert_eq!(
        (described(&first), described(&commit(&mut of_rows))),
        (vec!["rows a=1".to_owned()], vec!["rows b=1".into()])
    );
    assert_eq!(of_rows.try_next().unwrap(), None, "a watch of a keyspace gets no events of others");
}

#[test]
fn a_snapshot_and_a_watch_fit_together_without_a_gap() {
    let (store, rows) = store();
    rows.set("a", "1").unwrap();
    let mut watch = store.watch_all(1 << 20).unwrap();
    rows.set("b", "1").unwrap();
    let snapshot = store.snapshot().unwrap();
    let third = store.commit(store.batch().set(&rows, "c", "1")).unwrap();
    let mut after = Vec::new();
    while let Some(WatchEvent::Commit(commit)) = watch.try_next().unwrap() {
        if commit.sequence > snapshot.sequence() {
            after.push(commit.sequence);
        }
    }
    assert!(snapshot.has(&rows, "b").unwrap() && !snapshot.has(&rows, "c").unwrap());
    assert_eq!(after, [third.sequence]);
}

/// A copy of all keyspaces: a snapshot, then the events after it.
#[test]
fn a_copy_follows_a_snapshot_through_drops_and_creations() {
    let (store, rows) = store();
    rows.set("a", "1").unwrap();
    let mut watch = store.watch_all(1 << 20).unwrap();
    rows.set("b", "1").unwrap();
    let snapshot = store.snapshot().unwrap();
    let mut copy: BTreeMap<String, BTreeMap<Vec<u8>, Bytes>> = BTreeMap::new();
    for name in store.keyspaces() {
        let keyspace = store.keyspace(&name).unwrap();
        let found = snapshot.scan(&keyspace, Scan::all()).unwrap().map(|row| row.unwrap());
        copy.insert(name, found.collect());
    }
    // No commit lies between the snapshot and these: they carry its number.
    store.drop_keyspace("rows").unwrap();
    let rows = store.create_keyspace("rows").unwrap();
    rows.set("c", "1").unwrap();
    while let Some(event) = watch.try_next().unwrap() {
        match event {
            WatchEvent::Commit(commit) if commit.sequence > snapshot.sequence() => {
                for change in commit.changes {
                    let keyspace = copy.get_mut(&*change.keyspace).unwrap();
                    match change.kind {
                        ChangeKind::Set(value) => drop(keyspace.insert(change.key.to_vec(), value)),
                        _ => drop(keyspace.remove(&*change.key)),
                    }
                }
            }
            WatchEvent::Keyspace(change) if change.sequence >= snapshot.sequence() => match change.kind {
                KeyspaceChangeKind::Created => {
                    drop(copy.insert(change.keyspace.to_string(), BTreeMap::new()));
                }
                _ => drop(copy.remove(&*change.keyspace)),
            },
            WatchEvent::Lagged(_) => panic!("the buffer is large"),
            _ => {}
        }
    }
    assert_eq!(copy["rows"].keys().collect::<Vec<_>>(), [b"c"]);
}

#[test]
fn a_change_says_when_its_row_expires() {
    let (_store, rows) = store();
    let mut watch = rows.watch_prefix("").unwrap();
    rows.set_with_ttl("a", "1", Duration::from_secs(90)).unwrap();
    rows.set("b", "1").unwrap();
    let expected = rows.get_row("a").unwrap().unwrap().expires_at_ms;
    assert!(expected.is_some());
    assert_eq!(commit(&mut watch).changes[0].expires_at_ms, expected);
    assert_eq!(commit(&mut watch).changes[0].expires_at_ms, None);
}
