//! Two small traits for subjects of the harness: anything that keeps rows in keyspaces.
//!
//! A [`Subject`] opens a store in a directory. The harness runs a script against the store, interrupts it, and
//! inspects it in another process. To test your own store, implement both traits and pass the subject to
//! [`command::main`](crate::command::main), as `examples/flawed/main.rs` does.

use crate::disk::FileSystem;
use crate::script::Batch;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;

/// What a subject promises about an acknowledged power-safe commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Promise {
    /// It survives a power cut. Every loss fails the run.
    PowerSafe,
    /// It claims nothing about power cuts, and losses are reported without failing the run. A killed process must
    /// still lose nothing.
    KillSafe,
    /// A negative control: it must be seen to lose something, or the harness is blind and the run fails.
    Loses,
}

/// The role of a subject, which decides what damage may do to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A layer that verifies its reads: returning a wrong value fails the run.
    Store,
    /// As [`Role::Store`], and it knows its full contents: a loss that its `verify` misses fails the run.
    StoreFull,
    /// A raw engine, for comparison: wrong values and missed damage are reported without failing the run.
    Raw,
}

/// A store to test.
pub trait Subject: Send + Sync {
    /// Its name in commands and reports, such as `redb/store`, without colons and spaces.
    fn name(&self) -> &str;

    /// The engine under it, by which the report groups subjects.
    fn engine(&self) -> &str;

    /// Its role.
    fn role(&self) -> Role;

    /// What it promises.
    fn promise(&self) -> Promise;

    /// A short note for the report, such as settings or limits of its promise; may be empty.
    #[expect(clippy::unnecessary_literal_bound, reason = "implementations return their own strings")]
    fn note(&self) -> &str {
        ""
    }

    /// The file systems for which the promise holds; the subject is tested only on these.
    fn file_systems(&self) -> &[FileSystem] {
        &FileSystem::ALL
    }

    /// Opens the store in `directory`, which exists; creates a store if there is none.
    fn open(&self, directory: &Path) -> Result<Box<dyn Opened>, Failure>;
}

/// An open store. Dropping it closes it.
pub trait Opened: Send + Sync {
    /// Returns the names of the keyspaces that an application sees.
    fn keyspaces(&self) -> Result<Vec<String>, Failure>;

    /// Creates a keyspace; does nothing if it exists.
    fn create_keyspace(&self, name: &str) -> Result<(), Failure>;

    /// Removes a keyspace and its rows.
    fn drop_keyspace(&self, name: &str) -> Result<(), Failure>;

    /// Commits a batch atomically.
    ///
    /// A subject without conditional commits may check the conditions first and then write, because no other writer
    /// changes the rows of a batch.
    fn commit(&self, batch: &Batch) -> Result<Verdict, Failure>;

    /// Returns the value of a key.
    fn get(&self, keyspace: &str, key: &[u8]) -> Result<Option<Vec<u8>>, Failure>;

    /// Passes every row of a keyspace to `visit`, in key order.
    fn scan(&self, keyspace: &str, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Failure>;

    /// Compacts the store; returns [`Done::Lacking`] if it cannot.
    fn compact(&self) -> Result<Done, Failure>;

    /// Copies one consistent state durably into `directory`, which does not exist yet.
    fn checkpoint(&self, directory: &Path) -> Result<Done, Failure>;

    /// Checks for damage as thoroughly as the subject can.
    fn verify(&self) -> Result<Done, Failure>;
}

/// How a commit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was committed.
    Committed,
    /// A condition did not hold, and nothing was written.
    Refused,
}

/// Whether an operation was done or is not supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It was done.
    Done,
    /// The subject has no such operation.
    Lacking,
}

/// The error of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Whether the handle reported that it is closed and must be reopened.
    pub closed: bool,
    /// The message, in one line.
    pub message: String,
}

impl Failure {
    /// Creates a failure from `message`, whose lines are joined.
    pub fn new(message: impl fmt::Display) -> Self {
        let message = message.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        Self { closed: false, message }
    }

    /// Marks the handle as closed by this failure.
    #[must_use]
    pub fn closed(self) -> Self {
        Self { closed: true, ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
