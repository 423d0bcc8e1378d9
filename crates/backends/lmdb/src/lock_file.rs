//! The list of readers, made so that it can be written whatever happens to the disk.
//!
//! LMDB maps its lock file to be written. A file system that never writes in place, as btrfs, needs room for every page
//! of it that is changed, and when it has none the process is killed by `SIGBUS`, even one that only reads. So the file
//! is made here, before LMDB does it: full of zeros rather than holes, and marked to be written in place. LMDB takes
//! zeros for a file that nobody uses, and fills it in.

use crate::error::translate_io;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use strongroom_core::Result;
use strongroom_core::files::write_in_place;

/// LMDB gives each reader a cache line, and two more to itself.
const BYTES_PER_READER: usize = 64;

/// Readers of an environment that is opened without a word about them.
pub(crate) const READERS_DEFAULT: u32 = 126;

/// The file while it is made. A process that dies then leaves it, and the next one makes it anew.
pub(crate) const UNFINISHED_FILE: &str = "lock.mdb.new";

/// Makes the lock file `name` in `directory` for so many readers, if it is not there. One that is there may be in use.
pub(crate) fn prepare(directory: &Path, name: &str, readers: u32) -> Result<()> {
    let (path, unfinished) = (directory.join(name), directory.join(UNFINISHED_FILE));
    let made = if path.exists() {
        Ok(())
    } else {
        write_whole(&unfinished, readers).and_then(|()| {
            // Never over the file of a reader that has come meanwhile, as a renaming would.
            match std::fs::hard_link(&unfinished, &path) {
                // Where there are no hard links, LMDB makes the file itself.
                Err(error) if error.kind() == io::ErrorKind::StorageFull => Err(error),
                _ => Ok(()),
            }
        })
    };
    made.map_err(translate_io).and(remove_if_there(&unfinished))
}

pub(crate) fn remove_if_there(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(translate_io(error)),
        _ => Ok(()),
    }
}

fn write_whole(path: &Path, readers: u32) -> io::Result<()> {
    let mut file = File::create(path)?;
    write_in_place(&file);
    let lines = usize::try_from(readers).unwrap_or(usize::MAX).saturating_add(2);
    file.write_all(&vec![0; lines.saturating_mul(BYTES_PER_READER)])?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_whole_and_as_long_as_lmdb_makes_it() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join(UNFINISHED_FILE), "of a process that died").unwrap();
        prepare(home.path(), "lock.mdb", READERS_DEFAULT).unwrap();
        assert_eq!(std::fs::read(home.path().join("lock.mdb")).unwrap(), vec![0; 8_192]);
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn one_that_is_there_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("lock.mdb");
        std::fs::write(&path, "in use").unwrap();
        std::fs::write(home.path().join(UNFINISHED_FILE), "of a process that died").unwrap();
        prepare(home.path(), "lock.mdb", READERS_DEFAULT).unwrap();
        assert!(!home.path().join(UNFINISHED_FILE).exists());
        assert_eq!(std::fs::read(&path).unwrap(), b"in use");
    }
}
