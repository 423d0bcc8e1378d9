//! Inspects a store after an interruption: reads every row, and checks that the store still works.

use crate::script::{Batch, Condition, KEYSPACES, Op, Script, Value};
use crate::subject::{Done, Failure, Opened, Subject, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

/// Key prefix of the rows that probe a store; the judge never sees them.
const PROBE: &str = "probe/";

/// One row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its keyspace.
    pub keyspace: String,
    /// Its key. Invalid UTF-8 is replaced, which makes it a key that was never written.
    pub key: String,
    /// Length of its value.
    pub len: u64,
    /// Hash of its value.
    pub hash: u64,
}

impl Row {
    /// Length and hash of a value.
    pub fn content_of(value: &[u8]) -> (u64, u64) {
        (value.len() as u64, xxh3_64(value))
    }
}

/// The contents of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Names of its keyspaces.
    pub keyspaces: Vec<String>,
    /// Its rows.
    pub rows: Vec<Row>,
}

/// The result of one inspection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Why the store did not open, if so.
    pub refused: Option<Failure>,
    /// Why it could not be read completely, if so.
    pub unread: Option<Failure>,
    /// Its contents as far as they could be read: the rows of scans, and further rows of gets.
    pub state: State,
    /// A key whose get differs from the scan, or that a scan returned out of order.
    pub differs: Option<String>,
    /// The error of verifying, if it found something.
    pub verify: Option<Failure>,
    /// Why it could not be written, closed and reopened, if so.
    pub unusable: Option<String>,
    /// A condition that was evaluated wrongly during the probe.
    pub condition: Option<String>,
    /// The checkpoints next to it.
    pub checkpoints: Vec<Checkpoint>,
}

/// The contents of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The name of its directory.
    pub name: String,
    /// Its rows; `None` if it does not open or cannot be read.
    pub state: Option<State>,
}

/// How thoroughly to inspect a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Verify the store.
    pub verify: bool,
    /// Write to the store, close it and reopen it.
    pub probe: bool,
}

/// Inspects the store in `directory`, which `script` has filled, and the checkpoints next to it.
///
/// Calls `report` with intermediate results, because the process may die before it sees more.
pub fn look(
    subject: &dyn Subject,
    directory: &Path,
    script: &Script,
    depth: Depth,
    report: &mut dyn FnMut(&Seen),
) -> Seen {
    let mut seen = Seen::default();
    match subject.open(directory) {
        Ok(opened) => {
            read(&*opened, script, &mut seen);
            // Reported before the store closes, because closing may kill the process.
            report(&seen);
        }
        Err(failure) => seen.refused = Some(failure),
    }
    if depth.verify && seen.refused.is_none() {
        // Reopened, so that state cached by reading does not help.
        seen.verify = subject.open(directory).and_then(|opened| opened.verify()).err();
    }
    for (name, path) in checkpoints_beside(directory) {
        seen.checkpoints.push(Checkpoint { name, state: whole_state(subject, &path, script) });
    }
    if depth.probe && seen.refused.is_none() && seen.unread.is_none() {
        match probe(subject, directory, script, &seen.state) {
            Ok(condition) => seen.condition = condition,
            Err(message) => seen.unusable = Some(message),
        }
    }
    report(&seen);
    seen
}

fn read(opened: &dyn Opened, script: &Script, seen: &mut Seen) {
    let keyspaces = match opened.keyspaces() {
        Ok(keyspaces) => keyspaces,
        Err(failure) => {
            seen.unread = Some(failure);
            return;
        }
    };
    for keyspace in &keyspaces {
        // An error does not end the reading: rows before it and the other keyspaces must be right too.
        if let Err(failure) = read_keyspace(opened, keyspace, script, seen) {
            seen.unread.get_or_insert(failure);
        }
    }
    seen.state.keyspaces = keyspaces;
}

/// Reads the rows of a keyspace by scan, and gets every scanned key and every other key of the script: a get may
/// return a row that the scan omits, and it can read past a row at which the scan fails.
fn read_keyspace(
    opened: &dyn Opened,
    keyspace: &str,
    script: &Script,
    seen: &mut Seen,
) -> Result<(), Failure> {
    let mut keys: Vec<Vec<u8>> = Vec::new();
    let mut rows = Vec::new();
    let scanned = opened.scan(keyspace, &mut |key, value| {
        let text = String::from_utf8_lossy(key).into_owned();
        if keys.last().is_some_and(|last| last.as_slice() >= key) {
            seen.differs = Some(format!("{keyspace} {text}: out of order"));
        }
        keys.push(key.to_vec());
        let (len, hash) = Row::content_of(value);
        rows.push(Row { keyspace: keyspace.to_owned(), key: text, len, hash });
    });
    let scanned_keys: BTreeSet<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    let others =
        script.places().into_iter().filter(|(name, _)| *name == keyspace).map(|(_, key)| key.as_bytes());
    let others = others.filter(|key| !scanned_keys.contains(key)).map(|key| (key, None));
    let scanned_rows = keys.iter().zip(&rows).map(|(key, row)| (key.as_slice(), Some((row.len, row.hash))));
    let mut got_rows = Vec::new();
    let mut got_all = Ok(());
    for (key, given) in scanned_rows.chain(others) {
        let text = String::from_utf8_lossy(key).into_owned();
        match opened.get(keyspace, key) {
            Ok(got) => {
                let got = got.as_deref().map(Row::content_of);
                if got == given {
                    continue;
                }
                if given.is_some() || scanned.is_ok() {
                    seen.differs = Some(format!("{keyspace} {text}: a get and a scan differ"));
                }
                // Every returned row is checked.
                got_rows.extend(got.map(|(len, hash)| Row {
                    keyspace: keyspace.to_owned(),
                    key: text,
                    len,
                    hash,
                }));
            }
            Err(failure) => got_all = Err(failure),
        }
    }
    rows.extend(got_rows);
    seen.state.rows.extend(rows.into_iter().filter(|row| !row.key.starts_with(PROBE)));
    scanned.and(got_all)
}

fn checkpoints_beside(directory: &Path) -> Vec<(String, PathBuf)> {
    let Some(parent) = directory.parent() else { return Vec::new() };
    let Ok(entries) = std::fs::read_dir(parent) else { return Vec::new() };
    let mut found: Vec<_> = entries
        .flatten()
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()))
        .filter(|(name, path)| name.starts_with("checkpoint-") && path.is_dir())
        .collect();
    found.sort();
    found
}

fn whole_state(subject: &dyn Subject, path: &Path, script: &Script) -> Option<State> {
    // Opening an empty directory would create a new store in it.
    std::fs::read_dir(path).ok()?.next()?.ok()?;
    let opened = subject.open(path).ok()?;
    let mut seen = Seen::default();
    read(&*opened, script, &mut seen);
    seen.unread.is_none().then_some(seen.state)
}

/// Writes, tests conditions, reopens the store and checks all rows. Returns a condition that was evaluated wrongly.
fn probe(
    subject: &dyn Subject,
    directory: &Path,
    script: &Script,
    before: &State,
) -> Result<Option<String>, String> {
    let context = |what: &'static str| move |failure: Failure| format!("{what}: {failure}");
    let value = Value { seed: 7, len: 100 };
    let wrong;
    {
        let opened = subject.open(directory).map_err(context("reopening"))?;
        for name in KEYSPACES {
            opened.create_keyspace(name).map_err(context("creating a keyspace"))?;
        }
        // The row may be left over from an earlier inspection that was interrupted.
        opened.commit(&put(PROBE_KEY, None)).map_err(context("deleting"))?;
        let absent = Batch { conditions: vec![expect(None)], ..put(PROBE_KEY, Some(value)) };
        let first = opened.commit(&absent).map_err(context("writing"))?;
        let again = opened.commit(&absent).map_err(context("writing again"))?;
        let equal = Batch { conditions: vec![expect(Some(value))], ..put("probe/more", Some(value)) };
        let third = opened.commit(&equal).map_err(context("writing more"))?;
        let expected = [Verdict::Committed, Verdict::Refused, Verdict::Committed];
        wrong = ([first, again, third] != expected)
            .then(|| format!("conditional commits returned {first:?}, {again:?}, {third:?}"));
    }
    let opened = subject.open(directory).map_err(context("reopening after writing"))?;
    let probed = opened.get(KEYSPACES[0], PROBE_KEY.as_bytes()).map_err(context("reading back"))?;
    if probed.as_deref() != Some(&value.bytes()[..]) {
        return Err("the row just written is missing".to_owned());
    }
    let mut after = Seen::default();
    read(&*opened, script, &mut after);
    if let Some(failure) = after.unread {
        return Err(context("reading after writing")(failure));
    }
    if let Some(differs) = after.differs {
        return Err(differs);
    }
    if after.state.rows != before.rows {
        return Err("writing changed other rows".to_owned());
    }
    Ok(wrong)
}

const PROBE_KEY: &str = "probe/row";

fn put(key: &str, value: Option<Value>) -> Batch {
    let op = Op::new(KEYSPACES[0], key, value);
    Batch { ops: vec![op], ..Batch::default() }
}

fn expect(value: Option<Value>) -> Condition {
    Condition { keyspace: KEYSPACES[0].to_owned(), key: PROBE_KEY.to_owned(), expect: value }
}

/// Whether the subject has the operation that returned `done`.
pub(crate) fn exists(done: Done) -> bool {
    done == Done::Done
}

#[cfg(test)]
#[path = "look_tests.rs"]
mod tests;
