//! Disks on Linux: a file served over FUSE, a loop device over it, and a file system on that.

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

/// Returns why power cuts cannot be simulated here, if so: not root, no `/dev/fuse`, no loop devices, or no file
/// system that can be mounted. The first call mounts a disk to find out, which takes about 100 ms.
pub fn unavailable() -> Option<String> {
    static REASON: OnceLock<Option<String>> = OnceLock::new();
    let reason = REASON.get_or_init(|| {
        what_is_missing().or_else(|| {
            // One file system suffices. If none works, ext4 gives the reason, because most systems have it.
            let mut reasons = FileSystem::ALL.into_iter().map(FileSystem::unavailable);
            let first = reasons.next().flatten()?;
            if reasons.any(|reason| reason.is_none()) { None } else { Some(first) }
        })
    });
    reason.clone()
}

/// Returns a missing requirement that shows without mounting a disk.
fn what_is_missing() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("power cuts can be simulated only as root (mounts, loop devices)".to_string());
    }
    for (device, module) in [("/dev/fuse", "fuse"), ("/dev/loop-control", "loop")] {
        if let Err(error) = OpenOptions::new().read(true).write(true).open(device) {
            return Some(format!("cannot open {device} ({error}): load the kernel module {module}"));
        }
    }
    let missing =
        ["mount", "umount", "fallocate"].into_iter().find(|program| programs::find(program).is_none())?;
    Some(format!("the program {missing} is missing: install util-linux"))
}

impl FileSystem {
    /// Returns why disks with this file system are unavailable here, if so: its `mkfs` is missing (with the package
    /// to install), or the kernel does not mount it. The first call mounts a disk to find out.
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
        tried.err().map(|error| format!("cannot mount a disk with {self}: {error}"))
    }
}

/// Moves the calling thread to a private mount namespace, so that all disks disappear with the process even if it is
/// killed. Call it first in `main`, before any other thread and before [`unavailable`], which mounts a disk: it
/// affects only the calling thread and those that it starts later.
pub fn isolate() -> io::Result<()> {
    nix::sched::unshare(CloneFlags::CLONE_NEWNS)?;
    // Otherwise the mounts made here would still propagate to the parent namespace.
    let none: Option<&Path> = None;
    nix::mount::mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    keep_mounts()
}

/// Starts a child that keeps the mount namespace alive until this process has ended.
///
/// The last process of a namespace unmounts its mounts. If that were this process, the kernel would wait for its
/// disks before closing them, and deadlock. The child ends when its standard input closes, after this process has
/// closed all its files, including the disks. The file systems are then unmounted with I/O errors, but at once.
fn keep_mounts() -> io::Result<()> {
    static KEEPERS: Mutex<Vec<Child>> = Mutex::new(Vec::new());
    let keeper = Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Its own process group: an interrupt from the terminal must not end it together with this process.
        .process_group(0)
        .spawn()?;
    KEEPERS.lock().unwrap_or_else(PoisonError::into_inner).push(keeper);
    Ok(())
}

/// Kills the calling process when the thread that started it ends. Call it first in a child that works on a disk: a
/// child that outlives its parent would keep the parent's mounts.
pub fn die_with_parent() -> io::Result<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    Ok(())
}
