//! Readers and a writer at the same time.

use super::support::{PLENTY, Random, keyspace, on_both, undo_bytes};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use strongroom_core::{
    Durability, ErrorKind, KeyspaceId, Result, Scan, Snapshot, StorageBackend, WriteBatch,
};

const ACCOUNTS: u32 = 200;

const IN_EACH: u64 = 1_000;

fn balance(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(bytes[..8].try_into().unwrap())
}

/// Moves an amount between accounts of two keyspaces. Empty accounts have no row.
fn transfer(backend: &dyn StorageBackend, ids: [KeyspaceId; 2], random: &mut Random) {
    let mut accounts = [0; 2].map(|_| u32::try_from(random.below(ACCOUNTS as usize)).unwrap().to_be_bytes());
    let mut ids = ids;
    if random.below(2) == 0 {
        ids.reverse();
        accounts.reverse();
    }
    let read =
        |place: usize| backend.get(ids[place], &accounts[place]).unwrap().map_or(0, |bytes| balance(&bytes));
    let (from, to) = (read(0), read(1));
    let amount = if random.below(3) == 0 { from } else { from / 2 };
    let mut batch = WriteBatch::new();
    for (place, left) in [(0, from - amount), (1, to + amount)] {
        if left == 0 {
            batch.delete(ids[place], &accounts[place]);
        } else {
            batch.put(ids[place], &accounts[place], &left.to_be_bytes());
        }
    }
    backend.commit(&batch, Durability::Buffered).unwrap();
}

/// Returns the sum over both keyspaces, read in one of three ways.
fn sum(snapshot: &dyn Snapshot, ids: [KeyspaceId; 2], way: usize) -> Result<u64> {
    let mut total = 0;
    for id in ids {
        if way == 0 {
            for account in 0..ACCOUNTS {
                total += snapshot.get(id, &account.to_be_bytes())?.map_or(0, |bytes| balance(&bytes));
            }
            continue;
        }
        let scan = if way == 1 { Scan::all() } else { Scan::all().reverse() };
        let mut cursor = snapshot.cursor(id, scan)?;
        while cursor.advance()? {
            total += balance(cursor.value());
        }
    }
    Ok(total)
}

/// Bound on the transfers, which otherwise end when the readers have seen enough.
const TRANSFERS_MAX: u32 = 2_000_000;

/// Runs readers and a writer until enough snapshots were read completely and enough have expired. Returns how
/// many were.
fn stress(backend: &dyn StorageBackend, whole_min: u32, expired_min: u32) -> (u32, u32) {
    let ids = ["left", "right"].map(|name| keyspace(backend, name));
    let mut batch = WriteBatch::new();
    for id in ids {
        for account in 0..ACCOUNTS {
            batch.put(id, &account.to_be_bytes(), &IN_EACH.to_be_bytes());
        }
    }
    backend.commit(&batch, Durability::Buffered).unwrap();
    let done = AtomicBool::new(false);
    let [whole, expired] = [0; 2].map(AtomicU32::new);
    let read = |seed: u64| {
        let mut random = Random(seed);
        let mut held: Vec<Arc<dyn Snapshot>> = Vec::new();
        while !done.load(Ordering::Relaxed) {
            held.push(backend.snapshot().unwrap());
            let snapshot = &held[random.below(held.len())];
            match sum(&**snapshot, ids, random.below(3)) {
                Ok(total) => {
                    assert_eq!(total, 2 * u64::from(ACCOUNTS) * IN_EACH);
                    whole.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::SnapshotExpired);
                    expired.fetch_add(1, Ordering::Relaxed);
                }
            }
            if held.len() > 4 {
                held.swap_remove(random.below(held.len()));
            }
        }
    };
    std::thread::scope(|scope| {
        // A single writer: a transfer reads first, and these commits have no conditions.
        scope.spawn(|| {
            let mut random = Random(77);
            let is_enough = || {
                whole.load(Ordering::Relaxed) >= whole_min && expired.load(Ordering::Relaxed) >= expired_min
            };
            for _ in 0..TRANSFERS_MAX {
                transfer(backend, ids, &mut random);
                if is_enough() {
                    break;
                }
            }
            done.store(true, Ordering::Relaxed);
        });
        for seed in 1..=3 {
            scope.spawn(move || read(seed));
        }
    });
    (whole.into_inner(), expired.into_inner())
}

#[test]
fn sums_hold_in_every_snapshot_while_a_writer_writes() {
    on_both(PLENTY, |backend| {
        let (whole, expired) = stress(backend, 300, 0);
        assert!(whole >= 300 && expired == 0, "{whole} {expired}");
        assert_eq!(undo_bytes(backend), 0);
    });
}

#[test]
fn a_snapshot_that_expires_under_its_reader_never_shows_a_wrong_sum() {
    on_both(20_000, |backend| {
        let (whole, expired) = stress(backend, 100, 100);
        assert!(whole >= 100 && expired >= 100, "{whole} {expired}");
        assert!(undo_bytes(backend) <= 20_000);
    });
}
