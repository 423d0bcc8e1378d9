//! `verify`: checks that a store is as it was written.
//!
//! An engine may crash or hang on damaged files, and an engine that maps its file is killed if the file is too short.
//! So a child process of the same executable opens the store, and this process reports how the child ended.

mod child;
mod progress;
mod protocol;
mod verdict;
mod watch;

use crate::arguments::Verify;
use crate::exit::{Failure, Outcome, Status};
use crate::interrupt::Interrupt;
use crate::open::{Access, Target};
use crate::output::{print, print_json};
pub(crate) use child::run as run_child;
use progress::Progress;
use std::process::Command;
use verdict::Verdict;

/// The first argument of the child process.
pub(crate) const CHILD: &str = "verify-child";

pub(crate) fn run(arguments: &Verify) -> Outcome {
    let target = Target::of(&arguments.store.url, Access::Read)?;
    let interrupt = Interrupt::listen()?;
    let mut progress = Progress::start();
    let child = child(arguments)?;
    let end = watch::run(child, arguments.time_limit, &interrupt, &mut |line| progress.tell(line));
    progress.clear();
    let verdict = Verdict::of(end?, target.engine(), arguments, &progress)?;
    if arguments.json {
        print_json(&verdict.as_json())?;
    } else {
        print(verdict.as_text())?;
    }
    verdict.outcome()
}

/// The command of the child process.
fn child(arguments: &Verify) -> Outcome<Command> {
    let this = std::env::current_exe().map_err(|error| {
        Failure::new(Status::StoreFailed, format_args!("cannot find this executable: {error}"))
    })?;
    let mut command = Command::new(this);
    command.arg(CHILD);
    if arguments.rows_only {
        command.arg("--rows-only");
    }
    if let Some(most) = arguments.memory_limit {
        command.args(["--memory-limit", &most.to_string()]);
    }
    // Last, so that the URL is never parsed as an option.
    command.args(["--", &arguments.store.url]);
    Ok(command)
}
