//! File system errors with a reason and a hint.

use crate::{Error, ErrorKind};
use std::io;
use std::path::Path;

/// Returns an error about a path, with a reason and a hint where the operating system's text does not help.
#[must_use]
pub fn path_error(operation: &str, path: &Path, cause: io::Error) -> Error {
    let shown = path.display();
    let invalid = |message: String, hint: &str| Error::new(ErrorKind::InvalidInput, message).hint(hint);
    match cause.kind() {
        io::ErrorKind::NotADirectory => invalid(
            format!("cannot {operation} {shown}: a component of the path is not a directory"),
            "correct the path",
        )
        .caused_by(cause),
        io::ErrorKind::InvalidFilename => {
            let (bytes, start) = (path.as_os_str().len(), beginning(path));
            invalid(
                format!(
                    "cannot {operation} {start}: the path ({bytes} bytes) is longer than the system allows"
                ),
                "choose a shorter path",
            )
            .caused_by(cause)
        }
        io::ErrorKind::NotFound if path.is_relative() && std::env::current_dir().is_err() => invalid(
            format!("cannot {operation} {shown}: the path is relative and the current directory was removed"),
            "change to a directory that exists, or give an absolute path",
        )
        .caused_by(cause),
        _ => Error::from_io(format!("cannot {operation} {shown}"), cause),
    }
}

/// Returns whether the operating system refused a write: the file system is mounted read-only, or the process
/// has no write permission.
#[must_use]
pub fn is_unwritable(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)
}

/// As [`is_unwritable`], for an error with such a cause.
#[must_use]
pub fn comes_of_unwritable(error: &Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(is_unwritable) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Returns the error for an engine that has to write in order to read its files, with the reason.
#[must_use]
pub fn needs_writing(engine: &str, reason: &str, cause: Error) -> Error {
    cause
        .into_kind(
            ErrorKind::Io,
            format!("{engine} cannot read its files where it cannot write them: {reason}"),
        )
        .hint("copy the directory to a writable place, and open the copy")
}

/// Returns the beginning of a path that is too long to be shown.
fn beginning(path: &Path) -> String {
    const SHOWN_CHARS: usize = 60;
    let text = path.display().to_string();
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn an_unwritable_path_is_recognised_by_the_cause() {
        let of = |kind: io::ErrorKind| Error::from_io("opening failed", kind.into());
        let read_only = of(io::ErrorKind::ReadOnlyFilesystem).into_kind(ErrorKind::Io, "cannot open");
        assert!(comes_of_unwritable(&read_only));
        assert!(comes_of_unwritable(&of(io::ErrorKind::PermissionDenied)));
        assert!(!comes_of_unwritable(&of(io::ErrorKind::NotFound)));
    }

    #[test]
    fn an_error_about_a_bad_path_gives_the_reason() {
        let file = std::env::current_exe().unwrap().join("store");
        let long = std::env::temp_dir().join("n".repeat(300));
        for (path, reason) in [(&file, "is not a directory"), (&long, "longer than the system allows")] {
            let error = path_error("open", path, std::fs::metadata(path).unwrap_err());
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            assert!(error.to_string().contains(reason), "{error}");
            assert!(error.to_string().len() < 400, "{error}");
        }
    }
}
