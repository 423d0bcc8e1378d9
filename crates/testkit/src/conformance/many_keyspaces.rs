//! Many keyspaces, keyspaces in shared tables, and keyspaces that come and go.
//!
//! `STRONGROOM_KEYSPACES` sets the number of keyspaces and `STRONGROOM_CHURN` the rounds of churn (1,000 each by
//! default):
//!
//! ```text
//! STRONGROOM_KEYSPACES=10000 STRONGROOM_CHURN=10000 cargo test -p strongroom-redb --test conformance many_keyspaces
//! ```

use super::keyspaces::names;
use crate::fault::How;
use crate::fixture::Fixture;
use crate::support::{
    Row, all_rows, assert_same, awkward_rows, commit, delete, expected, get, keyspace, load, numbered_rows,
    ok, put, refused, row, rows, rows_in, snapshot,
};
use std::path::Path;
use strongroom_core::{
    Durability, ErrorKind, Expect, KeyRange, KeyspaceHints, KeyspaceId, Placement, Scan, StorageBackend,
    WriteBatch,
};

/// Upper bound on the disk space of a store after churn, for any engine: a fresh store with some thousand small rows,
/// plus what churn may add.
const CHURN_DISK_BYTES_MAX: u64 = 192 << 20;
/// Upper bound on the open files in the store's directory, independent of the number of keyspaces.
const DESCRIPTORS_MAX: usize = 160;

fn number_of(variable: &str) -> u32 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(1_000)
}

#[track_caller]
fn create(backend: &dyn StorageBackend, name: &str, placement: Placement) -> KeyspaceId {
    let hints = KeyspaceHints::default().placed(placement);
    ok(backend.create_keyspace(name, hints), "creating a keyspace")
}

/// Space that the files under a directory take, in bytes.
fn disk_bytes(directory: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => disk_bytes(&entry.path()),
        Ok(found) => allocated(&found),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

#[cfg(unix)]
fn allocated(found: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(found) * 512
}

#[cfg(not(unix))]
fn allocated(found: &std::fs::Metadata) -> u64 {
    found.len()
}

/// Number of files under `directory` that this process has open; `None` where the system does not report them.
fn descriptors(directory: &Path) -> Option<usize> {
    let directory = directory.canonicalize().ok()?;
    let open = std::fs::read_dir("/proc/self/fd").ok()?;
    let targets = open.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
    Some(targets.filter(|target| target.starts_with(&directory)).count())
}

#[track_caller]
fn assert_few_descriptors(fixture: &Fixture, demand: &str) {
    if let Some(open) = descriptors(&fixture.directory()) {
        assert!(
            open <= DESCRIPTORS_MAX,
            "{demand}: {open} files are open, at most {DESCRIPTORS_MAX} are allowed"
        );
    }
}

pub(super) fn packed_and_dedicated_keyspaces_coexist(fixture: &Fixture) {
    use Placement::{Auto, Dedicated, Packed};
    let backend = fixture.open();
    let placements = [Packed, Dedicated, Packed, Auto, Packed];
    let ids: Vec<_> = (0_u8..)
        .zip(placements)
        .map(|(number, placement)| (number, create(&*backend, &format!("ks{number}"), placement)))
        .collect();
    // One batch over all keyspaces, with the same keys in each.
    let mut batch = WriteBatch::new();
    let rows_of = |number: u8| -> Vec<Row> {
        let own = |(key, mut value): Row| {
            value.push(number);
            (key, value)
        };
        awkward_rows(2).into_iter().map(own).collect()
    };
    for (number, id) in &ids {
        for (key, value) in rows_of(*number) {
            batch.put(*id, &key, &value);
        }
        batch.expect(*id, b"a", Expect::Absent);
    }
    commit(&*backend, &batch);
    refused(
        backend.commit(&batch, Durability::Buffered),
        ErrorKind::Conflict,
        "property 6: conditions are checked in every keyspace",
    );
    let view = snapshot(&*backend);
    let demand = "property 9: the placement of a keyspace changes no result";
    let ranges = [
        KeyRange::all(),
        KeyRange::prefix(b"\xff"),
        KeyRange::prefix(b"\xff\xff"),
        KeyRange::prefix(b"\0"),
        KeyRange::from(b"\x80".to_vec()),
        KeyRange::between(b"a".to_vec(), b"\x80\x01".to_vec()),
    ];
    for (number, id) in &ids {
        let all = rows_of(*number);
        for scan in ranges.iter().flat_map(|range| {
            let scan = Scan::new(range.clone());
            [scan.clone(), scan.clone().reverse(), scan.keys_only()]
        }) {
            assert_same(&rows_in(&*view, *id, &scan), &expected(&all, &scan), demand);
        }
        for (key, value) in &all {
            assert_eq!(get(&*backend, *id, key).as_ref(), Some(value), "{demand}");
        }
        let mut cursor = ok(view.cursor(*id, Scan::all().reverse()), "a cursor");
        ok(cursor.seek(b"\xff\xff\xff\xff\xff"), "a seek");
        assert!(ok(cursor.advance(), "an advance"));
        assert_eq!(cursor.key(), b"\xff\xff", "{demand}: a seek in reverse stays in the keyspace");
        ok(cursor.seek(b"\0"), "a seek");
        assert!(ok(cursor.advance(), "an advance"));
        assert_eq!(cursor.key(), b"\0", "{demand}: a seek in reverse stays in the keyspace");
        assert!(!ok(cursor.advance(), "an advance"), "{demand}: a cursor ends with its keyspace");
    }
    // Changes to one keyspace must not affect the others.
    let (_, middle) = ids[2];
    let removed =
        ok(backend.delete_range(middle, &KeyRange::all(), Durability::Buffered), "deleting a range");
    assert_eq!(removed, rows_of(2).len() as u64, "{demand}");
    let (_, dropped) = ids[4];
    ok(backend.drop_keyspace(dropped), "dropping a keyspace");
    for (number, id) in &ids[..4] {
        let wanted = if *number == 2 { Vec::new() } else { rows_of(*number) };
        assert_same(&all_rows(&*backend, *id), &wanted, demand);
        assert_same(&rows_in(&*view, *id, &Scan::all()), &rows_of(*number), demand);
    }
}

pub(super) fn hints_are_kept(fixture: &Fixture) {
    let backend = fixture.open();
    let mut both = KeyspaceHints::append_only();
    both.large_values = true;
    let kinds = [KeyspaceHints::default(), KeyspaceHints::append_only(), KeyspaceHints::large_values(), both];
    let mut given = Vec::new();
    for (number, hints) in kinds.into_iter().enumerate() {
        for placement in [Placement::Auto, Placement::Dedicated, Placement::Packed] {
            let name = format!("ks{number}-{placement:?}");
            ok(backend.create_keyspace(&name, hints.placed(placement)), "creating a keyspace with hints");
            given.push((name, hints));
        }
    }
    // A recreated keyspace has the hints of its new creation.
    let again = ok(backend.keyspace("ks2-Packed"), "opening a keyspace");
    ok(backend.drop_keyspace(again), "dropping a keyspace");
    let again = create(&*backend, "ks2-Packed", Placement::Auto);
    put(&*backend, again, b"k", b"v");
    let kept = |backend: &dyn StorageBackend| -> Vec<KeyspaceHints> {
        let hints = |(name, _): &(String, _)| {
            let id = ok(backend.keyspace(name), "opening a keyspace");
            ok(backend.keyspace_hints(id), "asking for hints")
        };
        given.iter().map(hints).collect()
    };
    let before = kept(&*backend);
    ok(backend.flush(), "a flush");
    if fixture.capabilities().checkpoint {
        let copy = fixture.beside("copy");
        ok(backend.checkpoint(&copy), "a checkpoint");
        let copy = ok(fixture.try_open_at(&copy), "opening a checkpoint");
        assert_same(&kept(&*copy), &before, "property 9: a checkpoint keeps the hints too");
    }
    drop(backend);
    let backend = fixture.open();
    let demand = "property 9: hints are kept with the keyspace";
    assert_same(&kept(&*backend), &before, demand);
    for ((name, hints), found) in given.iter().zip(&before) {
        let wanted = if name == "ks2-Packed" { KeyspaceHints::default() } else { *hints };
        assert_eq!(found.placed(Placement::Auto), wanted, "{demand}: {name}");
        assert_ne!(found.placement, Placement::Auto, "{demand}: {name} has a definite placement");
    }
}

pub(super) fn thousands_of_keyspaces_work(fixture: &Fixture) {
    let count = number_of("STRONGROOM_KEYSPACES");
    let name = |number: u32| format!("component-{number:05}");
    let mut backend = fixture.open();
    let mut batch = WriteBatch::new();
    for number in 0..count {
        let id = keyspace(&*backend, &name(number));
        batch.put(id, b"number", &number.to_be_bytes()).put(id, &number.to_be_bytes(), b"");
        if batch.len() >= 200 || number + 1 == count {
            commit(&*backend, &batch);
            batch.clear();
        }
    }
    let demand = "property 9: thousands of keyspaces work";
    assert_few_descriptors(fixture, demand);
    if fixture.capabilities().persistent {
        ok(backend.flush(), "a flush");
        drop(backend);
        backend = fixture.open();
        assert_few_descriptors(fixture, demand);
    }
    assert_eq!(names(&*backend).len(), count as usize, "{demand}: all are listed");
    let view = snapshot(&*backend);
    for number in 0..count {
        let id = ok(backend.keyspace(&name(number)), "opening a keyspace");
        let mut wanted = vec![row(&number.to_be_bytes(), b""), row(b"number", &number.to_be_bytes())];
        wanted.sort();
        assert_same(&rows_in(&*view, id, &Scan::all()), &wanted, demand);
        if number % 2 == 0 {
            ok(backend.drop_keyspace(id), "dropping a keyspace");
        }
    }
    drop(view);
    assert_eq!(names(&*backend).len(), (count / 2) as usize, "{demand}: half of them are left");
    for number in (1..count).step_by(2) {
        let id = ok(backend.keyspace(&name(number)), "opening a keyspace");
        assert_eq!(get(&*backend, id, b"number"), Some(number.to_be_bytes().to_vec()), "{demand}");
    }
    assert_few_descriptors(fixture, demand);
}

pub(super) fn churn_leaves_a_bounded_amount(fixture: &Fixture) {
    let rounds = number_of("STRONGROOM_CHURN");
    let backend = fixture.open();
    let stays = keyspace(&*backend, "stays");
    put(&*backend, stays, b"k", b"v");
    let demand = "property 9: churn leaves a bounded amount";
    for round in 0..rounds {
        // Reuses the name; the rows of the previous round must not be there.
        let id = keyspace(&*backend, "comes-and-goes");
        assert_eq!(get(&*backend, id, b"round"), None, "property 4: a recreated keyspace is empty");
        put(&*backend, id, b"round", &round.to_be_bytes());
        ok(backend.drop_keyspace(id), "dropping a keyspace");
    }
    assert_few_descriptors(fixture, demand);
    let taken = disk_bytes(&fixture.directory());
    let most = CHURN_DISK_BYTES_MAX;
    assert!(
        taken <= most,
        "{demand}: {taken} bytes on disk after {rounds} rounds, at most {most} are allowed"
    );
    assert_eq!(
        all_rows(&*backend, stays),
        [row(b"k", b"v")],
        "{demand}, and other keyspaces are not changed"
    );
    assert_eq!(names(&*backend), ["stays"], "{demand}");
}

/// More rows than a drop removes in one step.
const MANY_ROWS: u32 = 12_000;

fn load_many(backend: &dyn StorageBackend, id: KeyspaceId) {
    for chunk in numbered_rows(MANY_ROWS).chunks(4_000) {
        load(backend, id, chunk);
    }
}

#[track_caller]
fn assert_neighbours(backend: &dyn StorageBackend, demand: &str) {
    for name in ["before", "after"] {
        let id = ok(backend.keyspace(name), "opening a keyspace");
        assert_same(&all_rows(backend, id), &awkward_rows(2), demand);
    }
}

pub(super) fn later_commits_finish_a_large_drop(fixture: &Fixture) {
    let backend = fixture.open();
    let before = create(&*backend, "before", Placement::Packed);
    let large = create(&*backend, "large", Placement::Packed);
    let after = create(&*backend, "after", Placement::Packed);
    load(&*backend, before, &awkward_rows(2));
    load(&*backend, after, &awkward_rows(2));
    load_many(&*backend, large);
    let view = snapshot(&*backend);
    ok(backend.drop_keyspace(large), "dropping a keyspace");
    let demand = "property 4: a drop takes effect at once, however many rows the keyspace had";
    refused(view.get(large, b"k"), ErrorKind::NotFound, demand);
    drop(view);
    let again = create(&*backend, "large", Placement::Packed);
    assert_eq!(all_rows(&*backend, again), [], "{demand}");
    put(&*backend, again, b"new", b"1");
    ok(backend.flush(), "a flush");
    drop(backend);

    let backend = fixture.open();
    let again = ok(backend.keyspace("large"), "opening a keyspace");
    assert_eq!(all_rows(&*backend, again), [row(b"new", b"1")], "{demand}, also after a reopen");
    assert_neighbours(&*backend, demand);
    for commits in 0.. {
        if ok(backend.stats(), "statistics").drops_unfinished == 0 {
            break;
        }
        assert!(commits < MANY_ROWS, "{demand}: later commits remove its remaining rows");
        put(&*backend, again, b"new", b"2");
    }
    assert_eq!(all_rows(&*backend, again), [row(b"new", b"2")], "{demand}");
    assert_neighbours(&*backend, demand);
    if fixture.capabilities().compaction {
        load_many(&*backend, again);
        ok(backend.drop_keyspace(again), "dropping a keyspace");
        ok(backend.compact(), "compaction");
        assert_eq!(
            ok(backend.stats(), "statistics").drops_unfinished,
            0,
            "property 9: compaction finishes drops"
        );
        assert_neighbours(&*backend, demand);
        return;
    }
    delete(&*backend, again, b"new");
    assert_eq!(rows(&*backend, again, &Scan::all().reverse()), [], "{demand}");
}

pub(super) fn a_failed_drop_is_complete_or_has_no_effect(fixture: &Fixture) {
    let faults = fixture.faults().cloned().unwrap_or_default();
    faults.disarm();
    let demand = "property 6: a failed drop is complete or has no effect";
    for number in 1.. {
        assert!(number < 100_000, "a drop must make fewer calls");
        // Tries every early call, and later ones in growing steps, because most of these only advance a cursor.
        let call = 1 + number * number * number / 8;
        let directory = fixture.beside(&format!("attempt-{number}"));
        let backend = ok(fixture.try_open_at(&directory), "opening the backend");
        let before = create(&*backend, "before", Placement::Packed);
        let large = create(&*backend, "large", Placement::Packed);
        let after = create(&*backend, "after", Placement::Packed);
        load(&*backend, before, &awkward_rows(2));
        load(&*backend, after, &awkward_rows(2));
        load_many(&*backend, large);
        ok(backend.flush(), "a flush");
        faults.fail_at(call, How::ErrorAfterwards);
        let dropped = backend.drop_keyspace(large);
        let is_over = faults.injected().is_none();
        faults.disarm();
        drop(backend);

        let backend = ok(fixture.try_open_at(&directory), "opening the backend after a drop that failed");
        if fixture.capabilities().persistent {
            assert_neighbours(&*backend, demand);
        }
        match backend.keyspace("large") {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let again = create(&*backend, "large", Placement::Packed);
                assert_eq!(all_rows(&*backend, again), [], "{demand}");
            }
            found => {
                let id = ok(found, "opening a keyspace");
                assert!(dropped.is_err(), "{demand}: the drop was acknowledged");
                assert_same(&all_rows(&*backend, id), &numbered_rows(MANY_ROWS), demand);
            }
        }
        drop(backend);
        let _ = std::fs::remove_dir_all(&directory);
        if is_over {
            break;
        }
    }
}
