//! The file systems of a simulated disk, with the programs and options that each needs.

use std::fmt;
use std::str::FromStr;

/// A file system on a simulated disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileSystem {
    /// ext4 with its journal in the default mode, `data=ordered`; 192 MiB.
    Ext4,
    /// xfs; 320 MiB, as `mkfs.xfs` requires at least 300.
    Xfs,
    /// btrfs with its default profiles, which store metadata twice; 256 MiB.
    Btrfs,
}

impl FileSystem {
    /// All file systems.
    pub const ALL: [FileSystem; 3] = [FileSystem::Ext4, FileSystem::Xfs, FileSystem::Btrfs];

    /// The name that `mount` takes.
    pub fn name(self) -> &'static str {
        match self {
            FileSystem::Ext4 => "ext4",
            FileSystem::Xfs => "xfs",
            FileSystem::Btrfs => "btrfs",
        }
    }

    /// The size of a disk with this file system, in bytes.
    pub fn disk_len_bytes(self) -> u64 {
        match self {
            FileSystem::Ext4 => 192 << 20,
            FileSystem::Xfs => 320 << 20,
            FileSystem::Btrfs => 256 << 20,
        }
    }
}

#[cfg(target_os = "linux")]
impl FileSystem {
    /// The program that formats a disk, and its options. The options leave nothing for the kernel to initialise
    /// later, because it would write to the disk during a trial.
    pub(super) fn mkfs(self) -> (&'static str, &'static [&'static str]) {
        match self {
            // Blocks of 4 KiB, as on usual disks; the default for a disk this small is 1 KiB.
            FileSystem::Ext4 => (
                "mkfs.ext4",
                &[
                    "-q",
                    "-F",
                    "-b",
                    "4096",
                    "-m",
                    "0",
                    "-E",
                    "lazy_itable_init=0,lazy_journal_init=0,nodiscard",
                ],
            ),
            FileSystem::Xfs => ("mkfs.xfs", &["-q", "-f", "-K"]),
            FileSystem::Btrfs => ("mkfs.btrfs", &["-q", "-f", "-K"]),
        }
    }

    /// The program and arguments that repair an image that the kernel refuses to mount, without losing synced data.
    /// Only ext4 has one: it replays the journal. The tools of xfs discard the journal, and those of btrfs fall back
    /// to an older superblock without the newest syncs.
    pub(super) fn repair(self) -> Option<(&'static str, &'static [&'static str])> {
        match self {
            FileSystem::Ext4 => Some(("e2fsck", &["-f", "-y"])),
            FileSystem::Xfs | FileSystem::Btrfs => None,
        }
    }

    /// The package of the program, as Debian, Ubuntu and Fedora name it.
    pub(super) fn package(self) -> &'static str {
        match self {
            FileSystem::Ext4 => "e2fsprogs",
            FileSystem::Xfs => "xfsprogs",
            FileSystem::Btrfs => "btrfs-progs",
        }
    }

    /// The mount options, in addition to those of the loop device; barriers stay on, as by default. `noatime` and
    /// `nodiscard` keep irrelevant writes out of the log.
    pub(super) fn mount_options(self) -> &'static str {
        match self {
            // `errors=continue`: the program must see the error, which must not stop the file system by itself.
            FileSystem::Ext4 => "noatime,nodiscard,errors=continue",
            // `nouuid`: all images have the same UUID, and two may be mounted at once.
            FileSystem::Xfs => "noatime,nodiscard,nouuid",
            FileSystem::Btrfs => "noatime,nodiscard",
        }
    }
}

impl fmt::Display for FileSystem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for FileSystem {
    type Err = String;

    /// Parses the lower-case name that [`name`](FileSystem::name) returns.
    fn from_str(name: &str) -> Result<FileSystem, String> {
        let found = FileSystem::ALL.into_iter().find(|file_system| file_system.name() == name);
        found.ok_or_else(|| "unknown file system: use ext4, xfs or btrfs".to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for file_system in FileSystem::ALL {
            assert_eq!(file_system.to_string().parse(), Ok(file_system));
        }
        assert!("ntfs".parse::<FileSystem>().is_err());
    }
}
