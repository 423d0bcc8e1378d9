//! One connection: a request, and its answer.

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
/// How long a client may take to read an answer that is one line.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// How long one may take to read the last line of a watch.
const END_TIME_MAX: Duration = Duration::from_millis(200);
/// After such a silence the client is told that all is well.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(5);
const BUFFER_BYTES: usize = 16 * 1_024;

/// Serves a client to its end. When that fails, the client has gone, and nobody is left to be told.
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
        let is_over = || deadline.is_over() || self.shared.has_to_end();
        let request = match read_line(self.stream, REQUEST_BYTES_MAX, &is_over) {
            Ok(Some(line)) => Request::parse(&line),
            Ok(None) => Err(refused("the request is longer than 64 KiB")),
            Err(error) if error.kind() == io::ErrorKind::TimedOut && !self.shared.has_to_end() => {
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

    /// Held for a moment only: whoever lets go of it last closes the store.
    fn store(&self) -> Result<Store> {
        self.shared.store.upgrade().ok_or_else(|| {
            Error::new(ErrorKind::Closed, "the application has closed the store")
                .hint("open the store, or wait until the application does")
        })
    }

    fn answer(&self, answer: &Answer) -> io::Result<()> {
        let deadline = until(Instant::now() + ANSWER_TIME_MAX);
        self.line(answer, || deadline.is_over() || self.shared.has_to_end())
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
        // Before the last line: who reads that finds the place free, and the buffer is no longer filled.
        drop((place, watch));
        self.line(&end, until(Instant::now() + END_TIME_MAX))
    }

    /// Hands on what is committed; the line that says why there is no more.
    fn follow(&self, watch: &mut Watch) -> io::Result<OtherLine> {
        let is_over = || self.shared.has_to_end();
        let mut told = Instant::now();
        while !is_over() {
            match watch.next_timeout(TICK) {
                Ok(Some(WatchEvent::Commit(commit))) => self.line(&CommitLine(&commit), is_over)?,
                Ok(Some(WatchEvent::Lagged(missed))) => self.line(&OtherLine::Lagged(missed), is_over)?,
                Ok(_) if watch.has_ended() => return Ok(OtherLine::end(AdminEnd::StoreClosed)),
                Ok(_) => {
                    self.check_client()?;
                    if told.elapsed() < HEARTBEAT_EVERY {
                        continue;
                    }
                    self.line(&OtherLine::Heartbeat(true), is_over)?;
                }
                Err(error) => return Ok(OtherLine::failed(&error)),
            }
            told = Instant::now();
        }
        Ok(OtherLine::end(AdminEnd::SocketClosed))
    }

    /// Fails if the client has gone. One that will send nothing more may still read.
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
        // Not into a connection that has failed, which dropping the writer would try.
        let _ = writer.into_parts();
        written
    }
}

fn refused(message: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, message).hint("send one line, at once")
}
