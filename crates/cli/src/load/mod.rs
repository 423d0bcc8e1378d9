//! `load`: stores the rows of a file as records.
//!
//! Rows are committed in the order of the file, and each batch is atomic. Whether a load completes, or ends at a bad
//! row, by a signal or by `kill -9`, the store opens and holds a whole number of batches.

mod duplicates;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod input;
mod json_lines;
mod lines;
mod loader;
mod progress;
mod quotes;
mod source;
mod tables;

use crate::arguments::{Load, LoadFormat};
use crate::exit::{Failure, Outcome, Status};
use crate::interrupt::Interrupt;
use crate::message;
use crate::open::{Access, Limits, Target, check_name, settle};
use input::Input;
use json_lines::JsonLines;
use loader::Loader;
use progress::Progress;
use source::{Record, Source};
use tables::{CsvTable, TsvTable};

pub(crate) fn run(arguments: &Load) -> Outcome {
    let target = Target::of(&arguments.store.url, Access::Create)?.committing(arguments.durability.asked());
    check_name(&arguments.keyspace.name)?;
    let interrupt = Interrupt::listen()?;
    let mut rows = Rows::begin(arguments, target.limits(), &interrupt)?;
    let store = target.open()?;
    let keyspace = store.create_keyspace(&arguments.keyspace.name)?;
    let progress = Progress::start(rows.bytes_total);
    let mut loader = Loader::new(&store, &keyspace, arguments, rows.file)?;
    let outcome = match rows.first {
        Some(first) => feed(first, &mut *rows.rest, &mut loader, &interrupt, &progress),
        None => Ok(()),
    };
    progress.clear();
    // Flushed after a failure too: the rows that the message calls stored have to be stored.
    end_of(outcome, settle(&store))?;
    if message::is_watched() {
        message::say(&loader.summary());
    }
    Ok(())
}

/// Chooses the failure to report, from those of loading and of flushing the rows. A failed commit closes the handle,
/// so it is the cause if both are failures of the store. If the flush failed, the failure of the load must not claim
/// that rows are stored.
fn end_of(taken: Outcome, settled: Outcome) -> Outcome {
    match (taken, settled) {
        (Err(failure), Err(_)) if failure.status() == Status::StoreFailed => {
            Err(failure.and_also("but they could not be flushed, so the last of them may be lost"))
        }
        (_, Err(failure)) => Err(failure.and_also("rows of this load may be lost, so load again")),
        (taken, Ok(())) => taken,
    }
}

/// A file whose first row was read.
struct Rows {
    file: String,
    bytes_total: Option<u64>,
    first: Option<Record>,
    rest: Box<dyn Source>,
}

impl Rows {
    /// Reads the header and the first row. Mistakes in them or in the request are found before the store is opened,
    /// so that a mistake does not leave a new, empty store.
    fn begin(arguments: &Load, limits: Limits, interrupt: &Interrupt) -> Outcome<Self> {
        if arguments.no_header && arguments.format == LoadFormat::Jsonl {
            return Err(Failure::bad_input("JSON Lines have no header; leave --no-header out"));
        }
        let input = Input::open(&arguments.file, interrupt)?;
        let (file, bytes_total) = (input.name.clone(), input.bytes_total);
        let begun = open_source(input, arguments).and_then(|mut rest| Ok((first(&mut *rest, limits)?, rest)));
        // Checked first: an input that a signal cut short looks complete or damaged.
        if interrupt.is_requested() {
            return Err(loader::stopped(&file, 0, arguments.on_duplicate));
        }
        let (first, rest) = begun.map_err(|problem| Failure::bad_input(format_args!("{file}: {problem}")))?;
        Ok(Self { file, bytes_total, first, rest })
    }
}

/// Opens `input` as the format of the arguments.
fn open_source(input: Input, arguments: &Load) -> Result<Box<dyn Source>, String> {
    let (key, has_header) = (&arguments.key, !arguments.no_header);
    Ok(match arguments.format {
        LoadFormat::Csv => Box::new(CsvTable::open(input, key, has_header)?),
        LoadFormat::Tsv => Box::new(TsvTable::open(input, key, has_header)?),
        LoadFormat::Jsonl => Box::new(JsonLines::open(input, key)),
    })
}

fn first(source: &mut dyn Source, limits: Limits) -> Result<Option<Record>, String> {
    let mut record = Record::default();
    let read = source.next(&mut record).and_then(|has_row| {
        if has_row {
            record.check(limits.key_bytes_max, limits.value_bytes_max)?;
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

/// Passes all rows to the loader, starting with the one that was read already.
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
        // Checked first: an input that a signal cut short looks complete or damaged.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_were_not_flushed_are_not_called_stored() {
        let bad_row = || Err(Failure::bad_input("row 3 is bad; rows 1 to 2 are stored"));
        let commit = || Err(Failure::new(Status::StoreFailed, "the commit failed"));
        let flush = || Err(Failure::new(Status::StoreFailed, "the flush failed"));
        let status = |taken, settled| end_of(taken, settled).unwrap_err().status();
        assert_eq!(status(bad_row(), Ok(())), Status::BadInput);
        for (taken, told) in [
            (bad_row(), "the flush failed; rows of this load may be lost"),
            (Ok(()), "the flush failed; rows of this load may be lost"),
            (commit(), "the commit failed; but they could not be flushed"),
        ] {
            let failure = end_of(taken, flush()).unwrap_err();
            assert_eq!(failure.status(), Status::StoreFailed);
            let line = format!("{failure:?}");
            assert!(line.contains(told) && !line.contains("are stored"), "{line}");
        }
        assert!(!format!("{:?}", end_of(commit(), Ok(()))).contains("flushed"));
        assert!(end_of(Ok(()), Ok(())).is_ok());
    }
}
