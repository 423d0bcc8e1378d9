//! Damaged, truncated and crafted files, and media that cannot be written. Files that may kill the process are
//! opened in a child.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Tests fail by panicking.

mod support;

use std::path::Path;
use std::process::Command;
use std::time::Duration;
use strongroom_core::{Durability, ErrorKind, Scan, StorageBackend, WriteBatch};
use strongroom_lmdb::{LmdbBackend, LmdbOptions};
use support::{child, contained, directory_of_child, fill, keyspace, put};

const PAGE: usize = 4_096;
/// Offset of `MDB_meta` in a page, and of a field in it.
const META: usize = 16;
const LAST_PAGE: usize = META + 120;

fn data(directory: &Path) -> std::path::PathBuf {
    directory.join("data.mdb")
}

fn filled(directory: &Path) -> Vec<u8> {
    let backend = LmdbBackend::new(directory).unwrap();
    let rows = keyspace(&backend);
    fill(&backend, rows, 0..2_000, &[7; 500]);
    put(&backend, rows, b"large", &vec![8; 50_000]);
    drop(backend);
    std::fs::read(data(directory)).unwrap()
}

fn open_error(directory: &Path) -> ErrorKind {
    let error = LmdbBackend::new(directory).err().unwrap();
    println!("{}", error.one_line());
    error.kind()
}

#[test]
fn a_foreign_or_empty_file_is_corruption_and_is_not_changed() {
    for contents in [&b""[..], b"not a database", &[0; 8_192], &[b'x'; 10_000], &[0xff; 16_000]] {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(data(home.path()), contents).unwrap();
        assert_eq!(open_error(home.path()), ErrorKind::Corruption);
        assert_eq!(std::fs::read(data(home.path())).unwrap(), contents);
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1, "no other file is created");
    }
}

#[test]
fn a_truncated_file_is_corruption_and_is_not_changed() {
    let home = tempfile::tempdir().unwrap();
    let whole = filled(home.path());
    for len in [10, PAGE, 2 * PAGE - 1, 2 * PAGE, whole.len() / 2, whole.len() - PAGE, whole.len() - 1] {
        std::fs::write(data(home.path()), &whole[..len]).unwrap();
        assert_eq!(open_error(home.path()), ErrorKind::Corruption, "{len} of {}", whole.len());
        assert!(
            std::fs::read(data(home.path())).unwrap() == whole[..len],
            "{len} of {}: changed",
            whole.len()
        );
    }
    std::fs::write(data(home.path()), &whole).unwrap();
    LmdbBackend::new(home.path()).unwrap();
}

#[test]
fn an_intact_file_may_end_before_its_last_page() {
    let home = tempfile::tempdir().unwrap();
    let backend = LmdbBackend::new(home.path()).unwrap();
    let rows = keyspace(&backend);
    // Free pages, so that the list of them need not grow at the end.
    for _ in 0..5 {
        fill(&backend, rows, 0..100, &[7; 500]);
    }
    // Pages that one batch allocates at the end and frees again are never written.
    let mut batch = WriteBatch::new();
    batch.put(rows, b"large", &vec![8; 3_000_000]).delete(rows, b"large");
    backend.commit(&batch, Durability::PowerSafe).unwrap();
    let pages = support::figure(&backend, "pages");
    drop(backend);
    let len = std::fs::metadata(data(home.path())).unwrap().len();
    assert!(len < pages * PAGE as u64, "LMDB now writes such pages: the check need not read the free list");
    let backend = LmdbBackend::new(home.path()).unwrap();
    assert_eq!(backend.get(keyspace(&backend), &99_u32.to_be_bytes()).unwrap().unwrap(), [7; 500][..]);
    drop(backend);
    // In a shorter file, pages are missing that are not free.
    let file = std::fs::File::options().write(true).open(data(home.path())).unwrap();
    file.set_len(4 * PAGE as u64).unwrap();
    assert_eq!(open_error(home.path()), ErrorKind::Corruption);
}

#[test]
fn a_file_of_another_machine_or_format_is_not_taken_for_damage() {
    let home = tempfile::tempdir().unwrap();
    let whole = filled(home.path());
    let changed = |change: &dyn Fn(&mut [u8])| {
        let mut bytes = whole.clone();
        for page in bytes.chunks_mut(PAGE).take(2) {
            change(page);
        }
        std::fs::write(data(home.path()), &bytes).unwrap();
        open_error(home.path())
    };
    assert_eq!(changed(&|page| page[META..META + 4].reverse()), ErrorKind::InvalidInput, "byte order");
    assert_eq!(changed(&|page| page.copy_within(META.., 12)), ErrorKind::InvalidInput, "word size");
    assert_eq!(changed(&|page| page[META + 4] = 2), ErrorKind::InvalidInput, "format");
    for bytes in [0_u32, 1, 3_000, 65_536, u32::MAX] {
        let place = META + 24..META + 28;
        let kind = changed(&|page| page[place.clone()].copy_from_slice(&bytes.to_ne_bytes()));
        assert_eq!(kind, ErrorKind::Corruption, "pages of {bytes} bytes");
    }
    for last in [u64::MAX, u64::MAX / 4_096, 1 << 40, 0] {
        let kind = changed(&|page| page[LAST_PAGE..LAST_PAGE + 8].copy_from_slice(&last.to_ne_bytes()));
        assert_eq!(kind, ErrorKind::Corruption, "{last} pages");
    }
}

/// Opens the directory in `STRONGROOM_LMDB_TEST_DIRECTORY` and reads it completely.
#[test]
#[ignore = "run by others, in a process of its own"]
fn child_reads_everything() {
    let Some(directory) = directory_of_child() else { return };
    let read = || -> strongroom_core::Result<usize> {
        let backend = LmdbBackend::open(directory, LmdbOptions::new().read_only())?;
        let snapshot = backend.snapshot()?;
        let mut bytes = 0;
        for name in backend.keyspaces()? {
            let mut cursor = snapshot.cursor(backend.keyspace(&name)?, Scan::all())?;
            // A tree with a cycle has no end.
            for _ in 0..100_000 {
                if !cursor.advance()? {
                    break;
                }
                bytes += cursor.key().len() + cursor.value().iter().filter(|byte| **byte > 0).count();
            }
        }
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => println!("read {bytes} bytes"),
        Err(error) => println!("error: {}", error.one_line()),
    }
}

/// A damaged file may cause an error, wrong rows or a killed process, but neither a hang nor unbounded memory.
#[test]
fn damaged_files_are_contained_by_a_child() {
    let home = tempfile::tempdir().unwrap();
    let whole = filled(home.path());
    let (is_well, output) = contained(child("child_reads_everything", home.path()), TIMEOUT, MEMORY);
    assert!(is_well && output.contains("read 1"), "{output}");
    let mut outcomes = [0, 0, 0];
    for round in 0..40_usize {
        let mut bytes = whole.clone();
        // Page after page: headers, row offsets, and content.
        let page = 2 + round * 7 % (whole.len() / PAGE - 2);
        let from = page * PAGE + [10, 12, 16, 100, 2_000][round % 5];
        let pattern = [0xff, 0x00, 0x5a][round % 3];
        bytes[from..from + 8].fill(pattern);
        std::fs::write(data(home.path()), &bytes).unwrap();
        let (is_well, output) = contained(child("child_reads_everything", home.path()), TIMEOUT, MEMORY);
        let outcome = if !is_well {
            0
        } else if output.contains("error: ") {
            1
        } else {
            2
        };
        outcomes[outcome] += 1;
    }
    println!("killed, refused, read: {outcomes:?}");
    assert!(outcomes[0] + outcomes[1] > 0, "nothing was damaged");
}

const TIMEOUT: Duration = Duration::from_secs(60);
const MEMORY: u64 = 512 << 20;

/// Truncates the file while it is open, and reads on. Ends with SIGBUS, so it runs in a child.
#[test]
#[ignore = "run by others, in a process of its own"]
fn child_loses_its_file() {
    let Some(directory) = directory_of_child() else { return };
    let backend = LmdbBackend::new(&directory).unwrap();
    let rows = backend.keyspace("rows").unwrap();
    let file = std::fs::File::options().write(true).open(data(&directory)).unwrap();
    file.set_len(2 * PAGE as u64).unwrap();
    match backend.get(rows, &7_u32.to_be_bytes()) {
        Ok(_) => println!("read"),
        Err(error) => println!("error: {}", error.one_line()),
    }
}

#[test]
fn a_file_that_is_truncated_while_open_kills_only_its_own_process() {
    let home = tempfile::tempdir().unwrap();
    filled(home.path());
    let (is_well, output) = contained(child("child_loses_its_file", home.path()), TIMEOUT, MEMORY);
    assert!(!is_well || output.contains("error: "), "{output}");
    assert_eq!(open_error(home.path()), ErrorKind::Corruption);
}

/// Mounts a small file system on `at`. Prints that the test is skipped if that is not allowed.
fn mounted(at: &Path, options: &str) -> bool {
    let done = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).output();
    let done = done.is_ok_and(|output| output.status.success());
    if !done {
        println!("SKIPPED: a file system cannot be mounted here");
    }
    done
}

fn unmount(at: &Path) {
    assert!(Command::new("umount").arg(at).status().unwrap().success());
}

#[test]
fn read_only_media_can_be_read() {
    let home = tempfile::tempdir().unwrap();
    if !mounted(home.path(), "size=64m") {
        return;
    }
    let backend = LmdbBackend::new(home.path()).unwrap();
    put(&backend, keyspace(&backend), b"a", b"1");
    drop(backend);
    // Without LMDB's lock file, as after a copy to such media.
    std::fs::remove_file(home.path().join("lock.mdb")).unwrap();
    std::fs::remove_file(home.path().join("data.mdb.writer")).unwrap();
    let again = Command::new("mount").args(["-o", "remount,ro"]).arg(home.path()).status();
    assert!(again.unwrap().success());
    let outcome = std::panic::catch_unwind(|| {
        assert_eq!(open_error(home.path()), ErrorKind::Io);
        let backend = LmdbBackend::open(home.path(), LmdbOptions::new().read_only()).unwrap();
        let rows = backend.keyspace("rows").unwrap();
        assert_eq!(backend.get(rows, b"a").unwrap().as_deref(), Some(&b"1"[..]));
        assert!(backend.snapshot().unwrap().cursor(rows, Scan::all()).unwrap().advance().unwrap());
        backend.stats().unwrap();
    });
    unmount(home.path());
    outcome.unwrap();
}

/// A container may mount a directory read-only that another process writes.
#[test]
fn a_reader_that_cannot_be_listed_locks_writers_out() {
    let (home, medium) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let backend = LmdbBackend::new(home.path()).unwrap();
    put(&backend, keyspace(&backend), b"a", b"1");
    drop(backend);
    let mount = |arguments: &[&str]| Command::new("mount").args(arguments).arg(medium.path()).output();
    let bound = mount(&["--bind", home.path().to_str().unwrap()]);
    if !bound.is_ok_and(|output| output.status.success()) {
        println!("SKIPPED: a directory cannot be mounted here");
        return;
    }
    assert!(mount(&["-o", "remount,ro,bind"]).unwrap().status.success());
    let outcome = std::panic::catch_unwind(|| {
        let read_only = || LmdbBackend::open(medium.path(), LmdbOptions::new().read_only());
        let reader = read_only().unwrap();
        assert!(reader.get(reader.keyspace("rows").unwrap(), b"a").unwrap().is_some());
        assert_eq!(open_error(home.path()), ErrorKind::Locked);
        drop(reader);
        let writer = LmdbBackend::new(home.path()).unwrap();
        assert_eq!(read_only().err().unwrap().kind(), ErrorKind::Locked);
        drop(writer);
        read_only().unwrap();
    });
    unmount(medium.path());
    outcome.unwrap();
}

#[test]
fn an_impossible_root_is_corruption() {
    let home = tempfile::tempdir().unwrap();
    let backend = LmdbBackend::new(home.path()).unwrap();
    put(&backend, keyspace(&backend), b"a", b"1");
    drop(backend);
    let file = home.path().join("data.mdb");
    let whole = std::fs::read(&file).unwrap();
    // `md_root` of the main database in a meta page: after 16 bytes of page header, 24 of meta, 48 and 40 of
    // databases. The number of the commit comes last.
    let commit = |page: usize| u64::from_ne_bytes(whole[page + 144..page + 152].try_into().unwrap());
    let (newest, older) = if commit(0) > commit(4_096) { (0, 4_096) } else { (4_096, 0) };
    for root in [0_u64, 1, 1 << 40] {
        let mut damaged = whole.clone();
        damaged[newest + 128..newest + 136].copy_from_slice(&root.to_ne_bytes());
        std::fs::write(&file, &damaged).unwrap();
        assert_eq!(open_error(home.path()), ErrorKind::Corruption, "root {root}");
        // A commit whose meta page could not be written leaves such a root in the older one.
        let mut damaged = whole.clone();
        damaged[older + 128..older + 136].copy_from_slice(&root.to_ne_bytes());
        std::fs::write(&file, &damaged).unwrap();
        let backend = LmdbBackend::new(home.path()).unwrap();
        assert_eq!(backend.get(keyspace(&backend), b"a").unwrap().as_deref(), Some(&b"1"[..]), "root {root}");
    }
    std::fs::write(&file, whole).unwrap();
    LmdbBackend::new(home.path()).unwrap();
}

#[test]
fn a_full_disk_is_reported_and_loses_nothing() {
    let home = tempfile::tempdir().unwrap();
    if !mounted(home.path(), "size=8m") {
        return;
    }
    let outcome = std::panic::catch_unwind(|| {
        let backend = LmdbBackend::new(home.path()).unwrap();
        let rows = keyspace(&backend);
        let mut stored = 0;
        let error = loop {
            let mut batch = WriteBatch::new();
            batch.put(rows, &u32::to_be_bytes(stored), &vec![7; 100_000]);
            match backend.commit(&batch, Durability::PowerSafe) {
                Ok(()) => stored += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::CommitUnknown);
        let cause =
            std::error::Error::source(&error).unwrap().downcast_ref::<strongroom_core::Error>().unwrap();
        assert_eq!(cause.kind(), ErrorKind::Io);
        assert!(cause.way_out().contains("free some space"), "{cause}");
        drop(backend);
        let backend = LmdbBackend::new(home.path()).unwrap();
        let rows = keyspace(&backend);
        let last = backend.get(rows, &(stored - 1).to_be_bytes()).unwrap().unwrap();
        assert!(stored > 10 && last.len() == 100_000);
    });
    unmount(home.path());
    outcome.unwrap();
}
