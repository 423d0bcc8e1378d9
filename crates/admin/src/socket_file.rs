//! The socket's file: only its user can connect, from its creation on, and only its owner removes it.

use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, listen, socket};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use strongroom_core::{Error, ErrorKind, Result};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 16;

/// A socket whose store is closed removes its file when a client connects. So a socket that accepts is tried again.
const ATTEMPTS: u32 = 25;
const RETRY_EVERY: Duration = Duration::from_millis(20);

/// Serializes the openings of this process: none may come between the check of the old file and the new one. The
/// store's lock keeps other processes out.
static OPENING: Mutex<()> = Mutex::new(());

/// The socket's file, removed when this is dropped.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: Option<(u64, u64)>,
}

/// Creates the socket at `path`. Replaces one that no process serves.
pub(crate) fn bind_at(path: &Path) -> Result<(UnixListener, SocketFile)> {
    let address = SocketAddrUnix::new(path).map_err(|error| unusable(path, error))?;
    let failed =
        |error: io::Error| Error::from_io(format!("cannot create the socket {}", path.display()), error);
    // The current directory may change before the file is removed.
    let absolute = std::path::absolute(path).map_err(failed)?;
    let _alone = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
    clear(path)?;
    let descriptor = unbound().map_err(failed)?;
    bind(&descriptor, &address).map_err(|error| failed(error.into()))?;
    let file = SocketFile { path: absolute, identity: identity(path) };
    // For systems where `unbound` could not set the mode. Until the socket listens, no client can connect.
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed)?;
    listen(&descriptor, BACKLOG).map_err(|error| failed(error.into()))?;
    let listener = UnixListener::from(descriptor);
    listener.set_nonblocking(true).map_err(failed)?;
    Ok((listener, file))
}

/// Creates a socket without a file. On Linux, its file gets the mode of the socket, 0600.
fn unbound() -> io::Result<OwnedFd> {
    let descriptor = socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    fcntl_setfd(&descriptor, FdFlags::CLOEXEC)?;
    let file = File::from(descriptor);
    // Other systems refuse.
    let _ = file.set_permissions(Permissions::from_mode(0o600));
    Ok(file.into())
}

/// Removes a socket that no process serves.
fn clear(path: &Path) -> Result<()> {
    let shown = path.display();
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::from_io(format!("cannot read the metadata of {shown}"), error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(Error::new(ErrorKind::InvalidInput, format!("{shown} exists and is not a socket"))
                .hint("remove it, or open the admin socket elsewhere with AdminSocket::open_at"));
        }
        Ok(_) => {}
    }
    for _ in 0..ATTEMPTS {
        match UnixStream::connect(path) {
            Ok(_) => std::thread::sleep(RETRY_EVERY),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                return match fs::remove_file(path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::from_io(
                        format!("cannot replace {shown}, which a dead process left"),
                        error,
                    )),
                    _ => Ok(()),
                };
            }
            Err(error) => {
                return Err(Error::from_io(format!("cannot tell whether {shown} is in use"), error));
            }
        }
    }
    Err(Error::new(ErrorKind::Locked, format!("an admin socket is open at {shown} already"))
        .hint("keep the one that is open, or drop it first"))
}

fn unusable(path: &Path, error: Errno) -> Error {
    if error == Errno::NAMETOOLONG {
        let bytes = path.as_os_str().len();
        return Error::new(
            ErrorKind::InvalidInput,
            format!("the admin socket's path has {bytes} bytes, more than the system allows"),
        )
        .hint("open it at a shorter path with AdminSocket::open_at");
    }
    Error::new(ErrorKind::InvalidInput, "the admin socket's path cannot be used")
        .caused_by(io::Error::from(error))
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

impl SocketFile {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // The file may have been removed by hand, and another socket may be there now. A file that is still ours cannot
        // have been replaced by `clear`: the listener accepts until this file is removed.
        if self.identity.is_some() && identity(&self.path) == self.identity {
            let _ = fs::remove_file(&self.path);
        }
    }
}
