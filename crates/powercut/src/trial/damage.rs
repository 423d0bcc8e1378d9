//! Damaged files: a store that was closed, or whose process had died, and something in one of its files is changed.
//!
//! No wrong value may be served. What is missing has to be noticed, by opening, by reading or by verifying; a store
//! whose process died may lack what was committed within the lag of its high-water mark, and nothing else.

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

/// What the stores hold that are damaged: one writer, several keyspaces, rows written over and deleted.
const WORKLOADS: [Workload; 3] = [Workload::Batches, Workload::Overwrites, Workload::Keyspaces];

/// A store that is damaged many times, each time a copy.
#[derive(Debug)]
pub struct Prepared {
    scratch: TempDir,
    filling: Filling,
    history: History,
    marks: Vec<Mark>,
}

impl Prepared {
    /// Stores of one seed are prepared alike; one prepared store serves the trials of several seeds.
    pub const SEEDS: u64 = 3;

    /// Makes the store that the trials with this seed damage.
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
            return Err(broken(subject.name(), format!("a script without any damage: {outcome:?}")));
        }
        let history = History::new(Script::new(workload, store_seed, COMMITS));
        let marks = Mark::parse_all(&std::fs::read(marks)?);
        // Without this mark everything might be missing.
        let last = if closed { What::Ended } else { What::Settled };
        if !marks.iter().any(|mark| mark.what == last) {
            return Err(broken(subject.name(), "a script without any damage came to an early end"));
        }
        let prepared = Self { scratch, filling: (workload, store_seed, COMMITS), history, marks };
        prepared.check_undamaged(subject)?;
        Ok(prepared)
    }

    /// A copy to which nothing was done has to be sound: else whatever is seen of damaged ones says nothing.
    fn check_undamaged(&self, subject: &dyn Subject) -> io::Result<()> {
        let (_scratch, store) = self.copy()?;
        let depth = Depth { verify: true, probe: false };
        let look = child::look_at(subject.name(), &store, self.filling, depth, WRITE_LIMIT)?;
        let (finding, text) = judge(&self.history, &self.marks, look);
        // What raw engines make of their own files is no business of this run.
        if finding == Finding::Harmless || subject.role() == Role::Raw {
            return Ok(());
        }
        Err(broken(subject.name(), format!("a copy without any damage is {finding}: {text}")))
    }

    fn copy(&self) -> io::Result<(TempDir, PathBuf)> {
        let scratch = tempfile::tempdir()?;
        let store = scratch.path().join(STORE);
        copy_tree(&self.scratch.path().join(STORE), &store)?;
        Ok((scratch, store))
    }

    /// Damages a copy and looks at it.
    pub fn trial(&self, subject: &dyn Subject, name: &Name, limit: Duration) -> io::Result<Trial> {
        let Name::Damage { kind, .. } = name else { return Err(broken("no damage", name)) };
        let (_scratch, store) = self.copy()?;
        let what = damage(&store, *kind, &mut Random::new(seed_of(name)))?;
        let depth = Depth { verify: true, probe: false };
        let look = child::look_at(subject.name(), &store, self.filling, depth, limit)?;
        let (finding, text) = judge(&self.history, &self.marks, look);
        let idle = finding == Finding::Harmless;
        Ok(Trial { name: name.clone(), found: vec![(finding, format!("{what}: {text}"))], idle, void: None })
    }
}

/// What a look at a damaged copy finds.
pub(super) fn judge(history: &History, marks: &[Mark], look: Look) -> Found {
    let cut_short = cut_short(&look.ended);
    let seen = look.seen.unwrap_or_default();
    let missing = match history.missing(marks, &seen.state) {
        // Whatever became of the process that was served it.
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
        (None, None) => (Finding::Harmless, "all is there".to_owned()),
    }
}
