//! How files are stored on disk.

use std::fs::{File, Metadata};

/// Returns the bytes that a file takes on disk, without its holes.
#[cfg(unix)]
#[must_use]
pub fn file_bytes(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(metadata) * 512
}

/// Returns the length of the file: this system does not report how much of it is on disk.
#[cfg(not(unix))]
#[must_use]
pub fn file_bytes(metadata: &Metadata) -> u64 {
    metadata.len()
}

/// Asks the file system to write the pages of `file` in place (no copy-on-write). The file has to be empty.
/// Most file systems do not know the flag and write in place anyway, so a refusal is not an error.
///
/// For files that are mapped writable: a file system that never writes in place needs space for every changed
/// page, and kills the process with `SIGBUS` when it has none.
#[cfg(target_os = "linux")]
pub fn write_in_place(file: &File) {
    use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
    let _ = ioctl_getflags(file).and_then(|flags| ioctl_setflags(file, flags | IFlags::NOCOW));
}

/// Does nothing: no file system of this system has the flag.
#[cfg(not(target_os = "linux"))]
pub fn write_in_place(_: &File) {}
