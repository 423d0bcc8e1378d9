//! A store's directory: marked, locked, and never confused with another.
//!
//! Everything is checked before anything is changed. A directory without a marker is refused unless it is empty.
//! A directory with one is opened with the engine that the marker names, or not at all.

pub(crate) mod identity;
mod lock;
pub(crate) mod mark_file;
pub(crate) mod marker;
mod special;

use crate::integrity::Integrity;
use lock::DirectoryLock;
use mark_file::{MarkFile, file_name as high_water_file_name};
pub use marker::StoreId;
use marker::{FORMAT, Marker, State};
pub use special::ADMIN_SOCKET_FILE;
use std::fs;
use std::path::{Path, PathBuf};
use strongroom_core::files::{
    Directory, LOCK_FILE, MARKER_FILE, create_directories, is_reserved_name, path_error, remove_directories,
    sync_directory,
};
use strongroom_core::{Create, Error, ErrorKind, Marked, Result};

/// What the caller wants to open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'w> {
    pub(crate) engine: &'w str,
    /// None means the store's own setting.
    pub(crate) integrity: Option<Integrity>,
}

/// The directory of a store: locked, marked, and ready for its engine.
#[derive(Debug)]
pub(crate) struct StoreDirectory {
    /// Kept open, so that a directory that was put in its place is noticed.
    home: Directory,
    marker: Marker,
    /// The creation began in an empty directory, so everything in it belongs to the store.
    is_new: bool,
    /// Directories that were created for it, the outermost first. Removed if the creation fails.
    made: Vec<PathBuf>,
    /// None if the store is read without a lock, while another process may have it open. Declared last, so that
    /// the lock is released when everything else is closed.
    _lock: Option<DirectoryLock>,
}

impl StoreDirectory {
    /// Finds or begins the store of `wanted.engine` in `path`. With `only_reads` it is opened read-only.
    pub(crate) fn prepare(path: &Path, wanted: Wanted<'_>, create: Create, only_reads: bool) -> Result<Self> {
        let found = inspect(path, wanted)?;
        let is_finished = matches!(&found, Found::Store(marker) if marker.state == State::Ready);
        if create == Create::Never && !is_finished {
            return Err(no_store(path));
        }
        let made = create_directories(path)?;
        let home = Directory::open(path).inspect_err(|_| remove_directories(&made))?;
        let path = home.path();
        // Without the lock no files are removed, since another process may have begun a store here meanwhile.
        let lock = DirectoryLock::take(path, only_reads).inspect_err(|_| remove_directories(&made))?;
        match begin(path, wanted) {
            Ok((marker, is_new)) => Ok(Self { home, marker, is_new, made, _lock: Some(lock) }),
            Err(error) => {
                if !made.is_empty() {
                    remove_own_files(path);
                    remove_directories(&made);
                }
                Err(error)
            }
        }
    }

    /// Finds the store of `wanted.engine` in `path` to read it, perhaps while another process writes it. Locks
    /// nothing and writes nothing.
    pub(crate) fn look_in(path: &Path, wanted: Wanted<'_>) -> Result<Self> {
        match inspect(path, wanted)? {
            Found::Store(marker) if marker.state == State::Ready => {
                let home = Directory::open(path)?;
                Ok(Self { home, marker, is_new: false, made: Vec::new(), _lock: None })
            }
            _ => Err(no_store(path)),
        }
    }

    /// Takes over the directory of a backend that is already open: one that is marked for its engine, or one that
    /// holds only the files of an empty engine. With `shared_read` it is only read, as by
    /// [`look_in`](Self::look_in).
    pub(crate) fn adopt(
        path: &Path,
        wanted: Wanted<'_>,
        backend_is_empty: bool,
        shared_read: bool,
    ) -> Result<Self> {
        let marker = match Marker::read(path)? {
            Some(marker) => {
                check_wanted(&marker, path, wanted)?;
                marker.for_creation(wanted.integrity)
            }
            None if backend_is_empty => new_marker(wanted)?,
            None => return Err(unmarked(path)),
        };
        let lock = if shared_read { None } else { Some(DirectoryLock::take(path, false)?) };
        Ok(Self { home: Directory::open(path)?, marker, is_new: false, made: Vec::new(), _lock: lock })
    }

    /// Returns the path, absolute and without symbolic links.
    pub(crate) fn path(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn store_id(&self) -> StoreId {
        self.marker.store
    }

    pub(crate) fn integrity(&self) -> Integrity {
        self.marker.integrity
    }

    /// Whether a store of this format has a high-water mark beside its marker.
    pub(crate) fn has_high_water(&self) -> bool {
        self.marker.format >= 2
    }

    /// Whether the store was complete when it was opened.
    pub(crate) fn is_finished(&self) -> bool {
        self.marker.state == State::Ready
    }

    /// Whether the engine may create its files: never where they should exist already.
    pub(crate) fn engine_create(&self) -> Create {
        match self.marker.state {
            State::Creating => Create::IfMissing,
            State::Ready => Create::Never,
        }
    }

    /// What the engine is to know about the marker: in an unfinished store it may discard its own files.
    pub(crate) fn engine_marked(&self) -> Marked {
        match self.marker.state {
            State::Creating => Marked::Unfinished,
            State::Ready => Marked::Writable,
        }
    }

    /// Marks the store as ready: the engine's files are complete and durable.
    pub(crate) fn finish(&mut self) -> Result<()> {
        // The engine opened the directory by path, so it must still be the one that was locked.
        self.home.check()?;
        if self.marker.state == State::Ready {
            return Ok(());
        }
        let ready = Marker { state: State::Ready, ..self.marker.clone() };
        ready.write(self.home.path())?;
        self.marker = ready;
        // The directory's own name has to be durable too. Those of new directories above it are already.
        let parent = self.home.path().parent().unwrap_or(Path::new("/"));
        sync_directory(parent).map_err(|error| path_error("sync", parent, error))
    }

    /// Undoes a creation that failed. What was there before stays.
    pub(crate) fn abandon(self) {
        if self.marker.state != State::Creating || !self.is_new || self.home.check().is_err() {
            return;
        }
        // Best effort: what is left is marked as unfinished, and the next opening continues with it.
        if remove_engine_files(self.path()).is_ok() {
            remove_own_files(self.path());
            remove_directories(&self.made);
        }
    }

    /// Marks a finished copy of this store in `directory`, which has the commits at least up to `high_water`.
    pub(crate) fn mark_copy(&self, directory: &Path, high_water: Option<u64>) -> Result<()> {
        if let Some(sequence) = high_water {
            MarkFile::create(directory, self.marker.store, sequence)?;
        }
        Marker { state: State::Ready, ..self.marker.clone() }.write(directory)
    }
}

/// Begins a store in a locked directory, or finds the existing one. Returns whether it began one.
fn begin(path: &Path, wanted: Wanted<'_>) -> Result<(Marker, bool)> {
    // Inspected again, now that no other process can change it.
    match inspect(path, wanted)? {
        Found::Store(marker) if marker.state == State::Ready => Ok((marker, false)),
        // The engine completes or recreates its own unfinished files. A file that another program has put there
        // meanwhile is not ours to remove.
        Found::Store(unfinished) => {
            let marker = unfinished.clone().for_creation(wanted.integrity);
            if marker != unfinished {
                marker.write(path)?;
            }
            Ok((marker, false))
        }
        Found::Nothing | Found::Empty => {
            let marker = new_marker(wanted)?;
            marker.write(path)?;
            Ok((marker, true))
        }
    }
}

fn new_marker(wanted: Wanted<'_>) -> Result<Marker> {
    Ok(Marker {
        format: FORMAT,
        engine: wanted.engine.to_owned(),
        store: StoreId::random()?,
        integrity: wanted.integrity.unwrap_or_default(),
        state: State::Creating,
    })
}

/// Removes the store's own files after a failed creation. The caller holds the lock.
fn remove_own_files(path: &Path) {
    let mark = high_water_file_name();
    let own = [MARKER_FILE, &format!("{MARKER_FILE}.new"), &mark, &format!("{mark}.new"), LOCK_FILE];
    for name in own {
        let _ = fs::remove_file(path.join(name));
    }
}

enum Found {
    /// No such path.
    Nothing,
    /// An empty directory, or one from a creation that died before its first marker.
    Empty,
    /// A marked directory.
    Store(Marker),
}

fn inspect(path: &Path, wanted: Wanted<'_>) -> Result<Found> {
    let shown = path.display();
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("{shown} is a file, not a store's directory"),
            )
            .hint("give the path of a directory"));
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !is_nowhere(path) => {
            return Ok(Found::Nothing);
        }
        Err(error) => return Err(path_error("inspect", path, error)),
    }
    special::refuse(path)?;
    if let Some(marker) = Marker::read(path)? {
        check_wanted(&marker, path, wanted)?;
        return Ok(Found::Store(marker));
    }
    match entries(path)?.iter().find(|name| !is_reserved_name(name)) {
        None => Ok(Found::Empty),
        Some(_) => Err(unmarked(path)),
    }
}

fn check_wanted(marker: &Marker, path: &Path, wanted: Wanted<'_>) -> Result<()> {
    let shown = path.display();
    if marker.engine != wanted.engine {
        let (theirs, ours) = (&marker.engine, wanted.engine);
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!("the store in {shown} was made with {theirs}, not {ours}"),
        )
        .hint(format!("open it as {theirs}:{shown}")));
    }
    match wanted.integrity {
        // An unfinished store can still be created as wanted.
        Some(ours) if marker.state == State::Ready && ours != marker.integrity => {
            let theirs = marker.integrity;
            Err(Error::new(
                ErrorKind::InvalidInput,
                format!("the store in {shown} was made with integrity={theirs}, which cannot become {ours}"),
            )
            .hint(format!("open it without integrity={ours}, or load its rows into a new store that has it")))
        }
        _ => Ok(()),
    }
}

fn no_store(path: &Path) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no store in {}", path.display()))
        .hint("check the path, or create the store by writing to it")
}

fn unmarked(path: &Path) -> Error {
    Error::new(
        ErrorKind::InvalidInput,
        format!(
            "{} is not empty and is not a Strongroom store (it has no file {MARKER_FILE})",
            path.display()
        ),
    )
    .hint(format!(
        "choose an empty or new directory; if it was a store, restore its file {MARKER_FILE} from a backup"
    ))
}

fn entries(path: &Path) -> Result<Vec<String>> {
    let failed = |error| Error::from_io(format!("cannot read {}", path.display()), error);
    fs::read_dir(path)
        .map_err(failed)?
        .map(|entry| Ok(entry.map_err(failed)?.file_name().to_string_lossy().into_owned()))
        .collect()
}

/// Whether the path is relative to a current directory that was removed.
fn is_nowhere(path: &Path) -> bool {
    path.is_relative() && std::env::current_dir().is_err()
}

/// Removes the files of an engine whose creation failed, in a directory that was empty before.
fn remove_engine_files(path: &Path) -> Result<()> {
    for name in entries(path)?.iter().filter(|name| !is_reserved_name(name)) {
        let entry = path.join(name);
        let removed = if entry.is_dir() { fs::remove_dir_all(&entry) } else { fs::remove_file(&entry) };
        removed.map_err(|error| Error::from_io(format!("cannot remove {}", entry.display()), error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REDB: Wanted<'_> = Wanted { engine: "redb", integrity: None };

    #[test]
    fn an_interrupted_creation_continues_and_removes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        drop(StoreDirectory::prepare(directory.path(), REDB, Create::IfMissing, false).unwrap());
        fs::create_dir(directory.path().join("thesis")).unwrap();
        fs::write(directory.path().join("thesis/chapter.txt"), "x").unwrap();
        let again = StoreDirectory::prepare(directory.path(), REDB, Create::IfMissing, false).unwrap();
        assert_eq!(again.engine_create(), Create::IfMissing);
        again.abandon();
        assert!(directory.path().join("thesis/chapter.txt").exists());
    }

    #[test]
    fn a_failed_creation_leaves_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a");
        let directory = StoreDirectory::prepare(&path, REDB, Create::IfMissing, false).unwrap();
        fs::create_dir(path.join("blobs")).unwrap();
        directory.abandon();
        assert!(!path.exists());

        let existing = tempfile::tempdir().unwrap();
        StoreDirectory::prepare(existing.path(), REDB, Create::IfMissing, false).unwrap().abandon();
        assert!(existing.path().exists() && entries(existing.path()).unwrap().is_empty());
    }

    #[test]
    fn a_failed_creation_removes_the_new_directories_above_too() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b/c");
        StoreDirectory::prepare(&path, REDB, Create::IfMissing, false).unwrap().abandon();
        assert!(entries(parent.path()).unwrap().is_empty());
        // If a file is in the way, nothing is left either.
        fs::write(parent.path().join("file"), "x").unwrap();
        assert!(
            StoreDirectory::prepare(&parent.path().join("file/store"), REDB, Create::IfMissing, false)
                .is_err()
        );
        assert_eq!(entries(parent.path()).unwrap(), ["file"]);
    }

    #[test]
    fn an_unfinished_store_is_not_found_without_creation() {
        let directory = tempfile::tempdir().unwrap();
        drop(StoreDirectory::prepare(directory.path(), REDB, Create::IfMissing, false).unwrap());
        let error = StoreDirectory::prepare(directory.path(), REDB, Create::Never, false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_finished_store_is_never_abandoned() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = StoreDirectory::prepare(directory.path(), REDB, Create::IfMissing, false).unwrap();
        fs::write(directory.path().join("data.redb"), "rows").unwrap();
        store.finish().unwrap();
        store.abandon();
        assert!(directory.path().join("data.redb").exists());
        let again = StoreDirectory::prepare(directory.path(), REDB, Create::Never, false).unwrap();
        assert_eq!(again.engine_create(), Create::Never);
    }

    #[test]
    fn a_foreign_directory_is_refused_and_not_changed() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("thesis.txt"), "x").unwrap();
        let refused =
            |create| StoreDirectory::prepare(directory.path(), REDB, create, false).unwrap_err().kind();
        assert_eq!(refused(Create::IfMissing), ErrorKind::InvalidInput);
        assert_eq!(entries(directory.path()).unwrap(), ["thesis.txt"]);
        let missing = directory.path().join("missing");
        let error = StoreDirectory::prepare(&missing, REDB, Create::Never, false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(!missing.exists());
    }
}
