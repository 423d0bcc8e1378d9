//! Runs the system programs that format, mount and unmount: util-linux and the `mkfs` family.
//!
//! Programs instead of system calls: a process that is killed while it waits for a disk that it serves itself can
//! never end, but its child can. Each run costs a few milliseconds.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Time limit of a program.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The path of `program`. Also searches the directories of system programs, which not every `PATH` contains.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories =
        env::split_paths(&path).chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from));
    directories.map(|directory| directory.join(program)).find(|file| file.is_file())
}

/// Runs a program until it ends. An error contains the program's standard error. A program that exceeds the time
/// limit is killed and not waited for, and the error is `TimedOut`.
pub(super) fn run<S: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = S>) -> io::Result<()> {
    let file = find(program).unwrap_or_else(|| Path::new(program).to_path_buf());
    let mut child = Command::new(file)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        // An interrupt from the terminal is for this process only: a mount or unmount must complete.
        .process_group(0)
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("cannot start {program}: {error}")))?;
    if !ended_in_time(&mut child)? {
        // Not waited for, because a process inside a system call may ignore the kill.
        let _ = child.kill();
        return Err(io::Error::new(io::ErrorKind::TimedOut, format!("{program} did not end in time")));
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', " ");
    Err(io::Error::other(format!("{program} failed: {said}")))
}

fn ended_in_time(child: &mut Child) -> io::Result<bool> {
    let began = Instant::now();
    let mut pause = Duration::from_micros(200);
    while child.try_wait()?.is_none() {
        if began.elapsed() > TIME_LIMIT {
            return Ok(false);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(2));
    }
    Ok(true)
}
