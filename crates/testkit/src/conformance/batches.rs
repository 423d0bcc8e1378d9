//! Atomic batches and their conditions.

use crate::Fixture;
use crate::support::{
    all_rows, assert_same, commit, get, keyspace, load, numbered_rows, ok, put, refused, row,
};
use strongroom_core::{Durability, ErrorKind, Expect, KeyspaceId, StorageBackend, WriteBatch};

/// Asserts that a commit ends in a conflict.
#[track_caller]
fn conflict(backend: &dyn StorageBackend, batch: &WriteBatch, demand: &str) {
    refused(backend.commit(batch, Durability::Buffered), ErrorKind::Conflict, demand);
}

pub(super) fn later_operations_of_a_batch_win(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    put(&*backend, letters, b"old", b"0");
    let mut batch = WriteBatch::new();
    batch.put(letters, b"a", b"1").delete(letters, b"a").put(letters, b"a", b"3");
    batch.put(letters, b"b", b"1").put(letters, b"b", b"2").delete(letters, b"b");
    batch.delete(letters, b"c").put(letters, b"c", b"");
    batch.put(letters, b"old", b"1").delete(letters, b"old");
    batch.put(letters, b"d", b"longer than the next").put(letters, b"d", b"x");
    commit(&*backend, &batch);
    let demand = "property 6: later operations of a batch win over earlier ones on the same key";
    assert_eq!(all_rows(&*backend, letters), [row(b"a", b"3"), row(b"c", b""), row(b"d", b"x")], "{demand}");
}

pub(super) fn a_batch_spans_keyspaces(fixture: &Fixture) {
    let backend = fixture.open();
    let places = ["one", "two", "three", "four"].map(|name| keyspace(&*backend, name));
    let mut batch = WriteBatch::new();
    for (number, place) in (0_u8..).zip(places) {
        batch.put(place, b"shared", &[number]).put(place, &[number], b"own");
    }
    batch.delete(places[2], b"shared").put(places[0], b"shared", b"again");
    commit(&*backend, &batch);
    let demand = "property 6: a batch writes to any keyspaces, each operation to its own";
    assert_eq!(all_rows(&*backend, places[0]), [row(&[0], b"own"), row(b"shared", b"again")], "{demand}");
    assert_eq!(all_rows(&*backend, places[1]), [row(&[1], b"own"), row(b"shared", &[1])], "{demand}");
    assert_eq!(all_rows(&*backend, places[2]), [row(&[2], b"own")], "{demand}");
    assert_eq!(all_rows(&*backend, places[3]), [row(&[3], b"own"), row(b"shared", &[3])], "{demand}");
}

pub(super) fn every_condition_is_checked(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    put(&*backend, letters, b"full", b"value");
    let bytes = |text: &str| text.as_bytes().to_vec();
    let table: [(&[u8], Expect, bool); 16] = [
        (b"full", Expect::Absent, false),
        (b"full", Expect::Present, true),
        (b"full", Expect::Equals(bytes("value")), true),
        (b"full", Expect::Equals(bytes("valu")), false),
        (b"full", Expect::Equals(bytes("value ")), false),
        (b"full", Expect::Equals(bytes("")), false),
        (b"full", Expect::StartsWith(bytes("")), true),
        (b"full", Expect::StartsWith(bytes("val")), true),
        (b"full", Expect::StartsWith(bytes("value")), true),
        (b"full", Expect::StartsWith(bytes("value ")), false),
        (b"full", Expect::StartsWith(bytes("alue")), false),
        (b"none", Expect::Absent, true),
        (b"none", Expect::Present, false),
        (b"none", Expect::Equals(bytes("value")), false),
        (b"none", Expect::StartsWith(bytes("v")), false),
        (b"none", Expect::StartsWith(bytes("")), false),
    ];
    for (place, (key, expect, holds)) in (0_u8..).zip(table) {
        let demand = format!("property 6: {expect:?} of the key {:?}", String::from_utf8_lossy(key));
        let mut batch = WriteBatch::new();
        batch.expect(letters, key, expect).put(letters, &[place], b"written");
        if holds {
            ok(backend.commit(&batch, Durability::Buffered), &demand);
        } else {
            conflict(&*backend, &batch, &demand);
        }
        let written = get(&*backend, letters, &[place]).is_some();
        assert_eq!(written, holds, "{demand}: the batch is written if and only if it holds");
    }
}

pub(super) fn conditions_tell_empty_from_absent(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    put(&*backend, letters, b"empty", b"");
    let demand = "property 6: conditions tell an empty value from an absent one";
    for (key, expect) in [
        (&b"empty"[..], Expect::Present),
        (b"empty", Expect::Equals(Vec::new())),
        (b"empty", Expect::StartsWith(Vec::new())),
        (b"none", Expect::Absent),
    ] {
        ok(backend.commit(WriteBatch::new().expect(letters, key, expect), Durability::Buffered), demand);
    }
    for (key, expect) in [
        (&b"empty"[..], Expect::Absent),
        (b"empty", Expect::Equals(vec![0])),
        (b"empty", Expect::StartsWith(vec![0])),
        (b"none", Expect::Present),
        (b"none", Expect::Equals(Vec::new())),
        (b"none", Expect::StartsWith(Vec::new())),
    ] {
        conflict(&*backend, WriteBatch::new().expect(letters, key, expect), demand);
    }
}

fn three(backend: &dyn StorageBackend) -> [KeyspaceId; 3] {
    ["one", "two", "three"].map(|name| keyspace(backend, name))
}

pub(super) fn conditions_in_several_keyspaces_all_count(fixture: &Fixture) {
    let backend = fixture.open();
    let [one, two, three] = three(&*backend);
    put(&*backend, one, b"k", b"1");
    put(&*backend, two, b"k", b"2");
    let good = [
        (one, &b"k"[..], Expect::Equals(b"1".to_vec())),
        (two, b"k", Expect::StartsWith(b"2".to_vec())),
        (three, b"k", Expect::Absent),
    ];
    let bad = [Expect::Equals(b"2".to_vec()), Expect::Absent, Expect::Present];
    for (place, broken) in bad.into_iter().enumerate() {
        let mut batch = WriteBatch::new();
        for (number, (keyspace, key, expect)) in good.iter().cloned().enumerate() {
            batch.expect(keyspace, key, if number == place { broken.clone() } else { expect });
        }
        batch.put(three, b"k", b"3");
        let demand = format!("property 6: condition {} of three counts, wherever its key is", place + 1);
        conflict(&*backend, &batch, &demand);
        assert_eq!(all_rows(&*backend, three), [], "{demand}");
    }
    let mut batch = WriteBatch::new();
    for (keyspace, key, expect) in good {
        batch.expect(keyspace, key, expect);
    }
    commit(&*backend, batch.put(three, b"k", b"3"));
    assert_eq!(
        all_rows(&*backend, three),
        [row(b"k", b"3")],
        "property 6: a batch whose conditions hold commits"
    );
}

pub(super) fn a_conflict_leaves_every_keyspace_untouched(fixture: &Fixture) {
    let backend = fixture.open();
    let [one, two, three] = three(&*backend);
    for place in [one, two, three] {
        load(&*backend, place, &[row(b"keep", b"1"), row(b"kill", b"2")]);
    }
    let mut batch = WriteBatch::new();
    for place in [one, two, three] {
        batch.put(place, b"keep", b"changed").delete(place, b"kill").put(place, b"new", b"3");
    }
    batch.expect(one, b"keep", Expect::Present).expect(three, b"keep", Expect::Absent);
    let demand = "property 6: a batch is atomic across keyspaces: a conflict leaves all untouched";
    conflict(&*backend, &batch, demand);
    for place in [one, two, three] {
        assert_eq!(all_rows(&*backend, place), [row(b"keep", b"1"), row(b"kill", b"2")], "{demand}");
    }
}

pub(super) fn conditions_see_the_state_before_the_batch(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    let demand = "property 6: conditions see the state before the batch's own operations";
    let mut batch = WriteBatch::new();
    batch.put(letters, b"a", b"1").expect(letters, b"a", Expect::Absent);
    ok(backend.commit(&batch, Durability::Buffered), demand);
    batch.clear();
    batch.put(letters, b"a", b"2").expect(letters, b"a", Expect::Equals(b"2".to_vec()));
    conflict(&*backend, &batch, demand);
    batch.clear();
    batch.delete(letters, b"a").expect(letters, b"a", Expect::Absent);
    conflict(&*backend, &batch, demand);
    batch.clear();
    batch.delete(letters, b"a").expect(letters, b"a", Expect::Equals(b"1".to_vec()));
    ok(backend.commit(&batch, Durability::Buffered), demand);
    assert_eq!(all_rows(&*backend, letters), [], "{demand}");
}

pub(super) fn conditions_without_operations_are_checked(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    let mut batch = WriteBatch::new();
    batch.expect(letters, b"a", Expect::Present);
    conflict(&*backend, &batch, "property 6: the conditions of a batch without operations are checked");
    put(&*backend, letters, b"a", b"");
    ok(backend.commit(&batch, Durability::Buffered), "property 6: a batch of conditions only");
}

pub(super) fn an_empty_batch_commits(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    put(&*backend, letters, b"a", b"1");
    commit(&*backend, &WriteBatch::new());
    ok(backend.commit(&WriteBatch::new(), fixture.durability()), "property 6: an empty batch");
    let demand = "property 6: an empty batch changes nothing";
    assert_eq!(all_rows(&*backend, letters), [row(b"a", b"1")], "{demand}");
}

pub(super) fn a_foreign_keyspace_is_refused_and_nothing_written(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    let dropped = keyspace(&*backend, "dropped");
    ok(backend.drop_keyspace(dropped), "dropping a keyspace");
    for foreign in [KeyspaceId::from_index(u32::MAX), KeyspaceId::from_index(9_999), dropped] {
        let demand = "property 6: a batch with an unknown keyspace is NotFound and writes nothing";
        let mut writes = WriteBatch::new();
        writes.put(letters, b"a", b"1").put(foreign, b"b", b"2").put(letters, b"c", b"3");
        refused(backend.commit(&writes, Durability::Buffered), ErrorKind::NotFound, demand);
        let mut asks = WriteBatch::new();
        asks.put(letters, b"a", b"1").expect(foreign, b"b", Expect::Absent);
        refused(backend.commit(&asks, Durability::Buffered), ErrorKind::NotFound, demand);
        assert_eq!(all_rows(&*backend, letters), [], "{demand}");
    }
    put(&*backend, letters, b"a", b"1");
    assert_eq!(all_rows(&*backend, letters), [row(b"a", b"1")], "property 6: the backend still works");
}

pub(super) fn a_batch_of_many_operations_is_whole(fixture: &Fixture) {
    let backend = fixture.open();
    let (left, right) = (keyspace(&*backend, "left"), keyspace(&*backend, "right"));
    let stored = numbered_rows(6_000);
    let mut batch = WriteBatch::with_capacity(12_000, 200_000);
    for (key, value) in &stored {
        batch.put(left, key, value).put(right, value, key);
    }
    commit(&*backend, &batch);
    assert_same(&all_rows(&*backend, left), &stored, "property 6: a large batch is written completely");
    let mut swapped: Vec<_> = stored.into_iter().map(|(key, value)| (value, key)).collect();
    swapped.sort();
    assert_same(&all_rows(&*backend, right), &swapped, "property 6: a large batch is written completely");
}
