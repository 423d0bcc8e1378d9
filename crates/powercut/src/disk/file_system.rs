//! The file systems that a disk can have, and what each needs.

use std::fmt;
use std::str::FromStr;

/// A file system on a simulated disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileSystem {
    /// ext4 with its journal in the default mode, `data=ordered`; 192 MiB.
    Ext4,
    /// xfs; 320 MiB, and it takes no less than 300.
    Xfs,
    /// btrfs with its default profiles, so that its metadata is there twice; 256 MiB.
    Btrfs,
}

impl FileSystem {
    /// All of them.
    pub const ALL: [FileSystem; 3] = [FileSystem::Ext4, FileSystem::Xfs, FileSystem::Btrfs];

    /// The name that `mount` knows.
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
    /// The program that makes an empty one, and its options. Nothing is left for the kernel to initialise later: it
    /// would write to the disk while a trial goes on, to no purpose.
    pub(super) fn mkfs(self) -> (&'static str, &'static [&'static str]) {
        match self {
            // Blocks of 4 KiB, as on any disk of today; so small a disk would get 1 KiB.
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

    /// The program and arguments that repair what the kernel refuses to mount, without losing what was synced: ext4's
    /// journal is replayed. Those of xfs throw the journal away, and those of btrfs go back to an older superblock, that
    /// knows nothing of the newest syncs.
    pub(super) fn repair(self) -> Option<(&'static str, &'static [&'static str])> {
        match self {
            FileSystem::Ext4 => Some(("e2fsck", &["-f", "-y"])),
            FileSystem::Xfs | FileSystem::Btrfs => None,
        }
    }

    /// The package that has the program, by its name in Debian, Ubuntu and Fedora.
    pub(super) fn package(self) -> &'static str {
        match self {
            FileSystem::Ext4 => "e2fsprogs",
            FileSystem::Xfs => "xfsprogs",
            FileSystem::Btrfs => "btrfs-progs",
        }
    }

    /// What it is mounted with, beside the loop device's options: barriers and all as by default. `noatime` and
    /// `nodiscard` keep writes out of the log that say nothing.
    pub(super) fn mount_options(self) -> &'static str {
        match self {
            // `errors=continue`: an error is for the program to see, and must not end the file system by itself.
            FileSystem::Ext4 => "noatime,nodiscard,errors=continue",
            // Many images carry one and the same UUID, and two may be mounted at once.
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

    /// The name in lower case, as [`name`](FileSystem::name) has it.
    fn from_str(name: &str) -> Result<FileSystem, String> {
        let found = FileSystem::ALL.into_iter().find(|file_system| file_system.name() == name);
        found.ok_or_else(|| "no such file system here: take ext4, xfs or btrfs".to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for file_system in FileSystem::ALL {
            assert_eq!(file_system.to_string().parse(), Ok(file_system));
        }
        assert!("ntfs".parse::<FileSystem>().is_err());
    }
}
