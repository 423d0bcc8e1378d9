//! `matrix`: runs every subject in every section.

use super::arguments::Matrix;
use super::status::{Status, is_stopped};
use crate::disk::{self, FileSystem};
use crate::name::{Name, Section};
use crate::plan::{self, Size};
use crate::report;
use crate::results::{Results, Trial};
use crate::subject::{Role, Subject};
use crate::trial::{self, Prepared, Recorded};
use indicatif::{ProgressBar, ProgressStyle};
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub(super) fn run(subjects: &[Box<dyn Subject>], arguments: &Matrix) -> io::Result<Status> {
    if let Some(unknown) =
        arguments.only.iter().find(|name| !subjects.iter().any(|subject| subject.name() == *name))
    {
        eprintln!("strongroom-powercut: unknown subject {unknown:?}; list them with: subjects");
        return Ok(Status::Usage);
    }
    let mut results = match &arguments.results {
        Some(path) if path.exists() => read_results(path)?,
        _ => Results::default(),
    };
    results.seed = arguments.seed;
    results.system = disk::system();
    if arguments.only.is_empty() && arguments.section.is_empty() {
        // A full run repeats everything. A partial run keeps the skips of other parts.
        results.skipped.clear();
    }
    let file_systems = file_systems(&mut results);
    let limit = Duration::from_secs(arguments.time_limit);
    let sections =
        if arguments.section.is_empty() { Section::ALL.to_vec() } else { arguments.section.clone() };
    let chosen = subjects.iter().filter(|subject| {
        arguments.only.is_empty() || arguments.only.iter().any(|name| name == subject.name())
    });
    for subject in chosen {
        let size = size_of(arguments, subject.role());
        let own = |file_system: &FileSystem| subject.file_systems().contains(file_system);
        let file_systems: Vec<FileSystem> = file_systems.iter().copied().filter(own).collect();
        for &section in &sections {
            results.begin(section, &**subject);
            let groups = plan::groups(section, subject.name(), size, arguments.seed, &file_systems);
            run_section(&**subject, section, &groups, limit, &mut results)?;
            if is_stopped() {
                eprintln!("strongroom-powercut: stopped; nothing was written");
                return Ok(Status::Stopped);
            }
            if let Some(path) = &arguments.results {
                write_whole(path, &serde_json::to_vec_pretty(&results)?)?;
            }
        }
    }
    if let Some(path) = &arguments.report {
        write_whole(path, report::markdown(&results).as_bytes())?;
    }
    summary(&results)
}

/// Reads the results of an earlier run.
pub(super) fn read_results(path: &Path) -> io::Result<Results> {
    let context = |error: &dyn std::fmt::Display| io::Error::other(format!("{}: {error}", path.display()));
    let bytes = fs::read(path).map_err(|error| context(&error))?;
    serde_json::from_slice(&bytes).map_err(|error| context(&error))
}

fn size_of(arguments: &Matrix, role: Role) -> Size {
    let size = if arguments.short { Size::SHORT } else { Size::full(role) };
    Size {
        kills: arguments.kills.unwrap_or(size.kills),
        images: arguments.images.unwrap_or(size.images),
        faults: arguments.faults.unwrap_or(size.faults),
        damages: arguments.damages.unwrap_or(size.damages),
    }
}

/// The available file systems; records and prints each that is skipped.
fn file_systems(results: &mut Results) -> Vec<FileSystem> {
    let mut skip = |what: String| {
        eprintln!("SKIPPED {what}");
        results.skipped.insert(what);
    };
    if let Some(why) = disk::unavailable() {
        skip(format!("power cuts and I/O errors: {why}"));
        return Vec::new();
    }
    FileSystem::ALL
        .into_iter()
        .filter(|file_system| match file_system.unavailable() {
            Some(why) => {
                skip(format!("{file_system}: {why}"));
                false
            }
            None => true,
        })
        .collect()
}

fn run_section(
    subject: &dyn Subject,
    section: Section,
    groups: &[Vec<Name>],
    limit: Duration,
    results: &mut Results,
) -> io::Result<()> {
    let trials: usize = groups.iter().map(Vec::len).sum();
    let bar = ProgressBar::new(trials as u64);
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    bar.set_message(format!("{:20} {section:7}", subject.name()));
    for group in groups {
        let done = match group.first() {
            Some(Name::Power { file_system, workload, seed, .. }) => {
                let recorded = Recorded::new(subject, *file_system, *workload, *seed)?;
                side_by_side(group, &bar, &|name| recorded.trial(subject, name, limit))
            }
            Some(Name::Damage { closed, seed, .. }) => {
                let prepared = Prepared::new(subject, *closed, *seed)?;
                side_by_side(group, &bar, &|name| prepared.trial(subject, name, limit))
            }
            _ => side_by_side(group, &bar, &|name| trial::run(subject, name, limit)),
        }?;
        for trial in &done {
            results.count(trial);
        }
        if is_stopped() {
            break;
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// Runs trials on one thread per core, at most 8; returns them in the order of `names`.
fn side_by_side(
    names: &[Name],
    bar: &ProgressBar,
    make: &(dyn Fn(&Name) -> io::Result<Trial> + Sync),
) -> io::Result<Vec<Trial>> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, io::Result<Trial>)>> = Mutex::default();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(8);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !is_stopped() {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(name) = names.get(at) else { break };
                    let trial = make(name).map_err(|error| io::Error::other(format!("{name}: {error}")));
                    if let Ok(mut done) = done.lock() {
                        done.push((at, trial));
                    }
                    bar.inc(1);
                }
            });
        }
    });
    let mut done = done.into_inner().map_err(|_| io::Error::other("a trial panicked"))?;
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, trial)| trial).collect()
}

/// Replaces a file atomically: a reader never sees half of it, and an interrupted run leaves the old one.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let scratch = path.with_extension("new");
    fs::write(&scratch, bytes)?;
    fs::rename(&scratch, path)
}

fn summary(results: &Results) -> io::Result<Status> {
    let mut out = io::stdout().lock();
    write!(out, "{}", report::text(results))?;
    let failures = results.failures();
    for failure in &failures {
        writeln!(out, "FAILED {failure}")?;
    }
    let trials: u64 = results.cells.values().flat_map(|cells| cells.values()).map(|cell| cell.trials).sum();
    writeln!(out, "{trials} trials, {} failed, {} skipped", failures.len(), results.skipped.len())?;
    Ok(if failures.is_empty() { Status::Sound } else { Status::Unsound })
}
