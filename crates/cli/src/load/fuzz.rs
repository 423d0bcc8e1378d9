//! Properties of loading any file.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a violated property panics")]

use super::input::Input;
use super::json_lines::JsonLines;
use super::source::{Record, Source};
use super::tables::{CsvTable, TsvTable};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// A CSV or TSV, with or without a header: the first byte selects. The first line is the name of the key column.
pub(crate) fn load_table(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let (is_csv, has_header) = (kind & 1 == 0, kind & 2 == 0);
    let (key, file) = match rest.iter().position(|byte| *byte == b'\n') {
        Some(end) => (String::from_utf8_lossy(&rest[..end]), &rest[end + 1..]),
        None => ("id".into(), rest),
    };
    let input = Input::of(file);
    if is_csv {
        if let Ok(table) = CsvTable::open(input, &key, has_header) {
            check_rows(table, &key, file.len());
        }
    } else if let Ok(table) = TsvTable::open(input, &key, has_header) {
        check_rows(table, &key, file.len());
    }
}

/// JSON Lines; the first line is the name of the key's member.
pub(crate) fn load_json_lines(bytes: &[u8]) {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return };
    let (key, file) = (String::from_utf8_lossy(&bytes[..end]), &bytes[end + 1..]);
    check_rows(JsonLines::open(Input::of(file), &key), &key, file.len());
}

/// Every row is an object that contains its key, rows are numbered, and a loaded row loads as the same row again.
fn check_rows(mut source: impl Source, key: &str, bytes_total: usize) {
    let mut record = Record::default();
    let mut before = (0, 0, 0);
    loop {
        match source.next(&mut record) {
            Ok(true) => check_row(&record, key),
            Ok(false) => break,
            Err(problem) => {
                assert!(!problem.is_empty());
                assert_eq!(record.row, before.0 + 1, "the problem names another row");
                break;
            }
        }
        assert_eq!(record.row, before.0 + 1, "rows are counted one by one");
        // Not always the next line: a row of a CSV may also end with a carriage return, which does not end a line.
        assert!(record.line == 0 || record.line >= before.1, "line {} after {}", record.line, before.1);
        assert!(source.bytes() >= before.2 && source.bytes() <= bytes_total as u64);
        before = (record.row, record.line, source.bytes());
    }
}

fn check_row(record: &Record, key: &str) {
    let text = str::from_utf8(&record.value).unwrap();
    // Raw members: a number may be too large for any type.
    let members: BTreeMap<String, &RawValue> = match serde_json::from_str(text) {
        Ok(members) => members,
        Err(error) => panic!("a row is not an object: {error}: {text}"),
    };
    let said = members[key].get();
    if said.starts_with('"') {
        let said: String = serde_json::from_str(said).unwrap();
        assert_eq!(said.as_bytes(), record.key, "the key differs from the row");
    } else {
        assert_eq!(said.as_bytes(), record.key, "the key differs from the row");
    }
    let mut again = Record::default();
    let mut line = JsonLines::open(Input::of(record.value.clone()), key);
    assert_eq!(line.next(&mut again), Ok(true), "{text}");
    assert_eq!((&again.key, &again.value), (&record.key, &record.value), "the row does not round-trip");
    assert_eq!(line.next(&mut again), Ok(false), "one row became two: {text}");
}
