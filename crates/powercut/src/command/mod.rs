//! The command line program: parses the arguments, runs a command and returns its exit status.

mod arguments;
mod matrix;
mod replay;
mod status;

use crate::child::{self, CHILD, GAVE_UP};
use crate::disk;
use crate::report;
use crate::subject::Subject;
use arguments::{Arguments, Command};
use clap::Parser as _;
use status::{Status, stop};
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

/// Entry point of a program that tests `subjects`. The program also serves as its own child processes.
///
/// Exit status: 0 if every subject kept its promise, 1 if one did not or a negative control lost nothing, 2 for wrong
/// usage, 3 if the harness itself failed, 130 if it was stopped.
pub fn main(subjects: &[Box<dyn Subject>]) -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    if given.first().is_some_and(|first| first == CHILD) {
        return match child::main(subjects, &given[1..]) {
            Ok(()) => ExitCode::SUCCESS,
            Err(message) => {
                eprintln!("{message}");
                ExitCode::from(GAVE_UP)
            }
        };
    }
    let arguments = Arguments::parse();
    // Must come before any other thread and before the first disk: mounts made from here on disappear with the
    // process. A process without that privilege cannot mount a disk either, and reports that later.
    if matches!(arguments.command, Command::Matrix(_) | Command::Replay(_))
        && let Err(error) = disk::isolate()
        && disk::unavailable().is_none()
    {
        return failed(&format!("cannot create a private mount namespace: {error}"));
    }
    if let Err(error) = ctrlc::set_handler(stop) {
        return failed(&format!("cannot install the signal handler: {error}"));
    }
    let done = match &arguments.command {
        Command::Matrix(matrix) => matrix::run(subjects, matrix),
        Command::Replay(replay) => replay::run(subjects, replay),
        Command::Report(arguments) => print_report(&arguments.results),
        Command::Subjects => list(subjects),
    };
    match done {
        Ok(status) => status.into(),
        Err(error) => failed(&error.to_string()),
    }
}

fn failed(message: &str) -> ExitCode {
    eprintln!("strongroom-powercut: {message}");
    Status::Broken.into()
}

fn print_report(results: &Path) -> io::Result<Status> {
    let results = matrix::read_results(results)?;
    io::stdout().lock().write_all(report::markdown(&results).as_bytes())?;
    Ok(if results.failures().is_empty() { Status::Sound } else { Status::Unsound })
}

fn list(subjects: &[Box<dyn Subject>]) -> io::Result<Status> {
    let mut out = io::stdout().lock();
    for subject in subjects {
        let promise = match subject.promise() {
            crate::subject::Promise::PowerSafe => "power-safe",
            crate::subject::Promise::KillSafe => "kill-safe",
            crate::subject::Promise::Loses => "must lose",
        };
        writeln!(out, "{:20} {promise:12} {}", subject.name(), subject.note())?;
    }
    Ok(Status::Sound)
}
