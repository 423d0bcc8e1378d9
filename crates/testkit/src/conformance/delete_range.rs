//! `delete_range`: deletes every row in the range and no other, in bounded steps.

use crate::Fixture;
use crate::support::{
    all_rows, assert_same, awkward_keys, awkward_rows, keyspace, load, numbered_rows, ok, refused, row, rows,
};
use strongroom_core::{Durability, ErrorKind, KeyRange, KeyspaceId, Scan, StorageBackend};

#[track_caller]
fn delete(backend: &dyn StorageBackend, keyspace: KeyspaceId, range: &KeyRange) -> u64 {
    ok(backend.delete_range(keyspace, range, Durability::Buffered), "deleting a range")
}

pub(super) fn a_deleted_range_is_counted_and_removed(fixture: &Fixture) {
    let backend = fixture.open();
    let (left, right) = (keyspace(&*backend, "left"), keyspace(&*backend, "right"));
    let stored = awkward_rows(2);
    load(&*backend, left, &stored);
    load(&*backend, right, &stored);
    let count = stored.len() as u64;
    assert_eq!(
        delete(&*backend, left, &KeyRange::all()),
        count,
        "property 6: delete_range returns the number of keys"
    );
    assert_eq!(all_rows(&*backend, left), [], "property 6: the rows in the range are deleted");
    assert_same(&all_rows(&*backend, right), &stored, "property 6: other keyspaces are not touched");
    assert_eq!(
        delete(&*backend, left, &KeyRange::all()),
        0,
        "property 6: deleted rows are not counted again"
    );
    let durable = backend.delete_range(right, &KeyRange::all(), fixture.durability());
    assert_eq!(
        ok(durable, "deleting a range durably"),
        count,
        "property 6: delete_range returns the number of keys"
    );
}

pub(super) fn a_deleted_range_is_half_open_and_spares_its_neighbours(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    let stored: Vec<_> =
        [&b"a"[..], b"b", b"b\0", b"bb", b"b\xff", b"c", b"c\0", b"d"].map(|key| row(key, b"")).into();
    load(&*backend, letters, &stored);
    let demand = "property 6: a deleted range includes its start and not its end";
    assert_eq!(delete(&*backend, letters, &KeyRange::between("b", "c")), 4, "{demand}");
    let left: Vec<_> = [&b"a"[..], b"c", b"c\0", b"d"].map(|key| row(key, b"")).into();
    assert_same(&all_rows(&*backend, letters), &left, demand);
    assert_eq!(delete(&*backend, letters, &KeyRange::from("c\0")), 2, "{demand}");
    assert_same(&all_rows(&*backend, letters), &left[..2], demand);
}

pub(super) fn a_deleted_prefix_may_end_in_ff(fixture: &Fixture) {
    let backend = fixture.open();
    let bytes = keyspace(&*backend, "bytes");
    let stored = awkward_rows(3);
    for prefix in [&b"a\xff"[..], b"\xff", b"\xff\xff", b"\x01\xff\xff", b"\x00"] {
        load(&*backend, bytes, &stored);
        let (deleted, left): (Vec<_>, Vec<_>) =
            stored.iter().cloned().partition(|(key, _)| key.starts_with(prefix));
        let demand = format!("property 6: deleting a prefix deletes its keys and no others ({prefix:x?})");
        let count = delete(&*backend, bytes, &KeyRange::prefix(prefix));
        assert_eq!(count, deleted.len() as u64, "{demand}");
        assert_same(&all_rows(&*backend, bytes), &left, &demand);
    }
}

pub(super) fn an_empty_range_deletes_nothing(fixture: &Fixture) {
    let backend = fixture.open();
    let bytes = keyspace(&*backend, "bytes");
    let stored = awkward_rows(2);
    load(&*backend, bytes, &stored);
    let middle = awkward_keys(2)[20].clone();
    for range in [
        KeyRange::between(middle.clone(), middle.clone()),
        KeyRange::between("z", "a"),
        KeyRange::between("", ""),
        KeyRange::prefix(b"no such key"),
    ] {
        assert_eq!(delete(&*backend, bytes, &range), 0, "property 6: an empty range deletes nothing");
    }
    assert_same(&all_rows(&*backend, bytes), &stored, "property 6: an empty range deletes nothing");
    let foreign = KeyspaceId::from_index(u32::MAX);
    let result = backend.delete_range(foreign, &KeyRange::all(), Durability::Buffered);
    refused(result, ErrorKind::NotFound, "property 6: delete_range in an unknown keyspace");
}

pub(super) fn a_range_of_many_keys_is_deleted_whole(fixture: &Fixture) {
    let backend = fixture.open();
    let numbers = keyspace(&*backend, "numbers");
    let stored = numbered_rows(7_000);
    for part in stored.chunks(1_000) {
        load(&*backend, numbers, part);
    }
    let range = KeyRange::between(stored[500].0.clone(), stored[6_500].0.clone());
    let demand = "property 6: a range larger than one step is deleted completely";
    assert_eq!(delete(&*backend, numbers, &range), 6_000, "{demand}");
    let left = [&stored[..500], &stored[6_500..]].concat();
    assert_same(&all_rows(&*backend, numbers), &left, demand);
    let mut reversed = left;
    reversed.reverse();
    assert_same(&rows(&*backend, numbers, &Scan::all().reverse()), &reversed, demand);
}
