//! Inspections of a fake store in memory that does one thing wrong.

use super::*;
use crate::script::Workload;
use crate::subject::{Promise, Role};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    /// The names of the keyspaces cannot be read.
    NoNames,
    /// A scan fails at its second row.
    ScanFails,
    /// A scan returns rows in reverse order.
    Backwards,
    /// A get of one key fails.
    GetFails,
    /// A get of one key returns a value that was never written.
    GetsOther,
    /// A get of one key returns a row that scans omit.
    GetsHidden,
    /// Verification fails.
    Alarms,
    /// Every condition counts as met.
    Misjudges,
    /// An acknowledged commit is lost.
    Forgets,
    /// A commit deletes another row.
    Spoils,
    /// After a write, scans fail.
    FailsLater,
    /// After a write, gets find only the rows of the probe.
    DiffersLater,
    /// It opens only once.
    OpensOnce,
}

type Rows = BTreeMap<(String, String), Vec<u8>>;

#[derive(Debug, Default)]
struct Content {
    rows: Rows,
    opened: usize,
}

#[derive(Clone)]
struct Fake(Flaw, Arc<Mutex<Content>>);

impl Fake {
    fn new(flaw: Flaw) -> Self {
        let rows = ["w0/0001", "w0/0003", "w0/0005"].map(|key| (at(key), key.as_bytes().to_vec()));
        Self(flaw, Arc::new(Mutex::new(Content { rows: rows.into(), opened: 0 })))
    }

    fn written(&self) -> bool {
        self.1.lock().unwrap().rows.contains_key(&at(PROBE_KEY))
    }
}

fn at(key: &str) -> (String, String) {
    (KEYSPACES[0].to_owned(), key.to_owned())
}

#[expect(clippy::unnecessary_literal_bound)] // the trait's signature
impl Subject for Fake {
    fn name(&self) -> &str {
        "fake"
    }

    fn engine(&self) -> &str {
        "fake"
    }

    fn role(&self) -> Role {
        Role::Store
    }

    fn promise(&self) -> Promise {
        Promise::PowerSafe
    }

    fn open(&self, _: &Path) -> Result<Box<dyn Opened>, Failure> {
        let mut content = self.1.lock().unwrap();
        content.opened += 1;
        if self.0 == Flaw::OpensOnce && content.opened > 1 {
            return Err(Failure::new("not again"));
        }
        Ok(Box::new(self.clone()))
    }
}

impl Opened for Fake {
    fn keyspaces(&self) -> Result<Vec<String>, Failure> {
        if self.0 == Flaw::NoNames {
            return Err(Failure::new("no names"));
        }
        Ok(KEYSPACES.map(str::to_owned).to_vec())
    }

    fn create_keyspace(&self, _: &str) -> Result<(), Failure> {
        Ok(())
    }

    fn drop_keyspace(&self, _: &str) -> Result<(), Failure> {
        Ok(())
    }

    fn commit(&self, batch: &Batch) -> Result<Verdict, Failure> {
        let mut content = self.1.lock().unwrap();
        let holds = |condition: &Condition| {
            content.rows.get(&at(&condition.key)).cloned() == condition.expect.map(|value| value.bytes())
        };
        if self.0 != Flaw::Misjudges && !batch.conditions.iter().all(holds) {
            return Ok(Verdict::Refused);
        }
        for op in &batch.ops {
            match op.value {
                Some(_) if self.0 == Flaw::Forgets && op.key != PROBE_KEY => {}
                Some(value) => drop(content.rows.insert(at(&op.key), value.bytes())),
                None => drop(content.rows.remove(&at(&op.key))),
            }
        }
        match self.0 {
            Flaw::Spoils => drop(content.rows.remove(&at("w0/0003"))),
            // The row that the conditions need is there, but the row that is read back is lost.
            Flaw::Forgets if batch.ops.iter().any(|op| op.key != PROBE_KEY) => {
                content.rows.remove(&at(PROBE_KEY));
            }
            _ => {}
        }
        Ok(Verdict::Committed)
    }

    fn get(&self, keyspace: &str, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        let key = String::from_utf8_lossy(key).into_owned();
        match (self.0, key.as_str()) {
            (Flaw::GetFails, "w0/0003") => return Err(Failure::new("no get")),
            (Flaw::GetsOther, "w0/0003") => return Ok(Some(b"other".to_vec())),
            (Flaw::GetsHidden | Flaw::ScanFails, "w0/0007") => return Ok(Some(b"hidden".to_vec())),
            (Flaw::DiffersLater, key) if self.written() && !key.starts_with(PROBE) => return Ok(None),
            _ => {}
        }
        Ok(self.1.lock().unwrap().rows.get(&(keyspace.to_owned(), key)).cloned())
    }

    fn scan(&self, keyspace: &str, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Failure> {
        let fails = self.0 == Flaw::ScanFails || (self.0 == Flaw::FailsLater && self.written());
        let mut rows: Vec<_> = self.1.lock().unwrap().rows.clone().into_iter().collect();
        rows.retain(|((name, _), _)| name == keyspace);
        if self.0 == Flaw::Backwards {
            rows.reverse();
        }
        for (number, ((_, key), value)) in rows.iter().enumerate() {
            if fails && number == 1 {
                return Err(Failure::new("no scan"));
            }
            visit(key.as_bytes(), value);
        }
        Ok(())
    }

    fn compact(&self) -> Result<Done, Failure> {
        Ok(Done::Lacking)
    }

    fn checkpoint(&self, _: &Path) -> Result<Done, Failure> {
        Ok(Done::Lacking)
    }

    fn verify(&self) -> Result<Done, Failure> {
        if self.0 == Flaw::Alarms { Err(Failure::new("alarm")) } else { Ok(Done::Done) }
    }
}

/// A script that writes the rows above, and one more that the store does not have.
fn script() -> Script {
    let op =
        |number: usize| Op::new(KEYSPACES[0], format!("w0/{number:04}"), Some(Value { seed: 1, len: 9 }));
    let batch = Batch { ops: (1..=7).step_by(2).map(op).collect(), ..Batch::default() };
    Script { writers: vec![vec![crate::script::Step::Commit { batch, holds: true }]] }
}

fn seen(flaw: Flaw) -> Seen {
    let parent = tempfile::tempdir().unwrap();
    look(
        &Fake::new(flaw),
        &parent.path().join("store"),
        &script(),
        Depth { verify: true, probe: true },
        &mut |_| {},
    )
}

#[test]
fn a_sound_store_is_seen_as_it_is() {
    let seen = seen(Flaw::None);
    assert_eq!(seen.state.keyspaces, KEYSPACES);
    let keys: Vec<&str> = seen.state.rows.iter().map(|row| row.key.as_str()).collect();
    assert_eq!(keys, ["w0/0001", "w0/0003", "w0/0005"]);
    assert_eq!((seen.state.rows[0].len, seen.state.rows[0].hash), Row::content_of(b"w0/0001"));
    assert_eq!(Seen { state: State::default(), ..seen }, Seen::default());
}

#[test]
fn rows_are_reported_before_the_store_is_verified_and_probed() {
    let parent = tempfile::tempdir().unwrap();
    let mut reports = Vec::new();
    let depth = Depth { verify: true, probe: true };
    let store = parent.path().join("store");
    let seen =
        look(&Fake::new(Flaw::Alarms), &store, &script(), depth, &mut |seen| reports.push(seen.clone()));
    assert_eq!(reports.len(), 2);
    assert_eq!((&reports[0].state, &reports[0].verify), (&seen.state, &None));
    assert_eq!(reports[1], seen);
}

#[test]
fn read_errors_are_reported_and_rows_read_before_them_are_kept() {
    for flaw in [Flaw::NoNames, Flaw::ScanFails, Flaw::GetFails] {
        let seen = seen(flaw);
        assert!(seen.unread.is_some(), "{flaw:?}");
        assert_eq!(seen.unusable, None, "{flaw:?}: an unreadable store is not probed");
    }
    let given: Vec<String> = seen(Flaw::ScanFails).state.rows.into_iter().map(|row| row.key).collect();
    assert_eq!(given, ["w0/0001", "w0/0003", "w0/0005", "w0/0007"], "gets read past the error");
}

#[test]
fn gets_and_scans_must_agree() {
    for flaw in [Flaw::Backwards, Flaw::GetsOther, Flaw::GetsHidden] {
        assert!(seen(flaw).differs.is_some(), "{flaw:?}");
    }
    // Rows that gets returned are among the rows for the judge.
    for (flaw, value) in [(Flaw::GetsOther, "other"), (Flaw::GetsHidden, "hidden")] {
        let served =
            seen(flaw).state.rows.iter().any(|row| (row.len, row.hash) == Row::content_of(value.as_bytes()));
        assert!(served, "{flaw:?}");
    }
}

#[test]
fn a_probe_finds_a_store_that_cannot_be_used() {
    for flaw in [Flaw::Forgets, Flaw::Spoils, Flaw::FailsLater, Flaw::DiffersLater, Flaw::OpensOnce] {
        assert!(seen(flaw).unusable.is_some(), "{flaw:?}");
    }
    assert!(seen(Flaw::Misjudges).condition.is_some());
    assert!(seen(Flaw::Alarms).verify.is_some());
    let parent = tempfile::tempdir().unwrap();
    let depth = Depth { verify: false, probe: false };
    for flaw in [Flaw::Alarms, Flaw::Spoils] {
        let seen = look(&Fake::new(flaw), &parent.path().join("store"), &script(), depth, &mut |_| {});
        assert_eq!((seen.verify, seen.unusable), (None, None), "{flaw:?}: not requested");
    }
}

#[test]
fn checkpoints_next_to_the_store_are_read() {
    let parent = tempfile::tempdir().unwrap();
    for name in ["store", "checkpoint-0", "checkpoint-1", "else"] {
        std::fs::create_dir(parent.path().join(name)).unwrap();
    }
    std::fs::write(parent.path().join("checkpoint-0/file"), "x").unwrap();
    let checkpoints = |flaw| {
        let depth = Depth { verify: false, probe: false };
        look(&Fake::new(flaw), &parent.path().join("store"), &script(), depth, &mut |_| {}).checkpoints
    };
    let found = checkpoints(Flaw::None);
    let names: Vec<&str> = found.iter().map(|checkpoint| checkpoint.name.as_str()).collect();
    assert_eq!(names, ["checkpoint-0", "checkpoint-1"]);
    assert_eq!(found[0].state.as_ref().unwrap().rows.len(), 3);
    assert_eq!(found[1].state, None, "an empty directory");
    assert_eq!(checkpoints(Flaw::ScanFails)[0].state, None);
    assert_eq!(checkpoints(Flaw::OpensOnce)[0].state, None);
}

#[test]
fn a_script_lists_the_places_it_writes() {
    let script = Script::new(Workload::Overwrites, 1, 20);
    let places = script.places();
    assert!(places.contains(&(KEYSPACES[0], "w0/step")));
    assert!(places.len() > 10, "{places:?}");
}
