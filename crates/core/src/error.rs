//! One error type. Its [`ErrorKind`] is coarse: a kind exists only where a caller would act differently, so a
//! `match` on it reads as a list of decisions.
//!
//! A message names the engine and the operation, and gives a hint. It never contains a value or a secret,
//! because errors end up in logs.

use std::error::Error as StdError;
use std::fmt;

/// Shorthand for a result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kind of an error: what a caller can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A condition did not hold or another commit came first. Read again and retry.
    Conflict,
    /// Not possible now. Try again later.
    Unavailable,
    /// Something failed while the engine had the commit, so it may or may not be stored. The handle is
    /// poisoned. Reopen the store and check before writing again.
    CommitUnknown,
    /// The snapshot exceeded the memory bound for its old versions, or the store's limit of age. Take a new one.
    SnapshotExpired,
    /// The namespace is full. Delete something, or raise its quota.
    QuotaExceeded,
    /// The call can never succeed. Correct it.
    InvalidInput,
    /// This engine cannot do it. Ask for less, or choose another engine.
    Unsupported,
    /// The store, keyspace or namespace does not exist.
    NotFound,
    /// The keyspace, namespace or commit token exists already.
    AlreadyExists,
    /// The stored data is not what was written. Stop, and restore from a backup. A panic of the engine during a
    /// read is also reported as corruption; it poisons the handle.
    Corruption,
    /// The handle is closed or poisoned. Reopen the store.
    Closed,
    /// Another process, or another handle of this one, has the store open.
    Locked,
    /// The operating system reported an error; see the source.
    Io,
}

impl ErrorKind {
    /// Returns the kind's name in words, as printed in messages and machine-readable output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Unavailable => "unavailable",
            Self::CommitUnknown => "commit unknown",
            Self::SnapshotExpired => "snapshot expired",
            Self::QuotaExceeded => "quota exceeded",
            Self::InvalidInput => "invalid input",
            Self::Unsupported => "unsupported",
            Self::NotFound => "not found",
            Self::AlreadyExists => "already exists",
            Self::Corruption => "corruption",
            Self::Closed => "closed",
            Self::Locked => "locked",
            Self::Io => "i/o error",
        }
    }

    /// The hint for errors that give none of their own.
    const fn way_out(self) -> &'static str {
        match self {
            Self::Conflict => "read again and retry",
            Self::Unavailable => "try again later",
            Self::CommitUnknown => "reopen the store and check before writing again",
            Self::SnapshotExpired => "take a new snapshot",
            Self::QuotaExceeded => "delete something or raise the quota",
            Self::InvalidInput => "correct the call",
            Self::Unsupported => "ask for less or choose another engine",
            Self::NotFound => "create it first",
            Self::AlreadyExists => "choose another name",
            Self::Corruption => "stop writing and restore from a backup",
            Self::Closed => "reopen the store",
            Self::Locked => "close the other handle first",
            Self::Io => "see the cause and try again",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why an operation failed: a kind to act on, a message to read, and the cause.
///
/// `Display` is one line, `engine: operation: message; hint`. It leaves out the cause, which
/// [`source`](StdError::source) returns; [`Error::one_line`] joins both.
///
/// ```
/// use strongroom_core::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::Locked, "another process has the store open")
///     .hint("stop process 4711 first")
///     .at("redb", "open");
/// assert_eq!(error.kind(), ErrorKind::Locked);
/// assert_eq!(
///     error.to_string(),
///     "redb: open: another process has the store open; stop process 4711 first"
/// );
/// ```
pub struct Error {
    // Boxed, so that a `Result` in a hot path is no larger than its value.
    inner: Box<Inner>,
}

struct Inner {
    kind: ErrorKind,
    engine: Option<&'static str>,
    operation: Option<&'static str>,
    keyspace: Option<Box<str>>,
    key: Option<Box<[u8]>>,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// Returns an error of `kind`. `message` is a clause in lower case without a full stop.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            inner: Box::new(Inner {
                kind,
                engine: None,
                operation: None,
                keyspace: None,
                key: None,
                message: message.into(),
                hint: None,
                source: None,
            }),
        }
    }

    /// Sets the hint, in place of the kind's own.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.inner.hint = Some(hint.into());
        self
    }

    /// Sets the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// Sets the engine and the operation, unless they are set: the innermost place is the most precise.
    #[must_use]
    pub fn at(mut self, engine: &'static str, operation: &'static str) -> Self {
        self.inner.engine.get_or_insert(engine);
        self.inner.operation.get_or_insert(operation);
        self
    }

    /// Sets the keyspace that the error is about, unless it is set. The message is not changed.
    #[must_use]
    pub fn in_keyspace(mut self, name: &str) -> Self {
        self.inner.keyspace.get_or_insert_with(|| name.into());
        self
    }

    /// Sets the key that the error is about, unless it is set. The message is not changed.
    #[must_use]
    pub fn with_key(mut self, key: &[u8]) -> Self {
        self.inner.key.get_or_insert_with(|| key.into());
        self
    }

    /// Wraps the error in another kind, and keeps it as the cause. Engine, operation, keyspace and key stay the same.
    #[must_use]
    pub fn into_kind(self, kind: ErrorKind, message: impl Into<String>) -> Self {
        let (engine, operation) = (self.inner.engine, self.inner.operation);
        let (keyspace, key) = (self.inner.keyspace.clone(), self.inner.key.clone());
        let mut outer = Self::new(kind, message).caused_by(self);
        outer.inner.engine = engine;
        outer.inner.operation = operation;
        outer.inner.keyspace = keyspace;
        outer.inner.key = key;
        outer
    }

    /// Returns the kind.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// Returns the engine that was involved, if any.
    pub fn engine(&self) -> Option<&'static str> {
        self.inner.engine
    }

    /// Returns the operation that failed, if known.
    pub fn operation(&self) -> Option<&'static str> {
        self.inner.operation
    }

    /// Returns the keyspace that the error is about, if one alone is and it is known.
    pub fn keyspace(&self) -> Option<&str> {
        self.inner.keyspace.as_deref()
    }

    /// Returns the key of the row that the error is about, such as a damaged one, if one alone is and it is known.
    pub fn key(&self) -> Option<&[u8]> {
        self.inner.key.as_deref()
    }

    /// Returns the message alone, without place, hint or cause.
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// Returns the hint: what to do next.
    pub fn way_out(&self) -> &str {
        match &self.inner.hint {
            Some(hint) => hint,
            None => self.inner.kind.way_out(),
        }
    }

    /// Returns place, message, causes and hint on one line.
    pub fn one_line(&self) -> String {
        format!("{}{}; {}", self.place(), self.story(), self.way_out())
    }

    /// Returns message and causes on one line, without place and hint.
    pub fn story(&self) -> String {
        let mut line = self.message().to_owned();
        let mut cause = self.source();
        while let Some(error) = cause {
            let text = match error.downcast_ref::<Error>() {
                Some(error) => error.message().to_owned(),
                None => error.to_string(),
            };
            // Engines often repeat the cause in their own text.
            if !line.ends_with(&text) {
                line.push_str(": ");
                line.push_str(&text);
            }
            cause = error.source();
        }
        line.replace(['\n', '\r'], " ")
    }

    fn place(&self) -> String {
        let parts = [self.inner.engine, self.inner.operation].into_iter().flatten();
        parts.flat_map(|part| [part, ": "]).collect()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}; {}", self.place(), self.message(), self.way_out())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.inner.kind)
            .field("engine", &self.inner.engine)
            .field("operation", &self.inner.operation)
            .field("keyspace", &self.inner.keyspace)
            .field("message", &self.inner.message)
            .field("source", &self.inner.source)
            .finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_ref().map(|source| &**source as &(dyn StdError + 'static))
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::from_io("the operating system reported an error", error)
    }
}

impl Error {
    /// Returns an I/O error with `message`, and with a hint for the causes that have one.
    pub fn from_io(message: impl Into<String>, error: std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        let (kind, hint) = match error.kind() {
            Io::StorageFull | Io::QuotaExceeded => {
                (ErrorKind::Io, Some("free some space, then open the store again"))
            }
            Io::PermissionDenied => (ErrorKind::Io, Some("check the owner and mode of the path")),
            Io::ReadOnlyFilesystem => (ErrorKind::Io, Some("choose a path that can be written")),
            Io::NotFound => (ErrorKind::NotFound, Some("check the path")),
            _ => (ErrorKind::Io, None),
        };
        let made = Self::new(kind, message).caused_by(error);
        match hint {
            Some(hint) => made.hint(hint),
            None => made,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_joins_causes_once_and_stays_on_one_line() {
        let io = std::io::Error::new(std::io::ErrorKind::StorageFull, "no space\nleft");
        let error = Error::from_io("the write failed", io).at("sled", "commit");
        let outer = error.into_kind(ErrorKind::CommitUnknown, "the outcome is unknown");
        assert_eq!(outer.engine(), Some("sled"));
        assert_eq!(
            outer.one_line(),
            "sled: commit: the outcome is unknown: the write failed: no space left; \
             reopen the store and check before writing again"
        );
    }

    #[test]
    fn the_innermost_place_wins() {
        let error = Error::new(ErrorKind::Io, "x").at("redb", "sync").at("store", "put");
        assert_eq!((error.engine(), error.operation()), (Some("redb"), Some("sync")));
    }

    #[test]
    fn the_innermost_row_wins_and_survives_wrapping() {
        let error = Error::new(ErrorKind::Corruption, "x").in_keyspace("a").with_key(b"k").in_keyspace("b");
        let outer = error.with_key(b"l").into_kind(ErrorKind::Closed, "y");
        assert_eq!((outer.keyspace(), outer.key()), (Some("a"), Some(&b"k"[..])));
        assert_eq!(outer.to_string(), "y; reopen the store", "the message says what it says");
        assert_eq!(Error::new(ErrorKind::Io, "x").key(), None);
    }

    #[test]
    fn an_error_is_one_pointer() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
