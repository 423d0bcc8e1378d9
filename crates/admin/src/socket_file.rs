//! The socket's name in the file system: for one user, from the first moment on, and ours to remove.

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

/// How many may wait to be accepted.
const BACKLOG: i32 = 16;

/// A socket whose store is closed goes away as soon as somebody connects. So one that is there is looked at again.
const LOOKS: u32 = 25;
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Openings of this process, one by one: between the look at what is there and the new name, nobody else may come.
/// Other processes are kept out by the store's lock.
static OPENING: Mutex<()> = Mutex::new(());

/// A name in the file system that is removed at the end.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: Option<(u64, u64)>,
}

/// Makes the socket at `path`, in the place of one that nobody serves any more.
pub(crate) fn bind_at(path: &Path) -> Result<(UnixListener, SocketFile)> {
    let address = SocketAddrUnix::new(path).map_err(|error| unusable(path, error))?;
    let failed =
        |error: io::Error| Error::from_io(format!("cannot make the socket {}", path.display()), error);
    // The name is removed from wherever this process is then.
    let absolute = std::path::absolute(path).map_err(failed)?;
    let _alone = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
    clear(path)?;
    let descriptor = unbound().map_err(failed)?;
    bind(&descriptor, &address).map_err(|error| failed(error.into()))?;
    let file = SocketFile { path: absolute, identity: identity(path) };
    // Where the mode could not be set beforehand. Until it listens, nobody can connect, whatever the mode.
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed)?;
    listen(&descriptor, BACKLOG).map_err(|error| failed(error.into()))?;
    let listener = UnixListener::from(descriptor);
    listener.set_nonblocking(true).map_err(failed)?;
    Ok((listener, file))
}

/// A socket without a name, whose name will have the mode 0600 on systems that take it from here.
fn unbound() -> io::Result<OwnedFd> {
    let descriptor = socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    fcntl_setfd(&descriptor, FdFlags::CLOEXEC)?;
    let file = File::from(descriptor);
    // Linux does, others refuse.
    let _ = file.set_permissions(Permissions::from_mode(0o600));
    Ok(file.into())
}

/// Removes a socket that nobody serves.
fn clear(path: &Path) -> Result<()> {
    let shown = path.display();
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::from_io(format!("cannot look at {shown}"), error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(Error::new(ErrorKind::InvalidInput, format!("{shown} is there, and is no socket"))
                .hint("remove it, or open the admin socket elsewhere with AdminSocket::open_at"));
        }
        Ok(_) => {}
    }
    for _ in 0..LOOKS {
        match UnixStream::connect(path) {
            Ok(_) => std::thread::sleep(LOOK_EVERY),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                return match fs::remove_file(path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::from_io(
                        format!("cannot replace {shown}, which a process has left"),
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
        // Somebody may have removed ours by hand, and another may be there now. Not one that has replaced ours: that
        // happens only when ours refuses, and it does not before it is removed.
        if self.identity.is_some() && identity(&self.path) == self.identity {
            let _ = fs::remove_file(&self.path);
        }
    }
}
