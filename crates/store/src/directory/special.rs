//! Special files: opening a pipe or a device in a store's directory could hang, so they are refused.

use std::fs::FileType;
use std::io;
use std::path::Path;
use strongroom_core::{Error, ErrorKind, Result};

/// The one socket that may be in a store's directory: the admin socket, through which other processes ask about a
/// store that an application has open. A killed process leaves the name in place, which is harmless, since it is
/// never opened as a file.
pub const ADMIN_SOCKET_FILE: &str = "STRONGROOM.admin";

/// Refuses a store's directory that holds anything but files, directories and the admin socket.
pub(super) fn refuse(directory: &Path) -> Result<()> {
    refuse_but(directory, Some(&directory.join(ADMIN_SOCKET_FILE)))
}

fn refuse_but(directory: &Path, ours: Option<&Path>) -> Result<()> {
    let failed = |error| Error::from_io(format!("cannot read {}", directory.display()), error);
    let entries = match std::fs::read_dir(directory) {
        // A running engine may remove directories meanwhile.
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
                .hint("remove it: a store has no pipes, sockets or devices"));
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

/// Returns the type of the file, or of the target of a link. None for a link to a directory or to nothing.
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
    fn a_special_file_is_refused_at_any_depth() {
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
    fn the_admin_socket_is_allowed_only_in_its_place() {
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
