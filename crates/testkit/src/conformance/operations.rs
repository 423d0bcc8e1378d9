//! Operations: statistics, checkpoints, compaction, and errors that can be read and logged.

use crate::Fixture;
use crate::support::{
    all_rows, assert_same, awkward_rows, commit, keyspace, load, numbered_rows, ok, put, refused, row,
    snapshot,
};
use std::sync::atomic::{AtomicBool, Ordering};
use strongroom_core::{
    CommitToken, Durability, Error, ErrorKind, Expect, KeyRange, KeyspaceHints, KeyspaceId, Result, Scan,
    Stats, StorageBackend, WriteBatch,
};

#[track_caller]
fn stats(backend: &dyn StorageBackend) -> Stats {
    ok(backend.stats(), "asking for statistics")
}

pub(super) fn the_engine_describes_itself(fixture: &Fixture) {
    let backend = fixture.open();
    let info = *backend.engine();
    let plain =
        info.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    assert!(
        plain && !info.name.is_empty(),
        "property 1: {:?} must be valid as the scheme of a URL",
        info.name
    );
    assert!(!info.version.is_empty(), "property 9: the engine reports its version");
    assert!(!info.snapshots.is_empty(), "property 7: the engine describes its snapshots");
    assert!(!backend.is_read_only(), "property 1: a factory returns a writable handle");
    if info.capabilities.persistent {
        let directory = backend.directory();
        assert_eq!(
            directory,
            Some(&*fixture.directory()),
            "property 1: a persistent backend reports its directory"
        );
    }
    let safe = info.capabilities.persistent || !info.capabilities.power_safe;
    assert!(safe, "property 8: a backend that is not persistent cannot be power-safe");
}

pub(super) fn statistics_count_commits(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    let before = stats(&*backend);
    for round in 0..5_u8 {
        put(&*backend, letters, &[round], b"x");
    }
    let after = stats(&*backend);
    assert_eq!(after.commits - before.commits, 5, "property 9: every acknowledged commit is counted");
    assert_eq!(
        after.power_safe_commits, before.power_safe_commits,
        "property 9: buffered commits do not count as power-safe"
    );
    let mut refused_one = WriteBatch::new();
    refused_one.expect(letters, b"none", Expect::Present).put(letters, b"z", b"x");
    refused(
        backend.commit(&refused_one, Durability::Buffered),
        ErrorKind::Conflict,
        "property 6: a conflict",
    );
    assert_eq!(stats(&*backend).commits, after.commits, "property 9: a refused commit is not counted");
    if fixture.durability() == Durability::PowerSafe {
        let mut batch = WriteBatch::new();
        batch.put(letters, b"z", b"x");
        ok(backend.commit(&batch, Durability::PowerSafe), "a power-safe commit");
        let last = stats(&*backend);
        let demand = "property 9: power-safe commits are counted";
        assert_eq!(last.power_safe_commits - after.power_safe_commits, 1, "{demand}");
        assert_eq!(last.commits - after.commits, 1, "{demand} as commits too");
    }
}

pub(super) fn snapshots_and_pinned_values_return_to_zero(fixture: &Fixture) {
    let backend = fixture.open();
    let numbers = keyspace(&*backend, "numbers");
    let stored = numbered_rows(300);
    load(&*backend, numbers, &stored);
    assert_eq!(stats(&*backend).snapshots_open, 0, "property 9: no snapshot is open");
    let first = snapshot(&*backend);
    let second = snapshot(&*backend);
    assert_eq!(stats(&*backend).snapshots_open, 2, "property 9: open snapshots are counted");
    let mut cursor = ok(first.cursor(numbers, Scan::all()), "a cursor");
    ok(cursor.advance(), "advancing a cursor");
    let mut held = Vec::new();
    for (key, _) in &stored[..20] {
        held.push(ok(second.get(numbers, key), "a get"));
        held.push(ok(backend.get(numbers, key), "a get"));
    }
    for (key, _) in &stored {
        put(&*backend, numbers, key, b"new");
    }
    drop((first, second));
    let demand = "property 9: a cursor keeps its snapshot open, and is counted as one";
    assert!(stats(&*backend).snapshots_open >= 1, "{demand}");
    drop(cursor);
    drop(held);
    let after = stats(&*backend);
    assert_eq!(after.snapshots_open, 0, "property 9: closed snapshots are not counted");
    assert_eq!(after.values_pinned, 0, "property 3: pinned values are counted until they are released");
    assert_eq!(after.undo_bytes, 0, "property 7: no undo data is kept when no snapshot is open");
}

pub(super) fn a_flush_can_be_asked_for_at_any_time(fixture: &Fixture) {
    let backend = fixture.open();
    ok(backend.flush(), "a flush of nothing");
    let letters = keyspace(&*backend, "letters");
    put(&*backend, letters, b"a", b"1");
    let view = snapshot(&*backend);
    ok(backend.flush(), "a flush under a snapshot");
    ok(backend.flush(), "a flush of nothing new");
    drop(view);
    assert_eq!(all_rows(&*backend, letters), [row(b"a", b"1")], "property 9: a flush changes no row");
}

pub(super) fn a_checkpoint_is_one_consistent_state(fixture: &Fixture) {
    let backend = fixture.open();
    let bytes = keyspace(&*backend, "bytes");
    load(&*backend, bytes, &awkward_rows(3));
    let numbers = keyspace(&*backend, "numbers");
    load(&*backend, numbers, &numbered_rows(6_000));
    keyspace(&*backend, "empty");
    let token = CommitToken([6; 16]);
    commit(&*backend, WriteBatch::new().put(bytes, b"with a token", b"").set_token(token));
    let wanted = [all_rows(&*backend, bytes), all_rows(&*backend, numbers), Vec::new()];
    let copy = fixture.beside("copy");
    ok(backend.checkpoint(&copy), "a checkpoint");
    // Written after the checkpoint, so it must not be in it; the store itself still works.
    put(&*backend, bytes, b"later", b"1");
    drop(backend);
    let copied = ok(fixture.try_open_at(&copy), "opening a checkpoint");
    let demand = "property 9: a checkpoint is one state of all keyspaces, and opens like any store";
    for (name, rows) in ["bytes", "numbers", "empty"].iter().zip(&wanted) {
        let id = ok(copied.keyspace(name), "opening a keyspace of a checkpoint");
        assert_same(&all_rows(&*copied, id), rows, demand);
    }
    assert!(ok(copied.committed(token), "looking up a token"), "property 6: tokens are part of a checkpoint");
    let id = keyspace(&*copied, "bytes");
    put(&*copied, id, b"written", b"to the copy");
    drop(copied);
    let original = fixture.open();
    let found = all_rows(&*original, keyspace(&*original, "bytes"));
    let demand = "property 9: a checkpoint shares nothing with its store";
    assert_eq!(found.len(), wanted[0].len() + 1, "{demand}");
}

pub(super) fn a_checkpoint_is_consistent_under_concurrent_writes(fixture: &Fixture) {
    let backend = fixture.open();
    let (left, right) = (keyspace(&*backend, "left"), keyspace(&*backend, "right"));
    load(&*backend, left, &numbered_rows(3_000));
    let stop = AtomicBool::new(false);
    let copy = fixture.beside("copy");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Writes both keyspaces in one batch, so that a torn copy shows.
            for round in 0..20_000_u32 {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let number = round.to_be_bytes();
                commit(
                    &*backend,
                    WriteBatch::new().put(left, b"round", &number).put(right, b"round", &number),
                );
            }
        });
        let result = backend.checkpoint(&copy);
        stop.store(true, Ordering::SeqCst);
        ok(result, "property 9: a checkpoint concurrent with a writer");
    });
    let copied = ok(fixture.try_open_at(&copy), "opening a checkpoint");
    let (left, right) = (keyspace(&*copied, "left"), keyspace(&*copied, "right"));
    let demand = "property 9: a checkpoint never contains half of a batch";
    let get = |id| crate::support::get(&*copied, id, b"round");
    assert_eq!(get(left), get(right), "{demand}");
    let numbers =
        crate::support::rows(&*copied, left, &Scan::new(KeyRange::between(Vec::new(), b"r".to_vec())));
    assert_same(&numbers, &numbered_rows(3_000), demand);
}

pub(super) fn a_checkpoint_refuses_an_occupied_directory(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    put(&*backend, letters, b"a", b"1");
    let occupied = fixture.beside("occupied");
    let precious = occupied.join("precious");
    let written = std::fs::create_dir(&occupied).and_then(|()| std::fs::write(&precious, b"data"));
    assert!(written.is_ok(), "the test needs a directory");
    let demand = "property 9: a checkpoint refuses a directory that is not empty";
    refused(backend.checkpoint(&occupied), ErrorKind::InvalidInput, demand);
    assert!(backend.checkpoint(&fixture.directory()).is_err(), "{demand}, its own too");
    let entries = std::fs::read_dir(&occupied).map(Iterator::count).unwrap_or_default();
    assert_eq!(entries, 1, "{demand} and does not change it");
    assert_eq!(
        std::fs::read(&precious).ok().as_deref(),
        Some(&b"data"[..]),
        "{demand} and does not change it"
    );
    let empty = fixture.beside("empty");
    assert!(std::fs::create_dir(&empty).is_ok(), "the test needs a directory");
    ok(backend.checkpoint(&empty), "property 9: a checkpoint into an empty directory");
    assert_eq!(all_rows(&*backend, letters), [row(b"a", b"1")], "property 9: the store still works");
}

pub(super) fn compaction_and_verification_change_no_row(fixture: &Fixture) {
    let backend = fixture.open();
    let capabilities = backend.engine().capabilities;
    let numbers = keyspace(&*backend, "numbers");
    let stored = numbered_rows(4_000);
    load(&*backend, numbers, &stored);
    ok(
        backend.delete_range(numbers, &KeyRange::from(stored[1_000].0.clone()), Durability::Buffered),
        "deleting a range",
    );
    if capabilities.compaction {
        ok(backend.compact(), "property 9: a declared compaction");
    }
    if capabilities.integrity_check {
        ok(backend.verify(), "property 9: a declared integrity check of sound files");
    }
    let demand = "property 9: neither compaction nor verification changes a row";
    assert_same(&all_rows(&*backend, numbers), &stored[..1_000], demand);
    put(&*backend, numbers, b"z", b"1");
    assert_eq!(all_rows(&*backend, numbers).len(), 1_001, "property 9: the backend still works");
}

pub(super) fn declared_operations_work_and_others_are_unsupported(fixture: &Fixture) {
    let backend = fixture.open();
    let capabilities = backend.engine().capabilities;
    let letters = keyspace(&*backend, "letters");
    put(&*backend, letters, b"a", b"1");
    let mut batch = WriteBatch::new();
    batch.put(letters, b"b", b"2");
    let calls = [
        ("power_safe", backend.commit(&batch, Durability::PowerSafe)),
        ("checkpoint", backend.checkpoint(&fixture.beside("copy"))),
        ("compaction", backend.compact()),
        ("integrity_check", backend.verify()),
    ];
    for (name, result) in calls {
        let declared = capabilities.rows().iter().any(|(row, declared)| *row == name && *declared);
        if declared {
            ok(result, &format!("property 10: {name} is declared and must work"));
        } else {
            let demand = format!("property 10: {name} is not declared and must return Unsupported");
            refused(result, ErrorKind::Unsupported, &demand);
        }
    }
    if !capabilities.checkpoint {
        let demand = "property 10: an unsupported operation has no effect";
        assert!(!fixture.beside("copy").exists(), "{demand}");
    }
    drop(backend);
    let again = fixture.open();
    let found = again.keyspace("letters").is_ok();
    let demand = "property 10: data is there after a reopen if and only if persistent is declared";
    assert_eq!(found, capabilities.persistent, "{demand}");
}

/// Bytes of keys and values, which must not appear in any message.
const SECRET: &str = "canary-hunter2";

pub(super) fn errors_say_engine_and_operation_and_no_secret(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    put(&*backend, letters, SECRET.as_bytes(), SECRET.as_bytes());
    let name = backend.engine().name;
    for (doing, error) in provoke(&*backend, letters) {
        let demand = format!("property 11: an error names its engine and operation ({doing}: {error:?})");
        assert_eq!(error.engine(), Some(name), "{demand}");
        assert!(error.operation().is_some_and(|operation| !operation.is_empty()), "{demand}");
        assert!(
            !error.message().is_empty() && !error.way_out().is_empty(),
            "{demand}, and has a message and a hint"
        );
        for text in [error.to_string(), error.one_line(), format!("{error:?}")] {
            let hex = format!("{:02x?}", SECRET.as_bytes()).replace([',', ' ', '[', ']'], "");
            let list = format!("{:?}", SECRET.as_bytes());
            let inner = list.trim_matches(['[', ']']);
            let leaks = text.contains(SECRET) || text.to_lowercase().contains(&hex) || text.contains(inner);
            assert!(!leaks, "property 11: a message never contains keys or values ({doing}): {text}");
        }
    }
}

/// Provokes every kind of error that a healthy backend can return, with the secret in every key and value.
fn provoke(backend: &dyn StorageBackend, letters: KeyspaceId) -> Vec<(&'static str, Error)> {
    let secret = SECRET.as_bytes();
    let foreign = KeyspaceId::from_index(u32::MAX);
    let long: Vec<u8> = secret.repeat(200);
    let commit = |batch: &WriteBatch| backend.commit(batch, Durability::Buffered);
    let token = CommitToken(*b"canary-hunter2!!");
    let mut named = WriteBatch::new();
    named.put(letters, secret, secret).set_token(token);
    ok(commit(&named), "a commit with a token");
    let view = snapshot(backend);
    let mut cursor = ok(view.cursor(letters, Scan::all()), "a cursor");
    let mut found = Vec::new();
    let mut note = |doing, result: Result<()>| match result {
        Err(error) => found.push((doing, error)),
        Ok(()) => panic!("property 11: {doing} must be refused"),
    };
    note("get of an empty key", backend.get(letters, b"").map(drop));
    note("get of a long key", backend.get(letters, &long).map(drop));
    note("get in a foreign keyspace", backend.get(foreign, secret).map(drop));
    note("snapshot get of a long key", view.get(letters, &long).map(drop));
    note("cursor in a foreign keyspace", view.cursor(foreign, Scan::prefix(secret)).map(drop));
    note("seek to an empty key", cursor.seek(b""));
    note("put of a long key", commit(WriteBatch::new().put(letters, &long, secret)));
    note("put in a foreign keyspace", commit(WriteBatch::new().put(foreign, secret, secret)));
    note(
        "conflict",
        commit(WriteBatch::new().expect(letters, secret, Expect::Absent).put(letters, secret, secret)),
    );
    let equals = Expect::Equals(long.clone());
    note("conflict of values", commit(WriteBatch::new().expect(letters, secret, equals)));
    note("token used twice", commit(&named));
    note("opening an unknown keyspace", backend.keyspace("nowhere").map(drop));
    note("an invalid name", backend.create_keyspace("no/name", KeyspaceHints::default()).map(drop));
    note("dropping a foreign keyspace", backend.drop_keyspace(foreign));
    let range = KeyRange::prefix(secret);
    note(
        "deleting in a foreign keyspace",
        backend.delete_range(foreign, &range, Durability::Buffered).map(drop),
    );
    found
}
