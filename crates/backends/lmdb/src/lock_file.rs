//! Creates LMDB's list of readers so that it stays writable when the disk is full.
//!
//! LMDB maps its lock file writable. A file system that never writes in place, such as btrfs, needs space for
//! every changed page of it. When it has none, the process is killed by `SIGBUS`, even one that only reads. So
//! the file is created here before LMDB does it: filled with zeros instead of holes, and marked to be written
//! in place. LMDB takes zeros for an unused file, and fills it in.

use crate::error::translate_io;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use strongroom_core::Result;
use strongroom_core::files::write_in_place;

/// LMDB uses a cache line per reader, and two more for itself.
const BYTES_PER_READER: usize = 64;

/// Readers of an environment that is opened without setting their number.
pub(crate) const READERS_DEFAULT: u32 = 126;

/// The file during its creation. If the process dies meanwhile it stays, and the next process overwrites it.
pub(crate) const UNFINISHED_FILE: &str = "lock.mdb.new";

/// Creates the lock file `name` in `directory` for `readers` readers, if it is missing. An existing one may be
/// in use.
pub(crate) fn prepare(directory: &Path, name: &str, readers: u32) -> Result<()> {
    let (path, unfinished) = (directory.join(name), directory.join(UNFINISHED_FILE));
    let made = if path.exists() {
        Ok(())
    } else {
        write_whole(&unfinished, readers).and_then(|()| {
            // A rename could replace the file of a reader that has opened the store meanwhile.
            match std::fs::hard_link(&unfinished, &path) {
                // Without hard links LMDB creates the file itself.
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
    fn the_lock_file_is_complete_and_as_long_as_lmdb_makes_it() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join(UNFINISHED_FILE), "of a process that died").unwrap();
        prepare(home.path(), "lock.mdb", READERS_DEFAULT).unwrap();
        assert_eq!(std::fs::read(home.path().join("lock.mdb")).unwrap(), vec![0; 8_192]);
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn an_existing_lock_file_is_not_changed() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("lock.mdb");
        std::fs::write(&path, "in use").unwrap();
        std::fs::write(home.path().join(UNFINISHED_FILE), "of a process that died").unwrap();
        prepare(home.path(), "lock.mdb", READERS_DEFAULT).unwrap();
        assert!(!home.path().join(UNFINISHED_FILE).exists());
        assert_eq!(std::fs::read(&path).unwrap(), b"in use");
    }
}
