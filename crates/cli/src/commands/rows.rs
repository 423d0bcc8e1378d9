//! `scan` and `count`: many rows.

use crate::arguments::{Count, Scan, ScanFormat};
use crate::exit::Outcome;
use crate::open::{self, Access};
use crate::output::{Output, print};
use crate::text;
use std::ffi::OsString;
use std::io::Write as _;
use strongroom::{KeyRange, Rows, Scan as StoreScan};

pub(super) fn scan(arguments: &Scan) -> Outcome {
    let mut wanted = StoreScan::new(range(arguments)?);
    if arguments.reverse {
        wanted = wanted.reverse();
    }
    if arguments.keys_only {
        wanted = wanted.keys_only();
    }
    let store = open::open(&arguments.store.url, Access::Read)?;
    let mut rows = open::keyspace(&store, &arguments.keyspace.name)?.scan(wanted)?;
    let mut output = Output::open();
    let printed = print_rows(&mut rows, arguments, &mut output);
    // Rows before a failure are printed too. A failure of the store takes precedence over one to print.
    let finished = output.finish();
    printed.and(finished)
}

fn print_rows(rows: &mut Rows, arguments: &Scan, output: &mut Output) -> Outcome {
    let mut left = arguments.limit.unwrap_or(u64::MAX);
    let mut line = Vec::new();
    while left > 0 && rows.advance()? {
        line.clear();
        match arguments.format {
            ScanFormat::Text => text_row(rows, arguments.keys_only, &mut line),
            ScanFormat::Jsonl => json_row(rows, arguments.keys_only, &mut line),
        }
        line.push(b'\n');
        output.write(&line)?;
        left -= 1;
    }
    Ok(())
}

fn text_row(rows: &Rows, keys_only: bool, line: &mut Vec<u8>) {
    text::escape_data(rows.key(), line);
    if !keys_only {
        line.push(b'\t');
        text::escape_data(rows.value(), line);
    }
}

fn json_row(rows: &Rows, keys_only: bool, line: &mut Vec<u8>) {
    line.push(b'{');
    json_bytes("key", rows.key(), line);
    if !keys_only {
        line.push(b',');
        json_bytes("value", rows.value(), line);
        // Writing to memory does not fail.
        let _ = write!(line, ",\"version\":{}", rows.version());
        if let Some(at) = rows.expires_at_ms() {
            let _ = write!(line, ",\"expires_at_ms\":{at}");
        }
    }
    line.push(b'}');
}

/// Appends `"name":"text"`, or `"name_hex":"…"` for bytes that are not UTF-8.
pub(super) fn json_bytes(name: &str, bytes: &[u8], line: &mut Vec<u8>) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = write!(line, "\"{name}\":");
        let _ = serde_json::to_writer(line, text);
    } else {
        let _ = write!(line, "\"{name}_hex\":\"");
        text::hex(bytes, line);
        line.push(b'"');
    }
}

pub(super) fn count(arguments: &Count) -> Outcome {
    let prefix = optional("--prefix", arguments.prefix.as_ref())?.unwrap_or_default();
    let store = open::open(&arguments.store.url, Access::Read)?;
    let count = open::keyspace(&store, &arguments.keyspace.name)?.count(prefix)?;
    print(format!("{count}\n"))
}

/// The intersection of `--prefix`, `--start` and `--end`.
fn range(arguments: &Scan) -> Outcome<KeyRange> {
    let prefix = optional("--prefix", arguments.prefix.as_ref())?.unwrap_or_default();
    let start = optional("--start", arguments.start.as_ref())?.unwrap_or_default();
    let bounds = match optional("--end", arguments.end.as_ref())? {
        Some(end) => KeyRange::between(start, end),
        None => KeyRange::from(start),
    };
    Ok(KeyRange::prefix(&prefix).intersection(&bounds))
}

fn optional(name: &str, given: Option<&OsString>) -> Outcome<Option<Vec<u8>>> {
    Ok(given.map(|given| text::argument(name, given)).transpose()?)
}
