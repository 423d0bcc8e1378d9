//! I/O errors: writes and flushes that fail, and a full file system.
//!
//! A dry run counts the writes and flushes of the script. Then the script runs again, and the disk fails at a seeded
//! point. The harness inspects the final disk without the fault, and also the disk after a power cut at the end: no
//! commit acknowledged before or after the failure may be missing.

use super::look::{COMMITS, broken, judge_look, seed_of};
use super::power::{alone, begin, look_on, void, write_on};
use crate::child::Outcome;
use crate::disk::{Crash, Disk, DiskOptions, Fault, FileSystem};
use crate::judge::{Finding, Found, History};
use crate::look::Depth;
use crate::marks::{Mark, What};
use crate::name::{FaultKind, Name};
use crate::random::Random;
use crate::results::Trial;
use crate::script::{Script, Workload};
use crate::subject::{Role, Subject};
use std::io;
use std::time::Duration;

/// The most free space on the full disk, in bytes: less than most stores need for their script.
const ROOM_BYTES_MAX: usize = 512 * 1_024;

/// Numbers of writes and flushes of an undisturbed script.
#[derive(Debug, Clone, Copy)]
struct Asked {
    writes: u64,
    flushes: u64,
}

pub(super) fn trial(subject: &dyn Subject, name: &Name, limit: Duration) -> io::Result<Trial> {
    let Name::Fault { file_system, workload, kind, seed, .. } = name else {
        return Err(broken("not a fault trial", name));
    };
    let _alone = alone(*file_system);
    let mut random = Random::new(seed_of(name));
    let asked = if *kind == FaultKind::NoSpace {
        Asked { writes: 0, flushes: 0 }
    } else {
        dry_run(subject, *file_system, *workload, *seed)?
    };
    let disk = Disk::mount(Disk::formatted(*file_system)?, *file_system, &DiskOptions::default())?;
    let ended = begin(&disk)
        .and_then(|()| arm(&disk, *kind, asked, &mut random))
        .and_then(|()| write_on(subject, &disk, *workload, *seed));
    let hits = disk.faults().hits();
    disk.faults().disarm();
    if *kind == FaultKind::NoSpace {
        disk.make_room()?;
    }
    let recording = disk.unmount()?;
    let marks: Vec<Mark> = recording.marks().flat_map(|(_, line)| Mark::parse_all(line)).collect();
    let ended = ended?;
    let idle = if *kind == FaultKind::NoSpace { was_enough(&ended, &marks) } else { hits == 0 };
    let mut found = judge_end(ended, &marks);
    let history = History::new(Script::new(*workload, *seed, COMMITS));
    let fails_flushes = matches!(kind, FaultKind::Flush | FaultKind::Flushes);
    let history = match file_system {
        FileSystem::Ext4 | FileSystem::Xfs if fails_flushes => history.with_false_sync(),
        _ => history,
    };
    let depth = Depth { verify: subject.role() != Role::Raw, probe: true };
    let filling = (*workload, *seed, COMMITS);
    let look = match look_on(subject, recording.last(), *file_system, filling, depth, limit)? {
        Ok((seen, _)) => seen,
        // Earlier findings are kept.
        Err(refused) => return Ok(Trial { found, ..void(name, &refused) }),
    };
    found.extend(judge_look(&history, &marks, look, subject.role()));
    if *kind == FaultKind::NoSpace {
        // No power cut here: no flush failed, and an image from before would have no space to open the store.
        return Ok(Trial { name: name.clone(), found, idle, void: None });
    }
    // Again without unflushed writes: a commit that was acknowledged although its flush failed is missing here.
    let last_mark = recording.marks().map(|(at, _)| at + 1).last().unwrap_or(0);
    let dropped = recording.crash(last_mark, Crash::DropUnflushed, &mut random);
    match look_on(subject, dropped, *file_system, filling, depth, limit)? {
        Ok((look, _)) => {
            let again = judge_look(&history, &marks, look, subject.role());
            found.extend(
                again.into_iter().map(|(finding, text)| (finding, format!("power cut then: {text}"))),
            );
        }
        Err(refused) => return Ok(Trial { found, ..void(name, &refused) }),
    }
    Ok(Trial { name: name.clone(), found, idle, void: None })
}

fn dry_run(
    subject: &dyn Subject,
    file_system: FileSystem,
    workload: Workload,
    seed: u64,
) -> io::Result<Asked> {
    let disk = Disk::mount(Disk::formatted(file_system)?, file_system, &DiskOptions::default())?;
    let asked = begin(&disk).and_then(|()| {
        let before = (disk.faults().writes(), disk.faults().flushes());
        let outcome = write_on(subject, &disk, workload, seed)?;
        let after = (disk.faults().writes(), disk.faults().flushes());
        match outcome {
            Outcome::Done(()) => Ok(Asked { writes: after.0 - before.0, flushes: after.1 - before.1 }),
            other => Err(broken(subject.name(), format!("a script without faults failed: {other:?}"))),
        }
    });
    disk.unmount()?;
    asked
}

/// Arms the fault at a seeded request, counted from now.
fn arm(disk: &Disk, kind: FaultKind, asked: Asked, random: &mut Random) -> io::Result<()> {
    let mut place = |count: u64| random.below(usize::try_from(count).unwrap_or(usize::MAX)) as u64;
    let (fault, at, lasting) = match kind {
        FaultKind::Write => (Fault::WriteError, place(asked.writes), false),
        FaultKind::Writes => (Fault::WriteError, place(asked.writes), true),
        FaultKind::ShortWrite => (Fault::ShortWrite, place(asked.writes), false),
        FaultKind::Flush => (Fault::FlushError, place(asked.flushes), false),
        FaultKind::Flushes => (Fault::FlushError, place(asked.flushes), true),
        FaultKind::NoSpace => return disk.fill(random.below(ROOM_BYTES_MAX) as u64),
    };
    disk.faults().arm(fault, at, lasting);
    Ok(())
}

/// Whether the free space sufficed for the whole script.
fn was_enough(ended: &Outcome<()>, marks: &[Mark]) -> bool {
    *ended == Outcome::Done(()) && !marks.iter().any(|mark| mark.what == What::Failed)
}

/// Checks how a child ended. It may give up with a message, but must not die, hang, or commit on a closed handle.
pub(super) fn judge_end(ended: Outcome<()>, marks: &[Mark]) -> Vec<Found> {
    let mut found = match ended {
        Outcome::Done(()) | Outcome::Failed(_) => Vec::new(),
        Outcome::Hung => vec![(Finding::Hung, "the script did not end in time".to_owned())],
        Outcome::Died(why) => vec![(Finding::Crashed, why)],
    };
    if let Some(mark) = marks.iter().find(|mark| mark.what == What::WentOn) {
        let text = format!("writer {} committed after its failed step {}", mark.writer, mark.step);
        found.push((Finding::WentOn, text));
    }
    found
}
