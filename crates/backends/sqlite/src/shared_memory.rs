//! The file that connections share as memory, made so that it can be written whatever happens to the disk.
//!
//! SQLite maps its `-shm` to be written, even by a connection that only reads. A file system that never writes in place,
//! as btrfs, needs room for every page of it that is changed, and when it has none the process is killed by `SIGBUS`. So
//! the file is made here, empty and marked to be written in place; SQLite fills it with writes, which fail by an error
//! where there is no room. When the last connection is closed, SQLite removes it.

use crate::error::translate_io;
use std::fs::File;
use std::io;
use std::path::Path;
use strongroom_core::Result;
use strongroom_core::files::write_in_place;

/// Makes the file at `path` beside `data`, if it is not there. One that is there may be in use.
pub(crate) fn prepare(data: &Path, path: &Path) -> Result<()> {
    let file = match File::create_new(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        file => file.map_err(translate_io)?,
    };
    write_in_place(&file);
    // Who may use the database may use this, as if SQLite had made it.
    let permissions = std::fs::metadata(data).map_err(translate_io)?.permissions();
    file.set_permissions(permissions).map_err(translate_io)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_empty_and_one_that_is_there_is_left_alone() {
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
