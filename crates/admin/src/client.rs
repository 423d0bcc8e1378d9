//! The client: sends one request and reads its answer.

use crate::protocol::{AdminChange, AdminEnd, Answer, Request, WatchLine};
use crate::stats::AdminStats;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};
use strongroom_core::{Error, ErrorKind, Result};
use strongroom_store::ADMIN_SOCKET_FILE;

/// Never connected: the system has no Unix domain sockets.
#[cfg(not(unix))]
use std::net::TcpStream as Stream;
#[cfg(unix)]
use std::os::unix::net::UnixStream as Stream;

/// How long the server may take to answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);
/// More than any line of the protocol: a commit that fills a watch's buffer, with every byte escaped.
const LINE_BYTES_MAX: usize = 64 * 1_024 * 1_024;
const CHUNK_BYTES: usize = 64 * 1_024;

/// Connects to the process that has a store open. A client sends one request.
///
/// [`NotFound`](ErrorKind::NotFound): no process has a socket open there.
/// [`Unavailable`](ErrorKind::Unavailable): the server has its maximum of clients, or does not answer.
#[derive(Debug)]
pub struct AdminClient {
    lines: Lines,
}

/// The commits of a store that another process has open, as they happen.
#[derive(Debug)]
pub struct AdminWatch {
    lines: Lines,
    engine: String,
}

/// An event of an [`AdminWatch`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdminEvent {
    /// A commit that changed a watched key.
    #[non_exhaustive]
    Commit {
        /// Its sequence number.
        sequence: u64,
        /// Its changes to watched keys, in the order of its operations.
        changes: Vec<AdminChange>,
    },
    /// This many commits are missing here: the client did not read them in time.
    Lagged(u64),
    /// The watch has ended.
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

    /// Returns the figures of the store.
    pub fn stats(mut self) -> Result<AdminStats> {
        let answer = self.ask(&Request::Stats)?;
        answer.stats.map(|stats| *stats).ok_or_else(not_understood)
    }

    /// Watches all keys of a keyspace that begin with `prefix`, from the next commit on. An empty prefix watches all
    /// keys.
    pub fn watch(mut self, keyspace: &str, prefix: impl AsRef<[u8]>) -> Result<AdminWatch> {
        let request = Request::Watch { keyspace: keyspace.to_owned(), prefix: prefix.as_ref().to_vec() };
        let begun = self.ask(&request)?.watch.ok_or_else(not_understood)?;
        Ok(AdminWatch { lines: self.lines, engine: begun.engine })
    }

    fn ask(&mut self, request: &Request) -> Result<Answer> {
        // A server with too many clients answers at once and closes the connection. So the answer counts first, and a
        // failure to write only if there is no answer.
        let written = self.lines.write(&request.line());
        let line = match self.lines.next(Some(Instant::now() + ANSWER_TIME_MAX)) {
            Ok(Some(line)) => line,
            Ok(None) => {
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    "the process that has the store open does not answer",
                )
                .hint("check whether it is stopped, then try again"));
            }
            Err(error) => return written.and(Err(error)),
        };
        let answer: Answer = serde_json::from_slice(&line).map_err(|_| not_understood())?;
        match answer.error {
            Some(sent) => Err(sent.into()),
            None if answer.ok => Ok(answer),
            None => Err(not_understood()),
        }
    }
}

impl AdminWatch {
    /// Returns the name of the store's engine.
    pub fn engine(&self) -> &str {
        &self.engine
    }

    /// Waits up to `timeout` for the next event. Returns `None` on a timeout, and an error after the end.
    ///
    /// [`NotFound`](ErrorKind::NotFound): the keyspace was dropped.
    /// [`Closed`](ErrorKind::Closed): the application's store is closed or has failed.
    /// [`Unavailable`](ErrorKind::Unavailable): the connection was lost, most likely because the application ended.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<AdminEvent>> {
        // `None` if the deadline overflows the clock: then it waits without a limit.
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
        // The socket of a process that was killed refuses connections.
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            Error::new(ErrorKind::NotFound, format!("no process has an admin socket open at {shown}"))
                .hint("the application that has the store open must open one (AdminSocket::open)")
        }
        io::ErrorKind::Unsupported => {
            Error::new(ErrorKind::Unsupported, "an admin socket needs a Unix system")
                .hint("close the application, then open the store directly")
        }
        io::ErrorKind::InvalidInput => {
            let bytes = path.as_os_str().len();
            let message = format!("the admin socket's path has {bytes} bytes, more than the system allows");
            Error::new(ErrorKind::InvalidInput, message)
                .hint("the application must open the socket at a shorter path (AdminSocket::open_at)")
        }
        _ => Error::from_io(format!("cannot connect to the admin socket {shown}"), error),
    }
}

fn not_understood() -> Error {
    Error::new(ErrorKind::Unsupported, "the answer from the admin socket is not in its protocol")
        .hint("use the same version of Strongroom on both sides")
}

/// Reads the connection line by line.
#[derive(Debug)]
struct Lines {
    stream: Stream,
    /// Bytes that were read and not yet returned as a line.
    read: Vec<u8>,
    /// The length of its prefix that is known to have no newline.
    searched: usize,
}

impl Lines {
    fn write(&mut self, line: &str) -> Result<()> {
        self.stream
            .set_write_timeout(Some(ANSWER_TIME_MAX))
            .and_then(|()| self.stream.write_all(line.as_bytes()))
            .map_err(|error| Error::from_io("cannot send the request", error))
    }

    /// Returns the next line, or `None` if none is complete by `until`.
    fn next(&mut self, until: Option<Instant>) -> Result<Option<Vec<u8>>> {
        let failed = |error| Error::from_io("cannot read from the admin socket", error);
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
        .hint("check whether that process still runs")
}
