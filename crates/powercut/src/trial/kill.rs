//! Kills a process in the middle of its script. The operating system keeps all data that was handed to it.

use super::look::{STORE, WRITE_LIMIT, broken, judge_look, seed_of};
use crate::child::{self, End, Outcome, Writing};
use crate::judge::{Finding, History};
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

/// Commits of a script. More than on the simulated disk, because no recording takes up memory.
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
    let mut found = match kill_after(child, &marks, bytes, WRITE_LIMIT)? {
        Outcome::Done(()) => Vec::new(),
        Outcome::Hung => {
            vec![(Finding::Hung, "the script did not reach the point of the kill in time".to_owned())]
        }
        Outcome::Died(why) => vec![(Finding::Crashed, why)],
        Outcome::Failed(why) => return Err(broken("an undisturbed script failed", why)),
    };
    let marks = Mark::parse_all(&std::fs::read(&marks)?);
    let depth = Depth { verify: subject.role() != Role::Raw, probe: true };
    let look = child::look_at(subject.name(), &store, (workload, seed, COMMITS), depth, limit)?;
    found.extend(judge_look(&history, &marks, look, subject.role()));
    Ok(Trial { name: name.clone(), found, idle: false, void: None })
}

/// Kills the child as soon as its marks reach `bytes`. A child that ends before counts as it ended, and one that does
/// not reach them within `limit` counts as hung.
fn kill_after(mut child: Child, marks: &Path, bytes: u64, limit: Duration) -> io::Result<Outcome<()>> {
    let began = Instant::now();
    let mut outcome = Outcome::Done(());
    while std::fs::metadata(marks)?.len() < bytes {
        if child.try_wait()?.is_some() {
            return child::wait(child, limit);
        }
        if began.elapsed() > limit {
            outcome = Outcome::Hung;
            break;
        }
        std::thread::sleep(Duration::from_micros(50));
    }
    child.kill()?;
    child.wait()?;
    Ok(outcome)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    #![allow(clippy::unwrap_used)] // in a helper of the tests

    use super::*;
    use std::process::Command;

    fn kill_one(script: &str, bytes: u64, limit: Duration) -> Outcome<()> {
        let scratch = tempfile::tempdir().unwrap();
        let marks = scratch.path().join("marks");
        std::fs::write(&marks, "").unwrap();
        let child = Command::new("sh").args(["-c", script, "sh"]).arg(&marks).spawn().unwrap();
        let outcome = kill_after(child, &marks, bytes, limit).unwrap();
        if outcome == Outcome::Done(()) && bytes > 0 {
            assert!(std::fs::metadata(&marks).unwrap().len() >= bytes, "killed too early");
        }
        outcome
    }

    #[test]
    fn a_script_is_killed_at_its_mark_and_hangs_if_it_does_not_reach_it() {
        let long = Duration::from_secs(60);
        assert_eq!(kill_one("echo b 0 0 > \"$1\"; exec sleep 100", 6, long), Outcome::Done(()));
        assert_eq!(kill_one("exec sleep 100", 0, long), Outcome::Done(()));
        assert_eq!(kill_one("exec sleep 100", 6, Duration::from_millis(50)), Outcome::Hung);
        assert!(matches!(kill_one("kill -11 $$", 6, long), Outcome::Died(_)));
    }
}
