//! Keyspaces: names, ids, creating and dropping.

use crate::Fixture;
use crate::support::{
    Row, all_rows, assert_same, awkward_rows, get, keyspace, load, ok, put, refused, row, rows, snapshot,
};
use std::sync::Arc;
use strongroom_core::{
    Durability, ErrorKind, Expect, KEYSPACE_NAME_BYTES_MAX, KeyRange, KeyspaceHints, KeyspaceId, Scan,
    StorageBackend, WriteBatch, is_reserved_keyspace,
};

/// Returns the names of the application's keyspaces.
#[track_caller]
pub(super) fn names(backend: &dyn StorageBackend) -> Vec<String> {
    let mut names = ok(backend.keyspaces(), "listing keyspaces");
    names.retain(|name| !is_reserved_keyspace(name));
    names
}

pub(super) fn keyspaces_are_created_found_and_listed(fixture: &Fixture) {
    let backend = fixture.open();
    assert_eq!(names(&*backend), [""; 0], "property 4: a new store has no application keyspaces");
    refused(backend.keyspace("m"), ErrorKind::NotFound, "property 4: opening a keyspace does not create it");
    let made = ["m", "z", "a", "aa", "B"].map(|name| (name, keyspace(&*backend, name)));
    for (name, id) in made {
        assert_eq!(
            ok(backend.keyspace(name), "opening a keyspace"),
            id,
            "property 4: a name is one keyspace"
        );
        assert_eq!(keyspace(&*backend, name), id, "property 4: creating an existing keyspace opens it");
    }
    assert_eq!(
        names(&*backend),
        ["B", "a", "aa", "m", "z"],
        "property 4: names are listed sorted, each once"
    );
    let all = ok(backend.keyspaces(), "listing keyspaces");
    assert!(all.is_sorted(), "property 4: names are listed sorted, including reserved ones");
    put(&*backend, made[0].1, b"k", b"v");
    keyspace(&*backend, "m");
    let demand = "property 4: creating an existing keyspace keeps its rows";
    assert_eq!(all_rows(&*backend, made[0].1), [row(b"k", b"v")], "{demand}");
}

pub(super) fn names_that_are_not_portable_are_refused(fixture: &Fixture) {
    let backend = fixture.open();
    keyspace(&*backend, "fine");
    let long = "n".repeat(KEYSPACE_NAME_BYTES_MAX + 1);
    for name in ["", "a/b", "a b", "..\\x", "ä", "a\0", "a\n", "a:b", "*", "\"", long.as_str()] {
        let demand = format!("property 4: {name:?} is not a valid keyspace name");
        let created = backend.create_keyspace(name, KeyspaceHints::default());
        refused(created, ErrorKind::InvalidInput, &demand);
        refused(backend.keyspace(name), ErrorKind::InvalidInput, &demand);
    }
    assert_eq!(names(&*backend), ["fine"], "property 4: a refused name creates nothing");
}

/// Names that every backend must accept, but that some file systems, shells or engines mishandle.
fn portable_names() -> Vec<String> {
    let mut names: Vec<String> =
        ["-", ".", "..", "0", "A.b-c_d", "CON", "nul.txt", "select", "default", "x_"]
            .map(str::to_owned)
            .to_vec();
    names.push("n".repeat(KEYSPACE_NAME_BYTES_MAX));
    names.sort();
    names
}

pub(super) fn every_portable_name_works(fixture: &Fixture) {
    let backend = fixture.open();
    let wanted = portable_names();
    for name in &wanted {
        let id = keyspace(&*backend, name);
        put(&*backend, id, b"name", name.as_bytes());
    }
    assert_eq!(names(&*backend), wanted, "property 4: every portable name works and is listed unchanged");
    for name in &wanted {
        let id = ok(backend.keyspace(name), "opening a keyspace");
        assert_eq!(
            all_rows(&*backend, id),
            [row(b"name", name.as_bytes())],
            "property 4: {name:?} has its rows"
        );
    }
    let dropped = ok(backend.keyspace(".."), "opening a keyspace");
    ok(backend.drop_keyspace(dropped), "dropping a keyspace with an odd name");
    assert_eq!(names(&*backend).len(), wanted.len() - 1, "property 4: dropping a keyspace drops no other");
}

pub(super) fn names_differ_by_case(fixture: &Fixture) {
    let backend = fixture.open();
    let ids = ["events", "Events", "EVENTS"].map(|name| keyspace(&*backend, name));
    for (number, id) in (0_u8..).zip(ids) {
        put(&*backend, id, b"k", &[number]);
    }
    for (number, id) in (0_u8..).zip(ids) {
        assert_eq!(all_rows(&*backend, id), [row(b"k", &[number])], "property 4: names differ by case");
    }
    ok(backend.drop_keyspace(ids[1]), "dropping a keyspace");
    assert_eq!(names(&*backend), ["EVENTS", "events"], "property 4: names differ by case");
}

pub(super) fn a_hundred_keyspaces_are_kept_apart(fixture: &Fixture) {
    let backend = fixture.open();
    let mut batch = WriteBatch::new();
    let ids: Vec<KeyspaceId> =
        (0..100).map(|number| keyspace(&*backend, &format!("ks-{number:03}"))).collect();
    for (number, id) in (0_u8..).zip(&ids) {
        batch.put(*id, b"number", &[number]).put(*id, &[number], b"");
    }
    crate::support::commit(&*backend, &batch);
    let view = snapshot(&*backend);
    for (number, id) in (0_u8..).zip(&ids) {
        let mut wanted = vec![row(&[number], b""), row(b"number", &[number])];
        wanted.sort();
        let found = crate::support::rows_in(&*view, *id, &Scan::all());
        assert_same(&found, &wanted, "property 4: a hundred keyspaces have separate rows");
    }
    assert_eq!(names(&*backend).len(), 100, "property 4: a hundred keyspaces are listed");
}

/// Asserts that every call with an invalid id returns `NotFound`.
#[track_caller]
fn assert_not_found(backend: &dyn StorageBackend, id: KeyspaceId, demand: &str) {
    let kind = ErrorKind::NotFound;
    refused(backend.get(id, b"k"), kind, &format!("{demand}: get"));
    let view = snapshot(backend);
    refused(view.get(id, b"k"), kind, &format!("{demand}: snapshot get"));
    refused(view.cursor(id, Scan::all()), kind, &format!("{demand}: cursor"));
    let range = KeyRange::all();
    refused(backend.delete_range(id, &range, Durability::Buffered), kind, &format!("{demand}: delete_range"));
    refused(backend.drop_keyspace(id), kind, &format!("{demand}: drop_keyspace"));
    for batch in [
        WriteBatch::new().put(id, b"k", b"v"),
        WriteBatch::new().delete(id, b"k"),
        WriteBatch::new().expect(id, b"k", Expect::Absent),
    ] {
        refused(backend.commit(batch, Durability::Buffered), kind, &format!("{demand}: commit"));
    }
}

pub(super) fn a_dropped_keyspace_is_not_found(fixture: &Fixture) {
    let backend = fixture.open();
    let (kept, dropped) = (keyspace(&*backend, "kept"), keyspace(&*backend, "dropped"));
    put(&*backend, kept, b"k", b"v");
    load(&*backend, dropped, &awkward_rows(2));
    ok(backend.drop_keyspace(dropped), "dropping a keyspace");
    assert_not_found(&*backend, dropped, "property 4: the id of a dropped keyspace is NotFound");
    refused(
        backend.keyspace("dropped"),
        ErrorKind::NotFound,
        "property 4: the name of a dropped keyspace is NotFound",
    );
    assert_eq!(names(&*backend), ["kept"], "property 4: a dropped keyspace is not listed");
    assert_eq!(all_rows(&*backend, kept), [row(b"k", b"v")], "property 4: other keyspaces are not changed");
}

pub(super) fn a_recreated_keyspace_is_empty_and_has_a_new_id(fixture: &Fixture) {
    let backend = fixture.open();
    let mut earlier = Vec::new();
    for round in 0..4_u8 {
        let id = keyspace(&*backend, "phoenix");
        assert!(!earlier.contains(&id), "property 4: a recreated keyspace has a new id");
        let demand = "property 4: a recreated keyspace is empty";
        assert_eq!(all_rows(&*backend, id), [], "{demand}");
        assert_eq!(get(&*backend, id, b"a"), None, "{demand}");
        for old in &earlier {
            assert_not_found(&*backend, *old, "property 4: an old id stays invalid");
        }
        load(&*backend, id, &awkward_rows(2));
        put(&*backend, id, b"a", &[round]);
        ok(backend.drop_keyspace(id), "dropping a keyspace");
        earlier.push(id);
    }
}

pub(super) fn a_foreign_id_is_not_found(fixture: &Fixture) {
    let backend = fixture.open();
    let mine = keyspace(&*backend, "mine");
    put(&*backend, mine, b"k", b"v");
    for index in [1_000, u32::MAX - 1, u32::MAX] {
        assert_not_found(&*backend, KeyspaceId::from_index(index), "property 4: an unknown id is NotFound");
    }
    assert_eq!(all_rows(&*backend, mine), [row(b"k", b"v")], "property 4: nothing was written");
}

pub(super) fn hints_change_no_result(fixture: &Fixture) {
    let backend = fixture.open();
    let mut both = KeyspaceHints::append_only();
    both.large_values = true;
    let hints = [KeyspaceHints::default(), KeyspaceHints::append_only(), KeyspaceHints::large_values(), both];
    let large: Vec<Row> = (0..20_u8).map(|number| row(&[b'l', number], &[number; 9_000])).collect();
    let mut found = Vec::new();
    for (number, hints) in hints.into_iter().enumerate() {
        let id = ok(backend.create_keyspace(&format!("ks{number}"), hints), "creating a keyspace with hints");
        load(&*backend, id, &awkward_rows(2));
        load(&*backend, id, &large);
        // Contrary to the hints: neither appended nor large.
        put(&*backend, id, b"l\x03", b"small");
        put(&*backend, id, b"a", b"overwritten");
        crate::support::delete(&*backend, id, b"l\x05");
        found.push((all_rows(&*backend, id), rows(&*backend, id, &Scan::prefix(b"l").reverse())));
        let other = ok(backend.create_keyspace(&format!("ks{number}"), both), "opening with other hints");
        assert_eq!(other, id, "property 9: hints count at creation only");
    }
    for other in &found[1..] {
        assert_same(&other.0, &found[0].0, "property 9: a hint changes no result");
        assert_same(&other.1, &found[0].1, "property 9: a hint changes no result");
    }
}

pub(super) fn keyspaces_created_at_once_by_many_threads_are_one(fixture: &Fixture) {
    let backend: Arc<dyn StorageBackend> = fixture.open().into();
    let ids: Vec<Vec<KeyspaceId>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4_u8)
            .map(|worker| {
                let backend = &backend;
                scope.spawn(move || {
                    let ids = ["one", "two", "three"].map(|name| keyspace(&**backend, name));
                    for id in ids {
                        put(&**backend, id, &[worker], b"here");
                    }
                    ids.to_vec()
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap_or_default()).collect()
    });
    for found in &ids {
        assert_eq!(
            found, &ids[0],
            "property 4: a name is one keyspace, regardless of the thread that creates it first"
        );
    }
    for id in &ids[0] {
        let wanted: Vec<Row> = (0..4_u8).map(|worker| row(&[worker], b"here")).collect();
        assert_same(&all_rows(&*backend, *id), &wanted, "property 4: a name is one keyspace");
    }
    assert_eq!(names(&*backend), ["one", "three", "two"], "property 4: a name is one keyspace");
}
