//! A directory that is opened once and recognised later.
//!
//! A path can lead elsewhere at any time: the process changes its current directory, a symbolic link is moved,
//! or the directory is renamed and another takes its place. An engine that opens files by path would then write
//! into a foreign directory. Therefore the path is made absolute and resolved once, the directory is kept open,
//! and its identity (device and inode) is compared with that of the directory at the path now.

use super::failure::path_error;
use crate::sync::lock;
use crate::{Error, ErrorKind, Result};
use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Device and inode.
type Identity = (u64, u64);

/// How many times this process has each directory open.
static PRESENT: Mutex<BTreeMap<Identity, usize>> = Mutex::new(BTreeMap::new());

/// An open directory. Clones share it; it is closed with the last of them.
#[derive(Debug, Clone)]
pub struct Directory {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    pinned: PathBuf,
    /// None: the system has no identities.
    identity: Option<Identity>,
    /// While it is open, no other directory can get the same identity. None: the directory may be entered but
    /// not read.
    _file: Option<File>,
}

impl Directory {
    /// Opens the directory at `path`, which has to exist, and resolves the path once.
    pub fn open(path: &Path) -> Result<Self> {
        let failed = |error| path_error("open", path, error);
        let real = std::fs::canonicalize(path).map_err(failed)?;
        let file = if cfg!(unix) { File::open(&real).ok() } else { None };
        let metadata =
            file.as_ref().map_or_else(|| std::fs::metadata(&real), File::metadata).map_err(failed)?;
        let identity = identity(&metadata);
        let pinned = file.as_ref().and_then(|file| pinned(file, identity)).unwrap_or_else(|| real.clone());
        Ok(Self { inner: Arc::new(Inner { path: real, pinned, identity, _file: file }) })
    }

    /// Returns the absolute path without symbolic links by which the directory was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Returns a path that leads to this very directory while it is open, even after a rename. For engines that
    /// open files by path while they run. Keep a clone of the directory until the engine is closed.
    ///
    /// This needs Linux with `/proc` mounted. Elsewhere it is [`path`](Self::path), and only
    /// [`check`](Self::check) protects against an exchanged directory.
    #[must_use]
    pub fn pinned_path(&self) -> &Path {
        &self.inner.pinned
    }

    /// Converts a path below [`pinned_path`](Self::pinned_path) to one that can be shown to people.
    #[must_use]
    pub fn shown(&self, path: &Path) -> PathBuf {
        let Inner { path: real, pinned, .. } = &*self.inner;
        path.strip_prefix(pinned).map_or_else(|_| path.to_owned(), |below| real.join(below))
    }

    /// Checks that the path still leads to this directory.
    ///
    /// [`Unavailable`](ErrorKind::Unavailable): it does not. Nothing changed, and the call may be retried once
    /// the directory is back in its place.
    pub fn check(&self) -> Result<()> {
        let Inner { path, identity: expected, .. } = &*self.inner;
        if expected.is_none() {
            return Ok(());
        }
        match std::fs::metadata(path) {
            Ok(found) if identity(&found) == *expected => Ok(()),
            Ok(_) => Err(self.moved("another directory has taken its place")),
            Err(error) if is_missing(&error) => Err(self.moved("it was moved or removed")),
            Err(error) => Err(path_error("inspect", path, error)),
        }
    }

    #[cold]
    fn moved(&self, how: &str) -> Error {
        let shown = self.inner.path.display();
        Error::new(
            ErrorKind::Unavailable,
            format!("{shown} is no longer the directory that was opened: {how}; the engine was not called"),
        )
        .hint("move the directory back, or close this handle and open the directory at its new path")
    }

    /// Counts this process as a user of the directory until the returned value is dropped.
    #[must_use]
    pub fn enter(&self) -> Presence {
        if let Some(identity) = self.inner.identity {
            *lock(&PRESENT).entry(identity).or_default() += 1;
        }
        Presence { directory: self.clone() }
    }

    /// As [`enter`](Self::enter), but returns `None` if this process has the directory open already. For
    /// engines whose own lock does not distinguish two handles of one process.
    #[must_use]
    pub fn enter_alone(&self) -> Option<Presence> {
        if let Some(identity) = self.inner.identity {
            let mut present = lock(&PRESENT);
            if present.contains_key(&identity) {
                return None;
            }
            present.insert(identity, 1);
        }
        Some(Presence { directory: self.clone() })
    }

    /// Returns whether this process has entered the directory and not left it.
    #[must_use]
    pub fn is_entered(&self) -> bool {
        self.inner.identity.is_some_and(|identity| lock(&PRESENT).contains_key(&identity))
    }
}

/// One use of a directory by this process. Keeps it open.
#[derive(Debug)]
pub struct Presence {
    directory: Directory,
}

impl Presence {
    /// Returns the directory.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.directory
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let Some(identity) = self.directory.inner.identity else { return };
        let mut present = lock(&PRESENT);
        if let Some(count) = present.get_mut(&identity) {
            *count -= 1;
            if *count == 0 {
                present.remove(&identity);
            }
        }
    }
}

/// A dangling symbolic link, or a file in place of a parent directory, also counts as a missing directory.
fn is_missing(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

#[cfg(unix)]
#[allow(clippy::unnecessary_wraps, reason = "other systems have none")]
pub(super) fn identity(metadata: &Metadata) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt as _;
    Some((metadata.dev(), metadata.ino()))
}

/// Reading one needs unsafe code there. A directory with open files cannot be renamed on these systems.
#[cfg(not(unix))]
pub(super) fn identity(_: &Metadata) -> Option<Identity> {
    None
}

/// Where Linux shows the descriptors of a process. Such a link leads to the open directory itself, not to a
/// path.
#[cfg(target_os = "linux")]
const DESCRIPTORS: &str = "/proc/self/fd/";

#[cfg(target_os = "linux")]
fn pinned(file: &File, expected: Option<Identity>) -> Option<PathBuf> {
    use std::os::fd::AsRawFd as _;
    let path = PathBuf::from(format!("{DESCRIPTORS}{}", file.as_raw_fd()));
    // `/proc` may be missing, or show another process's descriptors.
    let found = std::fs::metadata(path.join(".")).ok()?;
    (identity(&found) == expected).then_some(path)
}

#[cfg(not(target_os = "linux"))]
fn pinned(_: &File, _: Option<Identity>) -> Option<PathBuf> {
    None
}

/// Strips pinned paths from the text of an engine's error: `a.log` is readable, `/proc/self/fd/7/a.log` is not.
#[cfg(target_os = "linux")]
#[must_use]
pub fn relative_names(text: &str) -> String {
    let mut parts = text.split(DESCRIPTORS);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let name = part.trim_start_matches(|digit: char| digit.is_ascii_digit());
        shown.push_str(name.strip_prefix('/').unwrap_or(name));
    }
    shown
}

/// Returns the text unchanged: this system has no pinned paths.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn relative_names(text: &str) -> String {
    text.to_owned()
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)] // Tests fail by panicking.
mod tests {
    use super::*;
    use std::fs;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("strongroom-directory-{}-{name}", std::process::id()));
            fs::create_dir(&path).unwrap();
            Self(path.canonicalize().unwrap())
        }

        fn directory(&self, name: &str) -> PathBuf {
            fs::create_dir(self.0.join(name)).unwrap();
            self.0.join(name)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_link_is_resolved_once() {
        let scratch = Scratch::new("link");
        let (first, second) = (scratch.directory("first"), scratch.directory("second"));
        let link = scratch.0.join("link");
        std::os::unix::fs::symlink(&first, &link).unwrap();
        let directory = Directory::open(&link).unwrap();
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(&second, &link).unwrap();
        assert_eq!(directory.path(), first);
        directory.check().unwrap();
    }

    #[test]
    fn a_moved_replaced_or_removed_directory_is_detected_until_it_is_back() {
        let scratch = Scratch::new("moved");
        let path = scratch.directory("here");
        let directory = Directory::open(&path).unwrap();
        let refused = |reason: &str| {
            let error = directory.check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            assert!(error.to_string().contains(reason), "{error}");
        };
        fs::rename(&path, scratch.0.join("there")).unwrap();
        refused("moved or removed");
        fs::create_dir(&path).unwrap();
        refused("another directory");
        fs::remove_dir(&path).unwrap();
        fs::rename(scratch.0.join("there"), &path).unwrap();
        directory.check().unwrap();
        fs::remove_dir(&path).unwrap();
        fs::create_dir(&path).unwrap();
        refused("another directory");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_pinned_path_follows_the_directory_after_a_rename() {
        let scratch = Scratch::new("pinned");
        let path = scratch.directory("here");
        let directory = Directory::open(&path).unwrap();
        if directory.pinned_path() == path {
            println!("SKIPPED: /proc does not show the descriptors of this process");
            return;
        }
        fs::rename(&path, scratch.0.join("there")).unwrap();
        fs::create_dir(&path).unwrap();
        fs::write(directory.pinned_path().join("file"), "x").unwrap();
        assert!(scratch.0.join("there/file").exists() && !path.join("file").exists());
        assert_eq!(directory.shown(&directory.pinned_path().join("file")), path.join("file"));
        let text = format!("cannot open {}/rocksdb/7.sst: full", directory.pinned_path().display());
        assert_eq!(relative_names(&text), "cannot open rocksdb/7.sst: full");
    }

    #[test]
    fn a_process_knows_which_directories_it_has_open() {
        let scratch = Scratch::new("present");
        let directory = Directory::open(&scratch.0).unwrap();
        assert!(!directory.is_entered());
        let (first, second) = (directory.enter(), Directory::open(&scratch.0).unwrap().enter());
        assert!(directory.enter_alone().is_none());
        drop(first);
        assert!(directory.is_entered());
        drop(second);
        assert!(!directory.is_entered());
        let alone = directory.enter_alone();
        assert!(alone.is_some() && directory.enter_alone().is_none());
    }
}
