//! The matrix of Strongroom: its store over every engine, and the raw engines for comparison.

use std::process::ExitCode;
use strongroom_powercut::{command, subjects};

fn main() -> ExitCode {
    command::main(&subjects::all())
}
