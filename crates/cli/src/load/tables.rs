//! CSV and TSV: rows with named columns.

use super::input::{Input, LineEnd, Meter, RowReader};
use super::lines::Lines;
use super::quotes::Fault;
use super::source::{Record, Source};
use crate::text::{listed, quoted};
use csv::{ErrorKind as CsvErrorKind, ReaderBuilder, StringRecord};
use std::collections::BTreeSet;

/// The columns of a table.
struct Columns {
    names: Vec<String>,
    /// Each name as it begins a member of a JSON object: `"name":`.
    openings: Vec<Vec<u8>>,
    /// The index of the key column.
    key: usize,
}

impl Columns {
    fn new(names: Vec<String>, key: &str) -> Result<Self, String> {
        let mut seen = BTreeSet::new();
        if let Some(twice) = names.iter().find(|name| !seen.insert(name.as_str())) {
            return Err(format!("two columns are called {}; rename one", quoted(twice.as_bytes())));
        }
        let Some(key) = names.iter().position(|name| name == key) else {
            let key = quoted(key.as_bytes());
            return Err(format!("there is no column {key}; choose --key from {}", listed(&names)));
        };
        let openings = names.iter().map(|name| {
            let mut opening = Vec::new();
            write_text(name, &mut opening);
            opening.push(b':');
            opening
        });
        Ok(Self { openings: openings.collect(), names, key })
    }

    /// Names for `count` columns of a file without a header.
    fn numbered(count: usize) -> Vec<String> {
        (1..=count).map(|number| number.to_string()).collect()
    }

    fn fill<'f>(&self, fields: impl Iterator<Item = &'f str>, record: &mut Record) -> Result<(), String> {
        record.key.clear();
        record.value.clear();
        let mut found = 0;
        for (at, field) in fields.enumerate() {
            found = at + 1;
            let Some(opening) = self.openings.get(at) else { continue };
            record.value.push(if at == 0 { b'{' } else { b',' });
            record.value.extend_from_slice(opening);
            write_text(field, &mut record.value);
            if at == self.key {
                record.key.extend_from_slice(field.as_bytes());
            }
        }
        record.value.push(b'}');
        if found == self.names.len() {
            return Ok(());
        }
        let fields = if found == 1 { "field" } else { "fields" };
        Err(format!("the row has {found} {fields}, but there are {} columns", self.names.len()))
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    // Writing text as JSON to memory does not fail.
    let _ = serde_json::to_writer(out, text);
}

/// Rows with comma-separated fields, quoted where needed.
pub(super) struct CsvTable {
    reader: csv::Reader<RowReader>,
    meter: Meter,
    fields: StringRecord,
    columns: Columns,
    /// The first row was read to count its fields, and is the next row to return.
    is_pending: bool,
}

impl CsvTable {
    pub(super) fn open(input: Input, key: &str, has_header: bool) -> Result<Self, String> {
        let meter = input.reader.meter();
        // Flexible, because this module reports a wrong number of fields itself.
        let mut builder = ReaderBuilder::new();
        builder.has_headers(false).flexible(true).buffer_capacity(128 * 1_024);
        let mut reader = builder.from_reader(input.reader.with_quotes());
        let mut fields = StringRecord::new();
        let read = reader.read_record(&mut fields).map_err(|error| csv_problem(&error, &[]));
        let what = if has_header { "header" } else { "first row" };
        let found = read
            .and_then(|found| check_quotes(&meter, &reader).map(|()| found))
            .map_err(|problem| format!("the {what}: {problem}"))?;
        let names = match (found, has_header) {
            (true, true) => fields.iter().map(str::to_owned).collect(),
            (true, false) => Columns::numbered(fields.len()),
            (false, true) => return Err(NO_HEADER.to_owned()),
            (false, false) => vec![key.to_owned()],
        };
        Ok(Self {
            reader,
            meter,
            fields,
            columns: Columns::new(names, key)?,
            is_pending: found && !has_header,
        })
    }
}

impl CsvTable {
    /// The line on which the last row begins; 0 if unknown. `start` is the reader's position before the row. Blank
    /// lines may follow it, and in a file with CR LF the LF of the previous row.
    fn line(&self, start: Option<&csv::Position>) -> u64 {
        let Some(start) = start else { return 0 };
        let (pending_before, pending_after) = match self.meter.line_end() {
            LineEnd::Unknown => return 0,
            LineEnd::Lf => (0, 1),
            LineEnd::CrLf => (u64::from(start.byte() > 0), 0),
        };
        let inside = self.fields.as_slice().bytes().filter(|byte| *byte == b'\n').count() as u64;
        let from_the_end = self.reader.position().line().saturating_sub(inside + pending_after);
        from_the_end.max(start.line() + pending_before)
    }
}

const CARRIAGE_RETURN: &str = "the header contains a carriage return; if the lines of the file end with carriage \
                               returns, convert them to newlines";
const NO_HEADER: &str = "the file is empty; the first line has to name the columns (or use --no-header)";

impl Source for CsvTable {
    fn next(&mut self, record: &mut Record) -> Result<bool, String> {
        if !std::mem::take(&mut self.is_pending) {
            let start = self.reader.position().byte();
            self.meter.row_starts(start);
            match self.reader.read_record(&mut self.fields) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(error) => {
                    record.row += 1;
                    record.line = self.line(error.position());
                    return Err(csv_problem(&error, &self.columns.names));
                }
            }
        }
        record.row += 1;
        record.line = self.line(self.fields.position());
        check_quotes(&self.meter, &self.reader)?;
        self.columns.fill(self.fields.iter(), record)?;
        Ok(true)
    }

    fn bytes(&self) -> u64 {
        self.reader.position().byte()
    }
}

/// Checks that the quotes of the last record are closed. The reader is ahead of the record, but only the last record
/// reaches the end of the file.
fn check_quotes(meter: &Meter, reader: &csv::Reader<RowReader>) -> Result<(), String> {
    match meter.quote_fault() {
        Some(Fault::LeftOpen) => Err("a quote is left open".to_owned()),
        Some(Fault::TextAfter(at)) if at < reader.position().byte() => {
            Err("a quote is left open, or text follows the quote that closes a field".to_owned())
        }
        _ => Ok(()),
    }
}

fn csv_problem(error: &csv::Error, names: &[String]) -> String {
    match error.kind() {
        CsvErrorKind::Utf8 { err, .. } => match names.get(err.field()) {
            Some(name) => {
                format!("column {} is not UTF-8; convert the file first", quoted(name.as_bytes()))
            }
            None => format!("field {} is not UTF-8; convert the file first", err.field() + 1),
        },
        CsvErrorKind::Io(error) => format!("the file cannot be read: {error}"),
        _ => error.to_string(),
    }
}

/// Rows with tab-separated fields, without quotes.
pub(super) struct TsvTable {
    lines: Lines,
    columns: Columns,
    /// The current line is the first row, which was read to count its fields, and is the next row to return.
    is_pending: bool,
}

impl TsvTable {
    pub(super) fn open(input: Input, key: &str, has_header: bool) -> Result<Self, String> {
        let mut lines = Lines::of(input.reader);
        let what = if has_header { "header" } else { "first row" };
        let found = lines.advance().map_err(|problem| format!("the {what}: {problem}"))?;
        if has_header && lines.text().contains('\r') {
            return Err(CARRIAGE_RETURN.to_owned());
        }
        let fields = lines.text().split('\t');
        let names = match (found, has_header) {
            (true, true) => fields.map(str::to_owned).collect(),
            (true, false) => Columns::numbered(fields.count()),
            (false, true) => return Err(NO_HEADER.to_owned()),
            (false, false) => vec![key.to_owned()],
        };
        Ok(Self { lines, columns: Columns::new(names, key)?, is_pending: found && !has_header })
    }
}

impl Source for TsvTable {
    fn next(&mut self, record: &mut Record) -> Result<bool, String> {
        let advanced = if std::mem::take(&mut self.is_pending) { Ok(true) } else { self.lines.advance() };
        if advanced == Ok(false) {
            return Ok(false);
        }
        record.row += 1;
        record.line = self.lines.number();
        advanced?;
        self.columns.fill(self.lines.text().split('\t'), record)?;
        Ok(true)
    }

    fn bytes(&self) -> u64 {
        self.lines.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row = (u64, String, String);

    fn rows(mut source: impl Source) -> Result<Vec<Row>, (u64, u64, String)> {
        let mut record = Record::default();
        let mut rows = Vec::new();
        loop {
            match source.next(&mut record) {
                Ok(true) => {
                    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                    rows.push((record.line, text(&record.key), text(&record.value)));
                }
                Ok(false) => return Ok(rows),
                Err(problem) => return Err((record.row, record.line, problem)),
            }
        }
    }

    fn row(line: u64, key: &str, value: &str) -> Row {
        (line, key.to_owned(), value.to_owned())
    }

    fn csv(bytes: &'static [u8]) -> Result<Vec<Row>, (u64, u64, String)> {
        rows(CsvTable::open(Input::of(bytes), "id", true).unwrap())
    }

    fn tsv(bytes: &'static [u8]) -> Result<Vec<Row>, (u64, u64, String)> {
        rows(TsvTable::open(Input::of(bytes), "id", true).unwrap())
    }

    #[test]
    fn csv_has_quotes_and_tsv_has_none() {
        assert_eq!(
            csv(b"id,name\n1,\"a, \"\"b\"\"\nc\"\n2,d\n").unwrap(),
            [row(2, "1", r#"{"id":"1","name":"a, \"b\"\nc"}"#), row(4, "2", r#"{"id":"2","name":"d"}"#)]
        );
        assert_eq!(
            tsv(b"id\tname\n1\t\"a\n\"2\tb,c\r\n").unwrap(),
            [row(2, "1", r#"{"id":"1","name":"\"a"}"#), row(3, "\"2", r#"{"id":"\"2","name":"b,c"}"#)]
        );
    }

    #[test]
    fn lines_are_counted_with_any_line_ending() {
        let lines = |found: Result<Vec<Row>, _>| found.unwrap().iter().map(|row| row.0).collect::<Vec<_>>();
        assert_eq!(lines(csv(b"id\n1\n2\n3")), [2, 3, 4]);
        assert_eq!(lines(csv(b"id\r\n1\r\n2\r\n3\r\n")), [2, 3, 4]);
        assert_eq!(lines(csv(b"id\n1\n\n\n2\n")), [2, 5]);
        assert_eq!(lines(csv(b"id,n\r\n1,\"a\r\nb\"\r\n\r\n3,4\r\n5,6")), [2, 5, 6]);
        assert_eq!(lines(csv(b"id\r1\r2")), [0, 0]);
        assert_eq!(lines(tsv(b"id\r\n1\r\n\r\n2\n")), [2, 4]);
    }

    #[test]
    fn columns_without_a_header_are_numbered() {
        let found = rows(TsvTable::open(Input::of(b"a\tb\nc\td\n"), "2", false).unwrap()).unwrap();
        assert_eq!(found, [row(1, "b", r#"{"1":"a","2":"b"}"#), row(2, "d", r#"{"1":"c","2":"d"}"#)]);
        let found = rows(CsvTable::open(Input::of(b"a,b\nc,d\n"), "1", false).unwrap()).unwrap();
        assert_eq!(found, [row(1, "a", r#"{"1":"a","2":"b"}"#), row(2, "c", r#"{"1":"c","2":"d"}"#)]);
        assert!(rows(CsvTable::open(Input::of(b""), "1", false).unwrap()).unwrap().is_empty());
    }

    #[test]
    fn bad_rows_are_reported_with_row_and_line() {
        for (found, place) in [
            (csv(b"id,n\n1,2\n3\n"), (2, 3)),
            (csv(b"id,n\n1,2\n3,4,5\n"), (2, 3)),
            (csv(b"id,n\n1,2\n3,\xff\n"), (2, 3)),
            (csv(b"id,n\n1,2\n3,\"4\n5,6\n"), (2, 3)),
            (csv(b"id,n\r\n1,2\r\n3,\"4\r\n5,\"6\"\r\n7,8\r\n"), (2, 3)),
            (tsv(b"id\tn\n1\t2\n3\n"), (2, 3)),
            (tsv(b"id\tn\n1\t2\n3\t\xff\n"), (2, 3)),
        ] {
            let (row, line, problem) = found.unwrap_err();
            assert_eq!((row, line), place, "{problem}");
        }
    }

    #[test]
    fn spaces_are_data_and_only_an_empty_line_is_skipped() {
        for found in [csv(b"id\n1\n\n  \n2\n"), tsv(b"id\n1\n\n  \n2\n")] {
            let keys: Vec<_> = found.unwrap().into_iter().map(|(line, key, _)| (line, key)).collect();
            assert_eq!(keys, [(2, "1".to_owned()), (4, "  ".to_owned()), (5, "2".to_owned())]);
        }
        for found in [csv(b"id,n\n1,2\n  \n"), tsv(b"id\tn\n1\t2\n  \n")] {
            let (row, line, problem) = found.unwrap_err();
            assert_eq!((row, line), (2, 3), "{problem}");
            assert!(problem.contains("1 field, but there are 2 columns"), "{problem}");
        }
    }

    #[test]
    fn bad_headers_are_refused() {
        let refused = |bytes: &[u8], key| CsvTable::open(Input::of(bytes), key, true).err().unwrap();
        assert!(refused(b"a,b\n1,2\n", "c").contains(r#""a", "b""#));
        assert!(refused(b"a,a\n1,2\n", "a").contains("two columns"));
        assert!(refused(b"", "a").contains("empty"));
        assert!(refused(b"a,\"b\n1,2\n", "a").contains("the header: a quote is left open"));
        let refused = TsvTable::open(Input::of(b"a\tb\r1\t2\r"), "a", true).err().unwrap();
        assert!(refused.contains("carriage return"), "{refused}");
    }

    #[test]
    fn only_some_of_many_columns_are_listed() {
        let names = Columns::numbered(23);
        let refused = Columns::new(names, "x").err().unwrap();
        assert!(refused.ends_with("\"19\", \"20\" and 3 more"), "{refused}");
    }
}
