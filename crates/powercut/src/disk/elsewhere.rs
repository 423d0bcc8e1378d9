//! Where there is no FUSE and no loop device: the same interface, and no disk.

use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};

use super::{DiskOptions, Faults, FileSystem, Image, Recording};

const REASON: &str = "power cuts are simulated on Linux alone";

/// Why power cuts cannot be simulated here.
pub fn unavailable() -> Option<String> {
    Some(REASON.to_string())
}

impl FileSystem {
    /// Why disks with this file system cannot be had here.
    pub fn unavailable(self) -> Option<String> {
        unavailable()
    }
}

/// Does nothing: there is nothing to isolate.
pub fn isolate() -> io::Result<()> {
    Ok(())
}

/// Does nothing: there is no disk that a child could outlive.
pub fn die_with_parent() -> io::Result<()> {
    Ok(())
}

/// A mounted disk, which cannot be had here.
#[derive(Debug)]
pub struct Disk(Infallible);

impl Disk {
    /// Always an error here, of the kind `Unsupported`.
    pub fn formatted(_: FileSystem) -> io::Result<Image> {
        Err(io::Error::new(io::ErrorKind::Unsupported, REASON))
    }

    /// Always an error here, of the kind `Unsupported`.
    pub fn mount(_: Image, _: FileSystem, _: &DiskOptions) -> io::Result<Disk> {
        Err(io::Error::new(io::ErrorKind::Unsupported, REASON))
    }

    /// Where the file system is mounted.
    pub fn path(&self) -> &Path {
        match self.0 {}
    }

    /// The file that marks are written to.
    pub fn mark_path(&self) -> PathBuf {
        match self.0 {}
    }

    /// The switch for I/O errors.
    pub fn faults(&self) -> &Faults {
        match self.0 {}
    }

    /// Fills the file system.
    pub fn fill(&self, _: u64) -> io::Result<()> {
        match self.0 {}
    }

    /// The space that the file system has left, in bytes.
    pub fn free_bytes(&self) -> io::Result<u64> {
        match self.0 {}
    }

    /// Undoes [`fill`](Self::fill).
    pub fn make_room(&self) -> io::Result<()> {
        match self.0 {}
    }

    /// Ends the recording.
    pub fn unmount(self) -> io::Result<Recording> {
        match self.0 {}
    }
}
