//! The subjects of Strongroom's own matrix.
//!
//! The store on each engine, once with checksums only and once with `integrity=full`, and for comparison each raw
//! engine with the settings that are documented as safe. Three more are negative controls with settings that are
//! known to lose acknowledged commits: if they lose nothing, the harness is blind.
//!
//! Write buffers and SQLite's checkpoint interval are small, the same for the store and the raw engine: with the
//! defaults a short script would never leave the log.

mod raw;
mod raw_fjall;
mod raw_lmdb;
mod raw_redb;
#[cfg(feature = "rocksdb")]
mod raw_rocksdb;
mod raw_sled;
mod raw_sqlite;
mod store;

use crate::subject::Subject;

/// Returns all subjects, in this order: stores, stores with full integrity, raw engines, controls.
pub fn all() -> Vec<Box<dyn Subject>> {
    let raw = [
        raw_redb::SAFE,
        raw_fjall::SAFE,
        raw_sqlite::SAFE,
        raw_lmdb::SAFE,
        #[cfg(feature = "rocksdb")]
        raw_rocksdb::SAFE,
        raw_sqlite::CONTROL,
        #[cfg(feature = "rocksdb")]
        raw_rocksdb::CONTROL,
        raw_sled::CONTROL,
    ];
    let stores = store::all().into_iter().map(|subject| Box::new(subject) as Box<dyn Subject>);
    stores.chain(raw.into_iter().map(|subject| Box::new(subject) as Box<dyn Subject>)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::look::{self, Depth};
    use crate::script::{Batch, Condition, KEYSPACES, Op, Script, Value, Workload};
    use crate::subject::{Done, Opened, Role, Verdict};
    use std::collections::BTreeSet;
    use std::path::Path;

    const VALUE: Value = Value { seed: 1, len: 300 };

    fn op(keyspace: &str, key: &str, value: Option<Value>) -> Op {
        Op::new(keyspace, key, value)
    }

    fn rows(opened: &dyn Opened, keyspace: &str) -> Vec<(String, Vec<u8>)> {
        let mut rows = Vec::new();
        let visit = &mut |key: &[u8], value: &[u8]| {
            rows.push((String::from_utf8_lossy(key).into_owned(), value.to_vec()));
        };
        opened.scan(keyspace, visit).unwrap();
        rows
    }

    fn names(opened: &dyn Opened) -> BTreeSet<String> {
        opened.keyspaces().unwrap().into_iter().collect()
    }

    /// Fills a store and returns the names of its keyspaces.
    fn fill(subject: &dyn Subject, directory: &Path) -> BTreeSet<String> {
        let opened = subject.open(directory).unwrap();
        for name in KEYSPACES.iter().chain(&["odd\"'name", "gone"]).filter(|name| suits(subject, name)) {
            opened.create_keyspace(name).unwrap();
            opened.create_keyspace(name).unwrap();
        }
        let [first, second, _] = KEYSPACES;
        let ops =
            vec![op(first, "b", Some(VALUE)), op(first, "a", Some(VALUE)), op(second, "b", Some(VALUE))];
        assert_eq!(opened.commit(&Batch { ops, ..Batch::default() }).unwrap(), Verdict::Committed);
        let ops = vec![op("gone", "x", Some(VALUE))];
        assert_eq!(
            opened.commit(&Batch { ops, buffered: true, ..Batch::default() }).unwrap(),
            Verdict::Committed
        );
        opened.drop_keyspace("gone").unwrap();
        assert!(opened.scan("gone", &mut |_, _| {}).is_err(), "a dropped keyspace can be read");
        // A new keyspace of the same name must be empty.
        opened.create_keyspace("gone").unwrap();
        assert_eq!(rows(&*opened, "gone"), []);
        opened.drop_keyspace("gone").unwrap();
        names(&*opened)
    }

    /// Whether `subject` accepts the name: the store is stricter about names than raw engines.
    fn suits(subject: &dyn Subject, name: &str) -> bool {
        subject.role() == Role::Raw || !name.contains('"')
    }

    fn conditions(opened: &dyn Opened) {
        let [first, second, _] = KEYSPACES;
        let given = |key: &str, expect| Condition { keyspace: first.to_owned(), key: key.to_owned(), expect };
        let other = Value { seed: 2, len: 300 };
        for (conditions, verdict) in [
            (vec![given("a", Some(VALUE)), given("c", None)], Verdict::Committed),
            (vec![given("a", None)], Verdict::Refused),
            (vec![given("a", Some(other))], Verdict::Refused),
            (vec![given("c", Some(VALUE))], Verdict::Refused),
            (vec![given("c", None), given("a", None)], Verdict::Refused),
        ] {
            let ops = vec![op(second, "new", Some(VALUE)), op(second, "b", None)];
            opened.commit(&Batch { ops: vec![op(second, "new", None)], ..Batch::default() }).unwrap();
            assert_eq!(opened.commit(&Batch { ops, conditions, ..Batch::default() }).unwrap(), verdict);
            let found = opened.get(second, b"new").unwrap();
            assert_eq!(found, (verdict == Verdict::Committed).then(|| VALUE.bytes()));
        }
        assert_eq!(opened.get(second, b"b").unwrap(), None);
    }

    fn try_out(subject: &dyn Subject) {
        let parent = tempfile::tempdir().unwrap();
        // A path that a URL could not express.
        let directory = parent.path().join(if cfg!(windows) { "a path" } else { "a ?strange path" });
        std::fs::create_dir(&directory).unwrap();
        let made = fill(subject, &directory);
        let opened = subject.open(&directory).unwrap();
        assert_eq!(names(&*opened), made);
        assert!(KEYSPACES.iter().all(|name| made.contains(*name)) && !made.contains("gone"), "{made:?}");
        let expected = [("a".to_owned(), VALUE.bytes()), ("b".to_owned(), VALUE.bytes())];
        assert_eq!(rows(&*opened, KEYSPACES[0]), expected);
        conditions(&*opened);
        opened.compact().unwrap();
        opened.verify().unwrap();
        let copy = parent.path().join("copy");
        if opened.checkpoint(&copy).unwrap() == Done::Done {
            let copied = subject.open(&copy).unwrap();
            assert_eq!(rows(&*copied, KEYSPACES[0]), expected);
        }
        drop(opened);
        let seen = look::look(
            subject,
            &directory,
            &Script::new(Workload::Single, 1, 1),
            Depth { verify: true, probe: true },
            &mut |_| {},
        );
        assert_eq!((seen.refused, seen.unread, seen.differs), (None, None, None));
        assert_eq!((seen.verify, seen.unusable, seen.condition), (None, None, None));
    }

    #[test]
    fn every_subject_fulfils_the_trait() {
        for subject in all() {
            eprintln!("{}", subject.name());
            try_out(&*subject);
        }
    }

    #[test]
    fn names_are_unique_and_valid_in_commands() {
        let all = all();
        let names: BTreeSet<&str> = all.iter().map(|subject| subject.name()).collect();
        assert_eq!(names.len(), all.len());
        assert!(names.iter().all(|name| !name.contains([':', ' '])));
    }
}
