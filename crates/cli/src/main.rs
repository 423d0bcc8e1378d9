//! The `strongroom` command: load, read, scan, count and digest stores of any engine.
//!
//! Standard output carries data and nothing else; what is said to people goes to standard error, and a
//! failure is one line there and an exit status (see `exit`). Commands that read never create a store.

mod arguments;
mod commands;
mod exit;
#[cfg(any(test, fuzzing))]
mod fuzz;
mod interrupt;
mod load;
mod message;
mod panics;
mod text;

use arguments::Arguments;
use clap::Parser as _;
use exit::{Failure, PROGRAM, Status};
use std::process::ExitCode;

fn main() -> ExitCode {
    panics::install();
    let status = std::panic::catch_unwind(run).unwrap_or_else(|_| {
        Failure::new(Status::StoreFailed, "a defect in strongroom itself stopped it; please report it")
            .report()
    });
    ExitCode::from(status.code())
}

fn run() -> Status {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    match commands::run(&arguments.command) {
        Ok(()) => Status::Done,
        Err(failure) => failure.report(),
    }
}

/// Prints help and version as clap does, and its complaints under this command's name.
fn usage(error: &clap::Error) -> Status {
    if !error.use_stderr() {
        // A reader that is gone, as in `strongroom --help | head -1`, has seen enough.
        let _ = error.print();
        return Status::Done;
    }
    let text = text::visible(&error.to_string());
    match text.strip_prefix("error: ") {
        Some(complaint) => message::write(&format!("{PROGRAM}: {complaint}")),
        None => message::write(&text),
    }
    Status::BadInput
}
