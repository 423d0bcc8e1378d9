//! The example store: a map in memory and a journal of its commits, each with a checksum.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Mutex;
use strongroom_powercut::script::{Batch, Op};
use strongroom_powercut::subject::{Done, Failure, Opened, Promise, Role, Subject, Verdict};
use xxhash_rust::xxh3::xxh3_64;

/// The defect of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Nothing.
    None,
    /// It never syncs its journal.
    ForgetsSync,
    /// It writes each row of a batch as a separate record.
    Tears,
    /// One row has another value after opening.
    Invents,
    /// Opening a non-empty store never returns.
    Hangs,
    /// Opening a non-empty store aborts the process.
    Aborts,
    /// Opening a non-empty store fails.
    Refuses,
    /// It opens, but accepts no writes once it was reopened with rows.
    Stiffens,
    /// It reports that it is closed, but accepts later writes.
    GoesOn,
    /// It takes every condition of a batch as met.
    Misjudges,
    /// It acknowledges a checkpoint that has no rows.
    ForgetsCheckpoint,
    /// Verification always fails.
    Alarms,
    /// A get never finds a row.
    GetsNothing,
    /// It ignores checksums.
    Trusts,
    /// It silently drops records that fail their checksum.
    Swallows,
    /// It panics when a write fails.
    Panics,
    /// It acknowledges commits whose write or sync failed.
    Shrugs,
    /// It acknowledges written commits even if the sync failed.
    IgnoresSync,
    /// It rewrites its journal in place on every open, so that a crash then loses records.
    Rewrites,
    /// It allocates more memory than the limit allows.
    Devours,
}

/// The subject: a journal store with at most one flaw.
pub(crate) struct Journal {
    name: &'static str,
    flaw: Flaw,
    promise: Promise,
    role: Role,
}

impl Journal {
    pub(crate) fn boxed(name: &'static str, flaw: Flaw, promise: Promise, role: Role) -> Box<dyn Subject> {
        Box::new(Self { name, flaw, promise, role })
    }
}

impl Subject for Journal {
    fn name(&self) -> &str {
        self.name
    }

    #[expect(clippy::unnecessary_literal_bound)] // the trait's signature
    fn engine(&self) -> &str {
        "journal"
    }

    fn role(&self) -> Role {
        self.role
    }

    fn promise(&self) -> Promise {
        self.promise
    }

    fn open(&self, directory: &Path) -> Result<Box<dyn Opened>, Failure> {
        Store::open(directory, self.flaw).map(|store| Box::new(store) as Box<dyn Opened>)
    }
}

/// The changes in one record of the journal.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Record {
    created: Option<String>,
    dropped: Option<String>,
    rows: Vec<(String, String, Option<Vec<u8>>)>,
}

#[derive(Debug, Default)]
struct Inner {
    keyspaces: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    /// Whether an append has failed. It is then unknown how much of it is in the file.
    failed: bool,
}

struct Store {
    flaw: Flaw,
    file: File,
    inner: Mutex<Inner>,
    /// Whether the store had rows when it was opened.
    was_there: bool,
}

impl Store {
    fn open(directory: &Path, flaw: Flaw) -> Result<Self, Failure> {
        let failed =
            |what: &'static str| move |error: std::io::Error| Failure::new(format!("{what}: {error}"));
        let path = directory.join("journal");
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(&path)
            .map_err(failed("the journal cannot be opened"))?;
        if flaw != Flaw::ForgetsSync {
            // Makes the directory entries of the file and of its directory durable.
            for directory in [Some(directory), directory.parent()].into_iter().flatten() {
                File::open(directory)
                    .and_then(|directory| directory.sync_all())
                    .map_err(failed("the directory cannot be synced"))?;
            }
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed("the journal cannot be read"))?;
        let mut inner = Inner::default();
        let whole = replay(&bytes, flaw, &mut inner)?;
        // An incomplete record at the end was never acknowledged.
        if whole < bytes.len() {
            file.set_len(whole as u64).map_err(failed("the journal cannot be truncated"))?;
        }
        let was_there = inner.keyspaces.values().any(|rows| !rows.is_empty());
        match flaw {
            Flaw::Hangs if was_there => loop {
                std::thread::park();
            },
            Flaw::Aborts if was_there => std::process::abort(),
            Flaw::Devours if was_there => {
                let memory = std::hint::black_box(Vec::<u8>::with_capacity(9 << 30));
                drop(memory);
            }
            Flaw::Rewrites if was_there => {
                rewrite(&mut file, &bytes[..whole]).map_err(failed("the journal cannot be rewritten"))?;
            }
            Flaw::Refuses if was_there => return Err(Failure::new("the store does not open")),
            Flaw::Invents => {
                if let Some(value) = inner.keyspaces.values_mut().flat_map(BTreeMap::values_mut).next() {
                    value.push(7);
                }
            }
            _ => {}
        }
        Ok(Self { flaw, file, inner: Mutex::new(inner), was_there })
    }

    fn append(&self, record: &Record, buffered: bool) -> Result<(), Failure> {
        let mut inner = self.lock()?;
        if inner.failed && self.flaw != Flaw::GoesOn {
            return Err(Failure::new("an earlier commit failed: open the store again").closed());
        }
        if self.flaw == Flaw::Stiffens && self.was_there {
            return Err(Failure::new("the store cannot be written"));
        }
        let records = if self.flaw == Flaw::Tears && !record.rows.is_empty() {
            record.rows.iter().map(|row| Record { rows: vec![row.clone()], ..record.clone() }).collect()
        } else {
            vec![record.clone()]
        };
        for record in &records {
            let written = self.write(record).and_then(|()| {
                let synced =
                    if buffered || self.flaw == Flaw::ForgetsSync { Ok(()) } else { self.file.sync_data() };
                if self.flaw == Flaw::IgnoresSync { Ok(()) } else { synced }
            });
            if let (Err(error), false) = (written, self.flaw == Flaw::Shrugs) {
                assert!(self.flaw != Flaw::Panics, "{error}");
                inner.failed = true;
                return Err(Failure::new(format!("the journal cannot be written: {error}")).closed());
            }
        }
        apply(record, &mut inner);
        Ok(())
    }

    fn write(&self, record: &Record) -> std::io::Result<()> {
        let body = serde_json::to_vec(record)?;
        let len = u32::try_from(body.len()).map_err(std::io::Error::other)?;
        let mut bytes = len.to_le_bytes().to_vec();
        bytes.extend(xxh3_64(&body).to_le_bytes());
        bytes.extend(body);
        (&self.file).write_all(&bytes)
    }

    fn lock(&self) -> Result<std::sync::MutexGuard<'_, Inner>, Failure> {
        self.inner.lock().map_err(|_| Failure::new("another thread panicked"))
    }

    fn holds(&self, batch: &Batch) -> Result<bool, Failure> {
        let inner = self.lock()?;
        Ok(self.flaw == Flaw::Misjudges
            || batch.conditions.iter().all(|condition| {
                let found =
                    inner.keyspaces.get(&condition.keyspace).and_then(|rows| rows.get(&condition.key));
                found.cloned() == condition.expect.map(|value| value.bytes())
            }))
    }
}

impl Opened for Store {
    fn keyspaces(&self) -> Result<Vec<String>, Failure> {
        Ok(self.lock()?.keyspaces.keys().cloned().collect())
    }

    fn create_keyspace(&self, name: &str) -> Result<(), Failure> {
        if self.lock()?.keyspaces.contains_key(name) {
            return Ok(());
        }
        self.append(&Record { created: Some(name.to_owned()), ..Record::default() }, false)
    }

    fn drop_keyspace(&self, name: &str) -> Result<(), Failure> {
        self.append(&Record { dropped: Some(name.to_owned()), ..Record::default() }, false)
    }

    fn commit(&self, batch: &Batch) -> Result<Verdict, Failure> {
        // Writers never share rows, so no other writer can invalidate the check before the append.
        if !self.holds(batch)? {
            return Ok(Verdict::Refused);
        }
        let row = |op: &Op| (op.keyspace.clone(), op.key.clone(), op.value.map(|value| value.bytes()));
        let record = Record { rows: batch.ops.iter().map(row).collect(), ..Record::default() };
        self.append(&record, batch.buffered).map(|()| Verdict::Committed)
    }

    fn get(&self, keyspace: &str, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        if self.flaw == Flaw::GetsNothing {
            return Ok(None);
        }
        let key = String::from_utf8_lossy(key).into_owned();
        Ok(self.lock()?.keyspaces.get(keyspace).and_then(|rows| rows.get(&key)).cloned())
    }

    fn scan(&self, keyspace: &str, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Failure> {
        for (key, value) in self.lock()?.keyspaces.get(keyspace).into_iter().flatten() {
            visit(key.as_bytes(), value);
        }
        Ok(())
    }

    fn compact(&self) -> Result<Done, Failure> {
        Ok(Done::Lacking)
    }

    fn checkpoint(&self, directory: &Path) -> Result<Done, Failure> {
        let failed = |error| Failure::new(format!("the checkpoint failed: {error}"));
        // A failure closes only the copy; this store stays usable.
        let of_copy = |failure: Failure| Failure { closed: false, ..failure };
        // Renamed only when it is complete.
        let unfinished = directory.with_extension("unfinished");
        std::fs::create_dir(&unfinished).map_err(failed)?;
        let copy = Self::open(&unfinished, Flaw::None).map_err(of_copy)?;
        let inner = self.lock()?;
        for (name, rows) in &inner.keyspaces {
            copy.create_keyspace(name).map_err(of_copy)?;
            let rows =
                rows.iter().map(|(key, value)| (name.clone(), key.clone(), Some(value.clone()))).collect();
            if self.flaw != Flaw::ForgetsCheckpoint {
                copy.append(&Record { rows, ..Record::default() }, false).map_err(of_copy)?;
            }
        }
        std::fs::rename(&unfinished, directory).map_err(failed)?;
        let parent = directory.parent().unwrap_or(directory);
        File::open(parent).and_then(|parent| parent.sync_all()).map_err(failed)?;
        Ok(Done::Done)
    }

    fn verify(&self) -> Result<Done, Failure> {
        if self.flaw == Flaw::Alarms { Err(Failure::new("verification failed")) } else { Ok(Done::Done) }
    }
}

/// Truncates the journal and writes it again piece by piece, syncing each.
fn rewrite(file: &mut File, bytes: &[u8]) -> std::io::Result<()> {
    file.set_len(0)?;
    file.sync_all()?;
    for piece in bytes.chunks(1 + bytes.len() / 20) {
        file.write_all(piece)?;
        file.sync_all()?;
    }
    Ok(())
}

/// Applies the records of a journal; returns the end of the last complete one.
fn replay(bytes: &[u8], flaw: Flaw, inner: &mut Inner) -> Result<usize, Failure> {
    let mut at = 0;
    while let Some((head, rest)) = bytes[at..].split_at_checked(12) {
        let number =
            |bytes: &[u8]| bytes.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let len = usize::try_from(number(&head[..4])).unwrap_or(usize::MAX);
        let Some(body) = rest.get(..len) else { break };
        let next = at + 12 + len;
        if flaw != Flaw::Trusts && xxh3_64(body) != number(&head[4..]) {
            if flaw != Flaw::Swallows {
                // The rest belongs to a commit that failed or was cut off, and was never acknowledged.
                break;
            }
            at = next;
            continue;
        }
        match serde_json::from_slice::<Record>(body) {
            Ok(record) => apply(&record, inner),
            Err(_) if flaw == Flaw::Trusts => {}
            Err(error) => {
                return Err(Failure::new(format!("a record of the journal is unreadable: {error}")));
            }
        }
        at = next;
    }
    Ok(at)
}

fn apply(record: &Record, inner: &mut Inner) {
    if let Some(name) = &record.created {
        inner.keyspaces.entry(name.clone()).or_default();
    }
    if let Some(name) = &record.dropped {
        inner.keyspaces.remove(name);
    }
    for (keyspace, key, value) in &record.rows {
        let Some(rows) = inner.keyspaces.get_mut(keyspace) else { continue };
        match value {
            Some(value) => drop(rows.insert(key.clone(), value.clone())),
            None => drop(rows.remove(key)),
        }
    }
}
