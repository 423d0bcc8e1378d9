//! The other side: whoever asks.

use crate::protocol::{AdminChange, AdminEnd, Answer, Request, WatchLine};
use crate::stats::AdminStats;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};
use strongroom_core::{Error, ErrorKind, Result};
use strongroom_store::ADMIN_SOCKET_FILE;

/// On a system without such sockets there is none that could be connected.
#[cfg(not(unix))]
use std::net::TcpStream as Stream;
#[cfg(unix)]
use std::os::unix::net::UnixStream as Stream;

/// How long a process may take to answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);
/// More than a line can have: a commit of a whole buffer, each byte of it escaped.
const LINE_BYTES_MAX: usize = 64 * 1_024 * 1_024;
const CHUNK_BYTES: usize = 64 * 1_024;

/// Asks the process that has a store open. One request each.
///
/// [`NotFound`](ErrorKind::NotFound): nobody has a socket open there.
/// [`Unavailable`](ErrorKind::Unavailable): it serves as many as it may, or does not answer.
#[derive(Debug)]
pub struct AdminClient {
    lines: Lines,
}

/// What is committed in a store that another process has open, as it happens.
#[derive(Debug)]
pub struct AdminWatch {
    lines: Lines,
    engine: String,
}

/// What a client that watches is told.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdminEvent {
    /// A commit that changed something that is watched.
    #[non_exhaustive]
    Commit {
        /// Its sequence number.
        sequence: u64,
        /// What it did, in the order of its operations.
        changes: Vec<AdminChange>,
    },
    /// So many commits were left out here, since they were not read in time.
    Lagged(u64),
    /// Nothing more will come.
    Ended(AdminEnd),
}

impl AdminClient {
    /// Connects to the socket in a store's directory.
    pub fn connect(directory: impl AsRef<Path>) -> Result<Self> {
        Self::connect_at(directory.as_ref().join(ADMIN_SOCKET_FILE))
    }

    /// Connects to the socket at `path`.
    pub fn connect_at(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let stream = connect(path).map_err(|error| cannot_connect(path, error))?;
        Ok(Self { lines: Lines { stream, read: Vec::new(), searched: 0 } })
    }

    /// Figures about the store.
    pub fn stats(mut self) -> Result<AdminStats> {
        let answer = self.ask(&Request::Stats)?;
        answer.stats.map(|stats| *stats).ok_or_else(not_understood)
    }

    /// Follows the changes to all keys of a keyspace that begin with `prefix`, from the next commit on; to all if it is
    /// empty.
    pub fn watch(mut self, keyspace: &str, prefix: impl AsRef<[u8]>) -> Result<AdminWatch> {
        let request = Request::Watch { keyspace: keyspace.to_owned(), prefix: prefix.as_ref().to_vec() };
        let begun = self.ask(&request)?.watch.ok_or_else(not_understood)?;
        Ok(AdminWatch { lines: self.lines, engine: begun.engine })
    }

    fn ask(&mut self, request: &Request) -> Result<Answer> {
        // One that is full already has answered, and closed the connection. So a failure to write says nothing yet.
        let written = self.lines.write(&request.line());
        let line = match self.lines.next(Some(Instant::now() + ANSWER_TIME_MAX)) {
            Ok(Some(line)) => line,
            Ok(None) => {
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    "the process that has the store open does not answer",
                )
                .hint("look whether it is stopped, and try again"));
            }
            Err(error) => return written.and(Err(error)),
        };
        let answer: Answer = serde_json::from_slice(&line).map_err(|_| not_understood())?;
        match answer.error {
            Some(told) => Err(told.into()),
            None if answer.ok => Ok(answer),
            None => Err(not_understood()),
        }
    }
}

impl AdminWatch {
    /// The store's engine.
    pub fn engine(&self) -> &str {
        &self.engine
    }

    /// The next event; none if none comes within `timeout`. Behind the end comes an error.
    ///
    /// [`NotFound`](ErrorKind::NotFound): the keyspace was dropped.
    /// [`Closed`](ErrorKind::Closed): the application cannot use its store any more.
    /// [`Unavailable`](ErrorKind::Unavailable): the connection ended, most likely with the application.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<AdminEvent>> {
        // Too far ahead for the clock: for ever.
        let until = Instant::now().checked_add(timeout);
        loop {
            let Some(line) = self.lines.next(until)? else { return Ok(None) };
            return Ok(Some(match WatchLine::parse(&line).ok_or_else(not_understood)? {
                WatchLine::Commit { sequence, changes } => AdminEvent::Commit { sequence, changes },
                WatchLine::Lagged(missed) => AdminEvent::Lagged(missed),
                WatchLine::End(end) => AdminEvent::Ended(end?),
                WatchLine::Other => continue,
            }));
        }
    }
}

#[cfg(unix)]
fn connect(path: &Path) -> io::Result<Stream> {
    Stream::connect(path)
}

#[cfg(not(unix))]
fn connect(_: &Path) -> io::Result<Stream> {
    Err(io::ErrorKind::Unsupported.into())
}

fn cannot_connect(path: &Path, error: io::Error) -> Error {
    let shown = path.display();
    match error.kind() {
        // A process that was killed leaves a socket that refuses.
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            Error::new(ErrorKind::NotFound, format!("no process has an admin socket open at {shown}"))
                .hint("the application that has the store open has to open one (AdminSocket::open)")
        }
        io::ErrorKind::Unsupported => {
            Error::new(ErrorKind::Unsupported, "an admin socket needs a Unix system")
                .hint("open the store here when no other process has it open")
        }
        io::ErrorKind::InvalidInput => {
            let bytes = path.as_os_str().len();
            let message = format!("the admin socket's path has {bytes} bytes, more than the system allows");
            Error::new(ErrorKind::InvalidInput, message)
                .hint("the application has to open the socket at a shorter path (AdminSocket::open_at)")
        }
        _ => Error::from_io(format!("cannot connect to the admin socket {shown}"), error),
    }
}

fn not_understood() -> Error {
    Error::new(ErrorKind::Unsupported, "what answers at the admin socket does not speak its protocol")
        .hint("use the same version of Strongroom on both sides")
}

/// The lines that come, each as a whole.
#[derive(Debug)]
struct Lines {
    stream: Stream,
    /// What was read and is no line yet, or not yet taken.
    read: Vec<u8>,
    /// So much of it has no end of a line.
    searched: usize,
}

impl Lines {
    fn write(&mut self, line: &str) -> Result<()> {
        self.stream
            .set_write_timeout(Some(ANSWER_TIME_MAX))
            .and_then(|()| self.stream.write_all(line.as_bytes()))
            .map_err(|error| Error::from_io("cannot send the request", error))
    }

    /// The next line; none if none comes until then.
    fn next(&mut self, until: Option<Instant>) -> Result<Option<Vec<u8>>> {
        let failed = |error| Error::from_io("cannot read what the admin socket answers", error);
        loop {
            if let Some(end) = self.read[self.searched..].iter().position(|byte| *byte == b'\n') {
                let rest = self.read.split_off(self.searched + end + 1);
                let mut line = std::mem::replace(&mut self.read, rest);
                line.pop();
                self.searched = 0;
                return Ok(Some(line));
            }
            self.searched = self.read.len();
            if self.read.len() > LINE_BYTES_MAX {
                return Err(not_understood());
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(None);
            }
            self.stream.set_read_timeout(left).map_err(failed)?;
            let begin = self.read.len();
            self.read.resize(begin + CHUNK_BYTES, 0);
            let read = self.stream.read(&mut self.read[begin..]);
            self.read.truncate(begin + read.as_ref().map_or(0, |read| *read));
            match read {
                Ok(0) => return Err(lost()),
                Ok(_) => {}
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => {}
                    io::ErrorKind::ConnectionReset => return Err(lost()),
                    _ => return Err(failed(error)),
                },
            }
        }
    }
}

fn lost() -> Error {
    Error::new(ErrorKind::Unavailable, "the connection to the process that has the store open was lost")
        .hint("look whether that process still runs")
}
