//! Packed keyspaces: placement, checks of the catalogue, and drops under an open snapshot.

#![allow(clippy::unwrap_used, clippy::panic)] // Tests fail by panicking.

use std::path::Path;
use strongroom_core::{
    Durability, ErrorKind, KeyspaceHints, KeyspaceId, MemoryBackend, Options, Placement, Scan,
    StorageBackend, TABLES_AUTO_MAX, WriteBatch,
};
use strongroom_testkit::{PretendBackend, PretendEngine};

fn create(backend: &dyn StorageBackend, name: &str, hints: KeyspaceHints) -> KeyspaceId {
    backend.create_keyspace(name, hints).unwrap()
}

fn placement(backend: &dyn StorageBackend, name: &str) -> Placement {
    backend.keyspace_hints(backend.keyspace(name).unwrap()).unwrap().placement
}

fn put(backend: &dyn StorageBackend, keyspace: KeyspaceId, key: &[u8], value: &[u8]) {
    backend.commit(WriteBatch::new().put(keyspace, key, value), Durability::Buffered).unwrap();
}

fn load(backend: &dyn StorageBackend, keyspace: KeyspaceId, rows: u32) {
    let mut batch = WriteBatch::new();
    for number in 0..rows {
        batch.put(keyspace, &number.to_be_bytes(), b"row");
    }
    backend.commit(&batch, Durability::Buffered).unwrap();
}

fn file(directory: &Path) -> std::path::PathBuf {
    directory.join(PretendEngine::FILE)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn the_first_keyspaces_get_dedicated_tables_and_the_others_share_one() {
    let home = tempfile::tempdir().unwrap();
    let backend = PretendBackend::new(home.path()).unwrap();
    let name = |number: usize| format!("k{number:02}");
    for number in 0..TABLES_AUTO_MAX + 3 {
        create(&backend, &name(number), KeyspaceHints::default());
        let wanted = if number < TABLES_AUTO_MAX { Placement::Dedicated } else { Placement::Packed };
        assert_eq!(placement(&backend, &name(number)), wanted, "{number}");
    }
    assert_eq!(backend.stats().unwrap().keyspaces_packed, 3);
    drop(backend);
    let backend = PretendBackend::new(home.path()).unwrap();
    assert_eq!(backend.keyspaces().unwrap().len(), TABLES_AUTO_MAX + 3);
    assert_eq!(backend.stats().unwrap().keyspaces_packed, 3);
}

#[test]
fn a_placement_hint_overrides_the_automatic_placement() {
    let backend = MemoryBackend::in_memory();
    for number in 0..TABLES_AUTO_MAX {
        create(&backend, &format!("k{number}"), KeyspaceHints::default());
    }
    create(&backend, "auto", KeyspaceHints::default());
    create(&backend, "hot", KeyspaceHints::dedicated());
    assert_eq!(
        (placement(&backend, "auto"), placement(&backend, "hot")),
        (Placement::Packed, Placement::Dedicated)
    );
    let early = MemoryBackend::in_memory();
    create(&early, "small", KeyspaceHints::packed());
    assert_eq!(placement(&early, "small"), Placement::Packed);
}

#[test]
fn recreated_keyspaces_are_packed_after_many_dedicated_tables() {
    let home = tempfile::tempdir().unwrap();
    let backend = PretendBackend::new(home.path()).unwrap();
    let round = |backend: &dyn StorageBackend| {
        let id = create(backend, "phoenix", KeyspaceHints::default());
        let found = placement(backend, "phoenix");
        backend.drop_keyspace(id).unwrap();
        found
    };
    let found: Vec<_> = (0..TABLES_AUTO_MAX + 2).map(|_| round(&backend)).collect();
    assert!(found[..TABLES_AUTO_MAX].iter().all(|placement| *placement == Placement::Dedicated));
    assert!(found[TABLES_AUTO_MAX..].iter().all(|placement| *placement == Placement::Packed));
    drop(backend);
    // Reopening resets the count, because the engine then frees the dropped tables.
    assert_eq!(round(&PretendBackend::new(home.path()).unwrap()), Placement::Dedicated);
}

#[test]
fn the_shared_tables_are_not_visible_as_keyspaces() {
    let home = tempfile::tempdir().unwrap();
    let backend = PretendBackend::new(home.path()).unwrap();
    let mut hints = KeyspaceHints::large_values();
    hints.placement = Placement::Packed;
    create(&backend, "small", KeyspaceHints::packed());
    create(&backend, "large", hints);
    assert_eq!(backend.keyspaces().unwrap(), ["large", "small"]);
    for name in ["_packed", "_packed_large"] {
        let error = backend.create_keyspace(name, KeyspaceHints::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{}", error.one_line());
        assert_eq!(backend.keyspace(name).unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[test]
fn an_id_is_not_used_again_after_a_reopening() {
    let home = tempfile::tempdir().unwrap();
    for round in 1..4_u8 {
        let backend = PretendBackend::new(home.path()).unwrap();
        let id = create(&backend, "phoenix", KeyspaceHints::packed());
        put(&backend, id, b"round", &[round]);
        backend.flush().unwrap();
        let stored = std::fs::read(file(home.path())).unwrap();
        assert!(contains(&stored, &[&[0, 0, 0, round][..], b"round"].concat()), "invariant 6: round {round}");
        backend.drop_keyspace(id).unwrap();
        let left = std::fs::read(file(home.path())).unwrap();
        assert!(!contains(&left, b"round"), "dropping a small keyspace removes its rows at once");
    }
}

#[test]
fn a_damaged_catalogue_is_detected() {
    let home = tempfile::tempdir().unwrap();
    let backend = PretendBackend::new(home.path()).unwrap();
    for name in ["victim", "other"] {
        let id = create(&backend, name, KeyspaceHints::packed());
        put(&backend, id, b"key", name.as_bytes());
    }
    drop(backend);
    let sound = std::fs::read(file(home.path())).unwrap();
    let key = b"\0\0\0\0kvictim";
    let place = sound.windows(key.len()).position(|window| window == key).unwrap() + key.len() + 8;
    for byte in place..place + 16 {
        let mut damaged = sound.clone();
        damaged[byte] ^= 1;
        std::fs::write(file(home.path()), &damaged).unwrap();
        let error = PretendBackend::new(home.path()).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Corruption, "byte {byte}: {}", error.one_line());
    }
    std::fs::write(file(home.path()), &sound).unwrap();
    let backend = PretendBackend::new(home.path()).unwrap();
    assert_eq!(backend.keyspaces().unwrap(), ["other", "victim"]);
}

#[test]
fn a_copy_keeps_hints_and_placement() {
    let home = tempfile::tempdir().unwrap();
    let backend = PretendBackend::new(home.path().join("store")).unwrap();
    let kinds = [
        ("plain", KeyspaceHints::default()),
        ("events", KeyspaceHints::append_only().placed(Placement::Packed)),
        ("blobs", KeyspaceHints::large_values().placed(Placement::Packed)),
        ("large events", KeyspaceHints::append_only().placed(Placement::Dedicated)),
    ];
    let kinds = kinds.map(|(name, hints)| (name.replace(' ', "-"), hints));
    for (name, hints) in &kinds {
        let id = create(&backend, name, *hints);
        put(&backend, id, b"key", name.as_bytes());
    }
    let dropped = create(&backend, "dropped", KeyspaceHints::packed());
    load(&backend, dropped, 20_000);
    backend.drop_keyspace(dropped).unwrap();
    assert_eq!(backend.stats().unwrap().drops_unfinished, 1);
    backend.checkpoint(&home.path().join("copy")).unwrap();
    let copy = PretendBackend::new(home.path().join("copy")).unwrap();
    assert_eq!(copy.keyspaces().unwrap(), backend.keyspaces().unwrap());
    assert_eq!(copy.stats().unwrap().drops_unfinished, 0, "unfinished drops are not copied");
    for (name, _) in &kinds {
        let (id, original) = (copy.keyspace(name).unwrap(), backend.keyspace(name).unwrap());
        assert_eq!(copy.keyspace_hints(id).unwrap(), backend.keyspace_hints(original).unwrap(), "{name}");
        assert_eq!(copy.get(id, b"key").unwrap().as_deref(), Some(name.as_bytes()));
    }
}

#[test]
fn a_drop_keeps_no_undo_data_of_the_dropped_rows() {
    let backend = MemoryBackend::in_memory_with(&Options::new().undo_bytes_max(64 * 1_024));
    let stays = create(&backend, "stays", KeyspaceHints::packed());
    let goes = create(&backend, "goes", KeyspaceHints::packed());
    put(&backend, stays, b"key", b"old");
    load(&backend, goes, 30_000);
    let view = backend.snapshot().unwrap();
    put(&backend, stays, b"key", b"new");
    let before = backend.stats().unwrap().undo_bytes;
    backend.drop_keyspace(goes).unwrap();
    while backend.stats().unwrap().drops_unfinished > 0 {
        put(&backend, stays, b"key", b"newer");
    }
    assert_eq!(backend.stats().unwrap().undo_bytes, before);
    assert_eq!(
        view.get(stays, b"key").unwrap().as_deref(),
        Some(&b"old"[..]),
        "the snapshot has not expired"
    );
    let mut cursor = view.cursor(stays, Scan::all()).unwrap();
    assert!(cursor.advance().unwrap() && cursor.value() == b"old" && !cursor.advance().unwrap());
}

#[test]
fn a_commit_removes_dropped_rows_in_proportion_to_its_size() {
    let backend = MemoryBackend::in_memory();
    let stays = create(&backend, "stays", KeyspaceHints::packed());
    for (name, rows) in [("one", 60_000), ("two", 10_000)] {
        let id = create(&backend, name, KeyspaceHints::packed());
        load(&backend, id, rows);
    }
    for name in ["one", "two"] {
        backend.drop_keyspace(backend.keyspace(name).unwrap()).unwrap();
    }
    let commits_until = |unfinished: u64, ops: u32| {
        let mut commits = 0_u32;
        while backend.stats().unwrap().drops_unfinished > unfinished {
            let mut batch = WriteBatch::new();
            for number in 0..ops {
                batch.put(stays, &number.to_be_bytes(), b"");
            }
            backend.commit(&batch, Durability::Buffered).unwrap();
            commits += 1;
            assert!(commits < 2_000);
        }
        commits
    };
    // The two drops have removed 9,000 and 8,000 rows of the first keyspace, and the second drop 1,000 of the second:
    // 43,000 and 9,000 rows are left.
    let small = commits_until(1, 1);
    assert!((300..400).contains(&small), "{small} commits of one operation, 130 rows each");
    let large = commits_until(0, 1_000);
    assert!((4..6).contains(&large), "{large} commits of 1,000 operations, 2,128 rows each");
}
