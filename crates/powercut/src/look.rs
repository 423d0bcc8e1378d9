//! What another process sees in what is left: every row, and whether the store still works.

use crate::script::{Batch, Condition, KEYSPACES, Op, Script, Value};
use crate::subject::{Done, Failure, Opened, Subject, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

/// Keys of the rows with which a store is tried out; the judge never sees them.
const PROBE: &str = "probe/";

/// One row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its keyspace.
    pub keyspace: String,
    /// Its key; bytes that are no text are replaced, which makes it a key that nobody wrote.
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

/// Everything that is in a store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Names of its keyspaces.
    pub keyspaces: Vec<String>,
    /// Its rows.
    pub rows: Vec<Row>,
}

/// What one look saw.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Why it did not open, if it did not.
    pub refused: Option<Failure>,
    /// Why it could not be read to the end, if so.
    pub unread: Option<Failure>,
    /// What it holds, as far as it could be read: what scans gave, and what gets gave beyond that.
    pub state: State,
    /// A key for which a get answers something else than the scan, or that a scan gave out of order.
    pub differs: Option<String>,
    /// What verifying said, if it found something.
    pub verify: Option<Failure>,
    /// Why it could not be written, closed and opened again, if so.
    pub unusable: Option<String>,
    /// A condition that was judged wrongly while it was tried out.
    pub condition: Option<String>,
    /// The checkpoints beside it.
    pub checkpoints: Vec<Checkpoint>,
}

/// What is in a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The name of its directory.
    pub name: String,
    /// Its rows; none if it does not open or cannot be read.
    pub state: Option<State>,
}

/// How much to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Verify it.
    pub verify: bool,
    /// Write to it, close it, open it again.
    pub probe: bool,
}

/// Opens the store in `directory`, which `script` has filled, and the checkpoints beside it.
///
/// `tell` is handed what was seen by then whenever that is much: the process may not live to see more.
pub fn look(
    subject: &dyn Subject,
    directory: &Path,
    script: &Script,
    depth: Depth,
    tell: &mut dyn FnMut(&Seen),
) -> Seen {
    let mut seen = Seen::default();
    match subject.open(directory) {
        Ok(opened) => {
            read(&*opened, script, &mut seen);
            // Before it is closed, which may be what it dies of.
            tell(&seen);
        }
        Err(failure) => seen.refused = Some(failure),
    }
    if depth.verify && seen.refused.is_none() {
        // Opened anew: what it knows from reading must not help.
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
    tell(&seen);
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
        // What was served before an error has to be right too, and so have the other keyspaces.
        if let Err(failure) = read_keyspace(opened, keyspace, script, seen) {
            seen.unread.get_or_insert(failure);
        }
    }
    seen.state.keyspaces = keyspaces;
}

/// The rows of a keyspace. Every row is also asked for by its key, and so is every other key of the script: a get may
/// give what a scan leaves out, and it goes on behind a row at which a scan ends with an error.
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
                    seen.differs = Some(format!("{keyspace} {text}: a get and a scan do not give the same"));
                }
                // Whatever was served is judged.
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
    // To open an empty directory would make a new store of it.
    std::fs::read_dir(path).ok()?.next()?.ok()?;
    let opened = subject.open(path).ok()?;
    let mut seen = Seen::default();
    read(&*opened, script, &mut seen);
    seen.unread.is_none().then_some(seen.state)
}

/// Writes, judges conditions, closes, opens again and looks whether all is there. Says which condition went wrong.
fn probe(
    subject: &dyn Subject,
    directory: &Path,
    script: &Script,
    before: &State,
) -> Result<Option<String>, String> {
    let told = |what: &'static str| move |failure: Failure| format!("{what}: {failure}");
    let value = Value { seed: 7, len: 100 };
    let wrong;
    {
        let opened = subject.open(directory).map_err(told("opening it again"))?;
        for name in KEYSPACES {
            opened.create_keyspace(name).map_err(told("making a keyspace"))?;
        }
        // Of an earlier look, which may have been cut off.
        opened.commit(&put(PROBE_KEY, None)).map_err(told("deleting"))?;
        let absent = Batch { conditions: vec![expect(None)], ..put(PROBE_KEY, Some(value)) };
        let first = opened.commit(&absent).map_err(told("writing"))?;
        let again = opened.commit(&absent).map_err(told("writing again"))?;
        let equal = Batch { conditions: vec![expect(Some(value))], ..put("probe/more", Some(value)) };
        let third = opened.commit(&equal).map_err(told("writing more"))?;
        let expected = [Verdict::Committed, Verdict::Refused, Verdict::Committed];
        wrong = ([first, again, third] != expected)
            .then(|| format!("conditions answered {first:?}, {again:?}, {third:?}"));
    }
    let opened = subject.open(directory).map_err(told("opening it after writing"))?;
    let probed = opened.get(KEYSPACES[0], PROBE_KEY.as_bytes()).map_err(told("reading back"))?;
    if probed.as_deref() != Some(&value.bytes()[..]) {
        return Err("what was just written is not there".to_owned());
    }
    let mut after = Seen::default();
    read(&*opened, script, &mut after);
    if let Some(failure) = after.unread {
        return Err(told("reading after writing")(failure));
    }
    if let Some(differs) = after.differs {
        return Err(differs);
    }
    if after.state.rows != before.rows {
        return Err("rows changed while others were written".to_owned());
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

/// Whether `done` says that the operation exists.
pub(crate) fn exists(done: Done) -> bool {
    done == Done::Done
}

#[cfg(test)]
#[path = "look_tests.rs"]
mod tests;
