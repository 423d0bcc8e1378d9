//! Power cuts: records a script on the simulated disk once, and derives any number of crash images from it.

use super::look::{COMMITS, STORE, WRITE_LIMIT, broken, judge_look, seed_of};
use crate::child::{self, End, Filling, Look, Outcome, Writing};
use crate::disk::{Crash, Disk, DiskOptions, Entry, FileSystem, Image, Recording};
use crate::judge::History;
use crate::look::Depth;
use crate::marks::{Mark, What};
use crate::name::{ImageKind, Name};
use crate::random::Random;
use crate::results::Trial;
use crate::script::{Script, Workload};
use crate::subject::{Role, Subject};
use std::fs::File;
use std::io::{self, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The kinds of image that come directly from a recording.
const DIRECT: [Crash; 5] =
    [Crash::DropUnflushed, Crash::KeepAll, Crash::RandomSectors, Crash::Reordered, Crash::TornLast];

/// Flush time for concurrent writers.
const SLOW_FLUSH: Duration = Duration::from_millis(2);

/// The recording of a script on a disk.
#[derive(Debug)]
pub struct Recorded {
    file_system: FileSystem,
    filling: Filling,
    history: History,
    recording: Recording,
    /// The marks with their indexes in the log. The harness writes the first, before the child starts.
    marks: Vec<(usize, Mark)>,
}

impl Recorded {
    /// Runs the script and records it.
    pub fn new(
        subject: &dyn Subject,
        file_system: FileSystem,
        workload: Workload,
        seed: u64,
    ) -> io::Result<Self> {
        // Slow flushes make other writers wait, so that they share the next flush.
        let flush_delay = if workload == Workload::Concurrent { SLOW_FLUSH } else { Duration::ZERO };
        let disk = Disk::mount(Disk::formatted(file_system)?, file_system, &DiskOptions { flush_delay })?;
        let ended = begin(&disk).and_then(|()| write_on(subject, &disk, workload, seed));
        let recording = disk.unmount()?;
        match ended? {
            Outcome::Done(()) => {}
            Outcome::Hung => {
                return Err(broken(subject.name(), "a script without faults exceeded its time limit"));
            }
            Outcome::Failed(why) | Outcome::Died(why) => return Err(broken(subject.name(), why)),
        }
        let history = History::new(Script::new(workload, seed, COMMITS));
        let marks: Vec<(usize, Mark)> = recording
            .marks()
            .flat_map(|(at, line)| Mark::parse_all(line).into_iter().map(move |mark| (at, mark)))
            .collect();
        if !marks.iter().any(|(_, mark)| mark.what == What::Ended) {
            return Err(broken(subject.name(), "the script ended without its last mark"));
        }
        Ok(Self { file_system, filling: (workload, seed, COMMITS), history, recording, marks })
    }

    /// Creates an image and inspects the store in it.
    pub fn trial(&self, subject: &dyn Subject, name: &Name, limit: Duration) -> io::Result<Trial> {
        let Name::Power { kind, .. } = name else { return Err(broken("not a power trial", name)) };
        let _alone = alone(self.file_system);
        let mut random = Random::new(seed_of(name));
        let cut = self.cut(*kind, &mut random);
        let depth = Depth { verify: subject.role() != Role::Raw, probe: true };
        let crash = crash_of(*kind, &mut random);
        let image = self.recording.crash(cut, crash, &mut random);
        let marks: Vec<Mark> = self.marks.iter().filter(|(at, _)| *at < cut).map(|(_, mark)| *mark).collect();
        let looked = |image| look_on(subject, image, self.file_system, self.filling, depth, limit);
        let (mut look, recovery) = match looked(image)? {
            Ok(seen) => seen,
            Err(refused) => return Ok(void(name, &refused)),
        };
        if *kind == ImageKind::Recovery {
            let first = judge_look(&self.history, &marks, look, subject.role());
            if !first.is_empty() {
                return Ok(Trial { name: name.clone(), found: first, idle: false, void: None });
            }
            let pending = cuts_with_pending(&recovery.log, 1);
            let cut = if pending.is_empty() { recovery.log.len() } else { *random.pick(&pending) };
            let crash = *random.pick(&DIRECT);
            let image = recovery.crash(cut, crash, &mut random);
            look = match looked(image)? {
                Ok((seen, _)) => seen,
                Err(refused) => return Ok(void(name, &refused)),
            };
        }
        let found = judge_look(&self.history, &marks, look, subject.role());
        Ok(Trial { name: name.clone(), found, idle: false, void: None })
    }

    /// Picks the index in the log at which to cut the power; one in twelve falls into the creation of the store.
    ///
    /// Right after an acknowledgement usually all writes are durable, and images of every kind would be equal. So
    /// only half of the images of the kind `Drop` are made there, and all others at indexes with unflushed writes.
    fn cut(&self, kind: ImageKind, random: &mut Random) -> usize {
        let place =
            |wanted: What| self.marks.iter().find(|(_, mark)| mark.what == wanted).map_or(0, |(at, _)| *at);
        let (start, ready) = (self.marks.first().map_or(0, |(at, _)| *at), place(What::Ready));
        let end = self.recording.log.len();
        let range = if random.below(12) == 0 { start + 1..ready + 1 } else { ready + 1..end + 1 };
        if kind == ImageKind::Drop && random.below(2) == 0 {
            let is_after =
                |(at, mark): &&(usize, Mark)| mark.what == What::Acknowledged && range.contains(&(at + 1));
            let acknowledged: Vec<usize> = self.marks.iter().filter(is_after).map(|(at, _)| at + 1).collect();
            if !acknowledged.is_empty() {
                return *random.pick(&acknowledged);
            }
        }
        // Reordering needs at least two writes.
        let least = if kind == ImageKind::Reordered { 2 } else { 1 };
        let pending = cuts_with_pending(&self.recording.log, least);
        let pending: Vec<usize> = pending.into_iter().filter(|cut| range.contains(cut)).collect();
        if pending.is_empty() {
            return range.start + random.below(range.len());
        }
        *random.pick(&pending)
    }
}

/// The cuts after which at least `least` writes are unflushed.
fn cuts_with_pending(log: &[Entry], least: usize) -> Vec<usize> {
    let mut pending = 0;
    let mut cuts = Vec::new();
    for (at, entry) in log.iter().enumerate() {
        match entry {
            Entry::Write { .. } => pending += 1,
            Entry::Flush => pending = 0,
            Entry::Mark(_) => {}
        }
        if pending >= least {
            cuts.push(at + 1);
        }
    }
    cuts
}

/// The kind of crash for the first image of a trial.
fn crash_of(kind: ImageKind, random: &mut Random) -> Crash {
    match kind {
        ImageKind::Drop => Crash::DropUnflushed,
        ImageKind::Keep => Crash::KeepAll,
        ImageKind::Random => Crash::RandomSectors,
        ImageKind::Reordered => Crash::Reordered,
        ImageKind::Torn => Crash::TornLast,
        ImageKind::Recovery => *random.pick(&DIRECT),
    }
}

/// Locks trials on btrfs against each other. btrfs identifies a file system by its id, whatever its device, so the
/// kernel would confuse two mounted images of one disk.
pub(super) fn alone(file_system: FileSystem) -> Option<MutexGuard<'static, ()>> {
    static BTRFS: Mutex<()> = Mutex::new(());
    (file_system == FileSystem::Btrfs).then(|| BTRFS.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Creates the store's directory durably, and writes the first mark.
pub(super) fn begin(disk: &Disk) -> io::Result<()> {
    std::fs::create_dir(disk.path().join(STORE))?;
    File::open(disk.path())?.sync_all()?;
    let mut marks = File::options().append(true).open(disk.mark_path())?;
    marks.write_all(Mark::new(What::Settled, 0, 0).to_string().as_bytes())
}

/// Runs the script on a disk to its end.
pub(super) fn write_on(
    subject: &dyn Subject,
    disk: &Disk,
    workload: Workload,
    seed: u64,
) -> io::Result<Outcome<()>> {
    Writing {
        subject: subject.name(),
        directory: &disk.path().join(STORE),
        marks: &disk.mark_path(),
        workload,
        seed,
        commits: COMMITS,
        end: End::Close,
    }
    .run(WRITE_LIMIT)
}

/// The report of a child and the recording made meanwhile, or the error if the image could not be mounted.
type Looked = Result<(Look, Recording), io::Error>;

/// Mounts an image and inspects the store in it in a child.
pub(super) fn look_on(
    subject: &dyn Subject,
    image: Image,
    file_system: FileSystem,
    filling: Filling,
    depth: Depth,
    limit: Duration,
) -> io::Result<Looked> {
    let disk = match Disk::mount(image, file_system, &DiskOptions::default()) {
        Ok(disk) => disk,
        Err(refused) => return Ok(Err(refused)),
    };
    let look = child::look_at(subject.name(), &disk.path().join(STORE), filling, depth, limit);
    let recording = disk.unmount()?;
    Ok(Ok((look?, recording)))
}

/// A trial without a result, because the file system did not recover.
pub(super) fn void(name: &Name, refused: &io::Error) -> Trial {
    Trial { name: name.clone(), found: Vec::new(), idle: false, void: Some(refused.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_own_crash_and_a_recovery_starts_from_any() {
        let mut random = Random::new(1);
        let direct =
            [ImageKind::Drop, ImageKind::Keep, ImageKind::Random, ImageKind::Reordered, ImageKind::Torn];
        assert_eq!(direct.map(|kind| crash_of(kind, &mut random)), Crash::ALL);
        let begun: Vec<Crash> = (0..200).map(|_| crash_of(ImageKind::Recovery, &mut random)).collect();
        assert!(Crash::ALL.iter().all(|crash| begun.contains(crash)), "{begun:?}");
    }

    /// A recording of two commits, each with two writes and a flush before its acknowledgement.
    fn recorded() -> Recorded {
        let write = |sector: usize| Entry::Write { offset: sector as u64 * 512, data: vec![1; 512].into() };
        let mut log =
            vec![Entry::Mark(Vec::new()), write(0), write(1), Entry::Flush, Entry::Mark(Vec::new())];
        let mut marks = vec![(0, Mark::new(What::Settled, 0, 0)), (4, Mark::new(What::Ready, 0, 0))];
        for step in 0..2 {
            marks.push((log.len(), Mark::new(What::Begun, 0, step)));
            log.extend([Entry::Mark(Vec::new()), write(2), write(3), Entry::Flush, Entry::Mark(Vec::new())]);
            marks.push((log.len() - 1, Mark::new(What::Acknowledged, 0, step)));
        }
        let recording = Recording::new(Image::new(1 << 20), log);
        let history = History::new(Script::new(Workload::Single, 1, 2));
        let filling = (Workload::Single, 1, 2);
        Recorded { file_system: FileSystem::Ext4, filling, history, recording, marks }
    }

    #[test]
    fn a_cut_is_made_where_writes_are_unflushed() {
        let recorded = recorded();
        let cuts = |kind| -> Vec<usize> {
            (0..500).map(|seed| recorded.cut(kind, &mut Random::new(seed))).collect()
        };
        for kind in ImageKind::ALL {
            let least = if kind == ImageKind::Reordered { 2 } else { 1 };
            let pending = cuts_with_pending(&recorded.recording.log, least);
            let cuts = cuts(kind);
            let without = cuts.iter().filter(|cut| !pending.contains(cut)).count();
            if kind == ImageKind::Drop {
                // The two acknowledgements.
                assert!(
                    cuts.contains(&10) && cuts.contains(&15) && (150..350).contains(&without),
                    "{without}"
                );
            } else {
                assert_eq!(without, 0, "{kind}");
            }
            assert!(
                pending.iter().all(|cut| cuts.contains(cut)),
                "{kind}: every such index, also during creation"
            );
        }
    }
}
