//! The shape of a backend: who knows one knows them all.

/// The files of every backend's `src`.
const FILES: &[&str] = &["commit.rs", "cursor.rs", "engine.rs", "error.rs", "lib.rs", "options.rs"];

/// The files that only some have, always under these names.
const SOMETIMES: &[&str] = &[
    // What lies on disk: creation that a crash may interrupt, size, damage.
    "files.rs",
    // A handle to a keyspace that is more than a name: what belongs to it goes with the last of its clones.
    "keyspace.rs",
    // The engine's own snapshots.
    "snapshot.rs",
    // The state that a snapshot, its cursors and its values share, and keep open.
    "view.rs",
];

/// The files that one engine needs and no other, with the reason.
const OWN: &[(&str, &str, &str)] = &[
    ("fjall", "compact.rs", "compaction on demand takes several steps"),
    ("fjall", "journals.rs", "a batch that a power cut tore has to be cut off, which fjall refuses"),
    ("rocksdb", "pass_through.rs", "RocksDB parses options of its own, some of which would break a promise"),
    ("rocksdb", "report.rs", "RocksDB crashes when it cannot begin a new file of its report"),
    ("rocksdb", "threads.rs", "RocksDB aborts the process when it can start no thread"),
    ("rocksdb", "verify.rs", "the integrity check opens the files a second time"),
    ("lmdb", "environment.rs", "the map grows while nobody reads, so everybody is counted"),
    ("sqlite", "shared_memory.rs", "SQLite maps it to be written, which must not need room on the disk"),
    ("lmdb", "lock_file.rs", "LMDB maps it to be written, which must not need room on the disk"),
    ("lmdb", "meta.rs", "a truncated file must be known before LMDB maps it"),
    ("sled", "home.rs", "a sled store is closed only when the last of its handles is gone"),
    ("sled", "reverse.rs", "sled 0.34 panics when it walks backwards over some keys"),
    ("sled", "sync.rs", "sled's flush is not power-safe"),
    ("sled", "threads.rs", "sled waits for ever for threads that could not be made"),
    ("sled", "write_through.rs", "sled believes that what it has written is on the disk"),
    ("sqlite", "database.rs", "connections are closed in an order, and snapshots keep them all open"),
    ("sqlite", "housekeep.rs", "copies, compaction and the integrity check are SQLite's own"),
    ("sqlite", "pool.rs", "a connection is used by one thread at a time, and readers need many"),
    ("sqlite", "schema.rs", "the file stays readable with the sqlite3 shell"),
];

/// What is missing from, or too much in, a backend's `src` with these files (`/` in those further down).
pub fn check(backend: &str, files: &[String]) -> Vec<String> {
    let missing = FILES
        .iter()
        .filter(|file| !files.iter().any(|found| found == *file))
        .map(|file| format!("backend {backend} has no src/{file}: every backend has the same files"));
    let known = |file: &str| {
        FILES.contains(&file)
            || SOMETIMES.contains(&file)
            || OWN.iter().any(|(owner, own, _)| *owner == backend && *own == file)
    };
    let extra = files.iter().filter(|file| !known(file)).map(|file| {
        format!(
            "backend {backend} has src/{file}: every backend has the same files. If this engine needs one of \
             its own, add it to OWN in crates/tidy/src/backends.rs with the reason"
        )
    });
    // An entry that no longer applies leaves the list.
    let gone = OWN
        .iter()
        .filter(|(owner, own, _)| *owner == backend && !files.iter().any(|found| found == own))
        .map(|(owner, own, _)| format!("backend {owner} has no src/{own} any more: take it off OWN"));
    missing.chain(extra).chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use super::{FILES, check};

    fn files(extra: &[&str]) -> Vec<String> {
        FILES.iter().chain(extra).map(ToString::to_string).collect()
    }

    #[test]
    fn the_same_files_with_or_without_snapshots() {
        assert!(check("a", &files(&[])).is_empty());
        assert!(check("a", &files(&["snapshot.rs"])).is_empty());
    }

    #[test]
    fn a_file_of_one_engine_is_allowed_there_only() {
        let own = files(&["home.rs", "reverse.rs", "sync.rs", "threads.rs", "write_through.rs"]);
        let none: [String; 0] = [];
        assert_eq!(check("sled", &own), none);
        assert_eq!(check("redb", &own).len(), 5);
        assert_eq!(
            check("sled", &own[..own.len() - 1]),
            ["backend sled has no src/write_through.rs any more: take it off OWN"]
        );
    }

    #[test]
    fn a_missing_file_is_named() {
        let mut some = files(&[]);
        some.retain(|file| file != "error.rs");
        assert_eq!(check("a", &some), ["backend a has no src/error.rs: every backend has the same files"]);
    }

    #[test]
    fn a_file_of_its_own_is_named() {
        for extra in ["helpers.rs", "engine/mod.rs"] {
            let found = check("a", &files(&[extra]));
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains(extra), "{found:?}");
        }
    }
}
