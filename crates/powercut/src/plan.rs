//! Plans the trials: the same size and seed give the same trials.

use crate::disk::FileSystem;
use crate::name::{DamageKind, FaultKind, ImageKind, Name, Section};
use crate::script::Workload;
use crate::subject::Role;
use xxhash_rust::xxh3::xxh3_64;

/// The scripts for I/O errors. The specifics of the others do not concern the disk.
const FAULT_WORKLOADS: [Workload; 6] = [
    Workload::Batches,
    Workload::Single,
    Workload::Keyspaces,
    Workload::Checkpoint,
    Workload::Concurrent,
    Workload::Overwrites,
];

/// The number of trials in each section for a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Killed processes.
    pub kills: usize,
    /// Crash images.
    pub images: usize,
    /// I/O errors.
    pub faults: usize,
    /// Damaged files.
    pub damages: usize,
}

impl Size {
    /// A few minutes for all subjects.
    pub const SHORT: Self = Self { kills: 2, images: 12, faults: 6, damages: 12 };

    /// The published run: most images for the stores, most damage for those that promise to detect it.
    pub const fn full(role: Role) -> Self {
        match role {
            Role::Store => Self { kills: 65, images: 1_404, faults: 144, damages: 144 },
            Role::StoreFull => Self { kills: 26, images: 156, faults: 36, damages: 504 },
            Role::Raw => Self { kills: 26, images: 156, faults: 36, damages: 144 },
        }
    }
}

/// Returns the trials of a subject in a section, in groups that share their preparation.
pub fn groups(
    section: Section,
    subject: &str,
    size: Size,
    seed: u64,
    file_systems: &[FileSystem],
) -> Vec<Vec<Name>> {
    match section {
        Section::Kill => vec![kills(subject, size.kills, seed)],
        Section::Power | Section::Fault if file_systems.is_empty() => Vec::new(),
        Section::Power => powers(subject, size.images, seed, file_systems),
        Section::Fault => vec![faults(subject, size.faults, seed, file_systems)],
        Section::Damage => damages(subject, size.damages, seed),
    }
}

/// The start of a subject in a list that a short run does not complete. Different starts let all subjects together
/// cover the list.
fn first_of(subject: &str, len: usize) -> usize {
    usize::try_from(xxh3_64(subject.as_bytes()) % len.max(1) as u64).unwrap_or(0)
}

fn kills(subject: &str, count: usize, seed: u64) -> Vec<Name> {
    let first = first_of(subject, Workload::ALL.len());
    (0..count)
        .map(|at| Name::Kill {
            subject: subject.to_owned(),
            workload: Workload::ALL[(first + at) % Workload::ALL.len()],
            seed: seed + at as u64,
        })
        .collect()
}

/// Each recording is one script on one file system, and yields the same number of images of each kind.
fn powers(subject: &str, count: usize, seed: u64, file_systems: &[FileSystem]) -> Vec<Vec<Name>> {
    let (kinds, workloads) = (ImageKind::ALL.len(), Workload::ALL.len());
    let all = workloads * file_systems.len();
    let (recordings, first) = ((count / kinds).clamp(1, all), first_of(subject, all));
    let each = count.div_ceil(recordings).div_ceil(kinds) * kinds;
    (0..recordings)
        .map(|at| {
            let at = (first + at) % all;
            let (pass, workload) = (at / workloads, at % workloads);
            (0..each)
                .map(|number| Name::Power {
                    subject: subject.to_owned(),
                    // All subjects of a short run together cover every script and every file system. A subject of a
                    // full run covers each script on each file system.
                    file_system: file_systems[(pass + workload) % file_systems.len()],
                    workload: Workload::ALL[(workload * 2) % workloads],
                    seed: seed + pass as u64,
                    kind: ImageKind::ALL[number % kinds],
                    number: number as u64,
                })
                .collect()
        })
        .collect()
}

fn faults(subject: &str, count: usize, seed: u64, file_systems: &[FileSystem]) -> Vec<Name> {
    let kinds = FaultKind::ALL.len();
    let first = first_of(subject, file_systems.len());
    (0..count)
        .map(|at| {
            let pass = at / kinds;
            Name::Fault {
                subject: subject.to_owned(),
                file_system: file_systems[(first + pass) % file_systems.len()],
                workload: FAULT_WORKLOADS[(at + pass) % FAULT_WORKLOADS.len()],
                kind: FaultKind::ALL[at % kinds],
                seed: seed + pass as u64,
            }
        })
        .collect()
}

/// Groups the trials by the store that they damage.
fn damages(subject: &str, count: usize, seed: u64) -> Vec<Vec<Name>> {
    let stores = crate::trial::Prepared::SEEDS;
    let mut groups = Vec::new();
    for closed in [true, false] {
        for store in 0..stores {
            let group: Vec<Name> = (0..count)
                .map(|at| {
                    let (kind, turn) = (at % DamageKind::ALL.len(), (at / DamageKind::ALL.len()) as u64);
                    (DamageKind::ALL[kind], turn % 2 == 0, seed + turn / 2)
                })
                .filter(|(_, is_closed, seed)| *is_closed == closed && seed % stores == store)
                .map(|(kind, closed, seed)| Name::Damage { subject: subject.to_owned(), closed, kind, seed })
                .collect();
            if !group.is_empty() {
                groups.push(group);
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    const FILE_SYSTEMS: [FileSystem; 3] = [FileSystem::Ext4, FileSystem::Xfs, FileSystem::Btrfs];

    fn plan(section: Section, size: Size) -> Vec<Name> {
        groups(section, "a", size, 1, &FILE_SYSTEMS).into_iter().flatten().collect()
    }

    #[test]
    fn a_full_run_has_a_thousand_images_and_five_hundred_damages() {
        let images = plan(Section::Power, Size::full(Role::Store));
        assert!(images.len() >= 1_000, "{}", images.len());
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        let mut pairs = BTreeSet::new();
        for name in &images {
            let Name::Power { file_system, workload, kind, .. } = name else { panic!() };
            *kinds.entry(kind.to_string()).or_default() += 1;
            pairs.insert((file_system.to_string(), *workload));
        }
        assert_eq!(kinds.len(), 6);
        assert!(kinds.values().all(|count| *count == images.len() / 6));
        assert_eq!(pairs.len(), 39, "each script on each file system");
        assert_eq!(plan(Section::Damage, Size::full(Role::StoreFull)).len(), 504);
    }

    #[test]
    fn no_trial_is_planned_twice() {
        for section in Section::ALL {
            for size in [Size::full(Role::Store), Size::full(Role::Raw), Size::SHORT] {
                let names: Vec<String> = plan(section, size).iter().map(ToString::to_string).collect();
                assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{section}");
                assert!(!names.is_empty());
            }
        }
    }

    #[test]
    fn without_a_disk_no_trials_on_it_are_planned() {
        assert!(groups(Section::Power, "a", Size::SHORT, 1, &[]).is_empty());
        assert!(groups(Section::Fault, "a", Size::SHORT, 1, &[]).is_empty());
    }

    #[test]
    fn the_subjects_of_a_short_run_cover_every_script_and_every_file_system() {
        let mut seen: BTreeMap<Section, BTreeSet<String>> = BTreeMap::new();
        for engine in ["redb", "fjall", "sqlite", "lmdb", "rocksdb", "sled"] {
            for subject in [engine.to_owned(), format!("{engine}/store"), format!("{engine}/store-full")] {
                for section in Section::ALL {
                    for name in groups(section, &subject, Size::SHORT, 1, &FILE_SYSTEMS).into_iter().flatten()
                    {
                        let words =
                            name.to_string().split(':').skip(2).map(str::to_owned).collect::<Vec<_>>();
                        seen.entry(section).or_default().extend(words);
                    }
                }
            }
        }
        let missing = |section, words: &[String]| -> Vec<String> {
            words.iter().filter(|word| !seen[&section].contains(*word)).cloned().collect()
        };
        let workloads = Workload::ALL.map(|workload| workload.to_string());
        let file_systems = FILE_SYSTEMS.map(|file_system| file_system.to_string());
        assert_eq!(missing(Section::Kill, &workloads), [""; 0]);
        assert_eq!(missing(Section::Power, &workloads), [""; 0]);
        assert_eq!(missing(Section::Power, &file_systems), [""; 0]);
        assert_eq!(missing(Section::Power, &ImageKind::ALL.map(|kind| kind.to_string())), [""; 0]);
        assert_eq!(missing(Section::Fault, &FAULT_WORKLOADS.map(|workload| workload.to_string())), [""; 0]);
        assert_eq!(missing(Section::Fault, &file_systems), [""; 0]);
        assert_eq!(missing(Section::Fault, &FaultKind::ALL.map(|kind| kind.to_string())), [""; 0]);
        assert_eq!(missing(Section::Damage, &DamageKind::ALL.map(|kind| kind.to_string())), [""; 0]);
        assert_eq!(missing(Section::Damage, &["closed", "died"].map(str::to_owned)), [""; 0]);
    }
}
