//! A simulated disk that records every write and flush, with a real file system on it.
//!
//! A loop device turns a file served over FUSE into a block device. A file system is mounted on it, and a storage
//! engine in a child process works there as on any disk. One ordered log records every write and flush that reaches
//! the device, and the marks that the child writes ("acknowledged: 17"). From the log follow the possible contents of
//! the disk after a power cut at any point ([`Recording::crash`]). Such an image is mounted again to see what the
//! engine kept.
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
//!     // All acknowledged commits must be in `disk.path()`.
//!     disk.unmount()?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Use a child process
//!
//! Code that uses the mounted files must run in a child process, which calls [`die_with_parent`]. Threads of this
//! process serve the disk. If the process is killed while another of its threads waits for that disk, the kernel
//! waits for an answer that cannot come, and the process never ends. The requests of a child fail instead, as soon as
//! this process has ended.
//!
//! # Limits
//!
//! The device does one thing at a time: while a flush runs, all other requests wait. A write is acknowledged only
//! after it is in the log, so a cut is always between two writes. The kinds of [`Crash`] cover what a disk with a
//! deeper queue could do to writes in flight, as they split and drop unflushed writes. Reads never fail.
//!
//! Requires Linux, root, `/dev/fuse`, loop devices and util-linux; elsewhere [`unavailable`] returns what is missing.

#[cfg(not(target_os = "linux"))]
mod elsewhere;
mod faults;
mod file_system;
mod image;
#[cfg(target_os = "linux")]
mod linux;
mod recording;

use std::time::Duration;

/// The operating system and its version, on which the results depend as much as on the engine.
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

/// Options of a disk.
#[derive(Clone, Debug, Default)]
pub struct DiskOptions {
    /// The least time of a flush. With zero, a flush takes as long as the server needs, about 0.1 ms.
    pub flush_delay: Duration,
}
