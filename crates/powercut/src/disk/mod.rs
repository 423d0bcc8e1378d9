//! A disk that remembers everything that was done to it, with a real file system on it.
//!
//! A file served over FUSE is a block device by way of a loop device; a file system on that is mounted, and a
//! storage engine in a child process works there as it would anywhere. Every write and every flush that reaches the
//! device is recorded in one ordered log, and so are the marks that the child writes beside it ("acknowledged: 17").
//! From the log follows what the disk may hold if the power is cut at any moment ([`Recording::crash`]); such an
//! image is mounted again, and the engine shows what it kept.
//!
//! ```no_run
//! use strongroom_powercut::disk::{Crash, Disk, DiskOptions, FileSystem};
//! use strongroom_powercut::random::Random;
//!
//! # fn run_child(files: &std::path::Path, mark: &std::path::Path) {}
//! # fn main() -> std::io::Result<()> {
//! strongroom_powercut::disk::isolate()?; // first thing in `main`
//! let disk = Disk::mount(Disk::formatted(FileSystem::Ext4)?, FileSystem::Ext4, &DiskOptions::default())?;
//! run_child(disk.path(), &disk.mark_path());
//! let recording = disk.unmount()?;
//! for (at, acknowledged) in recording.marks() {
//!     let image = recording.crash(at + 1, Crash::DropUnflushed, &mut Random::new(1));
//!     let disk = Disk::mount(image, FileSystem::Ext4, &DiskOptions::default())?;
//!     // What was acknowledged must be in `disk.path()`.
//!     disk.unmount()?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Use a child process
//!
//! Whatever works on the mounted files belongs into a child process (which calls [`die_with_parent`]). The disk is
//! served by threads of this process: if it is killed while one of its own threads waits for that disk, the kernel
//! waits for an answer that nobody can give any more, and the process can never be ended. A child's requests fail
//! instead, as soon as this process is gone.
//!
//! # What it is not
//!
//! The device does one thing at a time: while a flush goes on, all else waits. A write is never acknowledged before
//! it is in the log, so that a cut is always between two writes; what a disk with a deeper queue could do to
//! writes in flight is covered by the kinds of [`Crash`], which take any unflushed writes apart. Reads never fail.
//!
//! Linux only, as root, with `/dev/fuse`, loop devices and util-linux; elsewhere [`unavailable`] says what is missing.

#[cfg(not(target_os = "linux"))]
mod elsewhere;
mod faults;
mod file_system;
mod image;
#[cfg(target_os = "linux")]
mod linux;
mod recording;

use std::time::Duration;

/// The operating system and its version, which decide as much as the engine what is left.
pub fn system() -> String {
    #[cfg(target_os = "linux")]
    if let Ok(names) = nix::sys::utsname::uname() {
        return format!("{} {}", names.sysname().to_string_lossy(), names.release().to_string_lossy());
    }
    std::env::consts::OS.to_owned()
}

#[cfg(not(target_os = "linux"))]
pub use self::elsewhere::{Disk, die_with_parent, isolate, unavailable};
pub use self::faults::{Fault, Faults};
pub use self::file_system::FileSystem;
pub use self::image::Image;
#[cfg(target_os = "linux")]
pub use self::linux::{Disk, die_with_parent, isolate, unavailable};
pub use self::recording::{Crash, Entry, Recording, SECTOR_BYTES};

/// How a disk behaves.
#[derive(Clone, Debug, Default)]
pub struct DiskOptions {
    /// Each flush takes at least so long. Zero: as long as the program needs, some 0.1 ms.
    pub flush_delay: Duration,
}
