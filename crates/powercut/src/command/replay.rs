//! `replay`: repeats one trial.

use super::arguments::Replay;
use super::status::{Status, is_stopped};
use crate::disk;
use crate::judge::Finding;
use crate::name::{Name, Section};
use crate::subject::Subject;
use crate::trial;
use std::io::{self, Write as _};
use std::time::Duration;

pub(super) fn run(subjects: &[Box<dyn Subject>], arguments: &Replay) -> io::Result<Status> {
    let usage = |why: String| {
        eprintln!("strongroom-powercut: {why}");
        Ok(Status::Usage)
    };
    let name: Name = match arguments.name.parse() {
        Ok(name) => name,
        Err(why) => return usage(why),
    };
    let Some(subject) = subjects.iter().find(|subject| subject.name() == name.subject()) else {
        return usage(format!("unknown subject {:?}; list them with: subjects", name.subject()));
    };
    let needs_disk = matches!(name.section(), Section::Power | Section::Fault);
    if needs_disk && let Some(why) = disk::unavailable() {
        eprintln!("SKIPPED {name}: {why}");
        return Ok(Status::Broken);
    }
    let mut out = io::stdout().lock();
    let mut shown = 0;
    for turn in 1..=arguments.times {
        if is_stopped() {
            return Ok(Status::Stopped);
        }
        let trial = trial::run(&**subject, &name, Duration::from_secs(arguments.time_limit))?;
        let idle = if trial.idle { " (no effect)" } else { "" };
        if let Some(why) = &trial.void {
            writeln!(out, "{turn}: the file system did not recover: {why}")?;
        } else if trial.found.is_empty() {
            writeln!(out, "{turn}: nothing found{idle}")?;
        }
        for (finding, text) in &trial.found {
            writeln!(out, "{turn}: {finding}: {text}{idle}")?;
        }
        shown += u64::from(
            trial.found.iter().any(|(finding, _)| !matches!(finding, Finding::Noticed | Finding::Harmless)),
        );
    }
    writeln!(out, "{shown} of {} runs found something", arguments.times)?;
    Ok(if shown == 0 { Status::Sound } else { Status::Unsound })
}
