//! Damaged files: changes one file of a store that was closed, or whose process had died, and inspects the store.
//!
//! The store must not return a wrong value. Opening, reading or verifying must report missing rows. Only a store
//! whose process died may lack commits, and only those within the lag of its high-water mark.

use super::files::{copy_tree, damage};
use super::look::{COMMITS, STORE, WRITE_LIMIT, broken, cut_short, seed_of};
use crate::child::{self, End, Filling, Look, Outcome, Writing};
use crate::judge::{Finding, Found, History};
use crate::look::Depth;
use crate::marks::{Mark, What};
use crate::name::Name;
use crate::random::Random;
use crate::results::Trial;
use crate::script::{Script, Workload};
use crate::subject::{Role, Subject};
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// The scripts that fill the stores: one writer, several keyspaces, overwritten and deleted rows.
const WORKLOADS: [Workload; 3] = [Workload::Batches, Workload::Overwrites, Workload::Keyspaces];

/// A store of which each trial damages a copy.
#[derive(Debug)]
pub struct Prepared {
    scratch: TempDir,
    filling: Filling,
    history: History,
    marks: Vec<Mark>,
}

impl Prepared {
    /// Number of different prepared stores. Trials share a store if their seeds are equal modulo this number.
    pub const SEEDS: u64 = 3;

    /// Creates the store for the trials with this seed, and checks that an undamaged copy is sound.
    pub fn new(subject: &dyn Subject, closed: bool, seed: u64) -> io::Result<Self> {
        let store_seed = seed % Self::SEEDS;
        let workload = WORKLOADS[usize::try_from(store_seed).unwrap_or(0) % WORKLOADS.len()];
        let scratch = tempfile::tempdir()?;
        let marks = scratch.path().join("marks");
        std::fs::create_dir(scratch.path().join(STORE))?;
        let outcome = Writing {
            subject: subject.name(),
            directory: &scratch.path().join(STORE),
            marks: &marks,
            workload,
            seed: store_seed,
            commits: COMMITS,
            end: if closed { End::Close } else { End::Die },
        }
        .run(WRITE_LIMIT)?;
        if outcome != Outcome::Done(()) {
            return Err(broken(subject.name(), format!("a script without damage failed: {outcome:?}")));
        }
        let history = History::new(Script::new(workload, store_seed, COMMITS));
        let marks = Mark::parse_all(&std::fs::read(marks)?);
        // Without this mark no commit would be required, and every loss would pass.
        let last = if closed { What::Ended } else { What::Settled };
        if !marks.iter().any(|mark| mark.what == last) {
            return Err(broken(subject.name(), "a script without damage ended early"));
        }
        let prepared = Self { scratch, filling: (workload, store_seed, COMMITS), history, marks };
        prepared.check_undamaged(subject)?;
        Ok(prepared)
    }

    /// Checks that an undamaged copy is sound, because otherwise the results of damaged copies mean nothing.
    fn check_undamaged(&self, subject: &dyn Subject) -> io::Result<()> {
        let (_scratch, store) = self.copy()?;
        let depth = Depth { verify: true, probe: false };
        let look = child::look_at(subject.name(), &store, self.filling, depth, WRITE_LIMIT)?;
        let (finding, text) = judge(&self.history, &self.marks, look);
        // Problems of raw engines with their own files do not fail this run.
        if finding == Finding::Harmless || subject.role() == Role::Raw {
            return Ok(());
        }
        Err(broken(subject.name(), format!("an undamaged copy is {finding}: {text}")))
    }

    fn copy(&self) -> io::Result<(TempDir, PathBuf)> {
        let scratch = tempfile::tempdir()?;
        let store = scratch.path().join(STORE);
        copy_tree(&self.scratch.path().join(STORE), &store)?;
        Ok((scratch, store))
    }

    /// Damages a copy and inspects it.
    pub fn trial(&self, subject: &dyn Subject, name: &Name, limit: Duration) -> io::Result<Trial> {
        let Name::Damage { kind, .. } = name else { return Err(broken("not a damage trial", name)) };
        let (_scratch, store) = self.copy()?;
        let what = damage(&store, *kind, &mut Random::new(seed_of(name)))?;
        let depth = Depth { verify: true, probe: false };
        let look = child::look_at(subject.name(), &store, self.filling, depth, limit)?;
        let (finding, text) = judge(&self.history, &self.marks, look);
        let idle = finding == Finding::Harmless;
        Ok(Trial { name: name.clone(), found: vec![(finding, format!("{what}: {text}"))], idle, void: None })
    }
}

/// Classifies the inspection of a damaged copy.
pub(super) fn judge(history: &History, marks: &[Mark], look: Look) -> Found {
    let cut_short = cut_short(&look.ended);
    let seen = look.seen.unwrap_or_default();
    let missing = match history.missing(marks, &seen.state) {
        // A wrong value counts even if the process died later.
        Err(wrong) => return (Finding::Wrong, wrong),
        Ok(missing) => seen.differs.map(|text| (Finding::Unnoticed, text)).or(missing),
    };
    if let Some(found) = cut_short {
        return found;
    }
    let noticed = [seen.refused, seen.unread, seen.verify].into_iter().flatten().next();
    match (noticed, missing) {
        (Some(failure), _) => (Finding::Noticed, failure.message),
        (None, Some(found)) => found,
        (None, None) => (Finding::Harmless, "nothing is missing".to_owned()),
    }
}
