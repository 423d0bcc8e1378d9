//! `load`: the rows of a file become records.
//!
//! Rows are committed in the order of the file, each batch all or nothing. However a load ends, by itself,
//! at a bad row, by a signal or by `kill -9`, the store opens and holds a whole number of batches.

mod duplicates;
mod input;
mod json_lines;
mod lines;
mod loader;
mod progress;
mod source;
mod tables;

use crate::arguments::{Load, LoadFormat};
use crate::commands::{Access, Target, check_name, settle};
use crate::exit::{Failure, Outcome, PROGRAM, Status};
use crate::interrupt::Interrupt;
use input::Input;
use loader::Loader;
use progress::Progress;
use source::{Record, Source};
use strongroom::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};

/// Everything that can be wrong with the request or the first row is found before the store is opened, so
/// that a mistake does not leave a new, empty store behind.
pub(crate) fn run(arguments: &Load) -> Outcome {
    let target = Target::of(&arguments.store.url)?;
    check_name(&arguments.keyspace.name)?;
    if arguments.no_header && arguments.format == LoadFormat::Jsonl {
        return Err(Failure::bad_input("JSON Lines have no header; leave --no-header out"));
    }
    let interrupt = Interrupt::listen()?;
    let input = Input::open(&arguments.file, &interrupt)?;
    let name = input.name.clone();
    let bytes_total = input.bytes_total;
    let refused = |problem| match interrupt.is_requested() {
        true => stopped(&name, "no row is stored"),
        false => Failure::bad_input(format_args!("{name}: {problem}")),
    };
    let mut source = source::open(input, arguments).map_err(refused)?;
    let mut record = Record::default();
    let has_rows = source.next(&mut record).and_then(|has_row| match has_row {
        true => record.check(KEY_BYTES_MAX, VALUE_BYTES_MAX).map(|()| true),
        false => Ok(false),
    });
    let has_rows = has_rows.map_err(|problem| {
        refused(format!("{}: {problem}; correct it and load again; no row is stored", record.place()))
    })?;
    if interrupt.is_requested() {
        return Err(stopped(&name, "no row is stored"));
    }
    let store = target.open(Access::Create)?;
    let keyspace = store.create_keyspace(&arguments.keyspace.name)?;
    let progress = Progress::start(bytes_total);
    let mut loader = Loader::new(&store, &keyspace, arguments, name)?;
    let loaded =
        if has_rows { feed(&mut *source, record, &mut loader, &interrupt, &progress) } else { Ok(()) };
    progress.clear();
    // After a failed commit there is nothing to settle: the handle is closed, and the failure says it all.
    loaded.and_then(|()| settle(&store))?;
    eprintln!("{PROGRAM}: {}", loader.summary());
    Ok(())
}

/// Hands all rows to the loader, beginning with the one that was read already.
fn feed(
    source: &mut dyn Source,
    mut record: Record,
    loader: &mut Loader<'_>,
    interrupt: &Interrupt,
    progress: &Progress,
) -> Outcome {
    loop {
        loader.add(&record)?;
        progress.advance(record.row, source.bytes());
        let advanced = source.next(&mut record);
        // First of all: an input that is given up half-way looks as if it had ended, or were damaged.
        if interrupt.is_requested() {
            return Err(stopped(loader.file(), &loader.kept()));
        }
        match advanced {
            Ok(true) => {}
            Ok(false) => return loader.commit(),
            Err(problem) => return Err(loader.refuse(&record, &problem, "correct the row")),
        }
    }
}

fn stopped(file: &str, kept: &str) -> Failure {
    Failure::new(
        Status::Stopped,
        format_args!("{file}: stopped; {kept}; to go on, load again with --on-duplicate first"),
    )
}
