//! Supervises the child process, which may report a result, die, hang, or be stopped.

use super::protocol::{Failed, Found, Line};
use crate::exit::{Failure, Outcome, Status};
use crate::interrupt::Interrupt;
use std::io::{self, BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Interval between two checks of the clock and for a signal.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Bytes of the child's standard error that are kept.
const ERRORS_BYTES_MAX: u64 = 64 * 1_024;

/// How the child process ended.
#[derive(Debug)]
pub(super) enum End {
    Sound(Found),
    Failed(Failed),
    /// It died without a result. Contains its standard error.
    Died(ExitStatus, String),
    OutOfTime,
    Stopped,
}

/// Runs `command` to its end, and passes its progress lines to `tell`.
pub(super) fn run(
    mut command: Command,
    time_limit: Option<Duration>,
    interrupt: &Interrupt,
    tell: &mut dyn FnMut(Line),
) -> Outcome<End> {
    let began = Instant::now();
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().map_err(|error| failed("start", &error))?;
    // The child's standard input stays open as long as this process lives; the child ends when it closes.
    let (lines, errors) = (lines_of(&mut child), errors_of(&mut child));
    let end = loop {
        match lines.recv_timeout(LOOK_EVERY.min(time_left(began, time_limit))) {
            Ok(Line::Sound(found)) => break Some(End::Sound(found)),
            Ok(Line::Failed(failed)) => break Some(End::Failed(failed)),
            Ok(line) => tell(line),
            Err(RecvTimeoutError::Disconnected) => break None,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if interrupt.is_requested() {
            break Some(End::Stopped);
        }
        if time_left(began, time_limit).is_zero() {
            break Some(End::OutOfTime);
        }
    };
    // Also after a result: the child has closed the store by then, but may hang at exit.
    if end.is_some() {
        child.kill().map_err(|error| failed("end", &error))?;
    }
    let status = child.wait().map_err(|error| failed("wait for", &error))?;
    let errors = errors.and_then(|reader| reader.join().ok()).unwrap_or_default();
    Ok(match end {
        Some(end) => end,
        None if was_asked_to_stop(status) => End::Stopped,
        None => End::Died(status, errors),
    })
}

fn failed(what: &str, error: &io::Error) -> Failure {
    Failure::new(Status::StoreFailed, format_args!("cannot {what} the checking process: {error}"))
}

fn time_left(began: Instant, limit: Option<Duration>) -> Duration {
    limit.map_or(Duration::MAX, |limit| limit.saturating_sub(began.elapsed()))
}

/// Ctrl-C in a terminal goes to both processes, and the child may receive it first.
fn was_asked_to_stop(status: ExitStatus) -> bool {
    matches!(signal(status), Some("SIGINT" | "SIGTERM" | "SIGHUP"))
}

/// The name of the signal that ended the process.
#[cfg(unix)]
pub(super) fn signal(status: ExitStatus) -> Option<&'static str> {
    use std::os::unix::process::ExitStatusExt as _;
    let number = status.signal()?;
    Some(nix::sys::signal::Signal::try_from(number).map_or("unknown", nix::sys::signal::Signal::as_str))
}

#[cfg(not(unix))]
pub(super) fn signal(_status: ExitStatus) -> Option<&'static str> {
    None
}

fn lines_of(child: &mut Child) -> Receiver<Line> {
    let (sender, lines) = channel();
    if let Some(output) = child.stdout.take() {
        std::thread::spawn(move || read_lines(output, &sender));
    }
    lines
}

fn read_lines(output: impl Read, to: &Sender<Line>) {
    for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
        // The engine's library may print to standard output too.
        let Ok(line) = serde_json::from_slice(&line) else { continue };
        if to.send(line).is_err() {
            return;
        }
    }
}

fn errors_of(child: &mut Child) -> Option<JoinHandle<String>> {
    let mut errors = child.stderr.take()?;
    Some(std::thread::spawn(move || {
        let mut kept = Vec::new();
        let _ = errors.by_ref().take(ERRORS_BYTES_MAX).read_to_end(&mut kept);
        // Drained, because the child would block on a full pipe.
        let _ = io::copy(&mut errors, &mut io::sink());
        String::from_utf8_lossy(&kept).into_owned()
    }))
}
