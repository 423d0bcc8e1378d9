//! The threads behind the socket: one that accepts, and one for each connection.

use crate::connection;
use crate::protocol::Answer;
use crate::shared::{Shared, full};
use crate::socket_file::{SocketFile, bind_at};
use crate::stream::{PatientWriter, TICK, until};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};
use strongroom_core::{Error, Result};
use strongroom_store::Store;

const CONNECTIONS_MAX: usize = 16;
/// How often the thread that accepts checks whether the store is closed.
const CHECK_EVERY: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
/// How long watches may send their remaining lines after the store is closed.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Server {
    path: PathBuf,
    shared: Arc<Shared>,
    /// Closed to wake the thread that accepts.
    wake: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn open(store: &Store, path: &Path) -> Result<Self> {
        let failed = |error| Error::from_io("cannot start the admin socket", error);
        let (listener, file) = bind_at(path)?;
        let (wake, woken) = UnixStream::pair().map_err(failed)?;
        let shared = Arc::new(Shared::of(store));
        let path = file.path().to_owned();
        let acceptor = Acceptor { listener, woken, shared: Arc::clone(&shared), connections: Vec::new() };
        let thread = Builder::new().name("strongroom admin".into()).spawn(move || acceptor.run(file));
        Ok(Self { path, shared, wake: Some(wake), thread: Some(thread.map_err(failed)?) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.end();
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            // If the thread panicked, it has ended all the same.
            let _ = thread.join();
        }
    }
}

struct Acceptor {
    listener: UnixListener,
    woken: UnixStream,
    shared: Arc<Shared>,
    connections: Vec<JoinHandle<()>>,
}

impl Acceptor {
    fn run(mut self, file: SocketFile) {
        while !self.shared.is_ending() && !self.shared.store.is_closed() {
            match self.wait().and_then(|is_there| if is_there { self.accept() } else { Ok(()) }) {
                Ok(()) => {}
                // Out of descriptors or memory: waiting clients are served when there are some again.
                Err(_) => std::thread::sleep(TICK),
            }
        }
        // First, so that no client connects that would not be served.
        drop(file);
        drop(self.listener);
        let deadline = Instant::now() + DRAIN_TIME_MAX;
        while !self.shared.is_ending() && Instant::now() < deadline && !all_are_done(&self.connections) {
            std::thread::sleep(TICK / 4);
        }
        self.shared.end();
        for connection in self.connections {
            // A thread that panicked has ended too.
            let _ = connection.join();
        }
    }

    /// Returns whether a client wants to connect, after [`CHECK_EVERY`] at the latest.
    fn wait(&self) -> io::Result<bool> {
        let mut watched =
            [PollFd::new(&self.listener, PollFlags::IN), PollFd::new(&self.woken, PollFlags::IN)];
        match poll(&mut watched, Some(&CHECK_EVERY)) {
            Ok(_) => Ok(!watched[0].revents().is_empty()),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        let stream = match self.listener.accept() {
            Ok((stream, _)) => stream,
            // The client has gone already.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        // Some systems pass the mode on from the listener.
        stream.set_nonblocking(false)?;
        self.connections.retain(|connection| !connection.is_finished());
        if self.connections.len() >= CONNECTIONS_MAX {
            refuse(&stream, &full(&format!("{CONNECTIONS_MAX} clients are connected already")));
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        let serve = move || connection::serve(&stream, &shared);
        self.connections.push(Builder::new().name("strongroom admin client".into()).spawn(serve)?);
        Ok(())
    }
}

fn all_are_done(connections: &[JoinHandle<()>]) -> bool {
    connections.iter().all(JoinHandle::is_finished)
}

/// Tells a client why it is not served. The buffer of a new connection has space for the line, so this does not wait.
fn refuse(stream: &UnixStream, error: &Error) {
    if let (Ok(mut writer), Ok(mut line)) =
        (PatientWriter::new(stream, until(Instant::now())), serde_json::to_vec(&Answer::error(error)))
    {
        line.push(b'\n');
        let _ = writer.write_all(&line);
    }
}
