//! Reading and writing with a limit in time, whatever the other side does.

use std::io::{self, ErrorKind, Read as _, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// How long a system call may block before the [`Patience`] is checked again.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// Decides whether to give up, every [`TICK`].
pub(crate) trait Patience {
    fn is_over(&self) -> bool;
}

impl<F: Fn() -> bool> Patience for F {
    fn is_over(&self) -> bool {
        self()
    }
}

/// Reads a line, without its newline; the end of the stream ends it too. Returns `None` if it is longer than
/// `bytes_max`. Ignores bytes after the line.
pub(crate) fn read_line(
    stream: &UnixStream,
    bytes_max: usize,
    patience: &dyn Patience,
) -> io::Result<Option<Vec<u8>>> {
    stream.set_read_timeout(Some(TICK))?;
    let mut line = Vec::new();
    let mut chunk = [0; 4_096];
    loop {
        if patience.is_over() {
            return Err(ErrorKind::TimedOut.into());
        }
        let read = match (&*stream).read(&mut chunk) {
            Ok(0) => return Ok(Some(line)),
            Ok(read) => &chunk[..read],
            Err(error) if is_pause(&error) => continue,
            Err(error) => return Err(error),
        };
        let end = read.iter().position(|byte| *byte == b'\n');
        line.extend_from_slice(&read[..end.unwrap_or(read.len())]);
        if line.len() > bytes_max {
            return Ok(None);
        }
        if end.is_some() {
            return Ok(Some(line));
        }
    }
}

/// Writes until the patience is over.
pub(crate) struct PatientWriter<'s, P> {
    stream: &'s UnixStream,
    patience: P,
}

impl<'s, P: Patience> PatientWriter<'s, P> {
    pub(crate) fn new(stream: &'s UnixStream, patience: P) -> io::Result<Self> {
        stream.set_write_timeout(Some(TICK))?;
        Ok(Self { stream, patience })
    }
}

impl<P: Patience> Write for PatientWriter<'_, P> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.stream.write(bytes) {
                Err(error) if is_pause(&error) && !self.patience.is_over() => {}
                // `write_all` would retry an `Interrupted`.
                Err(error) if is_pause(&error) => return Err(ErrorKind::TimedOut.into()),
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// Returns patience until `deadline`.
pub(crate) fn until(deadline: Instant) -> impl Patience {
    move || Instant::now() >= deadline
}
