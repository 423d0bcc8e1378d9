//! Checks that all backends have the same files, so that knowing one means knowing all.

/// The files of every backend's `src`.
const FILES: &[&str] = &["commit.rs", "cursor.rs", "engine.rs", "error.rs", "lib.rs", "options.rs"];

/// Optional files, always under these names.
const SOMETIMES: &[&str] = &[
    // The files on disk: creation that a crash may interrupt, size, damage.
    "files.rs",
    // A keyspace handle with resources, which the last clone releases.
    "keyspace.rs",
    // The engine's own snapshots.
    "snapshot.rs",
    // The state that a snapshot, its cursors and its values share and keep open.
    "view.rs",
];

/// Files that only one engine needs, with the reason.
const OWN: &[(&str, &str, &str)] = &[
    ("fjall", "compact.rs", "compaction on demand takes several steps"),
    ("fjall", "journals.rs", "a torn batch at the end must be truncated, which fjall does not do"),
    ("rocksdb", "pass_through.rs", "RocksDB parses its own options, some of which would break a promise"),
    ("rocksdb", "report.rs", "RocksDB crashes when it cannot create a new log file"),
    ("rocksdb", "threads.rs", "RocksDB aborts the process when it cannot start a thread"),
    ("rocksdb", "verify.rs", "the integrity check opens the files a second time"),
    ("lmdb", "environment.rs", "the map can grow only without readers, so readers are counted"),
    ("sqlite", "shared_memory.rs", "SQLite maps it for writing, which must not need disk space"),
    ("lmdb", "lock_file.rs", "LMDB maps it for writing, which must not need disk space"),
    ("lmdb", "meta.rs", "a truncated file must be detected before LMDB maps it"),
    (
        "sled",
        "flusher.rs",
        "sled's flush may wait without end, so only a thread of the adapter's waits in it",
    ),
    ("sled", "hold.rs", "sled recovers the first half of a batch that failed"),
    ("sled", "home.rs", "a sled store closes only when its last handle is dropped"),
    ("sled", "reverse.rs", "sled 0.34 panics on reverse scans over some keys"),
    ("sled", "sync.rs", "sled's flush is not power-safe"),
    ("sled", "threads.rs", "sled waits endlessly for threads that could not be started"),
    ("sled", "waker.rs", "sled does not notify all threads that wait for a write that failed"),
    ("sled", "write_through.rs", "sled takes written data for durable"),
    ("sled", "writes.rs", "a write or a read of sled that fails may leave a gap in its log"),
    ("sqlite", "database.rs", "connections close in a fixed order, and snapshots keep all of them open"),
    ("sqlite", "housekeep.rs", "copies, compaction and the integrity check use SQLite's own commands"),
    ("sqlite", "pool.rs", "only one thread at a time may use a connection, and readers need many"),
    ("sqlite", "schema.rs", "the file stays readable with the sqlite3 shell"),
];

/// Returns the missing and unexpected files of a backend's `src`. `files` are relative paths with `/`.
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
            "backend {backend} has src/{file}: every backend has the same files. If this engine needs its \
             own file, add it to OWN in crates/tidy/src/backends.rs with the reason"
        )
    });
    // Entries that no longer apply must be removed.
    let stale = OWN
        .iter()
        .filter(|(owner, own, _)| *owner == backend && !files.iter().any(|found| found == own))
        .map(|(owner, own, _)| format!("backend {owner} no longer has src/{own}: remove it from OWN"));
    missing.chain(extra).chain(stale).collect()
}

#[cfg(test)]
mod tests {
    use super::{FILES, check};

    fn files(extra: &[&str]) -> Vec<String> {
        FILES.iter().chain(extra).map(ToString::to_string).collect()
    }

    #[test]
    fn the_common_files_with_optional_ones_are_allowed() {
        assert!(check("a", &files(&[])).is_empty());
        assert!(check("a", &files(&["snapshot.rs"])).is_empty());
    }

    #[test]
    fn a_file_of_one_engine_is_allowed_only_there() {
        let own = files(&[
            "flusher.rs",
            "hold.rs",
            "home.rs",
            "reverse.rs",
            "sync.rs",
            "threads.rs",
            "waker.rs",
            "write_through.rs",
            "writes.rs",
        ]);
        let none: [String; 0] = [];
        assert_eq!(check("sled", &own), none);
        assert_eq!(check("redb", &own).len(), 9);
        assert_eq!(
            check("sled", &own[..own.len() - 1]),
            ["backend sled no longer has src/writes.rs: remove it from OWN"]
        );
    }

    #[test]
    fn a_missing_file_is_reported() {
        let mut some = files(&[]);
        some.retain(|file| file != "error.rs");
        assert_eq!(check("a", &some), ["backend a has no src/error.rs: every backend has the same files"]);
    }

    #[test]
    fn an_unexpected_file_is_reported() {
        for extra in ["helpers.rs", "engine/mod.rs"] {
            let found = check("a", &files(&[extra]));
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains(extra), "{found:?}");
        }
    }
}
