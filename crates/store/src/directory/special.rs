//! Files that are none: a pipe or a device in a store's directory would hang whoever opens it.

use std::fs::FileType;
use std::io;
use std::path::Path;
use strongroom_core::{Error, ErrorKind, Result};

/// The one socket that may be in a store's directory: there an application lets others ask about the store it has
/// open. A process that was killed leaves the name behind, which hangs nobody, since nobody opens it as a file.
pub const ADMIN_SOCKET_FILE: &str = "STRONGROOM.admin";

/// Refuses a store's directory with anything in it but files and directories, and the socket that is ours.
pub(super) fn refuse(directory: &Path) -> Result<()> {
    refuse_but(directory, Some(&directory.join(ADMIN_SOCKET_FILE)))
}

fn refuse_but(directory: &Path, ours: Option<&Path>) -> Result<()> {
    let failed = |error| Error::from_io(format!("cannot look into {}", directory.display()), error);
    let entries = match std::fs::read_dir(directory) {
        // An engine at work removes directories while somebody else looks.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed)?,
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let Some(kind) = kind_of(&path, entry.file_type().map_err(failed)?).map_err(failed)? else {
            continue;
        };
        let is_ours = is_socket(kind) && ours == Some(&path);
        if kind.is_dir() {
            refuse_but(&path, None)?;
        } else if !kind.is_file() && !is_ours {
            let message = format!("{} is neither a file nor a directory", path.display());
            return Err(Error::new(ErrorKind::InvalidInput, message)
                .hint("remove it: nothing of a store is a pipe, a socket or a device"));
        }
    }
    Ok(())
}

#[cfg(unix)]
fn is_socket(kind: FileType) -> bool {
    std::os::unix::fs::FileTypeExt::is_socket(&kind)
}

#[cfg(not(unix))]
fn is_socket(_: FileType) -> bool {
    false
}

/// What is there, or what a link leads to; none for a link to a directory or to nothing.
fn kind_of(path: &Path, found: FileType) -> io::Result<Option<FileType>> {
    if !found.is_symlink() {
        return Ok(Some(found));
    }
    match std::fs::metadata(path) {
        Ok(target) if target.is_dir() => Ok(None),
        Ok(target) => Ok(Some(target.file_type())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    #[test]
    fn what_is_no_file_is_refused_wherever_it_is() {
        let home = tempfile::tempdir().unwrap();
        let inside = home.path().join("rocksdb");
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(inside.join("CURRENT"), "x").unwrap();
        symlink(inside.join("CURRENT"), home.path().join("link")).unwrap();
        symlink(home.path().join("nothing"), home.path().join("dangling")).unwrap();
        refuse(home.path()).unwrap();
        let _socket = UnixListener::bind(inside.join("socket")).unwrap();
        let error = refuse(home.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("socket"), "{error}");
        std::fs::remove_file(inside.join("socket")).unwrap();
        symlink("/dev/null", home.path().join("null")).unwrap();
        assert!(refuse(home.path()).is_err());
    }

    #[test]
    fn our_own_socket_is_no_stranger_in_its_place() {
        let home = tempfile::tempdir().unwrap();
        let _socket = UnixListener::bind(home.path().join(ADMIN_SOCKET_FILE)).unwrap();
        refuse(home.path()).unwrap();
        let inside = home.path().join("blobs");
        std::fs::create_dir(&inside).unwrap();
        let _elsewhere = UnixListener::bind(inside.join(ADMIN_SOCKET_FILE)).unwrap();
        assert_eq!(refuse(home.path()).unwrap_err().kind(), ErrorKind::InvalidInput);
        let other = tempfile::tempdir().unwrap();
        symlink("/dev/null", other.path().join(ADMIN_SOCKET_FILE)).unwrap();
        assert_eq!(refuse(other.path()).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
