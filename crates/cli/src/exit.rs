//! How the command ends: a status for scripts, one line for people.

use crate::message;
use crate::{panics, text};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use strongroom::{Error, ErrorKind};

/// The exit statuses, as printed by `--help` and in the manual page.
pub(crate) const STATUSES: &str = "\
Exit status:
  0    done; deleting what is not there is done too
  1    no such key or keyspace, or what `cas` finds is not as expected
  2    wrong usage, bad input, or no such store
  3    the store is damaged, it or its engine failed, or another process has it open
  130  a load, a check or a watch was stopped by Ctrl-C or SIGTERM";

/// An exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Status {
    /// It was done.
    Done,
    /// The key or keyspace is not there.
    NotFound,
    /// A change was asked for on a condition that does not hold.
    ConditionFailed,
    /// What was asked for cannot work, whatever the state of the store.
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

    /// The one place where a kind of error becomes a status. A missing store is bad input; a missing
    /// keyspace is told apart where it is looked up.
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

/// Why a command did not do what it was asked: a status, and the line that says so.
#[derive(Debug)]
pub(crate) struct Failure {
    status: Status,
    /// None where there is nobody left to tell.
    line: Option<String>,
    /// What the store said it is, if it was the store that said something.
    kind: Option<ErrorKind>,
}

/// What a command returns.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure with `status`, told by `line`.
    pub(crate) fn new(status: Status, line: impl fmt::Display) -> Self {
        Self { status, line: Some(line.to_string()), kind: None }
    }

    /// The input cannot be used.
    pub(crate) fn bad_input(line: impl fmt::Display) -> Self {
        Self::new(Status::BadInput, line)
    }

    /// What is stored is not what was written.
    pub(crate) fn damaged(line: impl fmt::Display) -> Self {
        Self { kind: Some(ErrorKind::Corruption), ..Self::new(Status::StoreFailed, line) }
    }

    /// The key or keyspace is not there.
    pub(crate) fn not_found(line: impl fmt::Display) -> Self {
        Self::new(Status::NotFound, line)
    }

    /// What is stored is not as it was expected to be, and was left as it is.
    pub(crate) fn condition(line: impl fmt::Display) -> Self {
        Self::new(Status::ConditionFailed, line)
    }

    /// Writing to standard output failed. A reader that left, as `head` does, has all it wanted: that is
    /// no failure.
    pub(crate) fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self { status: Status::Done, line: None, kind: None };
        }
        Self::new(Status::StoreFailed, format_args!("cannot write to standard output: {error}"))
    }

    /// It was asked to stop, which is how it ends: nobody has to be told.
    pub(crate) fn stopped() -> Self {
        Self { status: Status::Stopped, line: None, kind: None }
    }

    /// The same failure, told by `line` in place of its own.
    pub(crate) fn told(self, line: impl fmt::Display) -> Self {
        Self { line: Some(line.to_string()), ..self }
    }

    /// The same failure, and `more` to say about it.
    pub(crate) fn and_also(self, more: &str) -> Self {
        Self { line: self.line.map(|line| format!("{line}; {more}")), ..self }
    }

    /// Its status.
    pub(crate) fn status(&self) -> Status {
        self.status
    }

    /// What kind of error of the store it is.
    pub(crate) fn kind(&self) -> Option<ErrorKind> {
        self.kind
    }

    /// The line that tells it.
    pub(crate) fn line(&self) -> &str {
        self.line.as_deref().unwrap_or_default()
    }

    /// Prints the line, if there is one, and gives the status.
    pub(crate) fn report(self) -> Status {
        if let Some(line) = self.line {
            // A path or an engine's message may hold anything, also what a terminal would obey.
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
