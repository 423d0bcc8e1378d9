//! Durability across closing and reopening. (Power cuts need a disk that loses writes.)

use super::keyspaces::names;
use crate::Fixture;
use crate::support::{
    all_rows, assert_same, awkward_rows, commit, get, keyspace, load, numbered_rows, ok, put, refused, row,
};
use strongroom_core::{Durability, ErrorKind, KeyRange, WriteBatch};

pub(super) fn power_safe_is_claimed_or_refused(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    let claimed = backend.engine().capabilities.power_safe;
    let mut batch = WriteBatch::new();
    batch.put(letters, b"a", b"1");
    let committed = backend.commit(&batch, Durability::PowerSafe);
    let empty = backend.commit(&WriteBatch::new(), Durability::PowerSafe);
    let deleted = backend.delete_range(letters, &KeyRange::prefix(b"z"), Durability::PowerSafe);
    if claimed {
        let demand = "property 8: a claimed power-safe commit";
        ok(committed, demand);
        ok(empty, demand);
        ok(deleted, demand);
        assert_eq!(get(&*backend, letters, b"a").as_deref(), Some(&b"1"[..]), "{demand} is visible");
    } else {
        let demand = "property 8: a durability that a backend does not claim is Unsupported";
        refused(committed, ErrorKind::Unsupported, demand);
        refused(empty, ErrorKind::Unsupported, demand);
        refused(deleted, ErrorKind::Unsupported, demand);
        assert_eq!(get(&*backend, letters, b"a"), None, "{demand}, and writes nothing");
    }
    put(&*backend, letters, b"b", b"2");
    assert_eq!(
        get(&*backend, letters, b"b").as_deref(),
        Some(&b"2"[..]),
        "property 8: buffered commits always work"
    );
}

pub(super) fn a_reopened_store_has_everything(fixture: &Fixture) {
    let backend = fixture.open();
    let bytes = keyspace(&*backend, "bytes");
    load(&*backend, bytes, &awkward_rows(3));
    let numbers = keyspace(&*backend, "numbers");
    load(&*backend, numbers, &numbered_rows(5_000));
    let blobs = keyspace(&*backend, "blobs");
    put(&*backend, blobs, b"large", &vec![5; 1 << 20]);
    put(&*backend, blobs, b"empty", b"");
    for number in 0..30_u8 {
        let id = keyspace(&*backend, &format!("ks{number:02}"));
        put(&*backend, id, b"number", &[number]);
    }
    keyspace(&*backend, "never-written");
    let wanted = names(&*backend);
    ok(backend.flush(), "a flush");
    drop(backend);

    let backend = fixture.open();
    let demand = "property 8: a reopened store has everything";
    assert_eq!(names(&*backend), wanted, "{demand}: its keyspaces");
    let open = |name: &str| ok(backend.keyspace(name), "opening a keyspace after a reopen");
    assert_same(&all_rows(&*backend, open("bytes")), &awkward_rows(3), demand);
    assert_same(&all_rows(&*backend, open("numbers")), &numbered_rows(5_000), demand);
    let blobs = [row(b"empty", b""), row(b"large", &vec![5; 1 << 20])];
    assert!(all_rows(&*backend, open("blobs")) == blobs, "{demand}: empty and large values");
    for number in 0..30_u8 {
        let id = open(&format!("ks{number:02}"));
        assert_eq!(
            all_rows(&*backend, id),
            [row(b"number", &[number])],
            "{demand}: each keyspace has its own rows"
        );
    }
    assert_eq!(all_rows(&*backend, open("never-written")), [], "{demand}: empty keyspaces too");
}

pub(super) fn a_flushed_buffered_commit_is_there_after_a_reopen(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    put(&*backend, letters, b"a", b"1");
    ok(backend.flush(), "a flush");
    put(&*backend, letters, b"b", b"2");
    ok(backend.flush(), "a flush");
    drop(backend);
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    let demand = "property 8: flushed commits are there, including the last batch";
    assert_eq!(all_rows(&*backend, letters), [row(b"a", b"1"), row(b"b", b"2")], "{demand}");
}

pub(super) fn a_power_safe_commit_keeps_the_earlier_ones(fixture: &Fixture) {
    let backend = fixture.open();
    let (left, right) = (keyspace(&*backend, "left"), keyspace(&*backend, "right"));
    load(&*backend, left, &numbered_rows(300));
    ok(
        backend.commit(WriteBatch::new().put(right, b"a", b"1"), Durability::PowerSafe),
        "a power-safe commit",
    );
    // Without a flush: a power-safe commit needs none.
    drop(backend);
    let backend = fixture.open();
    let (left, right) = (keyspace(&*backend, "left"), keyspace(&*backend, "right"));
    let demand = "property 8: a power-safe commit makes all earlier ones durable";
    assert_same(&all_rows(&*backend, left), &numbered_rows(300), demand);
    assert_eq!(all_rows(&*backend, right), [row(b"a", b"1")], "{demand}");
}

pub(super) fn deletes_and_drops_survive_a_reopen(fixture: &Fixture) {
    let backend = fixture.open();
    let (kept, dropped) = (keyspace(&*backend, "kept"), keyspace(&*backend, "dropped"));
    let phoenix = keyspace(&*backend, "phoenix");
    for id in [kept, dropped, phoenix] {
        load(&*backend, id, &numbered_rows(2_500));
    }
    ok(backend.flush(), "a flush");
    ok(backend.delete_range(kept, &KeyRange::all(), Durability::Buffered), "deleting a range");
    put(&*backend, kept, b"a", b"");
    ok(backend.drop_keyspace(dropped), "dropping a keyspace");
    ok(backend.drop_keyspace(phoenix), "dropping a keyspace");
    let phoenix = keyspace(&*backend, "phoenix");
    put(&*backend, phoenix, b"b", b"new");
    ok(backend.flush(), "a flush");
    drop(backend);
    let backend = fixture.open();
    let demand = "property 8: deleted rows and dropped keyspaces do not come back";
    assert_eq!(names(&*backend), ["kept", "phoenix"], "{demand}");
    assert_eq!(all_rows(&*backend, keyspace(&*backend, "kept")), [row(b"a", b"")], "{demand}");
    assert_eq!(all_rows(&*backend, keyspace(&*backend, "phoenix")), [row(b"b", b"new")], "{demand}");
    assert_eq!(all_rows(&*backend, keyspace(&*backend, "dropped")), [], "{demand}");
}

pub(super) fn a_store_can_be_reopened_again_and_again(fixture: &Fixture) {
    let mut wanted = Vec::new();
    for round in 0..5_u8 {
        let backend = fixture.open();
        let rounds = keyspace(&*backend, "rounds");
        let demand = "property 8: each opening finds the rows of the earlier ones";
        assert_same(&all_rows(&*backend, rounds), &wanted, demand);
        let mut batch = WriteBatch::new();
        batch.put(rounds, &[round], &[round; 100]);
        if round >= 2 {
            batch.delete(rounds, &[round - 2]);
            wanted.remove(0);
        }
        wanted.push(row(&[round], &[round; 100]));
        commit(&*backend, &batch);
        ok(backend.flush(), "a flush");
    }
}

pub(super) fn a_second_handle_is_refused_as_locked(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    put(&*backend, letters, b"a", b"1");
    let demand = "property 11: a store that another handle has open is Locked";
    refused(fixture.try_open(), ErrorKind::Locked, demand);
    refused(fixture.try_open(), ErrorKind::Locked, demand);
    put(&*backend, letters, b"b", b"2");
    ok(backend.flush(), "a flush");
    drop(backend);
    let backend = fixture.open();
    let found = all_rows(&*backend, keyspace(&*backend, "letters"));
    let demand = "property 11: the refused opening changed nothing, and the lock is released with its handle";
    assert_eq!(found, [row(b"a", b"1"), row(b"b", b"2")], "{demand}");
}
