//! The interface of the disk on systems without FUSE and loop devices, where every disk is unavailable.

use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};

use super::{DiskOptions, Faults, FileSystem, Image, Recording};

const REASON: &str = "power cuts can be simulated on Linux only";

/// Returns why power cuts cannot be simulated here.
pub fn unavailable() -> Option<String> {
    Some(REASON.to_string())
}

impl FileSystem {
    /// Returns why disks with this file system are unavailable here.
    pub fn unavailable(self) -> Option<String> {
        unavailable()
    }
}

/// Does nothing: without disks there are no mounts to isolate.
pub fn isolate() -> io::Result<()> {
    Ok(())
}

/// Does nothing: without disks a child may outlive its parent.
pub fn die_with_parent() -> io::Result<()> {
    Ok(())
}

/// A mounted disk, which does not exist here.
#[derive(Debug)]
pub struct Disk(Infallible);

impl Disk {
    /// Always fails here, with an error of the kind `Unsupported`.
    pub fn formatted(_: FileSystem) -> io::Result<Image> {
        Err(io::Error::new(io::ErrorKind::Unsupported, REASON))
    }

    /// Always fails here, with an error of the kind `Unsupported`.
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
