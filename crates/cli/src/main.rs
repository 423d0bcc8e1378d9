//! The `strongroom` command: load, read, scan, count, digest and verify stores of any engine.
//!
//! Standard output carries only data. Messages go to standard error. A failure is one line there and an exit status
//! (see `exit`). Commands that read never create a store.

mod arguments;
mod commands;
mod duration;
mod exit;
#[cfg(any(test, fuzzing))]
mod fuzz;
mod interrupt;
mod load;
mod memory;
mod message;
mod open;
mod output;
mod panics;
mod text;
mod verify;

use arguments::{Arguments, VerifyChild};
use clap::Parser as _;
use exit::{Failure, Status};
use message::PROGRAM;
use std::process::ExitCode;

fn main() -> ExitCode {
    panics::install();
    let status = std::panic::catch_unwind(run).unwrap_or_else(|_| {
        Failure::new(Status::StoreFailed, "a bug in strongroom stopped the command; please report it")
            .report()
    });
    report_left_behind();
    ExitCode::from(status.code())
}

/// An engine that did not close in time ends with the process. The message explains the wait to the user.
fn report_left_behind() {
    for left in strongroom::left_behind() {
        let directory = text::visible(&left.directory.display().to_string());
        message::say(&format!(
            "{} did not close the store in {directory} in time; commits acknowledged as durable are stored",
            left.engine
        ));
    }
}

fn run() -> Status {
    let mut given = std::env::args_os().skip(1).peekable();
    let outcome = if given.next_if(|first| first == verify::CHILD).is_some() {
        let program = std::iter::once(verify::CHILD.into());
        VerifyChild::try_parse_from(program.chain(given)).map(|arguments| verify::run_child(&arguments))
    } else {
        Arguments::try_parse().map(|arguments| commands::run(&arguments.command))
    };
    match outcome {
        Ok(Ok(())) => Status::Done,
        Ok(Err(failure)) => failure.report(),
        Err(error) => usage(&error),
    }
}

/// Prints help and version like clap, and its errors under this command's name.
fn usage(error: &clap::Error) -> Status {
    if !error.use_stderr() {
        // A closed pipe, as in `strongroom --help | head -1`, is not a failure.
        let _ = error.print();
        return Status::Done;
    }
    let text = text::visible(&error.to_string());
    match text.strip_prefix("error: ") {
        Some(error) => message::write(&format!("{PROGRAM}: {error}")),
        None => message::write(&text),
    }
    Status::BadInput
}
