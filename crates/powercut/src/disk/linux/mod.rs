//! Disks on Linux: FUSE, a loop device, and a file system on it.

mod disk;
mod programs;
mod server;

use std::fs::OpenOptions;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use nix::mount::MsFlags;
use nix::sched::CloneFlags;
use nix::sys::signal::Signal;

pub use self::disk::Disk;
use super::{DiskOptions, FileSystem};

/// Why power cuts cannot be simulated here, if they cannot: not root, no `/dev/fuse`, no loop devices, or no file
/// system that could be mounted. The first call tries it with a real disk, which takes some 100 ms.
pub fn unavailable() -> Option<String> {
    static REASON: OnceLock<Option<String>> = OnceLock::new();
    let reason = REASON.get_or_init(|| {
        what_is_missing().or_else(|| {
            // Any one will do; ext4 is what most have, so that its reason is told.
            let mut reasons = FileSystem::ALL.into_iter().map(FileSystem::unavailable);
            let first = reasons.next().flatten()?;
            if reasons.any(|reason| reason.is_none()) { None } else { Some(first) }
        })
    });
    reason.clone()
}

/// What can be seen without trying.
fn what_is_missing() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("power cuts are simulated as root alone (mounts, loop devices)".to_string());
    }
    for (device, module) in [("/dev/fuse", "fuse"), ("/dev/loop-control", "loop")] {
        if let Err(error) = OpenOptions::new().read(true).write(true).open(device) {
            return Some(format!(
                "{device} cannot be opened ({error}): is the kernel's module {module} there?"
            ));
        }
    }
    let missing =
        ["mount", "umount", "fallocate"].into_iter().find(|program| programs::find(program).is_none())?;
    Some(format!("the program {missing} is missing: install util-linux"))
}

impl FileSystem {
    /// Why disks with this file system cannot be had here, if they cannot: its `mkfs` is missing (the package is
    /// named), or the kernel does not mount it. The first call tries it with a real disk.
    pub fn unavailable(self) -> Option<String> {
        static REASONS: [OnceLock<Option<String>>; FileSystem::ALL.len()] = [const { OnceLock::new() }; 3];
        REASONS[self as usize].get_or_init(|| self.try_out()).clone()
    }

    fn try_out(self) -> Option<String> {
        if let Some(reason) = what_is_missing() {
            return Some(reason);
        }
        let (mkfs, _) = self.mkfs();
        if programs::find(mkfs).is_none() {
            return Some(format!("the program {mkfs} is missing: install {}", self.package()));
        }
        let tried = Disk::formatted(self)
            .and_then(|image| Disk::mount(image, self, &DiskOptions::default()))
            .and_then(Disk::unmount);
        tried.err().map(|error| format!("no disk with {self} could be mounted: {error}"))
    }
}

/// Gives this process mounts of its own, so that every disk vanishes with it, also when it is killed. Called first
/// thing in `main`, before there is any thread and before [`unavailable`], which mounts a disk: it works on the calling
/// thread and those it starts later.
pub fn isolate() -> io::Result<()> {
    nix::sched::unshare(CloneFlags::CLONE_NEWNS)?;
    // Without this, the mounts made here would still spread to where this process came from.
    let none: Option<&Path> = None;
    nix::mount::mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    keep_mounts()
}

/// Starts a child that holds the mounts until this process is gone.
///
/// Whoever leaves the mounts last unmounts them. If that were this process, the kernel would wait for its disks
/// before it closes them, and so for ever. The child ends when its input does, which is when this process has closed
/// all it had, disks included; the file systems are then unmounted with I/O errors, but at once.
fn keep_mounts() -> io::Result<()> {
    static KEEPERS: Mutex<Vec<Child>> = Mutex::new(Vec::new());
    let keeper = Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Not with this process, when the terminal's interrupt ends that.
        .process_group(0)
        .spawn()?;
    KEEPERS.lock().unwrap_or_else(PoisonError::into_inner).push(keeper);
    Ok(())
}

/// Called first thing in a child that works on a disk: it is killed when the thread that started it ends. A child
/// that lived on would keep the mounts of its parent.
pub fn die_with_parent() -> io::Result<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    Ok(())
}
