//! Runs a history on a backend and on the model, and compares the results.

use super::steps::{Change, Step};
use crate::Fixture;
use crate::support::{Row, assert_same, expected, keyspace, ok, refused, rest_of};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use strongroom_core::{
    Durability, ErrorKind, Expect, KeyspaceId, Scan, Snapshot, StorageBackend, WriteBatch,
    is_reserved_keyspace,
};

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;
/// Keyspaces by name, with their id and rows. The id distinguishes a recreated keyspace from the previous one.
type State = BTreeMap<&'static str, (KeyspaceId, Rows)>;

/// A backend with its expected state, and the expected state of each open snapshot.
struct Run<'f> {
    fixture: &'f Fixture,
    backend: Option<Box<dyn StorageBackend>>,
    state: State,
    snapshots: Vec<(Arc<dyn Snapshot>, State)>,
}

/// Runs `steps` on a new backend of `fixture` and compares each result with the model's. A failure is reported with
/// `seed`.
///
/// # Panics
/// At the first difference.
pub fn replay(seed: u64, steps: &[Step], fixture: &Fixture) {
    let directory = fixture.beside(&format!("model-{seed}"));
    let open = || Some(ok(fixture.try_open_at(&directory), "opening the backend"));
    let mut run = Run { fixture, backend: open(), state: State::new(), snapshots: Vec::new() };
    for (place, step) in steps.iter().enumerate() {
        let result = catch_unwind(AssertUnwindSafe(|| match step {
            Step::Reopen => run.reopen(open),
            other => run.take(other),
        }));
        if let Err(panic) = result {
            eprintln!("the model failed at step {place} of seed {seed}: {step:x?}");
            eprintln!("repeat it with STRONGROOM_TESTKIT_SEEDS={seed}");
            resume_unwind(panic);
        }
    }
    run.compare_everything();
}

fn pairs(rows: &Rows) -> Vec<Row> {
    rows.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

impl Run<'_> {
    fn backend(&self) -> &dyn StorageBackend {
        match &self.backend {
            Some(backend) => &**backend,
            None => panic!("the backend is open between two steps"),
        }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Create(name) => drop(self.create(name)),
            Step::Drop(name) => self.drop_keyspace(name),
            Step::Commit(changes, conditions) => self.commit(changes, conditions),
            Step::DeleteRange(name, range) => self.delete_range(name, range),
            Step::Snapshot => {
                let snapshot = ok(self.backend().snapshot(), "a snapshot");
                self.snapshots.push((snapshot, self.state.clone()));
            }
            Step::Close(place) => {
                if !self.snapshots.is_empty() {
                    self.snapshots.remove(place % self.snapshots.len());
                }
            }
            Step::Get(name, keys) => self.get(name, keys),
            Step::GetIn(place, name, keys) => self.get_in(*place, name, keys),
            Step::Scan(place, name, scan, seeks) => self.scan(*place, name, scan, seeks),
            Step::Reopen => {}
        }
    }

    fn create(&mut self, name: &'static str) -> KeyspaceId {
        let id = keyspace(self.backend(), name);
        let (known, _) = self.state.entry(name).or_insert_with(|| (id, Rows::new()));
        assert_eq!(*known, id, "property 4: a name is one keyspace");
        id
    }

    fn drop_keyspace(&mut self, name: &'static str) {
        match self.state.remove(name) {
            Some((id, _)) => ok(self.backend().drop_keyspace(id), "dropping a keyspace"),
            None => {
                refused(
                    self.backend().keyspace(name),
                    ErrorKind::NotFound,
                    "property 4: an unknown keyspace",
                );
            }
        }
    }

    fn commit(&mut self, changes: &[Change], conditions: &[(&'static str, Vec<u8>, Expect)]) {
        let mut batch = WriteBatch::new();
        let mut holds = true;
        for (name, key, expect) in conditions {
            batch.expect(self.create(name), key, expect.clone());
            holds &= expect.holds(self.state[name].1.get(key).map(Vec::as_slice));
        }
        for (name, key, value) in changes {
            let id = self.create(name);
            match value {
                Some(value) => batch.put(id, key, value),
                None => batch.delete(id, key),
            };
        }
        let result = self.backend().commit(&batch, Durability::Buffered);
        if !holds {
            refused(result, ErrorKind::Conflict, "property 6: a condition does not hold");
            return;
        }
        ok(result, "property 6: a commit whose conditions hold");
        for (name, key, value) in changes {
            let Some((_, rows)) = self.state.get_mut(name) else { continue };
            match value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
    }

    fn delete_range(&mut self, name: &'static str, range: &strongroom_core::KeyRange) {
        let id = self.create(name);
        let result = self.backend().delete_range(id, range, Durability::Buffered);
        let deleted = ok(result, "deleting a range");
        let Some((_, rows)) = self.state.get_mut(name) else { return };
        let before = rows.len();
        for (key, _) in expected(&pairs(rows), &Scan::new(range.clone())) {
            rows.remove(&key);
        }
        let demand = "property 6: delete_range returns the number of keys";
        assert_eq!(deleted, (before - rows.len()) as u64, "{demand}");
    }

    fn get(&mut self, name: &'static str, keys: &[Vec<u8>]) {
        let id = self.create(name);
        for key in keys {
            let found = ok(self.backend().get(id, key), "a get").map(|value| value.to_vec());
            let wanted = self.state[name].1.get(key);
            assert_eq!(found.as_ref(), wanted, "property 4: a get of {key:x?} in {name}");
        }
    }

    /// Returns the snapshot at `place`, or a new one, with the id and the expected rows of a keyspace. The rows are
    /// `None` if the keyspace does not exist now or was recreated since.
    fn view(&self, place: usize, name: &'static str) -> (Arc<dyn Snapshot>, KeyspaceId, Option<Rows>) {
        let newest = || (ok(self.backend().snapshot(), "a snapshot"), self.state.clone());
        let count = self.snapshots.len();
        let (snapshot, state) = if count == 0 { newest() } else { self.snapshots[place % count].clone() };
        let now = self.state.get(name).map(|(id, _)| *id);
        match state.get(name) {
            Some((id, rows)) if now == Some(*id) => (snapshot, *id, Some(rows.clone())),
            Some((id, _)) => (snapshot, *id, None),
            // Created after the snapshot, so it is empty.
            None => match now {
                Some(id) => (snapshot, id, Some(Rows::new())),
                None => (snapshot, KeyspaceId::from_index(u32::MAX), None),
            },
        }
    }

    fn get_in(&self, place: usize, name: &'static str, keys: &[Vec<u8>]) {
        let (snapshot, id, rows) = self.view(place, name);
        for key in keys {
            let result = snapshot.get(id, key);
            match &rows {
                Some(rows) => {
                    let found = ok(result, "a get in a snapshot").map(|value| value.to_vec());
                    assert_eq!(found.as_ref(), rows.get(key), "property 7: a snapshot's get of {key:x?}");
                }
                None => drop(refused(result, ErrorKind::NotFound, "property 7: a dropped keyspace")),
            }
        }
    }

    fn scan(&self, place: usize, name: &'static str, scan: &Scan, seeks: &[(Vec<u8>, usize)]) {
        let (snapshot, id, rows) = self.view(place, name);
        let result = snapshot.cursor(id, scan.clone());
        let Some(rows) = rows else {
            refused(result.map(drop), ErrorKind::NotFound, "property 7: a dropped keyspace");
            return;
        };
        let rows = pairs(&rows);
        let mut cursor = ok(result, "a cursor");
        let read = |count: usize, cursor: &mut dyn strongroom_core::Cursor| {
            let mut found: Vec<Row> = Vec::new();
            while found.len() < count && ok(cursor.advance(), "advancing a cursor") {
                found.push((cursor.key().to_vec(), cursor.value().to_vec()));
            }
            found
        };
        let found = rest_of(&mut *cursor);
        assert_same(&found, &expected(&rows, scan), "property 5: a scan returns the rows of its range");
        for (key, count) in seeks {
            ok(cursor.seek(key), "a seek");
            let found = read(*count, &mut *cursor);
            let mut wanted = expected(&rows, &scan.seek(key));
            wanted.truncate(*count);
            assert_same(&found, &wanted, &format!("property 5: a scan after a seek to {key:x?}"));
        }
    }

    fn reopen(&mut self, open: impl FnOnce() -> Option<Box<dyn StorageBackend>>) {
        if !self.fixture.capabilities().persistent {
            return;
        }
        ok(self.backend().flush(), "a flush");
        self.snapshots.clear();
        self.backend = None;
        self.backend = open();
        let names: Vec<&str> = self.state.keys().copied().collect();
        for name in names {
            let id = ok(self.backend().keyspace(name), "property 8: a keyspace after a reopen");
            if let Some((known, _)) = self.state.get_mut(name) {
                *known = id;
            }
        }
        self.compare_everything();
    }

    fn compare_everything(&self) {
        let mut names = ok(self.backend().keyspaces(), "listing keyspaces");
        names.retain(|name| !is_reserved_keyspace(name));
        let wanted: Vec<String> = self.state.keys().map(|name| (*name).to_owned()).collect();
        assert_eq!(names, wanted, "property 4: every keyspace is listed, sorted");
        for name in self.state.keys() {
            self.scan(usize::MAX, name, &Scan::all(), &[]);
            let newest = ok(self.backend().snapshot(), "a snapshot");
            let (id, rows) = &self.state[name];
            let found = crate::support::rows_in(&*newest, *id, &Scan::all());
            assert_same(&found, &pairs(rows), &format!("property 4: the final rows of {name}"));
        }
    }
}
