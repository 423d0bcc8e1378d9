//! The commands, one function each: arguments in, data on standard output, an outcome back.

mod admin;
mod compare_and_swap;
mod engines;
mod increment;
mod open;
mod rows;
mod shell;
mod store;
mod values;
mod watch;

use crate::arguments::Command;
use crate::exit::{Failure, Outcome};
use crate::{load, verify};
pub(crate) use open::{Access, Limits, Target, check_name, keyspace, settle};
use std::io::{self, BufWriter, StdoutLock, Write};

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
        Command::Stats(arguments) => store::stats(arguments),
        Command::Watch(arguments) => watch::run(arguments),
        Command::Compact(arguments) => store::compact(arguments),
        Command::Completions(arguments) => shell::completions(arguments),
        Command::Man(arguments) => shell::man(arguments),
    }
}

/// Standard output in large pieces.
struct Output {
    out: BufWriter<StdoutLock<'static>>,
}

impl Output {
    fn open() -> Self {
        Self { out: BufWriter::with_capacity(64 * 1_024, io::stdout().lock()) }
    }

    fn write(&mut self, bytes: &[u8]) -> Outcome {
        self.out.write_all(bytes).map_err(|error| Failure::output(&error))
    }

    /// Hands on what is buffered, to a reader who waits for it.
    fn flush(&mut self) -> Outcome {
        self.out.flush().map_err(|error| Failure::output(&error))
    }

    /// What is buffered until then is lost without it: nobody hears of a failure in a destructor.
    fn finish(mut self) -> Outcome {
        self.flush()
    }
}

/// Writes `bytes` to standard output.
pub(crate) fn print(bytes: impl AsRef<[u8]>) -> Outcome {
    let mut output = Output::open();
    output.write(bytes.as_ref())?;
    output.finish()
}

/// Writes `value` as indented JSON and a newline.
pub(crate) fn print_json(value: &serde_json::Value) -> Outcome {
    print(format!("{value:#}\n"))
}
