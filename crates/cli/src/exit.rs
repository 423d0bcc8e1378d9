//! Exit statuses for scripts, and failures with one line for people.

use crate::message;
use crate::{panics, text};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use strongroom::{Error, ErrorKind};

/// The exit statuses, for `--help` and the manual page.
pub(crate) const STATUSES: &str = "\
Exit status:
  0    success; deleting a missing key is a success too
  1    no such key or keyspace, or the condition of `cas` does not hold
  2    wrong usage, bad input, or no such store
  3    the store is damaged, the store or its engine failed, or another process has it open
  130  a load, a check or a watch was stopped by Ctrl-C or SIGTERM";

/// An exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Status {
    /// The command succeeded.
    Done,
    /// The key or keyspace does not exist.
    NotFound,
    /// The condition of a change does not hold.
    ConditionFailed,
    /// The request is invalid, whatever the state of the store.
    BadInput,
    /// The store, its engine or the operating system failed.
    StoreFailed,
    /// Stopped by a signal.
    Stopped,
}

impl Status {
    /// The number that the shell sees.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::NotFound | Self::ConditionFailed => 1,
            Self::BadInput => 2,
            Self::StoreFailed => 3,
            Self::Stopped => 130,
        }
    }

    /// Maps a kind of error to a status. A missing store is bad input; the lookup of a keyspace reports a missing one
    /// itself.
    const fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidInput
            | ErrorKind::Unsupported
            | ErrorKind::AlreadyExists
            | ErrorKind::NotFound => Self::BadInput,
            _ => Self::StoreFailed,
        }
    }
}

/// The failure of a command: a status and a message of one line.
#[derive(Debug)]
pub(crate) struct Failure {
    status: Status,
    /// `None` if there is nothing to report.
    line: Option<String>,
    /// The kind of the error, if the store returned one.
    kind: Option<ErrorKind>,
}

/// The result of a command.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure with `status` and the message `line`.
    pub(crate) fn new(status: Status, line: impl fmt::Display) -> Self {
        Self { status, line: Some(line.to_string()), kind: None }
    }

    /// Bad input.
    pub(crate) fn bad_input(line: impl fmt::Display) -> Self {
        Self::new(Status::BadInput, line)
    }

    /// Damage: stored data is not as it was written.
    pub(crate) fn damaged(line: impl fmt::Display) -> Self {
        Self { kind: Some(ErrorKind::Corruption), ..Self::new(Status::StoreFailed, line) }
    }

    /// The key or keyspace does not exist.
    pub(crate) fn not_found(line: impl fmt::Display) -> Self {
        Self::new(Status::NotFound, line)
    }

    /// The condition of a change does not hold, and nothing was changed.
    pub(crate) fn condition(line: impl fmt::Display) -> Self {
        Self::new(Status::ConditionFailed, line)
    }

    /// Writing to standard output failed. A closed pipe, as after `head`, is not a failure.
    pub(crate) fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self { status: Status::Done, line: None, kind: None };
        }
        Self::new(Status::StoreFailed, format_args!("cannot write to standard output: {error}"))
    }

    /// Stopped by a signal, as intended: there is no message.
    pub(crate) fn stopped() -> Self {
        Self { status: Status::Stopped, line: None, kind: None }
    }

    /// The same failure with another message.
    pub(crate) fn told(self, line: impl fmt::Display) -> Self {
        Self { line: Some(line.to_string()), ..self }
    }

    /// The same failure with `more` appended to its message.
    pub(crate) fn and_also(self, more: &str) -> Self {
        Self { line: self.line.map(|line| format!("{line}; {more}")), ..self }
    }

    /// The exit status.
    pub(crate) fn status(&self) -> Status {
        self.status
    }

    /// The kind of the error, if the store returned one.
    pub(crate) fn kind(&self) -> Option<ErrorKind> {
        self.kind
    }

    /// The message; empty if there is none.
    pub(crate) fn line(&self) -> &str {
        self.line.as_deref().unwrap_or_default()
    }

    /// Prints the message, if there is one, and returns the status.
    pub(crate) fn report(self) -> Status {
        if let Some(line) = self.line {
            // A path or an engine's message may contain terminal escape sequences.
            let mut line = text::visible(&line.replace(['\n', '\r'], " "));
            if let Some(place) = panics::location() {
                line.push_str(" (panicked at ");
                line.push_str(place);
                line.push_str("; set RUST_BACKTRACE=1 to see the panic's message)");
            }
            message::say(&line);
        }
        self.status
    }
}

impl From<text::Refused> for Failure {
    fn from(refused: text::Refused) -> Self {
        Self::bad_input(refused)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let failure = Self::new(Status::of(error.kind()), error.one_line());
        Self { kind: Some(error.kind()), ..failure }
    }
}
