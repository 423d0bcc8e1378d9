//! Transactions. The cases of isolation test serializability further.

use super::StoreFixture;
use super::support::{keys_in, keyspace, refused, rows, set, value};
use crate::support::ok;
use std::sync::Barrier;
use std::thread;
use strongroom_core::{Error, ErrorKind, Scan};
use strongroom_store::TransactionOptions;

pub(super) fn a_transaction_reads_its_own_writes_also_in_scans(fixture: &StoreFixture) {
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    for key in ["a", "b", "d"] {
        set(&all, key, "stored");
    }
    let mut transaction = ok(store.begin(), "beginning");
    ok(transaction.set(&all, "c", "own"), "setting");
    ok(transaction.set(&all, "a", "own"), "setting");
    ok(transaction.delete(&all, "b"), "deleting");
    assert_eq!(keys_in(&transaction, &all, ""), ["a", "c", "d"]);
    let backwards = ok(transaction.scan(&all, Scan::all().reverse()), "a scan");
    let values: Vec<_> = backwards.map(|row| ok(row, "a row").1).collect();
    assert_eq!(values, ["stored", "own", "own"]);
    assert!(!ok(transaction.has(&all, "b"), "reading") && value(&all, "b").is_some());
    ok(transaction.commit(), "a commit");
    assert_eq!(rows(&all, Scan::all()).len(), 3);
    assert_eq!(value(&all, "a").as_deref(), Some("own"));
}

pub(super) fn a_transaction_leaves_nothing_unless_it_commits(fixture: &StoreFixture) {
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    let mut dropped = ok(store.begin(), "beginning");
    ok(dropped.set(&all, "a", "1"), "setting");
    drop(dropped);
    let failed: Result<(), Error> = store.transaction(|transaction| {
        transaction.set(&all, "a", "1")?;
        Err(Error::new(ErrorKind::QuotaExceeded, "enough"))
    });
    refused(failed, ErrorKind::QuotaExceeded, "the closure's own error");
    assert_eq!(rows(&all, Scan::all()), []);
}

pub(super) fn phantoms_are_refused(fixture: &StoreFixture) {
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    set(&all, "user/2", "x");
    for phantom in ["user/1", "user/3", "user/2/child"] {
        let mut transaction = ok(store.begin(), "beginning");
        assert_eq!(keys_in(&transaction, &all, "user/").len(), 1);
        ok(transaction.set(&all, "count", "1"), "setting");
        set(&all, phantom, "x");
        refused(transaction.commit(), ErrorKind::Conflict, phantom);
        ok(all.delete(phantom), "deleting");
    }
    // A row outside the range is not a phantom.
    let mut transaction = ok(store.begin(), "beginning");
    assert_eq!(keys_in(&transaction, &all, "user/").len(), 1);
    ok(transaction.set(&all, "count", "1"), "setting");
    set(&all, "user", "x");
    set(&all, "user0", "x");
    ok(transaction.commit(), "a commit without a phantom");
}

pub(super) fn write_skew_is_refused(fixture: &StoreFixture) {
    let store = fixture.open();
    let (left, right) = (keyspace(&store, "left"), keyspace(&store, "right"));
    set(&left, "on call", "1");
    set(&right, "on call", "1");
    let (mut first, mut second) = (ok(store.begin(), "beginning"), ok(store.begin(), "beginning"));
    for transaction in [&first, &second] {
        assert!(
            ok(transaction.has(&left, "on call"), "reading")
                && ok(transaction.has(&right, "on call"), "reading")
        );
    }
    ok(first.delete(&left, "on call"), "deleting");
    ok(second.delete(&right, "on call"), "deleting");
    ok(first.commit(), "the first commit");
    refused(second.commit(), ErrorKind::Conflict, "write skew over two keyspaces");
    assert!(value(&right, "on call").is_some());
}

pub(super) fn disjoint_transactions_run_at_the_same_time(fixture: &StoreFixture) {
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    let both = Barrier::new(2);
    thread::scope(|scope| {
        for key in ["a", "b"] {
            let (store, all, both) = (&store, &all, &both);
            scope.spawn(move || {
                let inside = store.transaction(|transaction| {
                    transaction.get(all, key)?;
                    // Blocks unless both transactions run at the same time.
                    both.wait();
                    transaction.set(all, key, "1")
                });
                ok(inside, "a transaction");
            });
        }
    });
    assert_eq!(rows(&all, Scan::all()).len(), 2);
    assert_eq!(ok(store.stats(), "statistics").conflicts, 0);
}

pub(super) fn read_only_transactions_never_conflict(fixture: &StoreFixture) {
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    set(&all, "a", "1");
    let reading = ok(store.begin_with(&TransactionOptions::new().read_only(true)), "beginning");
    let could_write = ok(store.begin(), "beginning");
    assert_eq!((keys_in(&reading, &all, "").len(), keys_in(&could_write, &all, "").len()), (1, 1));
    set(&all, "b", "1");
    set(&all, "a", "2");
    assert_eq!(keys_in(&reading, &all, "").len(), 1);
    ok(reading.commit(), "a read-only transaction");
    ok(could_write.commit(), "a transaction that only read");
}

pub(super) fn a_closure_is_retried_after_a_conflict(fixture: &StoreFixture) {
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    set(&all, "a", "0");
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let options = TransactionOptions::new().attempts_max(u32::MAX);
                    let added = store.transaction_with(&options, |transaction| {
                        let value = transaction.get(&all, "a")?.unwrap_or_default();
                        let number: u32 = String::from_utf8_lossy(&value).parse().unwrap_or(0);
                        transaction.set(&all, "a", (number + 1).to_string())
                    });
                    ok(added, "an addition");
                }
            });
        }
    });
    assert_eq!(value(&all, "a").as_deref(), Some("40"));
}

pub(super) fn nested_transactions_are_refused(fixture: &StoreFixture) {
    let store = fixture.open();
    let all = keyspace(&store, "rows");
    let outer = store.transaction(|transaction| {
        refused(store.transaction(|_| Ok(())), ErrorKind::InvalidInput, "a transaction inside another");
        transaction.set(&all, "a", "1")
    });
    ok(outer, "the outer transaction");
    assert!(value(&all, "a").is_some());
}

pub(super) fn transactions_survive_reopening_whole(fixture: &StoreFixture) {
    let store = fixture.open();
    let (left, right) = (keyspace(&store, "left"), keyspace(&store, "right"));
    for number in 0..20 {
        let written = store.transaction(|transaction| {
            transaction.set(&left, number.to_string(), "x")?;
            transaction.set(&right, number.to_string(), "x")
        });
        ok(written, "a transaction");
    }
    drop((left, right, store));
    let store = fixture.open();
    assert_eq!(rows(&keyspace(&store, "left"), Scan::all()), rows(&keyspace(&store, "right"), Scan::all()));
    assert_eq!(ok(keyspace(&store, "left").count(""), "counting"), 20);
}
