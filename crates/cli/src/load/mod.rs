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
use crate::exit::{Failure, Outcome, PROGRAM};
use crate::interrupt::Interrupt;
use input::Input;
use loader::Loader;
use progress::Progress;
use source::{Record, Source};
use strongroom::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};

pub(crate) fn run(arguments: &Load) -> Outcome {
    let target = Target::of(&arguments.store.url)?;
    check_name(&arguments.keyspace.name)?;
    let interrupt = Interrupt::listen()?;
    let mut rows = Rows::begin(arguments, &interrupt)?;
    let store = target.open(Access::Create)?;
    let keyspace = store.create_keyspace(&arguments.keyspace.name)?;
    let progress = Progress::start(rows.bytes_total);
    let mut loader = Loader::new(&store, &keyspace, arguments, rows.file)?;
    let outcome = match rows.first {
        Some(first) => feed(first, &mut *rows.rest, &mut loader, &interrupt, &progress),
        None => Ok(()),
    };
    progress.clear();
    // Also after a failure: what the message calls stored has to be. After a failed commit the handle is
    // closed, and that failure is the one to tell.
    let settled = settle(&store);
    outcome.and(settled)?;
    eprintln!("{PROGRAM}: {}", loader.summary());
    Ok(())
}

/// A file that was begun.
struct Rows {
    file: String,
    bytes_total: Option<u64>,
    first: Option<Record>,
    rest: Box<dyn Source>,
}

impl Rows {
    /// Reads the header and the first row. What is wrong with them or with the request is found before the
    /// store is opened, so that a mistake does not leave a new, empty store behind.
    fn begin(arguments: &Load, interrupt: &Interrupt) -> Outcome<Self> {
        if arguments.no_header && arguments.format == LoadFormat::Jsonl {
            return Err(Failure::bad_input("JSON Lines have no header; leave --no-header out"));
        }
        let input = Input::open(&arguments.file, interrupt)?;
        let (file, bytes_total) = (input.name.clone(), input.bytes_total);
        let begun = source::open(input, arguments).and_then(|mut rest| Ok((first(&mut *rest)?, rest)));
        // First of all: an input that is given up half-way looks as if it had ended, or were damaged.
        if interrupt.is_requested() {
            return Err(loader::stopped(&file, 0));
        }
        let (first, rest) = begun.map_err(|problem| Failure::bad_input(format_args!("{file}: {problem}")))?;
        Ok(Self { file, bytes_total, first, rest })
    }
}

fn first(source: &mut dyn Source) -> Result<Option<Record>, String> {
    let mut record = Record::default();
    let read = source.next(&mut record).and_then(|has_row| {
        if has_row {
            record.check(KEY_BYTES_MAX, VALUE_BYTES_MAX)?;
        }
        Ok(has_row)
    });
    match read {
        Ok(has_row) => Ok(has_row.then_some(record)),
        Err(problem) => {
            Err(format!("{}: {problem}; correct the row and load again; no row is stored", record.place()))
        }
    }
}

/// Hands all rows to the loader, beginning with the one that was read already.
fn feed(
    mut record: Record,
    source: &mut dyn Source,
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
            return Err(loader.stopped());
        }
        match advanced {
            Ok(true) => {}
            Ok(false) => return loader.commit(),
            Err(problem) => return Err(loader.refuse(&record, &problem, "correct the row")),
        }
    }
}
