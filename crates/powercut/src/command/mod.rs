//! The command: which subjects, which sections, how many; and what came of it.

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

/// The entry of a program that tries `subjects`: its children are the same program.
///
/// Exit status: 0 if all is as it has to be, 1 if something was lost or a negative control lost nothing, 2 for wrong
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
    // Before there is any other thread, and before the first disk: what is mounted from here on goes when the process
    // goes. Who may not do that cannot have a disk either, and that is told later.
    if matches!(arguments.command, Command::Matrix(_) | Command::Replay(_))
        && let Err(error) = disk::isolate()
        && disk::unavailable().is_none()
    {
        return failed(&format!("no mounts of its own: {error}"));
    }
    if let Err(error) = ctrlc::set_handler(stop) {
        return failed(&format!("signals cannot be handled: {error}"));
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
