//! A process that is killed in the middle. The operating system lives on, and with it what it was handed.

use super::{STORE, WRITE_LIMIT, broken, judge_look, seed_of};
use crate::child::{self, End, Outcome, Writing};
use crate::judge::History;
use crate::look::Depth;
use crate::marks::Mark;
use crate::name::Name;
use crate::random::Random;
use crate::results::Trial;
use crate::script::{Script, Workload};
use crate::subject::{Role, Subject};
use std::io;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

/// More than on the simulated disk: there is no recording to keep.
const COMMITS: usize = 160;

pub(super) fn trial(
    subject: &dyn Subject,
    workload: Workload,
    seed: u64,
    name: &Name,
    limit: Duration,
) -> io::Result<Trial> {
    let scratch = tempfile::tempdir()?;
    let (store, marks) = (scratch.path().join(STORE), scratch.path().join("marks"));
    std::fs::create_dir(&store)?;
    std::fs::write(&marks, "")?;
    let writing = Writing {
        subject: subject.name(),
        directory: &store,
        marks: &marks,
        workload,
        seed,
        commits: COMMITS,
        end: End::Close,
    };
    let history = History::new(Script::new(workload, seed, COMMITS));
    let steps: usize = history.script().writers.iter().map(Vec::len).sum();
    // A mark is at least six bytes, two to a step.
    let bytes = Random::new(seed_of(name)).below(steps * 14) as u64;
    let child = writing.start()?;
    let killed = kill_after(child, &marks, bytes)?;
    if let Outcome::Failed(why) | Outcome::Died(why) = killed {
        return Err(broken(&format!("{name}: the writing process ended by itself"), why));
    }
    let marks = Mark::parse_all(&std::fs::read(&marks)?);
    let depth = Depth { verify: subject.role() != Role::Raw, probe: true };
    let outcome = child::look_at(subject.name(), &store, depth, limit)?;
    let found = judge_look(&history, &marks, outcome, subject.role());
    Ok(Trial { name: name.clone(), found, idle: false, void: None })
}

/// Kills the child as soon as its marks are so many bytes; one that is done before has ended by itself.
fn kill_after(mut child: Child, marks: &Path, bytes: u64) -> io::Result<Outcome<()>> {
    let began = Instant::now();
    while std::fs::metadata(marks)?.len() < bytes && began.elapsed() < WRITE_LIMIT {
        if child.try_wait()?.is_some() {
            return child::wait(child, WRITE_LIMIT);
        }
        std::thread::sleep(Duration::from_micros(50));
    }
    child.kill()?;
    child.wait()?;
    Ok(Outcome::Done(()))
}
