//! The commands, one function each: it takes arguments, writes data to standard output and returns an outcome.

mod admin;
mod compare_and_swap;
mod engines;
mod increment;
mod rows;
mod shell;
mod stats;
mod store;
mod values;
mod watch;

use crate::arguments::Command;
use crate::exit::Outcome;
use crate::{load, verify};

/// Runs `command`.
pub(crate) fn run(command: &Command) -> Outcome {
    match command {
        Command::Engines(arguments) => engines::run(arguments),
        Command::Put(arguments) => values::put(arguments),
        Command::Get(arguments) => values::get(arguments),
        Command::Delete(arguments) => values::delete(arguments),
        Command::Cas(arguments) => compare_and_swap::run(arguments),
        Command::Incr(arguments) => increment::run(arguments),
        Command::Scan(arguments) => rows::scan(arguments),
        Command::Count(arguments) => rows::count(arguments),
        Command::Load(arguments) => load::run(arguments),
        Command::Digest(arguments) => store::digest(arguments),
        Command::Verify(arguments) => verify::run(arguments),
        Command::Keyspaces(arguments) => store::keyspaces(arguments),
        Command::Stats(arguments) => stats::run(arguments),
        Command::Watch(arguments) => watch::run(arguments),
        Command::Compact(arguments) => store::compact(arguments),
        Command::Completions(arguments) => shell::completions(arguments),
        Command::Man(arguments) => shell::man(arguments),
    }
}
