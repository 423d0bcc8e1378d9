//! Collects rows into batches and commits them, and tracks which rows are stored.

use super::duplicates::{Duplicates, Found};
use super::source::Record;
use crate::arguments::{Load, OnDuplicate};
use crate::exit::{Failure, Outcome, Status};
use crate::text;
use std::num::NonZeroUsize;
use std::time::Instant;
use strongroom::{Batch, Error, ErrorKind, Keyspace, Store};

/// Maximum size of a batch, keys and values together.
const BATCH_BYTES_MAX: usize = 8 * 1_024 * 1_024;

/// Writes rows to a keyspace, batch by batch.
pub(super) struct Loader<'s> {
    store: &'s Store,
    keyspace: &'s Keyspace,
    batch: Batch,
    batch_rows: NonZeroUsize,
    on_duplicate: OnDuplicate,
    duplicates: Duplicates,
    file: String,
    started: Instant,
    /// The last row that was added to a batch or skipped.
    row: u64,
    /// The last row of the last commit: it and all rows before it are stored.
    row_kept: u64,
    stored: u64,
    skipped: u64,
    overwritten: u64,
}

impl<'s> Loader<'s> {
    pub(super) fn new(
        store: &'s Store,
        keyspace: &'s Keyspace,
        arguments: &Load,
        file: String,
    ) -> Outcome<Self> {
        Ok(Self {
            store,
            keyspace,
            batch: store.batch(),
            batch_rows: arguments.batch_rows,
            on_duplicate: arguments.on_duplicate,
            duplicates: Duplicates::of(keyspace)?,
            file,
            started: Instant::now(),
            row: 0,
            row_kept: 0,
            stored: 0,
            skipped: 0,
            overwritten: 0,
        })
    }

    /// Adds a row, and commits the batch when it is full.
    pub(super) fn add(&mut self, record: &Record) -> Outcome {
        let limits = self.store.options();
        record
            .check(limits.key_bytes_max, limits.value_bytes_max)
            .map_err(|problem| self.refuse(record, &problem, "correct the row"))?;
        let found = self.duplicates.look(self.store, self.keyspace, &record.key);
        let found = found.map_err(|error| self.failed(error))?;
        match (found, self.on_duplicate) {
            (Found::Nothing, _) => {}
            (_, OnDuplicate::First) => {
                self.row = record.row;
                self.skipped += 1;
                return Ok(());
            }
            (_, OnDuplicate::Last) => self.overwritten += 1,
            (found, OnDuplicate::Error) => return Err(self.refuse_duplicate(record, found)),
        }
        self.batch.set(self.keyspace, &record.key, &record.value);
        self.duplicates.add(&record.key, record.row);
        self.row = record.row;
        self.stored += 1;
        if self.batch.len() >= self.batch_rows.get() || self.batch.bytes() >= BATCH_BYTES_MAX {
            return self.commit();
        }
        Ok(())
    }

    /// Commits the batch.
    pub(super) fn commit(&mut self) -> Outcome {
        self.duplicates.forget();
        if !self.batch.is_empty() {
            self.store.commit(&self.batch).map_err(|error| self.failed(error))?;
            self.batch.clear();
        }
        self.row_kept = self.row;
        Ok(())
    }

    /// The failure after a signal. The rows of the current batch are not stored.
    pub(super) fn stopped(&self) -> Failure {
        stopped(&self.file, self.row_kept, self.on_duplicate)
    }

    /// The failure for a row that cannot be stored. `remedy` says what to do about it.
    pub(super) fn refuse(&self, record: &Record, problem: &str, remedy: &str) -> Failure {
        let again = match self.row_kept {
            0 => String::new(),
            _ => format!(" with --on-duplicate {}", to_go_on(self.on_duplicate)),
        };
        let (file, place, kept) = (&self.file, record.place(), kept(self.row_kept));
        Failure::bad_input(format_args!("{file}: {place}: {problem}; {remedy} and load again{again}; {kept}"))
    }

    fn refuse_duplicate(&self, record: &Record, found: Found) -> Failure {
        let place = match found {
            Found::InBatch(row) => format!("is already the key of row {row}"),
            Found::Stored | Found::Nothing => "is stored already".to_owned(),
        };
        let problem = format!("the key {} {place}", text::quoted(&record.key));
        let (file, kept) = (&self.file, kept(self.row_kept));
        Failure::bad_input(format_args!(
            "{file}: {}: {problem}; use --on-duplicate first or last to keep one of them; {kept}",
            record.place()
        ))
    }

    fn failed(&self, error: Error) -> Failure {
        let line = error.one_line();
        let (from, to) = (self.row_kept + 1, self.row);
        let kept = match error.kind() {
            ErrorKind::CommitUnknown => match self.row_kept {
                0 => format!("rows {from} to {to} may be stored, later ones are not"),
                kept => format!("rows 1 to {kept} are stored, {from} to {to} may be, later ones are not"),
            },
            _ => kept(self.row_kept),
        };
        Failure::from(error).told(format_args!("{line}; {kept}"))
    }

    /// The summary of the load, in one line.
    pub(super) fn summary(&self) -> String {
        let seconds = self.started.elapsed().as_secs_f64();
        let duplicates = match self.on_duplicate {
            OnDuplicate::Error => String::new(),
            OnDuplicate::First => format!(", {} skipped as duplicates", self.skipped),
            OnDuplicate::Last => format!(" ({} of them replaced an earlier row)", self.overwritten),
        };
        let rows = if self.row == 1 { "row" } else { "rows" };
        format!("{} {rows} read, {} stored{duplicates}, in {seconds:.2} s", self.row, self.stored)
    }
}

/// States which rows are stored if `last` is the last one.
fn kept(last: u64) -> String {
    match last {
        0 => "no row is stored".to_owned(),
        1 => "row 1 is stored, later ones are not".to_owned(),
        _ => format!("rows 1 to {last} are stored, later ones are not"),
    }
}

/// The mode that continues a load that ran with `mode`. With `error`, the stored rows would be refused as duplicates.
/// A load in which the last row of a key wins must continue with the same rule.
const fn to_go_on(mode: OnDuplicate) -> &'static str {
    match mode {
        OnDuplicate::Error | OnDuplicate::First => "first",
        OnDuplicate::Last => "last",
    }
}

/// The failure of a load of `file` that a signal stopped after row `last` was stored.
pub(super) fn stopped(file: &str, last: u64, mode: OnDuplicate) -> Failure {
    let go_on = match last {
        0 => String::new(),
        _ => format!("; to continue, load again with --on-duplicate {}", to_go_on(mode)),
    };
    Failure::new(Status::Stopped, format_args!("{file}: stopped; {}{go_on}", kept(last)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::{Arguments, Command};
    use clap::Parser as _;

    #[test]
    fn the_summary_counts_read_stored_skipped_and_replaced_rows() {
        for (mode, told) in [
            ("first", "3 rows read, 2 stored, 1 skipped as duplicates, in "),
            ("last", "3 rows read, 3 stored (1 of them replaced an earlier row), in "),
        ] {
            let line =
                ["strongroom", "load", "URL", "-", "--format", "csv", "--key", "id", "--on-duplicate", mode];
            let Command::Load(arguments) = Arguments::parse_from(line).command else { panic!() };
            let store = strongroom::open("memory:?durability=buffered").unwrap();
            let keyspace = store.create_keyspace("default").unwrap();
            let mut loader = Loader::new(&store, &keyspace, &arguments, "a test".to_owned()).unwrap();
            for (row, key) in (1..).zip([b"b", b"a", b"b"]) {
                let record = Record { row, line: row, key: key.to_vec(), value: b"{}".to_vec() };
                loader.add(&record).unwrap();
            }
            loader.commit().unwrap();
            assert!(loader.summary().starts_with(told), "{}", loader.summary());
        }
    }
}
