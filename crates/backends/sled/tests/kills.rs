//! Killed processes.

// Helpers of tests fail like tests.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;
use strongroom_core::{Durability, KeyspaceId, StorageBackend, WriteBatch};
use strongroom_sled::{SledBackend, SledOptions};
use support::keyspace;
use tempfile::TempDir;

/// Set for the child process: the directory of its store, and how it writes.
const CHILD_DIRECTORY: &str = "STRONGROOM_SLED_CHILD_DIRECTORY";
const CHILD_OPTIONS: &str = "STRONGROOM_SLED_CHILD_OPTIONS";
/// Printed by the child when it has begun to write.
const CHILD_WRITES: &str = "the child writes";
const KILLED_KEYSPACES: [&str; 3] = ["a", "b", "c"];
const KILLED_KEYS: u32 = 300;

/// Batch `round` sets every key of its keyspaces to `round`: in one keyspace, or in all three.
fn is_wide(round: u64) -> bool {
    !round.is_multiple_of(3)
}

/// Not a test: the child's work until it is killed.
#[test]
fn child_writes_until_it_is_killed() {
    let Ok(directory) = std::env::var(CHILD_DIRECTORY) else { return };
    let options = match std::env::var(CHILD_OPTIONS).unwrap().as_str() {
        "background" => SledOptions::new().flush_every_ms(Some(5)),
        "small segments" => SledOptions::new().segment_size(8_192).flush_every_ms(Some(5)),
        "cached" => SledOptions::new().write_through(false).flush_every_ms(Some(5)),
        _ => SledOptions::new().flush_every_ms(None),
    };
    let backend = SledBackend::open(directory, options).unwrap();
    let ids = KILLED_KEYSPACES.map(|name| keyspace(&backend, name));
    let mut batch = WriteBatch::new();
    let (last, has_single) = last_round(&backend);
    if last > 0 && !has_single {
        // The kill before came between the two writes of a round. A second one there must not leave the single
        // write two rounds late.
        batch.put(ids[2], b"single", &last.to_be_bytes());
        backend.commit(&batch, Durability::Buffered).unwrap();
    }
    let mut round = last + 1;
    let mut has_reported = false;
    loop {
        batch.clear();
        let written = if is_wide(round) { &ids[..] } else { &ids[..1] };
        for number in 0..KILLED_KEYS {
            for id in written {
                let value = [&round.to_be_bytes()[..], &[0; 90]].concat();
                batch.put(*id, &number.to_be_bytes(), &value);
            }
        }
        backend.commit(&batch, Durability::Buffered).unwrap();
        // Not a batch for sled.
        batch.clear();
        backend.commit(batch.put(ids[2], b"single", &round.to_be_bytes()), Durability::Buffered).unwrap();
        if !has_reported {
            println!("{CHILD_WRITES}");
            has_reported = true;
        }
        round += 1;
    }
}

/// Returns the last stored round, and whether its single write is stored. Checks that there is nothing else.
fn last_round(backend: &SledBackend) -> (u64, bool) {
    let round_in = |id: KeyspaceId, key: &[u8]| -> u64 {
        backend.get(id, key).unwrap().map_or(0, |value| u64::from_be_bytes(value[..8].try_into().unwrap()))
    };
    let ids = KILLED_KEYSPACES.map(|name| keyspace(backend, name));
    let last = round_in(ids[0], &0_u32.to_be_bytes());
    let last_wide = (0..=last).rev().find(|round| is_wide(*round)).unwrap_or(0);
    for (place, id) in ids.into_iter().enumerate() {
        let wanted = if place == 0 { last } else { last_wide };
        for number in 0..KILLED_KEYS {
            assert_eq!(round_in(id, &number.to_be_bytes()), wanted, "{place} {number}");
        }
    }
    let single = round_in(ids[2], b"single");
    assert!(single == last || single + 1 == last, "the single write {single} of a prefix up to {last}");
    (last, single == last)
}

fn kill_many_times(options: &str, times: u64, segment_size: Option<u64>) {
    let directory = TempDir::new().unwrap();
    let mut before = 0;
    let mut advanced = 0;
    for time in 0..times {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child_writes_until_it_is_killed", "--exact", "--nocapture"])
            .env(CHILD_DIRECTORY, directory.path())
            .env(CHILD_OPTIONS, options)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains(CHILD_WRITES)), "the child failed by itself");
        // Such small segments are written one by one, and each is on disk before the next.
        let slower = if segment_size.is_some() { 5 } else { 1 };
        std::thread::sleep(Duration::from_micros(time * 7_919 % 30_000 * slower));
        child.kill().unwrap();
        child.wait().unwrap();
        let mut opened = SledOptions::new();
        opened.segment_size = segment_size;
        let backend = SledBackend::open(directory.path(), opened).unwrap();
        let (last, _) = last_round(&backend);
        assert!(last >= before, "rows seen after one kill survive the next");
        advanced += u64::from(last > before);
        before = last;
    }
    assert!(advanced > times / 4, "the children got to write: {advanced} of {times}");
}

fn kills() -> u64 {
    std::env::var("STRONGROOM_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(8)
}

#[test]
fn a_kill_leaves_whole_batches_with_the_background_thread() {
    kill_many_times("background", kills(), None);
}

#[test]
fn a_kill_leaves_whole_batches_without_it() {
    kill_many_times("none", kills(), None);
}

#[test]
fn a_kill_leaves_whole_batches_where_nothing_is_written_through() {
    kill_many_times("cached", kills(), None);
}

#[test]
fn a_kill_leaves_whole_batches_over_many_segments() {
    kill_many_times("small segments", kills(), Some(8_192));
}
