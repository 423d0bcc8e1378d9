//! Creates SQLite's shared-memory file so that it stays writable when the disk is full.
//!
//! SQLite maps its `-shm` file writable, even on a read-only connection. A file system that never writes in
//! place, such as btrfs, needs space for every changed page of it. When it has none, the process is killed by
//! `SIGBUS`. So the file is created here, empty and marked to be written in place. SQLite fills it with
//! ordinary writes, which return an error if there is no space. SQLite removes it when the last connection is
//! closed.

use crate::error::translate_io;
use std::fs::File;
use std::io;
use std::path::Path;
use strongroom_core::Result;
use strongroom_core::files::write_in_place;

/// Creates the file at `path` next to `data`, if it is missing. An existing one may be in use.
pub(crate) fn prepare(data: &Path, path: &Path) -> Result<()> {
    let file = match File::create_new(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        file => file.map_err(translate_io)?,
    };
    write_in_place(&file);
    // Users with access to the database get access to this file, as if SQLite had created it.
    let permissions = std::fs::metadata(data).map_err(translate_io)?.permissions();
    file.set_permissions(permissions).map_err(translate_io)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_created_empty_and_an_existing_one_is_not_changed() {
        let home = tempfile::tempdir().unwrap();
        let (data, path) = (home.path().join("data"), home.path().join("data-shm"));
        std::fs::write(&data, "").unwrap();
        prepare(&data, &path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"");
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions(),
            std::fs::metadata(&data).unwrap().permissions()
        );
        std::fs::write(&path, "in use").unwrap();
        prepare(&data, &path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"in use");
    }
}
