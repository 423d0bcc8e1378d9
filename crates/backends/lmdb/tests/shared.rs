//! A process that reads concurrently with the writer.

#![allow(clippy::unwrap_used, clippy::panic)] // Tests fail by panicking.

mod support;

use std::io::{BufRead as _, BufReader, Write as _, stdin};
use strongroom_core::{ErrorKind, KeyspaceHints, StorageBackend};
use strongroom_lmdb::{LmdbBackend, LmdbOptions};
use support::{child, directory_of_child, put};

/// The child: reads the keyspace on each line from its input, through the handle that it opened before.
#[test]
#[ignore = "run by others, in a process of its own"]
fn child_keeps_the_keyspace_that_it_opened() {
    let Some(directory) = directory_of_child() else { return };
    let backend = LmdbBackend::open(directory, LmdbOptions::new().read_only()).unwrap();
    let first = backend.keyspace("passing").unwrap();
    println!("opened {first:?}");
    for (line, expected) in stdin().lines().map(Result::unwrap).zip(["1", "2", "3"]) {
        assert_eq!(line, expected);
        // Reloads the list of keyspaces.
        assert!(backend.keyspaces().unwrap().contains(&"passing".to_owned()));
        let now = backend.keyspace("passing").unwrap();
        let snapshot = backend.snapshot().unwrap();
        assert_eq!(snapshot.get(now, b"k").unwrap().as_deref(), Some(expected.as_bytes()));
        assert_eq!(now == first, expected == "1", "a recreated keyspace has another id");
        if now != first {
            for error in [backend.get(first, b"k").unwrap_err(), snapshot.get(first, b"k").unwrap_err()] {
                assert_eq!(error.kind(), ErrorKind::NotFound);
            }
        }
        println!("seen {expected}");
    }
}

#[test]
fn a_reader_sees_a_recreated_keyspace_as_another_one() {
    let home = tempfile::tempdir().unwrap();
    let backend = LmdbBackend::new(home.path()).unwrap();
    let create = |value: &str| {
        let id = backend.create_keyspace("passing", KeyspaceHints::default()).unwrap();
        put(&backend, id, b"k", value.as_bytes());
        id
    };
    let mut id = create("1");
    let mut reader = child("child_keeps_the_keyspace_that_it_opened", home.path());
    let mut orders = reader.stdin.take().unwrap();
    let mut lines = BufReader::new(reader.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("opened")));
    for round in ["1", "2", "3"] {
        if round != "1" {
            backend.drop_keyspace(id).unwrap();
            id = create(round);
        }
        writeln!(orders, "{round}").unwrap();
        assert!(lines.any(|line| line.contains("seen")), "the child has failed");
    }
    drop(orders);
    assert!(reader.wait().unwrap().success());
}

/// A keyspace from an older version has no row for its creation.
#[test]
fn a_keyspace_without_a_creation_row_works() {
    let home = tempfile::tempdir().unwrap();
    {
        // SAFETY: this directory is not open anywhere else.
        #[allow(unsafe_code)]
        let env = unsafe { heed::EnvOpenOptions::new().max_dbs(4).open(home.path()) }.unwrap();
        let transaction = env.write_txn().unwrap();
        let made = env.create_databases_and_commit(transaction, |opener, transaction| {
            let old = opener
                .create_database::<heed::types::Bytes, heed::types::Bytes>(transaction, Some("passing"))?;
            old.put(transaction, b"k", b"1")?;
            heed::Result::Ok(heed::CommitOrAbort::<(), ()>::Commit(()))
        });
        made.unwrap();
    }
    let backend = LmdbBackend::new(home.path()).unwrap();
    let old = backend.keyspace("passing").unwrap();
    assert_eq!(backend.get(old, b"k").unwrap().as_deref(), Some(&b"1"[..]));
    let mut reader = child("child_keeps_the_keyspace_that_it_opened", home.path());
    let mut orders = reader.stdin.take().unwrap();
    let mut lines = BufReader::new(reader.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("opened")));
    writeln!(orders, "1").unwrap();
    assert!(lines.any(|line| line.contains("seen")), "the child has failed");
    backend.drop_keyspace(old).unwrap();
    put(&backend, backend.create_keyspace("passing", KeyspaceHints::default()).unwrap(), b"k", b"2");
    writeln!(orders, "2").unwrap();
    assert!(lines.any(|line| line.contains("seen")), "the child has failed");
    drop(orders);
    assert!(reader.wait().unwrap().success());
    assert_eq!(backend.keyspaces().unwrap(), ["passing"], "creation rows are not keyspaces");
}
