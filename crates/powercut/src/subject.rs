//! What is tried: anything that keeps rows in keyspaces, behind two small traits.
//!
//! A [`Subject`] opens a directory; what it gives back is driven through a script, cut off, and looked at again by
//! another process. A third party writes one for its own store and hands it to [`command::main`](crate::command::main);
//! `examples/flawed.rs` is one in two hundred lines.

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
    /// It claims nothing about power cuts, and what it loses is reported without failing the run. A killed process
    /// must not lose anything all the same.
    KillSafe,
    /// A negative control: it must be seen to lose something, or the harness is blind and the run fails.
    Loses,
}

/// Whose code is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A layer that checks what it reads: a wrong value served fails the run.
    Store,
    /// As [`Role::Store`], and it knows what should be there: a loss that its `verify` does not notice fails the run.
    StoreFull,
    /// An engine by itself, for comparison: damage that it serves or hides is reported without failing the run.
    Raw,
}

/// One thing to try.
pub trait Subject: Send + Sync {
    /// Its name in commands and reports, such as `redb/store`: no colon, no space.
    fn name(&self) -> &str;

    /// The engine that it stands on, by which the report groups.
    fn engine(&self) -> &str;

    /// Whose code it is.
    fn role(&self) -> Role;

    /// What it promises.
    fn promise(&self) -> Promise;

    /// Why it loses or cannot promise more, in a few words for the report; empty if there is nothing to say.
    #[expect(clippy::unnecessary_literal_bound, reason = "others have more to say")]
    fn note(&self) -> &str {
        ""
    }

    /// The file systems of the simulated disk that it promises this on, and is tried on.
    fn file_systems(&self) -> &[FileSystem] {
        &FileSystem::ALL
    }

    /// Opens the store in `directory`, which exists; creates it if it is not there.
    fn open(&self, directory: &Path) -> Result<Box<dyn Opened>, Failure>;
}

/// An open store. Dropping it closes it.
pub trait Opened: Send + Sync {
    /// Names of the keyspaces that an application sees.
    fn keyspaces(&self) -> Result<Vec<String>, Failure>;

    /// Makes a keyspace; one that is there already is no failure.
    fn create_keyspace(&self, name: &str) -> Result<(), Failure>;

    /// Removes a keyspace and its rows.
    fn drop_keyspace(&self, name: &str) -> Result<(), Failure>;

    /// Commits a batch, all of it or nothing.
    ///
    /// A subject without conditions of its own may look first and write then: the rows of a batch are one writer's.
    fn commit(&self, batch: &Batch) -> Result<Verdict, Failure>;

    /// The value of a key.
    fn get(&self, keyspace: &str, key: &[u8]) -> Result<Option<Vec<u8>>, Failure>;

    /// Hands over every row of a keyspace, in order.
    fn scan(&self, keyspace: &str, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Failure>;

    /// Rewrites what it can; [`Done::Lacking`] where it has no such thing.
    fn compact(&self) -> Result<Done, Failure>;

    /// Copies one consistent state into `directory`, which is not there, durably.
    fn checkpoint(&self, directory: &Path) -> Result<Done, Failure>;

    /// Looks for damage with all that the subject has for that.
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

/// Whether an operation exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It was done.
    Done,
    /// The subject has no such operation.
    Lacking,
}

/// What an operation failed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Whether it said that the handle is of no use any more.
    pub closed: bool,
    /// One line.
    pub message: String,
}

impl Failure {
    /// A failure told by `message`; its lines are joined.
    pub fn new(message: impl fmt::Display) -> Self {
        let message = message.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        Self { closed: false, message }
    }

    /// The same, from a handle that has to be opened again.
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
