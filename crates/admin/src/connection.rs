//! One connection: reads a request and answers it.

use crate::protocol::{AdminEnd, Answer, CommitLine, OtherLine, Request};
use crate::shared::Shared;
use crate::stats::AdminStats;
use crate::stream::{Patience, PatientWriter, TICK, read_line, until};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;
use std::io::{self, BufWriter, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};
use strongroom_core::{Error, ErrorKind, Result};
use strongroom_store::{Store, Watch, WatchEvent};

const REQUEST_BYTES_MAX: usize = 64 * 1_024;
const REQUEST_TIME_MAX: Duration = Duration::from_secs(10);
/// How long a client may take to read an answer of one line.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// How long a client may take to read the last line of a watch.
const END_TIME_MAX: Duration = Duration::from_millis(200);
/// A watch without a commit for this long sends a heartbeat.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(5);
const BUFFER_BYTES: usize = 16 * 1_024;

/// Serves a client until the connection ends. A failure means that the client has gone, so it is not reported.
pub(crate) fn serve(stream: &UnixStream, shared: &Shared) {
    let connection = Connection { stream, shared };
    let _ = connection.serve();
}

struct Connection<'c> {
    stream: &'c UnixStream,
    shared: &'c Shared,
}

impl Connection<'_> {
    fn serve(&self) -> io::Result<()> {
        let deadline = until(Instant::now() + REQUEST_TIME_MAX);
        let is_over = || deadline.is_over() || self.shared.is_ending();
        let request = match read_line(self.stream, REQUEST_BYTES_MAX, &is_over) {
            Ok(Some(line)) => Request::parse(&line),
            Ok(None) => Err(refused("the request is longer than 64 KiB")),
            Err(error) if error.kind() == io::ErrorKind::TimedOut && !self.shared.is_ending() => {
                Err(refused("the request did not come within 10 seconds"))
            }
            Err(error) => return Err(error),
        };
        match request {
            Ok(Request::Stats) => self.answer(&self.stats()),
            Ok(Request::Watch { keyspace, prefix }) => self.watch(&keyspace, &prefix),
            Err(error) => self.answer(&Answer::error(&error)),
        }
    }

    fn stats(&self) -> Answer {
        match self.store().and_then(|store| AdminStats::of(&store)) {
            Ok(stats) => Answer::stats(stats),
            Err(error) => Answer::error(&error),
        }
    }

    /// Upgrades the weak handle. Callers drop the store soon: the last handle closes it.
    fn store(&self) -> Result<Store> {
        self.shared.store.upgrade().ok_or_else(|| {
            Error::new(ErrorKind::Closed, "the application has closed the store")
                .hint("open the store, or wait until the application does")
        })
    }

    fn answer(&self, answer: &Answer) -> io::Result<()> {
        let deadline = until(Instant::now() + ANSWER_TIME_MAX);
        self.line(answer, || deadline.is_over() || self.shared.is_ending())
    }

    fn watch(&self, keyspace: &str, prefix: &[u8]) -> io::Result<()> {
        let begun = self.shared.watch_place().and_then(|place| {
            let store = self.store()?;
            Ok((place, store.keyspace(keyspace)?.watch_prefix(prefix)?, store.engine().name))
        });
        let (place, mut watch, engine) = match begun {
            Ok(begun) => begun,
            Err(error) => return self.answer(&Answer::error(&error)),
        };
        self.answer(&Answer::watch(engine))?;
        let end = self.follow(&mut watch)?;
        // Before the last line: a client that reads it finds the place free, and commits no longer fill the buffer.
        drop((place, watch));
        self.line(&end, until(Instant::now() + END_TIME_MAX))
    }

    /// Forwards commits. Returns the last line, which says why the watch ends.
    fn follow(&self, watch: &mut Watch) -> io::Result<OtherLine> {
        let is_over = || self.shared.is_ending();
        let mut last_line = Instant::now();
        while !is_over() {
            match watch.next_timeout(TICK) {
                Ok(Some(WatchEvent::Commit(commit))) => self.line(&CommitLine(&commit), is_over)?,
                Ok(Some(WatchEvent::Lagged(missed))) => self.line(&OtherLine::Lagged(missed), is_over)?,
                Ok(_) if watch.has_ended() => return Ok(OtherLine::end(AdminEnd::StoreClosed)),
                Ok(_) => {
                    self.check_client()?;
                    if last_line.elapsed() < HEARTBEAT_EVERY {
                        continue;
                    }
                    self.line(&OtherLine::Heartbeat(true), is_over)?;
                }
                Err(error) => return Ok(OtherLine::failed(&error)),
            }
            last_line = Instant::now();
        }
        Ok(OtherLine::end(AdminEnd::SocketClosed))
    }

    /// Fails if the client has gone. A client that has only closed its sending side may still read.
    fn check_client(&self) -> io::Result<()> {
        let mut watched = [PollFd::new(self.stream, PollFlags::empty())];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        match poll(&mut watched, Some(&now)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => Ok(()),
            Ok(_) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(error) => Err(error.into()),
        }
    }

    fn line(&self, line: &impl Serialize, patience: impl Patience) -> io::Result<()> {
        let mut writer = BufWriter::with_capacity(BUFFER_BYTES, PatientWriter::new(self.stream, patience)?);
        let written = serde_json::to_writer(&mut writer, line)
            .map_err(io::Error::from)
            .and_then(|()| writer.write_all(b"\n"))
            .and_then(|()| writer.flush());
        // A dropped `BufWriter` would flush again, into a connection that has failed.
        let _ = writer.into_parts();
        written
    }
}

fn refused(message: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, message).hint("send one line, at once")
}
